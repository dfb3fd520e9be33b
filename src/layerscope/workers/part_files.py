"""What parts of a run have sent to a store: each has a folder of its own, ``3-of-40``, with its files as its machine has them.

``SHA256SUMS`` of such a folder is written after the files that it names, so it claims none that is not there. A file that is
not as claimed is not there for whoever asks: objects that were cut or exchanged are made again or refused, never read.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, KeysView, Sequence
from contextlib import suppress
from functools import cached_property
from pathlib import Path

from pydantic import ValidationError

from layerscope.errors import RunError
from layerscope.results.digests import SUMS, parse_sums, sums_text
from layerscope.results.directory import RunDirectory
from layerscope.results.record import WorkerRecord
from layerscope.results.workers import note_name
from layerscope.workers.part import Part
from layerscope.workers.store import Store


class PartFiles:
    """Files of one part in a store.

    Args:
        run: folder of the run in the store.
        part: which.
    """

    def __init__(self, run: Store, part: Part) -> None:
        self.part, self._store = part, run.within(part.name)
        self._noted = b""

    @cached_property
    def _claims(self) -> dict[str, str]:
        """Digests by name, as last sent; what is dropped is gone from it first."""
        text = (self._store.read(SUMS) or b"").decode("utf-8", errors="replace")
        return {file: digests[-1] for file, digests in parse_sums(text).items()}

    @property
    def names(self) -> KeysView[str]:
        """Files that it claims; a stranger's words, to be looked for and never to be followed."""
        return self._claims.keys()

    def claim(self, name: str) -> str | None:
        """The digest that a file should have."""
        return self._claims.get(name)

    def is_intact(self, name: str) -> bool:
        """Whether a file is there as claimed; all of it is read."""
        digest = hashlib.sha256()
        with suppress(_NotAsClaimedError):
            for chunk in self._chunks(name):
                digest.update(chunk)
            return digest.hexdigest() == self._claims.get(name)
        return False

    def read(self, name: str) -> bytes | None:
        """A small file, if it is as claimed."""
        content = self._store.read(name) if name in self._claims else None
        return content if content is not None and hashlib.sha256(content).hexdigest() == self._claims[name] else None

    def fetch(self, name: str, directory: RunDirectory) -> bool:
        """Take a file into a run directory, if it is as claimed; whether it was."""
        with suppress(_NotAsClaimedError), directory.whole(name) as unfinished:
            digest = hashlib.sha256()
            with unfinished.open("wb") as file:
                for chunk in self._chunks(name):
                    digest.update(chunk)
                    file.write(chunk)
            if digest.hexdigest() != self._claims.get(name):
                raise _NotAsClaimedError
            return True
        return False

    def send(self, directory: RunDirectory, names: Sequence[str]) -> None:
        """Send files in their order, and then claim them.

        Raises:
            StoreError: the store takes none.
            RunError: a file is not as it was written here.
        """
        for name in names:
            digest = self._store.send(name, directory.path / name)
            if not directory.digests.knows(name, digest):
                raise RunError(f"'{directory.path / name}' is not as it was written: give the command of the part again.")
            self._claims[name] = digest
        self.send_claims()

    def drop(self, name: str) -> None:
        """Claim a file no more; the store learns of it with the claims that are sent next."""
        self._claims.pop(name, None)

    def send_claims(self) -> None:
        """Send what is claimed as it stands.

        Raises:
            StoreError: the store does not take it.
        """
        self._store.put(SUMS, sums_text({name: [digest] for name, digest in self._claims.items()}).encode())

    def send_note(self, run: Path) -> None:
        """Send what the process told of itself last, if it is new."""
        path = run / note_name(self.part.name)
        note = path.read_bytes() if path.is_file() else self._noted
        if note != self._noted:
            self._store.put(note_name(self.part.name), note)
            self._noted = note

    def note(self) -> WorkerRecord | None:
        """What its process told of itself; None where that cannot be read, for nothing depends on it."""
        try:
            found = WorkerRecord.model_validate_json(self._store.read(note_name(self.part.name)) or b"")
        except ValidationError:
            return None
        return found if found.name == self.part.name else None

    def _chunks(self, name: str) -> Iterator[bytes]:
        try:
            yield from self._store.chunks(name)
        except FileNotFoundError:  # else it would be said of the file here that is written meanwhile
            raise _NotAsClaimedError from None

    def damaged(self, name: str) -> RunError:
        """The refusal of a file that is not as claimed."""
        return RunError(
            f"'{self._store.shown(name)}' is not as part {self.part} wrote it: give the command of that part again, and it is "
            "written anew."
        )


class _NotAsClaimedError(Exception):
    """Leaves the block that would put a file in place."""


def parts_in(run: Store) -> list[PartFiles]:
    """Parts that have sent something, in the order of their numbers; folders of other names are passed over.

    Args:
        run: folder of the run in the store.
    """
    found = [part for part in map(Part.named, run.folders()) if part is not None]
    return [PartFiles(run, part) for part in sorted(found, key=lambda part: (part.of, part.number))]


def n_done(parts: Iterable[PartFiles], tables: Sequence[str]) -> int:
    """How many batches some parts claim, those that several have counted once.

    Args:
        parts: of a run.
        tables: that are written last, batch by batch.
    """
    written_last = re.compile(rf"(?:{'|'.join(tables)})/shard-\d{{5,}}\.parquet", re.ASCII)
    return len({name for part in parts for name in part.names if written_last.fullmatch(name)})
