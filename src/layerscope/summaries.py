"""What a run found, in five sentences at most: printed by the commands, kept beside the tables, the first thing on the page."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from layerscope.bilingual import LANGUAGES, Bilingual
from layerscope.contrasts.finished import FinishedContrast
from layerscope.evaluations.finished import FinishedEvaluation
from layerscope.evaluations.reading import differences_finding
from layerscope.finding import MOST, Finding
from layerscope.results.directory import RunDirectory
from layerscope.runs import open_run
from layerscope.searches.analysis.finding import search_findings
from layerscope.searches.finished import FinishedSearch
from layerscope.sweeps.analysis.few_texts import few_texts
from layerscope.sweeps.analysis.headlines import family_headline, tag_headline
from layerscope.sweeps.finished import FinishedRun
from layerscope.sweeps.tables import POS

FILES = {language: f"summary_{language}.md" for language in LANGUAGES}
"""In the run directory, by language."""


def summarise(path: Path) -> tuple[Finding, ...]:
    """The findings of a finished run, as far as its tables go: analysis that was added later is in them.

    Args:
        path: the run directory.

    Returns:
        Five at most, the most important first.

    Raises:
        RunError: there is no finished run, or one of its files is damaged.

    Examples:
        >>> findings = ls.summarise(Path("results/removal/my_model_texts_nall"))
        >>> len(findings) <= 5, findings[0].where["family"]
        (True, 'removal')
    """
    run = open_run(path)
    if isinstance(run, FinishedRun):
        return _of_sweep(run)[:MOST]
    if isinstance(run, FinishedEvaluation):
        return _of_evaluation(run)[:MOST]
    return (_of_search(run) if isinstance(run, FinishedSearch) else _of_contrast(run))[:MOST]


def write_summary(path: Path) -> tuple[Finding, ...]:
    """Write ``summary_en.md`` and ``summary_ja.md`` into a run directory, from the tables that it has now.

    Args:
        path: the run directory.

    Returns:
        What they say.

    Raises:
        RunError: there is no finished run, or another process writes to it.

    Examples:
        >>> len(ls.write_summary(Path("results/contrast/my_model_pairs_nall"))) <= 5
        True
        >>> Path("results/contrast/my_model_pairs_nall/summary_en.md").read_text(encoding="utf-8")[:2]
        '- '
    """
    found, directory = summarise(path), RunDirectory(path)
    with directory.alone():
        for language, name in FILES.items():
            lines = [f"- {finding.said.of(language)}\n" for finding in found]
            directory.write_text(name, "".join(lines))
    return found


def _of_sweep(run: FinishedRun) -> tuple[Finding, ...]:
    families = [name for name in dict.fromkeys(run.layers["family"]) if name != "intact"]
    found = [family_headline(run.layers[run.layers["family"] == name]) for name in families[:3]]
    if run.directory.has_table(POS):
        pos = run.directory.read_table(POS).to_pandas()
        tags = (tag_headline(rows) for name in families if len(rows := pos[pos["family"] == name]))
        found += [finding for finding in tags if finding is not None][:1]
    preference = run.directory.read_json("preference.json", made_by="layerscope preference")
    for name, said in (preference or {}).get("findings", {}).items():
        found.append(Finding(Bilingual(said["en"], said["ja"]), {"family": name}))
        break
    warning = few_texts(int(run.layers["documents"].iloc[0]))
    if warning is not None:
        found = [*found[: MOST - 1], Finding(warning)]
    return tuple(found)


def _of_search(run: FinishedSearch) -> tuple[Finding, ...]:
    found = [Finding(said) for said in search_findings(run.frontier, run.gains, run.left_out, run.candidates)]
    warning = few_texts(run.record.request.held_out)
    return tuple(found) if warning is None else (*found[: MOST - 1], Finding(warning))


def _of_evaluation(run: FinishedEvaluation) -> tuple[Finding, ...]:
    said = differences_finding(run.tasks, run.record.intact)
    return () if said is None else (Finding(said),)


def _of_contrast(run: FinishedContrast) -> tuple[Finding, ...]:
    found = []
    intervention = run.directory.read_json("intervention.json", made_by="layerscope intervene")
    if intervention is not None:
        verdicts = intervention["verdict"]
        found.append(_said(verdicts["both"] if "both" in verdicts else next(iter(verdicts.values()))))
    stability = run.directory.read_json("stability.json", made_by="layerscope stability")
    if stability is not None:
        where = {"site": str(stability["site"]), "position": str(stability["position"])}
        found += [_said(one, where) for one in stability.get("findings", ())]
    return tuple(found) if found else (_placebos(run),)


def _said(one: dict[str, Any], where: dict[str, str] | None = None) -> Finding:
    return Finding(Bilingual(str(one["en"]), str(one["ja"])), where or {})


def _placebos(run: FinishedContrast) -> Finding:
    """Of a run that nothing has been made of yet."""
    types = run.groups[run.groups["role"].isin(("meaning", "grammar"))]
    n_pairs = int(types["pairs"].sum())
    n_with = n_pairs - int(np.nansum(types["without_placebo"].to_numpy(float)))
    return Finding(
        Bilingual(
            f"{n_pairs:,} pairs of {len(types)} subtypes were compared; {n_with:,} of them have a placebo to be held against. "
            "What stays still among them is for 'layerscope stability'.",
            f"{len(types)} 下位分類、{n_pairs:,} ペアを比較した。そのうち {n_with:,} ペアには比較のためのプラセボがある。"
            "何が変化しないかは layerscope stability で調べる。",
        )
    )
