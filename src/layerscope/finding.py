"""One sentence of a run's summary, in both languages, and what shows it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from layerscope.bilingual import LANGUAGES, Bilingual, Language

FILES = {language: f"summary_{language}.md" for language in LANGUAGES}
"""In a run directory or beside a comparison, by language."""
MOST = 5
"""Sentences of a summary: more are not read."""


@dataclass(frozen=True)
class Finding:
    """What a run found, with its size, its interval, and what is not resolved."""

    said: Bilingual
    """With a full stop."""
    where: Mapping[str, str] = field(default_factory=dict)
    """Where its evidence is: family, variant, layer, tag, site, position, and the page's section where that does not follow
    from the kind of run. Empty if it is of the whole run."""
    is_warning: bool = False
    """Whether it is of the measurement, not of the model."""


def in_lines(found: Iterable[Finding], language: Language) -> str:
    """A list in Markdown, one line per finding.

    Args:
        found: in their order.
        language: en or ja.
    """
    return "".join(f"- {finding.said.of(language)}\n" for finding in found)
