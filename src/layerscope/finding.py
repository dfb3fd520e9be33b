"""One sentence of a run's summary, in both languages, and what shows it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from layerscope.bilingual import Bilingual

MOST = 5
"""Of a summary: more are not read."""


@dataclass(frozen=True)
class Finding:
    """What a run found, with its size, its interval, and what is not resolved."""

    said: Bilingual
    """With a full stop."""
    where: Mapping[str, str] = field(default_factory=dict)
    """Where its evidence is, as the page names it: family, layer, tag, site, position. Empty if it is of the whole run."""
