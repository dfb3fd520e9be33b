"""Tables in narrow terminals: what a row is about is never cut.

Where a table is too wide, headings and prose are broken between words and long names are folded; where that is not enough,
columns move closer together, and then columns of numbers are left out from the right, which the caption says.
"""

from __future__ import annotations

from rich.cells import cell_len
from rich.console import RenderableType
from rich.table import Column, Table

_NAME = 32
"""Characters of the longest name; a cell with more is prose, which may be wrapped."""
_FOLDED = 16
"""Characters that a column of long names or prose keeps."""


def fit(table: Table, width: int) -> None:
    """Change a table so that it fits, if it does not.

    Args:
        table: filled; left as it is where there is room.
        width: of the terminal, in characters.
    """
    if _total([max(_longest(column), cell_len(_text(column.header))) for column in table.columns]) <= width:
        return
    needed = [_needed(column) for column in table.columns]
    is_tight = _total(needed) > width
    if is_tight:
        table.padding = (0, 0)
    left_out = []
    while _total([_needed(column) for column in table.columns], is_tight=is_tight) > width:
        number = next((i for i in range(len(table.columns) - 1, 0, -1) if table.columns[i].justify == "right"), None)
        if number is None:
            break
        left_out.append(_text(table.columns.pop(number).header))
    for index, column in enumerate(table.columns):
        column._index = index  # where rich finds it
        column.no_wrap, column.overflow = False, "fold"
        if not _is_flexible(column):
            column.width = _needed(column)
    if left_out:
        note = f"{table.caption}; " if table.caption else ""
        table.caption = f"{note}no room at {width} columns for: {', '.join(name for name in left_out[::-1] if name)}"


def _total(widths: list[int], *, is_tight: bool = False) -> int:
    """With a line's room between columns and at the edges, and a space on both sides of a cell unless columns stand tight."""
    return sum(widths) + (1 if is_tight else 3) * len(widths) + 1


def _needed(column: Column) -> int:
    """What a column can do with: its headings broken between words, its prose wrapped."""
    heading = max((cell_len(word) for word in _text(column.header).split()), default=0)
    if not _is_flexible(column):
        return max(heading, _longest(column))
    words = max((cell_len(word) for cell in column.cells for word in _text(cell).split()), default=0)
    return max(heading, min(words, _FOLDED))


def _is_flexible(column: Column) -> bool:
    """Whether its cells may take several lines: words that can be wrapped, or names that are very long."""
    has_words = any(" " in _text(cell).strip() for cell in column.cells)
    return column.justify == "left" and (has_words or _longest(column) > _NAME)


def _longest(column: Column) -> int:
    return max((cell_len(line) for cell in column.cells for line in _text(cell).split("\n")), default=0)


def _text(cell: RenderableType) -> str:
    return str(cell)
