"""RunDirectory: one run's files. Everything is written whole; a run that was killed resumes shard by shard."""

from __future__ import annotations

import logging
import os
import re
import shutil
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pydantic import ValidationError
from pydantic_core import from_json

from layerscope.atomic import check_place, is_leftover, json_text, remove_leftovers, whole_file
from layerscope.errors import RunError
from layerscope.lock import alone, with_others
from layerscope.results.digests import SUMS, Digests
from layerscope.results.record import RequestRecord, RunRecord
from layerscope.results.schema import OLDEST_READ, SCHEMA_VERSION, Table

log = logging.getLogger(__name__)

MANIFEST = "manifest.json"
_PART = re.compile(r"shard-(\d{5,})\.parquet")
Record = TypeVar("Record", bound=RunRecord)


@dataclass(frozen=True)
class RunDirectory:
    """A folder that holds one run, finished or not."""

    path: Path
    """``<output-dir>/<experiment>/<slug>``."""
    writer: str | None = None
    """Which of several processes writes to it here; None for one that holds it alone."""

    @cached_property
    def digests(self) -> Digests:
        """What its files were when they were written."""
        return Digests(self.path, self.writer)

    def alone(self, *, patience: float = 0.0) -> AbstractContextManager[bool]:
        """Hold the directory against other processes while a block writes to it; reading needs no such thing.

        Args:
            patience: seconds to wait for processes that hold parts of it.

        Raises:
            RunError: another process holds it.
        """
        return alone(self.path, patience=patience)

    def with_others(self, part: str, *, is_asked: bool = False) -> AbstractContextManager[bool]:
        """Hold a part of the run's work, while others may hold other parts.

        Args:
            part: which.
            is_asked: whether the process that holds the directory has asked for it.

        Raises:
            RunError: another process holds the part, or the whole directory.
        """
        return with_others(self.path, part, is_asked=is_asked)

    def check_writable(self) -> None:
        """Refuse a place that cannot be written, before anything is computed.

        Raises:
            RunError: the nearest folder that exists does not take new files.
        """
        nearest = self.path
        while not nearest.exists() and nearest != nearest.parent:
            nearest = nearest.parent
        if not nearest.is_dir() or not os.access(nearest, os.W_OK | os.X_OK):
            raise RunError(
                f"Results go to '{self.path}', but '{nearest}' is not a folder that can be written: name another --output-dir."
            )

    def check_places(self, *names: str) -> None:
        """Refuse files that cannot be written into the directory, before anything is computed for them.

        Raises:
            RunError: in the place of one there is a folder or a device.
        """
        for name in (*names, SUMS, f"{self.figures.name}/1"):
            check_place(self.path / name)

    def kind(self) -> str | None:
        """What was run here, such as ``sweep``; None where no run has started.

        Raises:
            RunError: the manifest cannot be read, or another version of layerscope wrote it.
        """
        found = self._manifest()
        return None if found is None else found["kind"]

    def record(self, kind: type[Record]) -> Record | None:
        """The manifest, or None where no run has started.

        Args:
            kind: of run.

        Raises:
            RunError: it cannot be read, another version of layerscope wrote it, or it is of another kind of run.
        """
        found = self._manifest()
        if found is None:
            return None
        try:
            return kind.model_validate(found)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            where = ".".join(map(str, first["loc"]))
            raise RunError(
                f"'{self.path / MANIFEST}' is not a manifest of '{kind.made_by}' ({where}: {first['msg'].lower()}): name a "
                "folder that it printed, or give the command that made this one again with --force."
            ) from None

    def _manifest(self) -> dict[str, Any] | None:
        """As it lies there, if it can be of any kind of run."""
        path = self.path / MANIFEST
        if not path.is_file():
            return None
        try:
            found = from_json(path.read_bytes(), allow_inf_nan=False)
        except (OSError, ValueError) as error:
            raise RunError(
                f"'{path}' is damaged and cannot be read: give the command that made the run again with --force."
            ) from error
        if not (isinstance(found, dict) and "schema_version" in found and isinstance(found.get("request"), dict)):
            raise RunError(
                f"'{path}' is not a manifest of layerscope: name a folder that one of its commands printed, or give the "
                "command that is to run there --force."
            )
        # runs of layerscope 0.1.0 say what they are in the request, and only contrasts do
        found.setdefault("kind", found["request"].get("kind", "sweep"))
        if not isinstance(found["kind"], str):
            raise RunError(f"'{path}' does not say what kind of run it is: give the command that made it again with --force.")
        version = found["schema_version"]
        is_number = isinstance(version, int) and not isinstance(version, bool)
        if not (is_number and OLDEST_READ.get(found["kind"], SCHEMA_VERSION) <= version <= SCHEMA_VERSION):
            is_newer = is_number and version > SCHEMA_VERSION
            raise RunError(
                f"'{self.path}' has tables of version {version} and this is version {SCHEMA_VERSION}: "
                + ("install a newer layerscope, or give" if is_newer else "give")
                + " the command that made it again with --force, or with another --output-dir."
            )
        return found

    def check_resumable(
        self, kind: type[RunRecord], request: RequestRecord, packages: dict[str, str | None], *, own: Sequence[str] = ()
    ) -> bool:
        """Whether the run asked for is finished here already, and whole.

        Args:
            kind: of run.
            request: everything asked for that decides the numbers.
            packages: versions that decide their last bits; a run goes on with those that it began with.
            own: files and folders that the run itself writes; one that is finished goes on where they are not as written.

        Returns:
            True if it is finished; False if it is yet to start or can go on.

        Raises:
            RunError: the folder holds another run; the message names what differs.
        """
        before = self.record(kind)
        if before is None:
            if self.path.is_dir() and any(not is_leftover(entry) for entry in self.path.iterdir()):  # of a kill at the start
                raise RunError(
                    f"'{self.path}' holds files that are no run: name another --output-dir, or use --force to delete them."
                )
            return False
        differing = before.request.differing(request)
        if differing:
            raise RunError(
                f"'{self.path}' holds another run ({'; '.join(differing)}): name another --output-dir, or use --force to "
                "replace it."
            )
        faults = self._faults([MANIFEST, *own]) if before.status == "finished" else []
        is_finished = before.status == "finished" and not faults
        began_with = before.environment.packages
        changed = [name for name, version in packages.items() if began_with.get(name, version) != version]
        if changed and not is_finished:
            name = changed[0]
            raise RunError(
                f"A run goes on with the packages that it began with; '{self.path}' began with {name} {began_with[name]} and "
                f"this is {packages[name]}: install that version, or use --force to run again."
            )
        for fault in faults:
            log.warning("'%s' %s: it is made again.", *fault)
        return is_finished

    def _faults(self, own: Sequence[str]) -> list[tuple[Path, str]]:
        """Which of some files and folders are not as they were written, and what is wrong with each."""
        there = [name for name in own if (self.path / name).is_file()]
        there += [self._name(path) for name in own for path in (self.path / name).glob("shard-*.parquet")]
        names = dict.fromkeys([*there, *(name for name in self.digests.names() if name.split("/")[0] in own)])
        faults = {name: self.digests.fault(name) for name in names}
        return [(self.path / name, fault) for name, fault in faults.items() if fault is not None]

    def clear(self) -> None:
        """Delete the run, if there is one; a folder that a symbolic link points to is emptied."""
        if not self.path.is_dir():
            return
        try:
            # the manifest first, so that a kill leaves no run that looks finished
            for entry in sorted(self.path.iterdir(), key=lambda entry: entry.name != MANIFEST):
                if entry.is_dir() and not entry.is_symlink():
                    shutil.rmtree(entry)
                else:
                    entry.unlink(missing_ok=True)
        except OSError as error:
            raise RunError(
                f"'{self.path}' cannot be replaced ({error.strerror or error}): delete it, or name another --output-dir."
            ) from error

    def start(self, record: RunRecord) -> None:
        """Make the folder and write the manifest of a run that has begun."""
        remove_leftovers(self.path)
        self.write_json(MANIFEST, record.model_dump(mode="json"))
        self.digests.begin()

    def finish(self, record: RunRecord, **found: object) -> None:
        """Write the manifest of a run that is complete, with what only the end shows; the last thing a run does."""
        self.write_json(MANIFEST, record.model_copy(update={"status": "finished", **found}).model_dump(mode="json"))

    def write_table(self, table: Table, data: pa.Table) -> None:
        """Write a table that is not sharded."""
        self._write_parquet(self.path / table.name, data)

    def remove_table(self, table: Table) -> None:
        """Delete a table that is not sharded, if it is there."""
        (self.path / table.name).unlink(missing_ok=True)
        self.digests.forget(table.name)

    def has_table(self, table: Table) -> bool:
        """True if a table that is not sharded was written; one that is gone since is an error for whoever reads it."""
        return (self.path / table.name).is_file() or table.name in self.digests.names()

    def read_table(self, table: Table) -> pa.Table:
        """Read a table that is not sharded.

        Raises:
            RunError: it is not there, or not as it was written.
        """
        if not self.has_table(table):
            raise RunError(f"'{self.path}' has no {table.name}: is it a finished run directory?")
        with self._opened(table, self.path / table.name) as file:
            return file.read()

    def has_part(self, table: Table, index: int, *, n_rows: int | None = None) -> bool:
        """True if a part of a table was written before, is as it was written, and has that many rows where a number is given.

        One that is there and not as it was written is told of: whoever asks will write it again.
        """
        path = self._part_path(table, index)
        if not path.is_file():
            return False
        fault = self.digests.fault(self._name(path))
        if fault is not None:
            log.warning("'%s' %s: it is made again.", path, fault)
            return False
        try:
            found = pq.read_metadata(path).num_rows
        except (pa.ArrowException, OSError, ValueError):
            return False
        return n_rows is None or bool(found == n_rows)

    def write_part(self, table: Table, index: int, data: pa.Table, *, rows_together: int | None = None) -> None:
        """Write one part of a table that is written in parts.

        Args:
            table: which.
            index: of the part.
            data: its rows.
            rows_together: rows that will be read together, so that the others need not be.
        """
        self._write_parquet(self._part_path(table, index), data, rows_together)

    def read_part(self, table: Table, index: int, **wanted: str) -> pa.Table:
        """Read one part, or those of its rows whose columns have the values wanted.

        Raises:
            RunError: it is not there, or not as it was written.
        """
        with self._opened(table, self._part_path(table, index)) as part:
            data = part.read_row_groups(_row_groups(part.metadata, wanted))
        for name, value in wanted.items():
            data = data.filter(pc.equal(data[name], value))
        return data

    def remove_part(self, table: Table, index: int) -> None:
        """Delete one part of a table, if it is there."""
        path = self._part_path(table, index)
        path.unlink(missing_ok=True)
        self.digests.forget(self._name(path))

    def n_parts(self, table: Table) -> int:
        """How many parts a table was written in."""
        there = [path.name for path in (self.path / table.name).glob("shard-*.parquet")]
        there += [name.removeprefix(f"{table.name}/") for name in self.digests.names()]
        numbers = [int(found[1]) for found in map(_PART.fullmatch, there) if found is not None]
        return max(numbers, default=-1) + 1

    def parts(self, table: Table, n_parts: int | None = None) -> Iterator[pa.Table]:
        """The first parts of a table in their order; all that were written if no number is given.

        Raises:
            RunError: one is not there, or not as it was written.
        """
        for index in range(self.n_parts(table) if n_parts is None else n_parts):
            yield self.read_part(table, index)

    def whole(self, name: str) -> AbstractContextManager[Path]:
        """A temporary path for a file that comes from elsewhere; it is the run's if the block ends well.

        Args:
            name: its path in the folder.
        """
        return self._whole(self.path / name)

    def write_json(self, name: str, value: Any) -> None:
        """Write a JSON file beside the tables."""
        self.write_text(name, json_text(value))

    def read_json(self, name: str, *, made_by: str, needs: Sequence[str] = ()) -> dict[str, Any] | None:
        """Read a JSON file beside the tables; None where there was none.

        Args:
            name: of the file.
            made_by: the command that writes it.
            needs: names that it must have.

        Raises:
            RunError: it is gone, not as it was written, or no JSON object with those names.
        """
        path = self.path / name
        if not path.is_file() and name not in self.digests.names():
            return None
        self._check_intact(path, made_by)
        try:
            found = from_json(path.read_bytes(), allow_inf_nan=False)
        except (OSError, ValueError):
            found = None
        if not isinstance(found, dict) or any(one not in found for one in needs):
            raise RunError(f"'{path}' is damaged and cannot be read: {self._next_step(made_by)}.")
        return found

    def write_text(self, name: str, text: str) -> None:
        """Write a text file beside the tables."""
        with self._whole(self.path / name) as unfinished:
            unfinished.write_text(text, encoding="utf-8")

    @property
    def figures(self) -> Path:
        """The folder of its figures."""
        return self.path / "figures"

    def remove_figures(self, *names: str) -> None:
        """Delete figures whose tables are new, in every language: names without language, or the first part of names."""
        for path in self.figures.glob("*.*"):
            if path.name.startswith(names):
                path.unlink(missing_ok=True)

    def check_intact(self) -> None:
        """Refuse a manifest that is not as it was written.

        Raises:
            RunError: its name, what is wrong with it, and what makes it again.
        """
        self._check_intact(self.path / MANIFEST, None)

    def _check_intact(self, path: Path, made_by: str | None) -> None:
        fault = self.digests.fault(self._name(path))
        if fault is not None:
            raise RunError(f"'{path}' {fault}: {self._next_step(made_by)}.")

    def _next_step(self, made_by: str | None) -> str:
        """What makes a file again."""
        if made_by is not None:
            return f"'{made_by} {self.path}' makes it again"
        if self.digests.are_kept():
            return "the command that made the run, given again, makes it again and keeps the rest"
        return "give the command that made the run again with --force"

    @contextmanager
    def _opened(self, table: Table, path: Path) -> Iterator[pq.ParquetFile]:
        """A Parquet file that is as it was written and has the columns of its table."""
        self._check_intact(path, table.made_by)
        if not path.is_file():
            raise RunError(f"'{path}' is missing: {self._next_step(table.made_by)}.")
        try:
            with pq.ParquetFile(path) as file:
                if file.schema_arrow.names != [column.name for column in table.columns]:
                    raise RunError(f"'{path}' holds another table: {self._next_step(table.made_by)}.")
                yield file
        except (pa.ArrowException, OSError, ValueError, MemoryError) as error:
            raise RunError(f"'{path}' is damaged and cannot be read: {self._next_step(table.made_by)}.") from error

    def _name(self, path: Path) -> str:
        return path.relative_to(self.path).as_posix()

    def _part_path(self, table: Table, index: int) -> Path:
        return self.path / part_name(table, index)

    @contextmanager
    def _whole(self, path: Path) -> Iterator[Path]:
        """A temporary path to write to, which becomes ``path``, with its digest."""
        with whole_file(path) as unfinished:
            yield unfinished
            self.digests.note(self._name(path), unfinished)
        self.digests.settle(self._name(path))

    def _write_parquet(self, path: Path, data: pa.Table, rows_together: int | None = None) -> None:
        with self._whole(path) as unfinished:
            names = [field.name for field in data.schema if pa.types.is_dictionary(field.type)]
            # other columns are numbers: looking for values that repeat takes longer than writing them
            pq.write_table(data, unfinished, compression="zstd", row_group_size=rows_together, use_dictionary=names)


def part_name(table: Table, index: int) -> str:
    """Of one part of a table, its path in the run directory."""
    return f"{table.name}/shard-{index:05d}.parquet"


def _row_groups(metadata: pq.FileMetaData, wanted: dict[str, str]) -> list[int]:
    """Those that may hold rows whose columns have the values wanted."""
    place = {metadata.schema.column(i).path: i for i in range(metadata.num_columns)}

    def may_hold(group: int) -> bool:
        for name, value in wanted.items():
            known = metadata.row_group(group).column(place[name]).statistics
            if known is not None and known.has_min_max and not known.min <= value <= known.max:
                return False
        return True

    return [group for group in range(metadata.num_row_groups) if may_hold(group)]


def model_slug(model: str) -> str:
    """``meta_llama_Meta_Llama_3_8B``: the model's ``/`` and ``-`` become ``_``, as published; of a path, its last part."""
    name = model.rstrip("/")
    if name.startswith((".", "/", "~")):
        name = Path(name).stem if name.endswith(".gguf") else Path(name).name
    return name.replace("/", "_").replace("-", "_")


def run_slug(model: str, dataset: str, samples: int | None) -> str:
    """``meta_llama_Meta_Llama_3_8B_wiki-text-2_n1000``."""
    return f"{model_slug(model)}_{dataset}_n{'all' if samples is None else samples}"


def find_run(folder: Path, model: str, dataset: str, samples: int | None) -> Path:
    """The run directory of a model, whether or not the organisation stands before its name.

    Args:
        folder: ``<output-dir>/<experiment>``.
        model: as it was given to the sweep, or only what comes after the last ``/``.
        dataset: label of the data set.
        samples: as given to the sweep.

    Raises:
        RunError: there is none, or more than one.
    """
    wanted = run_slug(model, dataset, samples)
    there = sorted(path.name for path in folder.iterdir() if path.is_dir()) if folder.is_dir() else []
    found = [name for name in there if name == wanted] or [name for name in there if name.endswith(f"_{wanted}")]
    if len(found) == 1:
        return folder / found[0]
    if found:
        raise RunError(f"A model's name belongs to one run; '{model}' to {' and '.join(found)} in '{folder}': give it whole.")
    raise RunError(
        f"There is no run '{wanted}' in '{folder}' ({', '.join(there[:5]) or 'which holds none'}): run the sweep first, with "
        "the same model, data set and number of samples."
    )
