"""The picture of the house in CONTRIBUTING.md, made from the imports: ``--write`` puts it there, without it it is only checked.

A room is a package or module; it stands one floor above the highest room that it imports from. Imports that are only for types
do not count. A circle of rooms has no floors, and is an error here.
"""

from __future__ import annotations

import argparse
import ast
import importlib.util
import itertools
import sys
import textwrap
from collections.abc import Iterable
from pathlib import Path

import grimp

PAGE = Path(__file__).parents[1] / "CONTRIBUTING.md"
START, END = "<!-- house: made by scripts/house.py -->\n```text\n", "```\n<!-- /house -->"
ROOT = "layerscope"
WINGS = ("layerscope.sweeps", "layerscope.contrasts")
_WIDTH, _COLUMN = 122, 50


def floors_of(graph: grimp.ImportGraph, container: str) -> list[list[str]]:
    """The rooms of a package by floor, the highest first.

    Raises:
        ValueError: rooms import each other in a circle.
    """
    rooms = sorted(graph.find_children(container))
    room_of = {module: room for room in rooms for module in (room, *graph.find_descendants(room))}
    below = {room: set[str]() for room in rooms}
    for module, room in room_of.items():
        imported = {room_of[name] for name in graph.find_modules_directly_imported_by(module) if name in room_of}
        below[room] |= imported - {room}
    floors: list[list[str]] = []
    left = set(rooms)
    while left:
        lowest = sorted(room for room in left if not below[room] & left)
        if not lowest:
            raise ValueError(f"Rooms import each other in a circle, among {', '.join(sorted(left))}.")
        floors.insert(0, lowest)
        left -= set(lowest)
    return floors


def picture() -> str:
    """The whole house by floors, then its two wings beside each other."""
    graph = grimp.build_graph(ROOT, exclude_type_checking_imports=True)
    lines = []
    floors = floors_of(graph, ROOT)
    for number, rooms in zip(range(len(floors), 0, -1), floors, strict=True):
        for index, room in enumerate(rooms):
            name = f"{_short(room)}/" if graph.find_children(room) else _short(room)
            said = textwrap.wrap(_first_sentence(room), _WIDTH - 17)
            lines.append(f"{number if index == 0 else ' '}  {name:<13} {said[0]}")
            lines += [f"   {'':<13} {more}" for more in said[1:]]
    lines += ["", *_beside(*([f"{_short(wing)}/", *_wing(graph, wing)] for wing in WINGS))]
    return "\n".join(line.rstrip() for line in lines) + "\n"


def _wing(graph: grimp.ImportGraph, wing: str) -> Iterable[str]:
    floors = floors_of(graph, wing)
    for number, rooms in zip(range(len(floors), 0, -1), floors, strict=True):
        names = [f"{_short(room)}/" if graph.find_children(room) else _short(room) for room in rooms]
        wrapped = textwrap.wrap(" · ".join(names), _COLUMN)
        yield from (f"{number if index == 0 else ' '}  {line}" for index, line in enumerate(wrapped))


def _beside(first: Iterable[str], second: Iterable[str]) -> list[str]:
    return [f"{one:<58} {other}" for one, other in itertools.zip_longest(first, second, fillvalue="")]


def _short(room: str) -> str:
    return room.rpartition(".")[2]


def _first_sentence(room: str) -> str:
    """Of the module's docstring, on one line."""
    spec = importlib.util.find_spec(room)
    assert spec is not None
    assert spec.origin is not None
    docstring = ast.get_docstring(ast.parse(Path(spec.origin).read_text(encoding="utf-8"))) or ""
    return " ".join(docstring.split("\n\n")[0].split()).partition(". ")[0].rstrip(".")


def main() -> None:
    """Compare the page with the imports, or write it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help="put the picture into the page")
    options = parser.parse_args()
    text = PAGE.read_text(encoding="utf-8")
    before, _, rest = text.partition(START)
    _, _, after = rest.partition(END)
    wanted = f"{before}{START}{picture()}{END}{after}"
    if options.write:
        PAGE.write_text(wanted, encoding="utf-8")
    elif text != wanted:
        sys.exit("CONTRIBUTING.md shows another house than the imports: run 'python -m scripts.house --write'.")


if __name__ == "__main__":
    main()
