"""Figures into files: which languages and formats, and each file whole.

The same table drawn in the same formats gives the same bytes; an SVG drawn without its PNG may differ in a last digit, since
the layout is settled again for each file.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import matplotlib as mpl
from matplotlib.figure import Figure

from layerscope.atomic import whole_file
from layerscope.bilingual import Language
from layerscope.figures.style import DPI

Format = Literal["png", "svg", "pdf"]
FORMATS: tuple[Format, ...] = ("png", "svg")
"""That are written unless others are asked for."""
ALL_FORMATS: tuple[Format, ...] = (*FORMATS, "pdf")
_TEXT_STAYS_TEXT: dict[Any, Any] = {"svg.fonttype": "none", "pdf.fonttype": 42}


def own_language(environment: Mapping[str, str] = os.environ) -> Language:
    """The language of the user's locale if figures speak it, else English.

    Examples:
        >>> own_language({"LANG": "ja_JP.UTF-8"}), own_language({"LC_ALL": "C", "LANG": "ja_JP.UTF-8"})
        ('ja', 'en')
    """
    named = next((environment[name] for name in ("LC_ALL", "LC_MESSAGES", "LANG") if environment.get(name)), "")
    return "ja" if named.lower().startswith("ja") else "en"


def write_figures(
    folder: Path, figures: Mapping[str, Figure], language: Language, formats: Sequence[Format] = FORMATS
) -> list[Path]:
    """Write figures into a folder.

    Args:
        folder: made if it is not there.
        figures: by file name without language and suffix.
        language: that they speak; becomes part of their file names.
        formats: of files.

    Returns:
        The files written.

    Raises:
        RunError: the folder cannot be written.
    """
    options: dict[Format, dict[str, Any]] = {
        "png": {"dpi": DPI},
        "svg": {"metadata": {"Date": None}},
        "pdf": {"metadata": {"CreationDate": None}},
    }
    written = []
    for name, figure in figures.items():
        for form in formats:
            path = folder / f"{name}_{language}.{form}"
            with whole_file(path) as unfinished, mpl.rc_context({**_TEXT_STAYS_TEXT, "svg.hashsalt": f"{name}_{language}"}):
                figure.savefig(unfinished, format=form, **options[form])
            written.append(path)
    return written
