"""The sentences at the top of the page, each with the state that it speaks of; a click on one shows that state."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from layerscope.finding import MOST, Finding

_SECTIONS = ("sweep", "search", "contrast")


@dataclass(frozen=True)
class FoundOf:
    """What one run found, as the page shows the run."""

    findings: tuple[Finding, ...]
    """The most important first."""
    section: str
    """``sweep``, ``search`` or ``contrast``."""
    name: str
    """Of the run on the page."""
    model: str
    """Its short name."""
    key_of: Mapping[str, str]
    """What the page's address calls each variant of a sweep."""


def first_findings(runs: Sequence[FoundOf]) -> list[dict[str, Any]]:
    """The first finding of every run, then the second, as long as there is room; warnings only where there is nothing else.

    Args:
        runs: in the order in which they were given; sweeps speak first, then searches, then contrasts, as on the page.

    Returns:
        Both languages, the state that each leads to, and the section (``at``).
    """
    runs = sorted(runs, key=lambda run: _SECTIONS.index(run.section))
    ranked = [
        (finding.is_warning, rank, number, finding)
        for number, run in enumerate(runs)
        for rank, finding in enumerate(run.findings)
    ]
    ranked.sort(key=lambda one: one[:3])
    return [_shown(runs, number, finding) for _, _, number, finding in ranked[:MOST]]


def _shown(runs: Sequence[FoundOf], number: int, finding: Finding) -> dict[str, Any]:
    run = runs[number]
    alike = [other for other in runs if (other.section, other.model) == (run.section, run.model)]
    name = run.model if len(alike) == 1 else run.name
    said = {"en": f"{name}: {finding.said.en}", "ja": f"{name}：{finding.said.ja}"} if len(runs) > 1 else finding.said._asdict()
    return {**said, "state": _state(run, finding.where), "at": _section(run, finding.where)}


def _state(run: FoundOf, where: Mapping[str, str]) -> dict[str, str]:
    if run.section == "sweep":
        state = {"model": run.name} | {name: where[name] for name in ("family", "tag") if name in where}
        return state | ({"layer": run.key_of[where["variant"]]} if where.get("variant") in run.key_of else {})
    if run.section == "contrast":
        return {"contrast": run.name} | {name: where[name] for name in ("site", "position") if name in where}
    return {}


def _section(run: FoundOf, where: Mapping[str, str]) -> str:
    if run.section == "sweep" and "tag" in where:
        return "pos"
    return where.get("section", run.section)
