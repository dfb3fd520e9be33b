"""The tables of a run directory: every column declared once, with dtype, unit and meaning, and checked on writing.

The documentation of the run directory is made from this module.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import pandas as pd
import pyarrow as pa

SCHEMA_VERSION = 4
"""Raised whenever a table changes its columns or their meaning."""
OLDEST_READ = {"sweep": 2, "contrast": 3}
"""By kind of run, the oldest version whose tables are as today's; of other kinds only today's are."""


@dataclass(frozen=True)
class Column:
    """One column of a table."""

    name: str
    """Ends in its unit where it has one."""
    dtype: pa.DataType
    """Arrow type on disk."""
    unit: str
    """Unit or range; ``-`` for names and indices."""
    meaning: str
    """One sentence."""
    nullable: bool = False
    """True where a value may be missing."""


@dataclass(frozen=True)
class Table:
    """One kind of file in a run directory."""

    name: str
    """File name, or folder for tables that are written a shard at a time."""
    row: str
    """What one row is."""
    columns: tuple[Column, ...]
    """In the order on disk."""
    made_by: str | None = None
    """The command that adds it to a finished run; None where the run itself writes it."""

    @property
    def schema(self) -> pa.Schema:
        """Arrow schema, with unit and meaning in the metadata of each field."""
        return pa.schema(
            [
                pa.field(c.name, c.dtype, nullable=c.nullable, metadata={"unit": c.unit, "meaning": c.meaning})
                for c in self.columns
            ],
            metadata={"layerscope_table": self.name, "schema_version": str(SCHEMA_VERSION)},
        )

    def build(self, columns: dict[str, object]) -> pa.Table:
        """An Arrow table from arrays, checked against the declaration.

        Args:
            columns: one array a declared column, all of one length.

        Raises:
            ValueError: a column is missing, unknown, of the wrong type, or has gaps that are not declared.
        """
        declared = {column.name for column in self.columns}
        if set(columns) != declared:
            raise ValueError(f"{self.name}: columns {sorted(set(columns) ^ declared)} are not both declared and given")
        try:
            arrays = [pa.array(columns[c.name], type=c.dtype, from_pandas=False) for c in self.columns]
        except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
            raise ValueError(f"{self.name}: {error}") from error
        for column, array in zip(self.columns, arrays, strict=True):
            if array.null_count and not column.nullable:
                raise ValueError(f"{self.name}: column {column.name} has {array.null_count} gaps and is declared without")
        return pa.table(arrays, schema=self.schema)

    def from_frame(self, frame: pd.DataFrame) -> pa.Table:
        """An Arrow table from the declared columns of a frame; NaN becomes a gap in columns that may have one.

        Raises:
            ValueError: as ``build``.
        """
        columns: dict[str, object] = {}
        for column in self.columns:
            values = frame[column.name]
            if pa.types.is_dictionary(column.dtype):
                columns[column.name] = pa.array(values.tolist(), pa.string()).dictionary_encode()
            elif pa.types.is_floating(column.dtype) and column.nullable:
                columns[column.name] = gaps(values.to_numpy(dtype=float))
            elif pa.types.is_string(column.dtype) and column.nullable:
                columns[column.name] = [None if pd.isna(value) else str(value) for value in values]
            elif pa.types.is_integer(column.dtype) and column.nullable:
                columns[column.name] = [None if pd.isna(value) else int(value) for value in values]
            else:
                columns[column.name] = values.tolist() if pa.types.is_list(column.dtype) else values.to_numpy()
        return self.build(columns)


def gaps(values: Iterable[float]) -> list[float | None]:
    """NaN as a missing value."""
    return [None if math.isnan(value) else float(value) for value in values]


NAMES = pa.dictionary(pa.int32(), pa.string())
