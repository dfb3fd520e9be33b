"""SHA256SUMS: the digest of every file that a run keeps, so that one which is no longer as it was written is not believed.

The file is what ``sha256sum`` writes, one line per file: ``sha256sum --check SHA256SUMS`` needs nothing of this project. Where
several processes write one run, each has a file of its own, ``SHA256SUMS.<writer>``, until the run is gathered: shared storage
does not append in turn.
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
Lines = dict[str, list[str]]
"""Digests by name, the last one last."""


class Digests:
    """What the files of a run directory were when they were written.

    A run of layerscope 0.1 has no such file, and nothing of it is checked. A file is read for its digest once, and again when
    it has been written since.

    Args:
        folder: the run directory.
        writer: which of several processes writes; None for one that holds the whole directory.
    """

    def __init__(self, folder: Path, writer: str | None = None) -> None:
        self._folder = folder
        self._sums = folder / (SUMS if writer is None else f"{SUMS}.{writer}")
        self._read: dict[Path, tuple[Stamp, Lines]] = {}
        self._intact: dict[str, Stamp] = {}

    def begin(self) -> None:
        """From now on every file of the folder needs a line."""
        sums = self._folder / SUMS
        if not sums.is_file():
            with whole_file(sums) as unfinished:
                unfinished.touch()

    def are_kept(self) -> bool:
        """Whether files of the folder are checked at all."""
        return (self._folder / SUMS).exists()

    def gather(self) -> None:
        """Make one file of all writers' files; for a process that holds the whole directory."""
        others = self._of_writers()
        if others:
            recorded = self._recorded()
            self._write(self._folder / SUMS, {name: self._right(name, digests) for name, digests in recorded.items()})
        for path in others:
            path.unlink(missing_ok=True)

    def names(self) -> KeysView[str]:
        """Files that were written, by their path in the folder."""
        return self._recorded().keys()

    def note(self, name: str, file: Path) -> None:
        """Add the line of a file that is about to be moved into place.

        The line that it had before stays until ``settle``: a process that is killed in between leaves a file with its line.
        """
        if not self.are_kept():
            return
        line = f"{digest_of(file)}  {name}\n".encode()
        with self._sums.open("ab+") as sums:
            if sums.tell():  # a full disk may have cut the last line
                sums.seek(-1, os.SEEK_END)
                line = line if sums.read(1) == b"\n" else b"\n" + line
            sums.write(line)

    def settle(self, name: str) -> None:
        """Leave only the last line of a file, which is in place."""
        recorded = self._lines(self._sums)
        if len(recorded.get(name, ())) > 1:
            self._write(self._sums, {**recorded, name: recorded[name][-1:]})

    def forget(self, name: str) -> None:
        """Take out the line of a file that is deleted; for a process that holds the whole directory."""
        for path in (self._folder / SUMS, *self._of_writers()):
            recorded = self._lines(path)
            if name in recorded:
                self._write(path, {one: lines for one, lines in recorded.items() if one != name})

    def knows(self, name: str, digest: str) -> bool:
        """Whether a file was ever written with a digest; True of one that has no line."""
        return digest in self._recorded().get(name, [digest])

    def fault(self, name: str) -> str | None:
        """What is wrong with a file, as the rest of a sentence that begins with its name; None if nothing is."""
        if not self.are_kept():
            return None
        try:
            found = self._fault(name)
            if found is None:
                return None
            self._read.clear()  # a second look: another process may be replacing it, and network file systems lag behind
            return self._fault(name)
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
            if digest_of(path) not in known:
                return "is not as it was written"
            self._intact[name] = stamp
        return None

    def _of_writers(self) -> list[Path]:
        return sorted(self._folder.glob(f"{SUMS}.*"))

    def _recorded(self) -> Lines:
        """Of all writers."""
        paths = [self._folder / SUMS, *self._of_writers()]
        if len(paths) == 1:
            return self._lines(paths[0])
        recorded: Lines = {}
        for path in paths:
            for name, digests in self._lines(path).items():
                recorded.setdefault(name, []).extend(digests)
        return recorded

    def _lines(self, path: Path) -> Lines:
        """Of one file; it is read again when it has been written since."""
        if not path.is_file():
            return {}
        stamp = _stamp(path)
        before, lines = self._read.get(path, (None, {}))
        if before != stamp:
            lines = parse_sums(path.read_text(encoding="utf-8", errors="replace"))
            self._read[path] = (stamp, lines)
        return lines

    def _right(self, name: str, digests: list[str]) -> list[str]:
        """Of several writers' digests, the one that the file has."""
        if len(set(digests)) == 1:
            return digests[:1]
        path = self._folder / name
        is_right = path.is_file() and digest_of(path) in digests
        return [digest_of(path)] if is_right else digests[-1:]

    def _write(self, path: Path, recorded: Lines) -> None:
        with whole_file(path) as unfinished:
            unfinished.write_text(sums_text(recorded), encoding="utf-8")


def parse_sums(text: str) -> Lines:
    """What such a file says; lines of another form are passed over."""
    lines: Lines = {}
    for line in text.split("\n"):
        found = _LINE.fullmatch(line)
        if found is not None:
            lines.setdefault(found["name"], []).append(found["digest"])
    return lines


def sums_text(recorded: Lines) -> str:
    """What such a file has in it."""
    return "".join(f"{digest}  {name}\n" for name, digests in recorded.items() for digest in digests)


def digest_of(path: Path) -> str:
    """SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _stamp(path: Path) -> Stamp:
    found = path.stat()
    return found.st_mtime_ns, found.st_size, found.st_ino
