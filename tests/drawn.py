"""Figures in every language, as they lie in a folder."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from matplotlib.figure import Figure

from layerscope.bilingual import LANGUAGES


def in_each_language(draw: Callable[..., dict[str, Figure]], *given: Any, **named: Any) -> dict[str, Figure]:
    """What a drawing function gives, by name and language."""
    return {
        f"{name}_{language}": figure
        for language in LANGUAGES
        for name, figure in draw(*given, **named, language=language).items()
    }
