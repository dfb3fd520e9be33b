"""Figures of a finished run, drawn from its tables: after a job, and again whenever a user asks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from matplotlib.figure import Figure

from layerscope.bilingual import Language
from layerscope.contrasts import drawing as contrast_drawing
from layerscope.contrasts.finished import FinishedContrast
from layerscope.errors import RunError, check_text, did_you_mean
from layerscope.figures.files import FORMATS, Format, own_language, write_figures
from layerscope.figures.style import Width, centimetres
from layerscope.progress import Progress, nobody_asks
from layerscope.reading import checked_language
from layerscope.runs import AnyRun, open_drawn_run
from layerscope.searches import drawing as search_drawing
from layerscope.searches.finished import FinishedSearch
from layerscope.sweeps import drawing as sweep_drawing


def draw_figures(
    path: Path,
    *,
    languages: Sequence[Language] | None = None,
    formats: Sequence[Format] = FORMATS,
    of: Sequence[str] | None = None,
    width: Width | None = None,
    progress: Progress = nobody_asks,
) -> list[Path]:
    """Draw a run's figures into its folder ``figures``; the tables decide which there are.

    Args:
        path: run directory, finished.
        languages: of their words; the locale's if None, or English.
        formats: of the files.
        of: what is drawn, ``layers``, ``parts of speech`` and ``preference`` of a sweep, ``stability`` and ``intervention`` of
            a contrast, ``frontier`` of a search; all of it if None.
        width: of each figure, ``one`` or ``two`` columns of a paper (8.5 and 17.5 cm) or centimetres; if None, one column, and
            two for those that need them. The size of type is the same at every width.
        progress: told of what is drawn.

    Returns:
        The files written; none where nothing has been analysed yet.

    Raises:
        DataError: the width is none that a figure can have, or a language is neither English nor Japanese.
        RunError: the folder is not a finished run, nothing of the name is drawn of it, or its figures cannot be written.

    Examples:
        >>> run = Path("results/removal/my_model_texts_nall")
        >>> files = ls.draw_figures(run, languages=["ja"], formats=["svg"], of=["layers"])
        >>> "removal_ja.svg" in [path.name for path in files]
        True
    """
    if width is not None:
        centimetres(width)
    spoken = [own_language()] if languages is None else [checked_language(one) for one in languages]
    run = open_drawn_run(path)
    drawings = _drawings(run)
    written: list[Path] = []
    for name in of or ():
        check_text(name, "What is drawn", drawings, RunError)
        if name not in drawings:
            *most, last = drawings
            there = f"{', '.join(most)} and {last}" if most else last
            raise RunError(f"Of this run are drawn {there}; got '{name}'.{did_you_mean(name, drawings)}")
    wanted = [name for name in drawings if of is None or name in of]
    # all tables are read before anything is drawn: where one is damaged, no figures are left of a part of the run
    found = {name: drawings[name](run) for name in wanted}
    for done, (name, draw) in enumerate(found.items()):
        progress(f"Drawing: {name}", done, len(wanted))
        for language in spoken:
            if draw is not None:
                written += write_figures(run.directory.figures, draw(language=language, width=width), language, formats)
    progress("Drawing", len(wanted), len(wanted))
    return written


def _drawings(run: AnyRun) -> dict[str, Callable[..., Callable[..., dict[str, Figure]] | None]]:
    if isinstance(run, FinishedContrast):
        return dict(contrast_drawing.DRAWN)
    return dict(search_drawing.DRAWN) if isinstance(run, FinishedSearch) else dict(sweep_drawing.DRAWN)
