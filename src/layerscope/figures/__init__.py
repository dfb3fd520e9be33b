"""Tables to matplotlib figures, labels in English or Japanese."""

from layerscope.figures.comparison import Scored, comparison_figures
from layerscope.figures.contrast import LIKE_CONTROL, stability_figures
from layerscope.figures.intervention import intervention_figures
from layerscope.figures.pos import pos_figures
from layerscope.figures.style import LANGUAGES, Language
from layerscope.figures.sweep import layer_families, sweep_figures

__all__ = [
    "LANGUAGES",
    "LIKE_CONTROL",
    "Language",
    "Scored",
    "comparison_figures",
    "intervention_figures",
    "layer_families",
    "pos_figures",
    "stability_figures",
    "sweep_figures",
]
