"""SHA256SUMS: the digest of every file that a run keeps, so that one which is no longer as it was written is not believed.

The file is what ``sha256sum`` writes, a line a file: ``sha256sum --check SHA256SUMS`` needs nothing of this project.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import KeysView
from pathlib import Path

from layerscope.atomic import whole_file

SUMS = "SHA256SUMS"
_LINE = re.compile(r"(?P<digest>[0-9a-f]{64})  (?P<name>.+)")

Stamp = tuple[int, int, int]


class Digests:
    """What the files of a run directory were when they were written.

    A run of layerscope 0.1 has no such file, and nothing of it is checked. A file is read for its digest once, and again when
    it has been written since.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._sums = folder / SUMS
        self._lines: tuple[Stamp | None, dict[str, list[str]]] = (None, {})
        self._intact: dict[str, Stamp] = {}

    def begin(self) -> None:
        """From now on every file of the folder needs a line."""
        if not self._sums.is_file():
            with whole_file(self._sums) as unfinished:
                unfinished.touch()

    def are_kept(self) -> bool:
        """Whether files of the folder are checked at all."""
        return self._sums.exists()

    def names(self) -> KeysView[str]:
        """Files that were written, by their path in the folder."""
        return self._recorded().keys()

    def note(self, name: str, file: Path) -> None:
        """Add the line of a file that is about to be moved into place.

        The line that it had before stays until ``settle``: a process that is killed in between leaves a file with its line.
        """
        if not self.are_kept():
            return
        line = f"{_digest(file)}  {name}\n".encode()
        with self._sums.open("ab+") as sums:
            if sums.tell():  # a full disk may have cut the last line
                sums.seek(-1, os.SEEK_END)
                line = line if sums.read(1) == b"\n" else b"\n" + line
            sums.write(line)

    def settle(self, name: str) -> None:
        """Leave only the last line of a file, which is in place."""
        recorded = self._recorded()
        if len(recorded.get(name, ())) > 1:
            self._write({**recorded, name: recorded[name][-1:]})

    def forget(self, name: str) -> None:
        """Take out the line of a file that is deleted."""
        recorded = self._recorded()
        if name in recorded:
            self._write({one: lines for one, lines in recorded.items() if one != name})

    def fault(self, name: str) -> str | None:
        """What is wrong with a file, as the rest of a sentence that begins with its name; None if nothing is."""
        if not self.are_kept():
            return None
        try:
            found = self._fault(name)
            return found and self._fault(name)  # a second look, because another process may be replacing it
        except OSError as error:
            return f"cannot be read ({error.strerror or error})"

    def _fault(self, name: str) -> str | None:
        path = self._folder / name
        known = self._recorded().get(name)
        if not path.is_file():
            return "is missing"
        if known is None:
            return f"has no line in {SUMS}"
        stamp = _stamp(path)
        if self._intact.get(name) != stamp:
            if _digest(path) not in known:
                return "is not as it was written"
            self._intact[name] = stamp
        return None

    def _recorded(self) -> dict[str, list[str]]:
        """Digests by name, the last one last."""
        if not self._sums.is_file():
            return {}
        stamp = _stamp(self._sums)
        if self._lines[0] != stamp:
            recorded: dict[str, list[str]] = {}
            for line in self._sums.read_text(encoding="utf-8", errors="replace").split("\n"):
                found = _LINE.fullmatch(line)
                if found is not None:
                    recorded.setdefault(found["name"], []).append(found["digest"])
            self._lines = (stamp, recorded)
        return self._lines[1]

    def _write(self, recorded: dict[str, list[str]]) -> None:
        with whole_file(self._sums) as unfinished:
            lines = (f"{digest}  {name}\n" for name, digests in recorded.items() for digest in digests)
            unfinished.write_text("".join(lines), encoding="utf-8")


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _stamp(path: Path) -> Stamp:
    found = path.stat()
    return found.st_mtime_ns, found.st_size, found.st_ino
