"""What a command says, and in which form: as text, as one JSON object (``--json``), or not at all (``--quiet``).

A command says sentences and tables, where its results are, and what comes next; which form they take is decided here alone.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from rich.table import Table

Form = Literal["text", "json", "quiet"]
_NUMBER = re.compile(r"[+-]?(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?(?:e[+-]?\d+)?")
_NOTHING = ("", "-", "–")
"""Cells of a table that hold no value."""


@dataclass
class Said:
    """What one command has said."""

    form: Form = "text"
    """That its reader asked for."""
    sentences: list[str] = field(default_factory=list)
    """A line each."""
    tables: list[dict[str, Any]] = field(default_factory=list)
    """Title, columns, rows by column and note."""
    findings: list[dict[str, Any]] = field(default_factory=list)
    """What the results come to: ``en``, ``ja``, and ``where`` it is shown."""
    run: str | None = None
    """Run directory that holds the results."""
    output: str | None = None
    """Another file or folder that was written."""
    next: list[str] = field(default_factory=list)
    """Commands that go on from here."""
    text: str | None = None
    """What goes to standard output as it stands, where no file was named for it."""

    def as_json(self, command: str) -> str:
        """One object on one line."""
        found = {
            "command": command,
            "run": self.run,
            "output": self.output,
            "findings": self.findings,
            "sentences": self.sentences,
            "tables": self.tables,
            "next": self.next,
            **({} if self.text is None else {"text": self.text}),
        }
        return json.dumps(found, ensure_ascii=False, allow_nan=False)


_SAID: ContextVar[Said] = ContextVar("said", default=Said())  # noqa: B039 - in form text nothing is kept in it


def said() -> Said:
    """Of the command that runs."""
    return _SAID.get()


@contextmanager
def saying(command: str, form: Form) -> Iterator[None]:
    """Everything that is said inside takes this form; JSON is printed at the end, unless the command was refused."""
    found = Said(form)
    before = _SAID.set(found)
    try:
        yield
    finally:
        _SAID.reset(before)
    if form == "json":
        print(found.as_json(command))
    elif form == "quiet":
        place = found.run or found.output
        if place is not None:
            print(place)


def write_out(text: str) -> None:
    """Text that is itself the result, such as a file's content: also where everything else is quiet."""
    if said().form == "json":
        said().text = text
    else:
        print(text, end="")


def remember_place(path: Path, *, is_run: bool) -> None:
    """Where results are; the last one is told."""
    if said().form != "text":
        if is_run:
            said().run = str(path)
        else:
            said().output = str(path)


def command_line(words: Sequence[str | Path]) -> str:
    """A command as a shell takes it."""
    return shlex.join(["layerscope", *map(str, words)])


def table_of(table: Table) -> dict[str, Any]:
    """A table with its rows by column.

    A column whose cells are all numbers, or pairs of them as intervals are, becomes numbers; cells without a value are null.
    """
    names = [str(column.header) or f"column {number}" for number, column in enumerate(table.columns, start=1)]
    columns = [_values([str(cell) for cell in column.cells]) for column in table.columns]
    return {
        "title": None if table.title is None else str(table.title),
        "columns": names,
        "rows": [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)],
        "note": None if table.caption is None else str(table.caption),
    }


def _values(cells: list[str]) -> list[Any]:
    there = [cell.split() for cell in cells if cell.strip() not in _NOTHING]
    n_words = {len(words) for words in there}
    if not there or not n_words <= {1, 2} or len(n_words) > 1 or not all(_NUMBER.fullmatch(w) for ws in there for w in ws):
        return [None if cell.strip() in _NOTHING else cell for cell in cells]
    return [None if cell.strip() in _NOTHING else _number(cell.split()) for cell in cells]


def _number(words: list[str]) -> Any:
    numbers = [float(text) if set(text) & set(".e") else int(text) for text in (word.replace(",", "") for word in words)]
    return numbers[0] if len(numbers) == 1 else numbers
