"""Tables to matplotlib figures, labels in English or Japanese."""

from layerscope.figures.style import LANGUAGES, Language
from layerscope.figures.sweep import sweep_figures

__all__ = ["LANGUAGES", "Language", "sweep_figures"]
