"""The text of an answer to what it holds: pairs of sentences, or pieces that are none, with the reason. Nothing is left out.

Servers with structured output send one JSON object. Others put JSON into prose or code fences, add commas, write an object a
line, or stop in the middle; whole objects are found wherever they are.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

_STRING_OR_LAST_COMMA = re.compile(r'("(?:[^"\\\n]|\\.)*")|,(?=\s*[}\]])')


@dataclass(frozen=True)
class Received:
    """One pair as it came."""

    text: str
    """The piece of the answer."""
    sides: tuple[str, str] | None
    """The two sentences; None where there are none."""
    reason: str = ""
    """Why there are none."""


def read_answer(content: str, fields: tuple[str, str]) -> list[Received]:
    """Everything in an answer that is a pair or was meant as one, in its order; at least one item.

    Args:
        content: what the model wrote.
        fields: names of the two sentences.
    """
    said = content.rpartition("</think>")[2]
    found = list(_pieces(_without_last_commas(said), fields))
    return found or [
        Received(said.strip(), None, "the answer holds no JSON with pairs" if said.strip() else "the answer is empty")
    ]


def _pieces(text: str, fields: tuple[str, str]) -> Iterator[Received]:
    start = text.find("{")
    while start >= 0:
        try:
            value, end = _DECODER.raw_decode(text, start)
        except (ValueError, RecursionError):
            end = start + 1
            inner = text.find("{", end)
            yield from _broken(text[start : inner if inner >= 0 else len(text)], is_last=inner < 0)
        else:
            for record in _records(value, fields):
                yield _received(record, fields)
        start = text.find("{", end)


def _broken(piece: str, *, is_last: bool) -> Iterator[Received]:
    """What was meant as an object and is none. A bracket before other objects is only the list around them, or prose."""
    piece = piece.strip()
    if '"' in piece and not piece.endswith(("[", ":")):
        is_cut = is_last and "}" not in piece
        yield Received(piece, None, "the answer ends in the middle of it" if is_cut else "it cannot be read as JSON")


def _records(value: Any, fields: tuple[str, str]) -> Iterator[Any]:
    """The innermost values of lists and objects around the pairs, in their order."""
    waiting = [value]
    while waiting:
        value = waiting.pop()
        if isinstance(value, list):
            waiting += reversed(value)
        elif isinstance(value, dict) and not set(fields) & set(value) and (around := _containers(value)):
            waiting += reversed(around)
        else:
            yield value


def _containers(record: dict[str, Any]) -> list[Any]:
    return [value for value in record.values() if isinstance(value, dict | list)]


def _received(record: Any, fields: tuple[str, str]) -> Received:
    text = json.dumps(record, ensure_ascii=False).encode("utf-8", "backslashreplace").decode("utf-8")
    if not isinstance(record, dict) or set(record) & set(fields) != set(fields):
        return Received(text, None, f"it has not the fields {fields[0]} and {fields[1]}")
    first, second = (record[name] for name in fields)
    if not isinstance(first, str) or not isinstance(second, str):
        return Received(text, None, f"{fields[0]} and {fields[1]} are not both text")
    return Received(text, (first, second))


def _once_each(items: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object, unless it says a name twice: one of the values would be lost."""
    if len(dict(items)) < len(items):
        raise ValueError("a name twice")
    return dict(items)


def _without_last_commas(text: str) -> str:
    """The text with a space for each comma that stands before a closing bracket, outside of strings."""
    return _STRING_OR_LAST_COMMA.sub(lambda match: match[1] or " ", text)


_DECODER = json.JSONDecoder(strict=False, object_pairs_hook=_once_each)
