"""Mutations of Arrow tables, and tables as the bytes of a Parquet file."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from fuzz.hostile import WORDS
from fuzz.mutation import mutated_bytes

_TYPES = (
    pa.string(),
    pa.large_string(),
    pa.binary(),
    pa.int8(),
    pa.int64(),
    pa.uint64(),
    pa.float16(),
    pa.float32(),
    pa.float64(),
    pa.bool_(),
    pa.null(),
    pa.timestamp("us"),
    pa.decimal128(20, 4),
    pa.list_(pa.int64()),
    pa.list_(pa.string()),
    pa.struct([("text", pa.string())]),
    pa.dictionary(pa.int32(), pa.string()),
)
_VALUES: tuple[Any, ...] = (None, 0, -1, 1, 127, 2**31, 2**63 - 1, -(2**63), 1e308, float("nan"), float("inf"), True, "", b"")


def mutated_parquet(rng: Random, table: pa.Table) -> bytes:
    """The table after one to three structural changes, or the same table's bytes after some."""
    if rng.random() < 0.3:
        return mutated_bytes(rng, parquet_bytes(rng, table))
    for _ in range(rng.choice((1, 1, 2, 3))):
        try:
            table = rng.choice(_OF_TABLES)(rng, table)
        except (pa.ArrowException, ValueError, TypeError, OverflowError):  # this table cannot be changed so
            continue
    return parquet_bytes(rng, table)


def parquet_bytes(rng: Random, table: pa.Table) -> bytes:
    """A Parquet file, in one of the forms that writers give it."""
    sink = pa.BufferOutputStream()
    options = {
        "compression": rng.choice(("zstd", "snappy", "none", "gzip")),
        "row_group_size": rng.choice((None, 1, 7)),
        "use_dictionary": rng.random() < 0.5,
        "version": rng.choice(("1.0", "2.6")),
        "store_schema": rng.random() < 0.8,
    }
    try:
        pq.write_table(table, sink, **options)
    except (pa.ArrowException, ValueError, TypeError, OverflowError):  # a type or value that this form has no place for
        sink = pa.BufferOutputStream()
        pq.write_table(table.slice(0, 0) if table.num_columns == 0 else table.select([0]), sink)
    return sink.getvalue().to_pybytes()


def _column(rng: Random, table: pa.Table) -> int:
    return rng.randrange(table.num_columns)


def _drop(rng: Random, table: pa.Table) -> pa.Table:
    return table.remove_column(_column(rng, table))


def _rename(rng: Random, table: pa.Table) -> pa.Table:
    names = list(table.column_names)
    names[_column(rng, table)] = rng.choice(
        [*names, *(word for word in WORDS if "\ud800" not in word and "\udcff" not in word)]
    )
    return table.rename_columns(names)


def _double(rng: Random, table: pa.Table) -> pa.Table:
    index = _column(rng, table)
    return table.append_column(table.schema.field(index), table.column(index))


def _retype(rng: Random, table: pa.Table) -> pa.Table:
    """Another type: the same values where they can be cast, else values made for it."""
    index, kind = _column(rng, table), rng.choice(_TYPES)
    try:
        column = table.column(index).cast(kind)
    except (pa.ArrowException, ValueError):
        column = pa.array([rng.choice((None, _value_of(rng, kind))) for _ in range(table.num_rows)], type=kind)
    return table.set_column(index, table.column_names[index], column)


def _value_of(rng: Random, kind: pa.DataType) -> Any:
    if pa.types.is_list(kind):
        return rng.choice(([], [None]))
    if pa.types.is_struct(kind):
        return {"text": rng.choice(("", "text"))}
    for _ in range(20):
        value = rng.choice((*_VALUES, *WORDS))
        try:
            return pa.scalar(value, type=kind).as_py()
        except (pa.ArrowException, ValueError, TypeError, OverflowError):
            continue
    return None


def _revalue(rng: Random, table: pa.Table) -> pa.Table:
    """Other values of the same type."""
    index = _column(rng, table)
    values, kind = table.column(index).to_pylist(), table.schema.field(index).type
    for _ in range(rng.choice((1, 1, 3, len(values)))):
        if values:
            values[rng.randrange(len(values))] = _value_of(rng, kind.value_type if pa.types.is_dictionary(kind) else kind)
    return table.set_column(index, pa.field(table.column_names[index], kind), pa.array(values, type=kind))


def _rows(rng: Random, table: pa.Table) -> pa.Table:
    n = table.num_rows
    return rng.choice(
        (
            lambda: table.slice(0, 0),
            lambda: table.slice(0, n // 2),
            lambda: table.slice(min(1, n)),
            lambda: pa.concat_tables([table, table]),
            lambda: table.take(pa.array(rng.sample(range(n), n))),
        )
    )()


def _reorder(rng: Random, table: pa.Table) -> pa.Table:
    return table.select(rng.sample(range(table.num_columns), table.num_columns))


def _bare(_: Random, table: pa.Table) -> pa.Table:
    return table.replace_schema_metadata(None)


_OF_TABLES: tuple[Callable[[Random, pa.Table], pa.Table], ...] = (
    _drop, _rename, _double, _retype, _retype, _revalue, _revalue, _rows, _reorder, _bare
)  # fmt: skip
