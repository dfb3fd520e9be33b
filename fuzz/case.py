"""One case: a command line, the files that it reads, what it may leave. ``Maker`` writes the files, mutated or as they are."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any, TypeVar

import pyarrow.parquet as pq

from fuzz.mutation import mutated_bytes, mutated_json, mutated_text
from fuzz.tables import mutated_parquet

Value = TypeVar("Value")


@dataclass(frozen=True)
class Case:
    """What is run, and what must hold afterwards."""

    arguments: tuple[str, ...]
    """As after ``layerscope``, or after ``comparison_figures``; paths are relative to the case's folder."""
    writes: tuple[str, ...] = ()
    """Files and folders that it may make or change where it succeeds; where it refuses it may leave nothing."""
    check: Callable[[Path], None] | None = None
    """Raises AssertionError where what a success left is not whole; gets the case's folder."""
    entry: str = "layerscope"
    """``layerscope``, or the published command ``comparison_figures``."""
    draws: bool = True
    """False to leave out the drawing of figures, which takes a second a figure."""


@dataclass(frozen=True)
class Maker:
    """Writes the files of a case into its folder."""

    rng: Random
    """Decides everything."""
    seeds: Path
    """The folder of ``make_seeds``."""
    folder: Path
    """Of the case; the command runs in it."""
    mutates: bool = True
    """False for the files as they are: the command must then succeed."""

    def chosen(self, *values: Value) -> Value:
        """One of them."""
        return self.rng.choice(values)

    def chance(self, share: float) -> bool:
        """True for that share of the cases."""
        return self.rng.random() < share

    def copied(self, name: str, to: str | None = None) -> str:
        """A seed as it is; a file or a folder."""
        source, target = self.seeds / name, self.folder / (to or name)
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target)
        else:
            shutil.copyfile(source, target)
        return to or name

    def text(self, value: str) -> str:
        """A written option, mutated."""
        return mutated_text(self.rng, value).replace("\x00", "") if self.mutates else value

    def in_bytes(self, name: str, other: str | None = None) -> None:
        """Change the bytes of a file of the folder; ``other`` is a seed that may be spliced in."""
        path = self.folder / name
        if self.mutates and path.is_file():  # it may be gone by an earlier mutation
            path.write_bytes(mutated_bytes(self.rng, path.read_bytes(), (self.seeds / (other or "texts.jsonl")).read_bytes()))

    def in_json(self, name: str) -> None:
        """Change what a JSON file of the folder says."""
        if self.mutates:
            path = self.folder / name
            path.write_bytes(mutated_json(self.rng, json.loads(path.read_bytes())))

    def in_json_lines(self, name: str) -> None:
        """Change what one or two lines of a JSON Lines file of the folder say."""
        if not self.mutates:
            return
        path = self.folder / name
        lines = path.read_bytes().splitlines()
        for _ in range(self.chosen(1, 1, 2)):
            number = self.rng.randrange(len(lines))
            try:
                lines[number] = mutated_json(self.rng, json.loads(lines[number])).replace(b"\n", b" ")
            except (ValueError, RecursionError):  # changed before
                continue
        path.write_bytes(b"\n".join(lines) + b"\n")

    def in_parquet(self, name: str) -> None:
        """Change the table of a Parquet file of the folder."""
        if self.mutates:
            path = self.folder / name
            path.write_bytes(mutated_parquet(self.rng, pq.ParquetFile(path).read()))

    def gone(self, name: str) -> None:
        """A file or folder that is not there, is empty, or is of the other kind."""
        path = self.folder / name
        if not self.mutates:
            return
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()
        match self.rng.randrange(3):
            case 0:
                path.mkdir()
            case 1:
                path.touch()


def strict_json(path: Path) -> Any:
    """What a file says, if it is JSON by the letter."""

    def refuse(name: str) -> None:
        raise AssertionError(f"{path.name} holds {name}, which is not valid JSON")

    return json.loads(path.read_text(encoding="utf-8"), parse_constant=refuse)
