"""Columns of the tables in a run directory, from their declaration."""

from __future__ import annotations

import pyarrow as pa
from site_markdown import table

from layerscope.contrasts import tables as contrast_tables
from layerscope.evaluations import tables as evaluation_tables
from layerscope.results.schema import Table
from layerscope.searches import tables as search_tables
from layerscope.sweeps import pair_tables
from layerscope.sweeps import tables as sweep_tables

TABLES = {
    found.name: found
    for module in (sweep_tables, pair_tables, contrast_tables, evaluation_tables, search_tables)
    for found in vars(module).values()
    if isinstance(found, Table)
}
"""Every declared table by its file or folder."""


def columns(name: str) -> str:
    """What one row is, and every column with type, unit and meaning.

    Raises:
        KeyError: no such table.
    """
    declared = TABLES[name]
    rows = [
        (f"`{c.name}`", _dtype(c.dtype) + (", may be missing" if c.nullable else ""), c.unit, c.meaning)
        for c in declared.columns
    ]
    return f"One row is {declared.row}.\n\n" + table(("column", "type", "unit", "meaning"), rows)


def _dtype(dtype: pa.DataType) -> str:
    if pa.types.is_dictionary(dtype):
        return "string (dictionary)"
    if pa.types.is_list(dtype):
        return f"list of {_dtype(dtype.value_type)}"
    return {"float": "float32", "halffloat": "float16", "double": "float64"}.get(str(dtype), str(dtype))
