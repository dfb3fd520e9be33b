"""The figures of a finished sweep, from its tables."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from matplotlib.figure import Figure

from layerscope.bilingual import Language
from layerscope.figures.files import FORMATS, Format, own_language, write_figures
from layerscope.figures.style import Width
from layerscope.reading import checked_language
from layerscope.sweeps.analysis.places import layer_families
from layerscope.sweeps.compare import Comparison
from layerscope.sweeps.figures.comparison import comparison_figures
from layerscope.sweeps.figures.layers import sweep_figures
from layerscope.sweeps.figures.parts_of_speech import pos_figures
from layerscope.sweeps.figures.preference import preference_figures
from layerscope.sweeps.finished import FinishedRun
from layerscope.sweeps.pair_tables import BEYOND_DAMAGE, PREFERENCE, PREFERENCE_DEPTH
from layerscope.sweeps.preference import JSON as PREFERENCE_JSON
from layerscope.sweeps.tables import POS, PREDICTION_DEPTH, PROXIES, TRANSITIONS

Draw = Callable[..., dict[str, Figure]]
"""Takes ``language`` and ``width`` and gives figures by name."""


def by_layer(run: FinishedRun) -> Draw:
    """What the sweep itself found."""
    proxies = run.directory.read_table(PROXIES).to_pandas()
    depths = None
    if run.directory.has_table(PREDICTION_DEPTH):
        depths = run.directory.read_table(PREDICTION_DEPTH).to_pandas()
    return partial(sweep_figures, run.layers, proxies, depths, model=run.model, dataset=run.dataset)


def by_part_of_speech(run: FinishedRun) -> Draw | None:
    """What ``layerscope pos`` found; None where it did not run."""
    if not all(run.directory.has_table(table) for table in (POS, TRANSITIONS)):
        return None
    pos, transitions = (run.directory.read_table(table).to_pandas() for table in (POS, TRANSITIONS))
    n_texts = int(run.layers["documents"].iloc[0])
    return partial(
        pos_figures, pos, transitions, layer_families(run.layers), n_texts=n_texts, model=run.model, dataset=run.dataset
    )


def by_preference(run: FinishedRun) -> Draw | None:
    """What ``layerscope preference`` found; None where it did not run."""
    found = run.directory.read_json(PREFERENCE_JSON, made_by="layerscope preference", needs=["unit"])
    if found is None:
        return None
    preference, beyond = (run.directory.read_table(table).to_pandas() for table in (PREFERENCE, BEYOND_DAMAGE))
    depths = run.directory.read_table(PREFERENCE_DEPTH).to_pandas() if run.directory.has_table(PREFERENCE_DEPTH) else None
    families = layer_families(run.layers)
    return partial(preference_figures, preference, beyond, depths, families, unit=str(found["unit"]), model=run.model)


DRAWN: dict[str, Callable[[FinishedRun], Draw | None]] = {
    "layers": by_layer,
    "parts of speech": by_part_of_speech,
    "preference": by_preference,
}
"""By what is drawn, the function that finds its tables."""


def draw_comparison(
    comparison: Comparison,
    languages: Sequence[Language] | None = None,
    formats: Sequence[Format] = FORMATS,
    *,
    width: Width | None = None,
) -> list[Path]:
    """Draw a comparison's figures into its folder.

    Args:
        comparison: from ``compare_runs`` or ``compare_summaries``.
        languages: of their words; the locale's if None, or English.
        formats: of the files.
        width: of each figure; if None, one column for lines, two for panels.

    Returns:
        The files written.
    """
    written: list[Path] = []
    spoken = [own_language()] if languages is None else [checked_language(one) for one in languages]
    for language in spoken:
        figures = comparison_figures(comparison.curves, comparison.view, comparison.scored, language=language, width=width)
        written += write_figures(comparison.folder, figures, language, formats)
    return written
