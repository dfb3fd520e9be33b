"""The text of an answer to what it holds: pairs of sentences, or pieces that are none, with the reason. Nothing is left out.

Servers with structured output send one JSON object. Others put JSON into prose or code fences, add commas, write an object a
line, or stop in the middle; whole objects are found wherever they are, in a time that grows with the length of the text only.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

_STRING = r'"(?:[^"\\]|\\.)*"?'
_STRING_OR_LAST_COMMA = re.compile(r'("(?:[^"\\\n]|\\.)*"?)|,(?=\s*[}\]])')
_STRING_OR_BRACKET = re.compile(rf"{_STRING}|[{{}}\[\]]", re.DOTALL)
_BEGINNING = re.compile(r'\{\s*["}]')
_DEEPEST = 250
"""Brackets within brackets after which those that are too deep to be read are begun anew; pairs lie three deep."""
_MOST_BROKEN = 1000
"""Objects that break off, after which the rest of an answer is one piece."""


@dataclass(frozen=True)
class Received:
    """One pair as it came."""

    text: str
    """The piece of the answer."""
    sides: tuple[str, str] | None
    """The two sentences; None where there are none."""
    reason: str = ""
    """Why there are none."""


@dataclass(frozen=True)
class _Twice:
    """An object that says a name twice: one of the values would be lost."""

    items: list[tuple[str, Any]]
    """Names and values as they came."""


def read_answer(content: str, fields: tuple[str, str]) -> list[Received]:
    """Everything in an answer that is a pair or was meant as one, in its order; at least one item.

    Args:
        content: what the model wrote.
        fields: names of the two sentences.
    """
    said = encodable(content.rpartition("</think>")[2])
    found = list(_pieces(_without_last_commas(said), fields))
    return found or [
        Received(said.strip(), None, "the answer holds no JSON with pairs" if said.strip() else "the answer is empty")
    ]


def encodable(text: str) -> str:
    """The text with halves of characters as their numbers, as JSON writes them."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def _pieces(text: str, fields: tuple[str, str]) -> Iterator[Received]:
    n_broken = 0
    start = text.find("{")
    while start >= 0:
        if n_broken == _MOST_BROKEN:
            yield Received(text[start:], None, "it cannot be read as JSON")
            return
        if not _BEGINNING.match(text, start):
            yield from _broken(text, start)
            start = text.find("{", start + 1)
            continue
        try:
            value, end = _DECODER.raw_decode(text, start)
        except (json.JSONDecodeError, RecursionError) as error:
            n_broken += 1
            objects, end = _inside(text, start, error.pos if isinstance(error, json.JSONDecodeError) else len(text))
            for place, is_whole in objects:
                if is_whole:
                    yield from _all_received(_DECODER.raw_decode(text, place)[0], fields)
                else:
                    yield from _broken(text, place)
        else:
            yield from _all_received(value, fields)
        start = text.find("{", end)


def _inside(text: str, start: int, end: int) -> tuple[list[tuple[int, bool]], int]:
    """Of an object at ``start`` that could be read up to ``end``: where it and those in it begin, and where to go on.

    Each comes with whether it is whole. Those that are not hold the break, all of them, and need not be tried one by one, which
    would take the square of the time. What looked like a string before the break may have been none, so that one goes on in it.
    """
    opened: list[int] = []
    whole: list[int] = []
    goes_on = end
    for token in _STRING_OR_BRACKET.finditer(text, start, end):
        goes_on = token.start() + 1 if token[0][0] == '"' else end
        if token[0] in ("{", "["):
            if len(opened) == _DEEPEST:
                goes_on = token.start()
                break
            opened.append(token.start())
        elif token[0] in ("}", "]"):
            place = opened.pop()
            if token[0] == "}":
                while whole and whole[-1] > place:
                    whole.pop()
                whole.append(place)
    broken = [place for place in opened if text[place] == "{"]
    return sorted([(place, True) for place in whole] + [(place, False) for place in broken]), goes_on


def _broken(text: str, start: int) -> Iterator[Received]:
    """What was meant as an object and is none. A bracket before other objects is only the list around them, or prose."""
    following = text.find("{", start + 1)
    piece = text[start : following if following >= 0 else len(text)].strip()
    if '"' in piece and not piece.endswith(("[", ":")):
        is_cut = following < 0 and "}" not in piece
        yield Received(piece, None, "the answer ends in the middle of it" if is_cut else "it cannot be read as JSON")


def _all_received(value: Any, fields: tuple[str, str]) -> Iterator[Received]:
    return (_received(record, fields) for record in _records(value, fields))


def _records(value: Any, fields: tuple[str, str]) -> Iterator[Any]:
    """The innermost values of lists and objects around the pairs, in their order."""
    waiting = [value]
    while waiting:
        value = waiting.pop()
        if isinstance(value, list):
            waiting += reversed(value)
        elif isinstance(value, dict | _Twice) and (around := _containers(value, fields)):
            waiting += reversed(around)
        else:
            yield value


def _containers(record: dict[str, Any] | _Twice, fields: tuple[str, str]) -> list[Any]:
    """What an object that is not a pair itself has pairs in."""
    items = record.items if isinstance(record, _Twice) else list(record.items())
    if any(name in fields for name, _ in items):
        return []
    return [value for _, value in items if isinstance(value, dict | list | _Twice)]


def _received(record: Any, fields: tuple[str, str]) -> Received:
    if isinstance(record, _Twice):
        said = ", ".join(f"{_written(name)}: {_written(value)}" for name, value in record.items)
        return Received(f"{{{said}}}", None, "it says a name twice")
    text = _written(record)
    if not isinstance(record, dict) or not set(fields) <= set(record):
        return Received(text, None, f"it has not the fields {fields[0]} and {fields[1]}")
    first, second = (record[name] for name in fields)
    if not isinstance(first, str) or not isinstance(second, str):
        return Received(text, None, f"{fields[0]} and {fields[1]} are not both text")
    return Received(text, (first, second))


def _written(value: Any) -> str:
    """A value as JSON again."""
    try:
        return encodable(_ENCODER.encode(value))
    except RecursionError:
        return "(brackets within brackets)"


def _object(items: list[tuple[str, Any]]) -> dict[str, Any] | _Twice:
    return _Twice(items) if len(dict(items)) < len(items) else dict(items)


def _whole_number(digits: str) -> int | float:
    """Not exact where it is long: that would take the square of the time."""
    return int(digits) if len(digits) < 100 else float(digits)


def _without_last_commas(text: str) -> str:
    """The text with a space for each comma that stands before a closing bracket, outside of strings."""
    return _STRING_OR_LAST_COMMA.sub(lambda match: match[1] or " ", text)


_ENCODER = json.JSONEncoder(ensure_ascii=False, default=lambda twice: twice.items)
_DECODER = json.JSONDecoder(strict=False, object_pairs_hook=_object, parse_int=_whole_number)
