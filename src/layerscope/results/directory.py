"""RunDirectory: one run's files. Everything is written whole; a run that was killed resumes shard by shard."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pydantic import ValidationError

from layerscope.atomic import is_leftover, remove_leftovers, whole_file, write_json
from layerscope.errors import RunError
from layerscope.results.record import RequestRecord, RunRecord
from layerscope.results.schema import SCHEMA_VERSION, Table

MANIFEST = "manifest.json"
Record = TypeVar("Record", bound=RunRecord)


@dataclass(frozen=True)
class RunDirectory:
    """A folder that holds one run, finished or not."""

    path: Path
    """``<output-dir>/<experiment>/<slug>``."""

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
                f"'{self.path / MANIFEST}' is no manifest of '{kind.made_by}' ({where}: {first['msg'].lower()}): name a folder "
                "that it printed, or give the command that made this one again with --force."
            ) from None

    def _manifest(self) -> dict[str, Any] | None:
        """As it lies there, if it can be of any kind of run."""
        path = self.path / MANIFEST
        if not path.is_file():
            return None
        try:
            found = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise RunError(
                f"'{path}' is damaged and cannot be read: give the command that made the run again with --force."
            ) from error
        if not (isinstance(found, dict) and "schema_version" in found and isinstance(found.get("request"), dict)):
            raise RunError(
                f"'{path}' is not a manifest of layerscope: name a folder that one of its commands printed, or give the "
                "command that is to run there --force."
            )
        version = found["schema_version"]
        if version != SCHEMA_VERSION:
            is_newer = isinstance(version, int) and version > SCHEMA_VERSION
            raise RunError(
                f"'{self.path}' has tables of version {version} and this is version {SCHEMA_VERSION}: "
                + ("install a newer layerscope, or give" if is_newer else "give")
                + " the command that made it again with --force, or with another --output-dir."
            )
        # runs of layerscope 0.1.0 say what they are in the request, and only contrasts do
        found.setdefault("kind", found["request"].get("kind", "sweep"))
        return found

    def check_resumable(self, kind: type[RunRecord], request: RequestRecord, packages: dict[str, str | None]) -> bool:
        """Whether the run asked for is finished here already.

        Args:
            kind: of run.
            request: everything asked for that decides the numbers.
            packages: versions that decide their last bits; a run goes on with those that it began with.

        Returns:
            True if it is finished; False if it is yet to start or can go on.

        Raises:
            RunError: the folder holds another run; the message names what differs.
        """
        before = self.record(kind)
        if before is None:
            if self.path.is_dir() and any(not is_leftover(entry) for entry in self.path.iterdir()):
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
        is_finished = before.status == "finished"
        began_with = before.environment.packages
        changed = [name for name, version in packages.items() if began_with.get(name, version) != version]
        if changed and not is_finished:
            name = changed[0]
            raise RunError(
                f"A run goes on with the packages that it began with; '{self.path}' began with {name} {began_with[name]} and "
                f"this is {packages[name]}: install that version, or use --force to run again."
            )
        return is_finished

    def clear(self) -> None:
        """Delete the run, if there is one."""
        if self.path.is_dir():
            shutil.rmtree(self.path)

    def start(self, record: RunRecord) -> None:
        """Make the folder and write the manifest of a run that has begun."""
        remove_leftovers(self.path)
        self.write_json(MANIFEST, record.model_dump(mode="json"))

    def finish(self, record: RunRecord, **found: object) -> None:
        """Write the manifest of a run that is complete, with what only the end shows; the last thing a run does."""
        self.write_json(MANIFEST, record.model_copy(update={"status": "finished", **found}).model_dump(mode="json"))

    def write_table(self, table: Table, data: pa.Table) -> None:
        """Write a table that is not sharded."""
        self._write_parquet(self.path / table.name, data)

    def remove_table(self, table: Table) -> None:
        """Delete a table that is not sharded, if it is there."""
        (self.path / table.name).unlink(missing_ok=True)

    def read_table(self, table: Table) -> pa.Table:
        """Read a table that is not sharded.

        Raises:
            RunError: it is not there.
        """
        path = self.path / table.name
        if not path.is_file():
            raise RunError(f"'{self.path}' has no {table.name}: is it a finished run directory?")
        return pq.read_table(path)

    def has_part(self, table: Table, index: int, *, n_rows: int | None = None) -> bool:
        """True if a part of a table was written before, whole, and with that many rows where a number is given."""
        try:
            found = pq.read_metadata(self._part_path(table, index)).num_rows
        except (pa.ArrowException, OSError):
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
            RunError: it is not there.
        """
        path = self._part_path(table, index)
        if not path.is_file():
            raise RunError(f"'{self.path}' lacks {table.name}/{path.name}: run it again with --force.")
        with pq.ParquetFile(path) as part:
            data = part.read_row_groups(_row_groups(part.metadata, wanted))
        for name, value in wanted.items():
            data = data.filter(pc.equal(data[name], value))
        return data

    def parts(self, table: Table, n_parts: int | None = None) -> Iterator[pa.Table]:
        """The first parts of a table in their order; all that there are if no number is given."""
        n_there = len(list((self.path / table.name).glob("shard-*.parquet")))
        for index in range(n_there if n_parts is None else n_parts):
            yield pq.read_table(self._part_path(table, index))

    def write_json(self, name: str, value: Any) -> None:
        """Write a JSON file beside the tables."""
        write_json(self.path / name, value)

    def write_text(self, name: str, text: str) -> None:
        """Write a text file beside the tables."""
        with whole_file(self.path / name) as unfinished:
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

    def _part_path(self, table: Table, index: int) -> Path:
        return self.path / table.name / f"shard-{index:05d}.parquet"

    def _write_parquet(self, path: Path, data: pa.Table, rows_together: int | None = None) -> None:
        with whole_file(path) as unfinished:
            names = [field.name for field in data.schema if pa.types.is_dictionary(field.type)]
            # other columns are numbers: looking for values that repeat takes longer than writing them
            pq.write_table(data, unfinished, compression="zstd", row_group_size=rows_together, use_dictionary=names)


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


def run_slug(model: str, dataset: str, samples: int | None) -> str:
    """``meta_llama_Meta_Llama_3_8B_wiki-text-2_n1000``: the model's ``/`` and ``-`` become ``_``, as published."""
    name = model.rstrip("/")
    if name.startswith((".", "/", "~")):
        name = Path(name).stem if name.endswith(".gguf") else Path(name).name
    return f"{name.replace('/', '_').replace('-', '_')}_{dataset}_n{'all' if samples is None else samples}"


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
