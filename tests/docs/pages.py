"""Pages of the documentation as tests read them: whole, with what is generated put in, and the examples that they hold.

A fence ``bash`` is run as it stands; a fence ``text title="…"`` is a file that the examples after it read. What needs a hub, a
GPU or a key stands in a fence ``sh`` and is not run.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

DOCS = Path(__file__).parents[2] / "docs"
COMMANDS = DOCS / "commands"
ORDER = (
    "sweep",
    "pos",
    "preference",
    "words",
    "search",
    "evaluate",
    "export",
    "paths",
    "compare",
    "pairs",
    "contrast",
    "stability",
    "intervene",
    "gather",
    "status",
    "config",
    "figures",
    "report",
    "models-and-datasets",
)
"""Pages of commands, each after those whose results it reads."""
_FENCE = re.compile(r'^```(?P<kind>bash|text title="(?P<file>[^"]+)")\n(?P<body>.*?)^```$', re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Example:
    """One command line of a page."""

    written: str
    """As it stands there."""

    @property
    def words(self) -> list[str]:
        """What the shell would hand over."""
        return shlex.split(self.written.replace("\\\n", " "), comments=True)


@dataclass(frozen=True)
class ExampleFile:
    """A file that a page shows and its examples read."""

    name: str
    """Relative to where the examples run."""
    content: str
    """As it stands there."""


def read_page(name: str) -> str:
    """A page of a command as it is written."""
    return (COMMANDS / f"{name}.md").read_text(encoding="utf-8")


def examples(markdown: str) -> Iterator[Example | ExampleFile]:
    """Files and command lines in the order of the page."""
    for fence in _FENCE.finditer(markdown):
        if fence["file"]:
            yield ExampleFile(fence["file"], fence["body"])
            continue
        for line in re.split(r"(?<!\\)\n", fence["body"]):
            if line.strip() and not line.lstrip().startswith("#"):
                yield Example(line)


def shown_commands(markdown: str) -> Iterator[str]:
    """Every command line of ours in a fence, whether it is run or not; environment variables may stand before it."""
    for fence in re.finditer(r"^```(?:bash|sh)\n(.*?)^```$", markdown, re.MULTILINE | re.DOTALL):
        for line in fence[1].replace("\\\n", " ").splitlines():
            if re.match(r"(?:[A-Z_]+=\S+ )*layerscope ", line):
                yield line


def page_of(command: str) -> str:
    """The page that a command's words belong to."""
    first = command.split()[0]
    return "models-and-datasets" if first in ("models", "datasets") else first
