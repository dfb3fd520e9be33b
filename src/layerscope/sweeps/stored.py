"""Parts of a sweep whose machines share an object store and no disk: what each sends, takes back, and what is gathered.

In the store a part has a folder of its own below the run's, so every object has one writer and nothing is locked. What comes
back is asked for by names that the plan gives, and checked; the rest of what lies there is not looked at.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from types import TracebackType

from pydantic import ValidationError

from layerscope.atomic import is_leftover
from layerscope.engine.batching import Shard
from layerscope.errors import RunError, StoreError
from layerscope.results.digests import digest_of
from layerscope.results.directory import MANIFEST, RunDirectory
from layerscope.results.environment import package_versions
from layerscope.results.record import EnvironmentRecord, WorkerRecord
from layerscope.results.schema import SCHEMA_VERSION
from layerscope.results.workers import note_worker
from layerscope.sweeps.asked import REQUEST
from layerscope.sweeps.prepare import PreparedSweep
from layerscope.sweeps.record import SweepRecord, SweepRequestRecord
from layerscope.sweeps.worker import is_written, shard_files
from layerscope.workers.part import Part
from layerscope.workers.part_files import PartFiles, n_done, parts_in
from layerscope.workers.status import WRITTEN_LAST
from layerscope.workers.store import Store


def folder_of(prepared: PreparedSweep, store: Store) -> Store:
    """Where a run lies in a store, below the address that was given."""
    return store.within(prepared.directory.path.parent.name, prepared.directory.path.name)


class StoredPart:
    """One part of a sweep, as it goes to a store and comes back from there. Within the context its process tells of itself.

    Args:
        prepared: the run, its directory as this part writes it.
        part: which.
        shards: of the part.
        store: as it was given.
    """

    def __init__(self, prepared: PreparedSweep, part: Part, shards: Sequence[Shard], store: Store) -> None:
        self._prepared, self._shards, self._directory = prepared, shards, prepared.directory
        self._run = folder_of(prepared, store)
        self._files = PartFiles(self._run, part)
        self._began: SweepRecord | None = None

    def take_back(self) -> None:
        """Take from the store what this part has sent before and this machine does not have.

        Raises:
            RunError: the run was begun otherwise, by this part or by another.
            StoreError: the store cannot be read, or takes nothing.
        """
        own = _record(self._files)
        others = (_record(files) for files in parts_in(self._run) if files.part != self._files.part)
        self._began = own or next((record for record in others if record is not None), None)
        if self._began is not None:
            self._check_same(_differing(self._began, self._prepared.record, package_versions()))
        has_begun = self._directory.record(SweepRecord) is not None
        if not has_begun and own is not None and self._files.is_intact(REQUEST):
            has_begun = True
            self._directory.start(own)
            noted = self._files.note()
            if noted is not None:
                note_worker(self._directory.path, noted)
        wanted = {MANIFEST, REQUEST, *(name for shard in self._shards for name in shard_files(self._prepared, shard))}
        for name in tuple(self._files.names):
            # without a manifest there nothing says with what its files were computed
            if name not in wanted or not has_begun or not self._agrees(name, can_take=own is not None):
                self._files.drop(name)
        self._files.send_claims()  # so that a store that takes nothing is found out before a model is loaded

    def check_kernels(self, environment: EnvironmentRecord) -> None:
        """Refuse to compute with other kernels than the part that was begun first.

        Raises:
            RunError: its layers were compiled and these are not, or the other way round.
        """
        if self._began is not None:
            self._check_same(_differing(self._began, self._prepared.record, {}, compiled=environment.compiled))

    def send_left(self) -> None:
        """Send what is here of the part and not there, and what its process told of itself.

        Raises:
            StoreError: the store takes nothing.
        """
        self._send_unclaimed(MANIFEST, REQUEST)
        for shard in self._shards:
            if is_written(self._prepared, shard):
                self._send_unclaimed(*shard_files(self._prepared, shard))
        self._files.send_note(self._directory.path)

    def send(self, shard: Shard) -> None:
        """Send a shard that has just been written, and what the process told of itself."""
        self._files.send(self._directory, shard_files(self._prepared, shard))
        self._files.send_note(self._directory.path)

    def __enter__(self) -> StoredPart:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        if not isinstance(error, StoreError):
            with suppress(*(() if error is None else (StoreError, OSError))):  # of two errors the first is told
                self._files.send_note(self._directory.path)

    def _agrees(self, name: str, *, can_take: bool) -> bool:
        """Whether a claimed file is here and there, and the same; it is taken from there if it is not here."""
        path = self._directory.path / name
        if path.is_file() and digest_of(path) == self._files.claim(name):
            return self._files.is_intact(name)
        is_here = path.is_file() and (name in (MANIFEST, REQUEST) or self._directory.digests.fault(name) is None)
        return can_take and not is_here and self._files.fetch(name, self._directory)

    def _send_unclaimed(self, *names: str) -> None:
        if any(name not in self._files.names for name in names):
            self._files.send(self._directory, names)

    def _check_same(self, differing: Sequence[str]) -> None:
        if differing:
            raise RunError(
                f"All parts of a run compute the same; '{self._run.address}' was begun otherwise ({'; '.join(differing)}): "
                "give the options, and have the packages, that it was begun with, or name another --store."
            )


class StoredRun:
    """A sweep whose parts are in a store.

    Args:
        store: folder of the run.

    Raises:
        RunError: there is none, or its parts were begun otherwise than each other.
    """

    def __init__(self, store: Store) -> None:
        self.address = store.address
        self._parts = parts_in(store)
        begun = [files for files in self._parts if MANIFEST in files.names]
        if not begun:
            raise RunError(
                f"Parts of a run are gathered from where they were sent; '{store.address}' holds none: give the address that "
                "they printed."
            )
        self._first, self.record = begun[0], _intact_record(begun[0])
        for files in begun[1:]:
            record = _intact_record(files)
            environment = record.environment
            differing = _differing(self.record, record.request, environment.packages, compiled=environment.compiled)
            if differing:
                raise RunError(
                    f"All parts of a run compute the same; of '{store.address}' parts {self._first.part} and {files.part} do "
                    f"not ({'; '.join(differing)}): delete the folder of one of them there, and give its command again as that "
                    "of the other."
                )

    @property
    def n_missing(self) -> int:
        """Batches that no part has sent."""
        return self.record.plan.shards - n_done(self._parts, WRITTEN_LAST["sweep"])

    @property
    def workers(self) -> tuple[WorkerRecord, ...]:
        """What the processes told of themselves."""
        return tuple(noted for noted in (files.note() for files in self._parts) if noted is not None)

    def begin(self, directory: RunDirectory) -> None:
        """Make a run directory of it, without shards; one that is there must be of the same run.

        Raises:
            RunError: the directory holds something else.
        """
        before = directory.record(SweepRecord)
        if before is None:
            if directory.path.is_dir() and any(not is_leftover(entry) for entry in directory.path.iterdir()):
                raise RunError(f"'{directory.path}' holds files that are no run: name another --output-dir, or delete them.")
            directory.start(self.record.model_copy(update={"status": "running"}))
        elif differing := _differing(before, self.record.request, self.record.environment.packages):
            raise RunError(
                f"'{directory.path}' holds another run than '{self.address}' ({'; '.join(differing)}): name another "
                "--output-dir, or delete it."
            )
        elif before.status == "finished":
            return
        if not (directory.path / REQUEST).is_file() and not self._first.fetch(REQUEST, directory):
            raise self._first.damaged(REQUEST)
        for noted in self.workers:
            note_worker(directory.path, noted)

    def fetch(self, prepared: PreparedSweep) -> None:
        """Take the shards that are not there yet.

        Args:
            prepared: the run, its directory as ``begin`` made it.

        Raises:
            RunError: a file is not as its part wrote it; those before it are kept.
        """
        for shard in prepared.shards:
            names = shard_files(prepared, shard)
            owner = next((files for files in self._parts if files.names >= set(names)), None)
            if owner is None or is_written(prepared, shard):
                continue
            for name in names:
                if not owner.fetch(name, prepared.directory):
                    raise owner.damaged(name)


def _record(files: PartFiles) -> SweepRecord | None:
    """With what a part was begun; None where it has not, or where that is damaged.

    Raises:
        RunError: another version of layerscope began it.
    """
    content = files.read(MANIFEST)
    if content is None:
        return None
    try:
        record = SweepRecord.model_validate_json(content)
    except ValidationError:
        record = None
    if record is None or record.schema_version != SCHEMA_VERSION:
        raise RunError(
            f"One version of layerscope makes all parts; the manifest of part {files.part} is none of this version: install "
            "theirs, or have all parts made again in another store."
        )
    return record


def _intact_record(files: PartFiles) -> SweepRecord:
    record = _record(files)
    if record is None:
        raise files.damaged(MANIFEST)
    return record


def _differing(
    began: SweepRecord, request: SweepRequestRecord, packages: Mapping[str, str | None], *, compiled: bool | None = None
) -> list[str]:
    """In what two parts differ that decides a number."""
    found = began.request.differing(request)
    had = began.environment.packages
    found += [f"{name} was {had[name]}, now {new}" for name, new in packages.items() if had.get(name, new) != new]
    if None not in (compiled, began.environment.compiled) and compiled != began.environment.compiled:
        found.append(f"compiled layers were {_word(began.environment.compiled)}, now {_word(compiled)}")
    return found


def _word(is_on: bool | None) -> str:
    return "on" if is_on else "off"
