"""Pairs as JSON Lines, read and written streaming: one pair a line, with the name of its schema, so that files can be joined.

| field | value |
|---|---|
| ``schema`` | ``layerscope-pair/1`` |
| ``id`` | twelve hexadecimal digits of type, subtype and sentences |
| ``type``, ``subtype`` | words |
| ``sentence1``, ``sentence2`` | the sentences as they stand |
| ``edit1``, ``edit2`` | [first character that differs, one past the last] |
| ``right`` | 1, 2 or null |
| ``template``, ``source``, ``term`` | words |
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterable, Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

from layerscope.atomic import whole_file
from layerscope.errors import PairError
from layerscope.pairs.pair import MinimalPair
from layerscope.reading import parse_json, read_lines

SCHEMA = "layerscope-pair/1"
_FIELDS = tuple(field.name for field in fields(MinimalPair))


def write_pairs(pairs: Iterable[MinimalPair], path: Path) -> int:
    """Write pairs as they come; the file appears whole or not at all.

    Returns:
        How many were written.
    """
    n_written = 0
    with whole_file(path) as unfinished, unfinished.open("w", encoding="utf-8", newline="\n") as lines:
        for pair in pairs:
            lines.write(to_line(pair) + "\n")
            n_written += 1
    return n_written


def read_pairs(path: Path) -> Iterator[MinimalPair]:
    """The pairs of a file, one after the other; blank lines are skipped.

    Raises:
        PairError: no such file, or a line that is not a pair; its number is named.
        DataError: a line that is not valid JSON, or no UTF-8.
    """
    if not path.is_file():
        raise PairError(f"Pairs are read from a JSON Lines file; there is none at '{path}'.")
    if path.suffix.lower() in (".csv", ".tsv"):
        raise PairError(
            f"Pairs are read from a JSON Lines file; '{path}' is a table: layerscope pairs import table "
            f"{shlex.quote(str(path))} --column sentence1=COLUMN --column sentence2=COLUMN --set type=grammar --set "
            "subtype=NAME --set right=1 -o pairs.jsonl"
        )
    for number, line in read_lines(path):
        if line.strip():
            place = f"Line {number} of '{path}'"
            record = parse_json(line, place)
            try:
                yield from_record(record)
            except PairError as error:
                raise PairError(f"{place} is not a pair: {error}") from error


def to_line(pair: MinimalPair, **additions: Any) -> str:
    """One pair as JSON, without a line end; what commands add stands in fields of its own."""
    record = {"schema": SCHEMA, "id": pair.id, **{name: getattr(pair, name) for name in _FIELDS}, **additions}
    return json.dumps(record, ensure_ascii=False)


def from_record(record: Any) -> MinimalPair:
    """The pair that one line says.

    Raises:
        PairError: it is not a JSON object, another version's, or a field is missing or of the wrong kind.
    """
    if not isinstance(record, dict):
        raise PairError(f"a line is a JSON object; this is {type(record).__name__}")
    if record.get("schema") != SCHEMA:
        raise PairError(
            f"'schema' is '{SCHEMA}'; got {record.get('schema')!r}: import other files with 'layerscope pairs import'"
        )
    missing = [name for name in _FIELDS if name not in record and name != "term"]
    if missing:
        raise PairError(f"a pair has the fields {', '.join(_FIELDS)}; {', '.join(missing)} missing")
    for name in ("type", "subtype", "sentence1", "sentence2", "template", "source", "term"):
        if not isinstance(record.get(name, ""), str):
            raise PairError(f"'{name}' is a string; got {record[name]!r}")
    return MinimalPair(
        **{name: record.get(name, "") for name in _FIELDS if not name.startswith("edit")},
        edit1=_span(record["edit1"], "edit1"),
        edit2=_span(record["edit2"], "edit2"),
    )


def _span(value: Any, name: str) -> tuple[int, int]:
    is_span = isinstance(value, list) and len(value) == 2 and all(type(number) is int for number in value)
    if not is_span:
        raise PairError(f"'{name}' is two whole numbers; got {value!r}")
    return value[0], value[1]
