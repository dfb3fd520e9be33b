"""Tables to matplotlib figures, labels in English or Japanese."""

from layerscope.figures.pos import pos_figures
from layerscope.figures.style import LANGUAGES, Language
from layerscope.figures.sweep import layer_families, sweep_figures

__all__ = ["LANGUAGES", "Language", "layer_families", "pos_figures", "sweep_figures"]
