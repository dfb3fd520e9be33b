"""Writing a figure as PNG and SVG, whole, and with the same bytes whenever its table is the same."""

from __future__ import annotations

from pathlib import Path

import matplotlib as mpl
from matplotlib.figure import Figure

from layerscope.atomic import whole_file


def write_figure(folder: Path, name: str, figure: Figure) -> list[Path]:
    """Write a figure into a folder.

    Args:
        folder: made if it is not there.
        name: file name without suffix.
        figure: what to write.

    Returns:
        The files written.

    Raises:
        RunError: the folder cannot be written.
    """
    written = []
    for suffix, options in ((".png", {"dpi": 200}), (".svg", {"metadata": {"Date": None}})):
        path = folder / f"{name}{suffix}"
        with whole_file(path) as unfinished, mpl.rc_context({"svg.hashsalt": name}):  # the same table, the same bytes
            figure.savefig(unfinished, format=suffix[1:], **options)
        written.append(path)
    return written
