"""Mutations of bytes, of text and of JSON. All randomness is a passed ``random.Random``; nothing is read or written.

Structural mutations keep a file readable and change what it says; mutations of bytes change whether it can be read.
"""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Callable
from random import Random
from typing import Any

from fuzz.hostile import BYTES, DEEP, NUMBERS, WORDS

_NUMBER = re.compile(rb"-?\d+(?:\.\d+)?")
_ENCODINGS = ("utf-16", "utf-16-le", "utf-32", "latin-1", "utf-8-sig", "shift_jis")


def mutated_bytes(rng: Random, data: bytes, other: bytes = b"") -> bytes:
    """The bytes after one to four changes; ``other`` is what may be spliced in."""
    for _ in range(rng.choice((1, 1, 1, 2, 4))):
        data = rng.choice(_OF_BYTES)(rng, data, other)
    return data


def mutated_text(rng: Random, text: str) -> str:
    """Text after one to three changes, still text."""
    for _ in range(rng.choice((1, 1, 2, 3))):
        start, end = _range(rng, len(text))
        text = rng.choice(
            (
                text[:start] + rng.choice(WORDS) + text[end:],
                text[:start] + rng.choice(WORDS) + text[start:],
                text[:start] + text[end:],
                text[:end] + text[start:],
                text[:start] + text[start:end].swapcase() + text[end:],
            )
        )
    return text


def mutated_json(rng: Random, value: Any) -> bytes:
    """JSON whose structure was changed in one to three places, as Python's own writer or a stricter one would put it down."""
    value, raw = copy.deepcopy(value), _Raw()
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        value = _changed(rng, value, raw)
    text = json.dumps(value, ensure_ascii=rng.random() < 0.5, indent=rng.choice((None, None, 2)))
    data = raw.put_into(text).encode("utf-8", "surrogatepass")
    return mutated_bytes(rng, data) if rng.random() < 0.1 else data


class _Raw:
    """Values that no object stands for, such as numbers of 5,000 digits: written in after the rest."""

    def __init__(self) -> None:
        self._texts: list[str] = []

    def stand_in(self, text: str) -> str:
        self._texts.append(text)
        return f"@raw{len(self._texts) - 1}@"

    def put_into(self, text: str) -> str:
        for number, raw in enumerate(self._texts):
            text = text.replace(f'"@raw{number}@"', raw)
        return text


def _hostile(rng: Random, raw: _Raw) -> Any:
    return rng.choice(
        (
            lambda: raw.stand_in(rng.choice(NUMBERS)),
            lambda: raw.stand_in(rng.choice(NUMBERS)),
            lambda: rng.choice(WORDS),
            lambda: rng.choice(WORDS),
            lambda: None,
            lambda: rng.choice((True, False)),
            lambda: rng.choice(([], {}, [[]], [None], {"": None})),
            lambda: raw.stand_in("[" * DEEP + "]" * DEEP),
            lambda: raw.stand_in('{"a":' * DEEP + "1" + "}" * DEEP),
            lambda: raw.stand_in('{"a":1,"a":2}'),
        )
    )()


def _changed(rng: Random, value: Any, raw: _Raw) -> Any:
    places = list(_places(value))
    if not places or rng.random() < 0.03:
        return _hostile(rng, raw)
    holder, key = rng.choice(places)
    what = rng.random()
    if what < 0.35:
        holder[key] = _hostile(rng, raw)
    elif what < 0.5:
        del holder[key]
    elif what < 0.6:
        other, its_key = rng.choice(places)
        holder[key], other[its_key] = copy.deepcopy(other[its_key]), copy.deepcopy(holder[key])
    elif what < 0.7:
        holder[key] = _near(rng, holder[key])
    elif what < 0.8 and isinstance(holder, dict):
        holder[rng.choice(WORDS) if rng.random() < 0.5 else mutated_text(rng, key)] = holder.pop(key)
    elif what < 0.9:
        holder[key] = [holder[key]] if rng.random() < 0.5 else {"value": holder[key]}
    elif isinstance(holder, list):
        holder.insert(key, copy.deepcopy(holder[key]))
    else:
        holder[key] = str(holder[key])
    return value


def _near(rng: Random, value: Any) -> Any:
    """Another value of the same type."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return rng.choice((value - 1, value + 1, -value, value * 2, value * 10**6, 0, 2**31, 2**63))
    if isinstance(value, float):
        return rng.choice((-value, value * 1e300, float("nan"), float("inf"), 0.0))
    if isinstance(value, str):
        return mutated_text(rng, value)
    return value


def _places(value: Any) -> Any:
    """Every (container, key) below a value."""
    if isinstance(value, dict | list):
        for key, inner in list(value.items() if isinstance(value, dict) else enumerate(value)):
            yield value, key
            yield from _places(inner)


def _range(rng: Random, length: int) -> tuple[int, int]:
    start = rng.randint(0, length)
    return start, min(length, start + rng.choice((0, 1, 2, 5, 20, 100, length)))


def _replace(rng: Random, data: bytes, start: int, end: int) -> bytes:
    return data[:start] + rng.choice(_TOKENS) + data[end:]


def _flip(rng: Random, data: bytes, _: bytes) -> bytes:
    if not data:
        return b"\x00"
    changed = bytearray(data)
    for _ in range(rng.choice((1, 1, 3, 10))):
        changed[rng.randrange(len(changed))] ^= 1 << rng.randrange(8)
    return bytes(changed)


def _insert(rng: Random, data: bytes, _: bytes) -> bytes:
    start = rng.randint(0, len(data))
    return _replace(rng, data, start, start)


def _overwrite(rng: Random, data: bytes, _: bytes) -> bytes:
    return _replace(rng, data, *_range(rng, len(data)))


def _cut(rng: Random, data: bytes, _: bytes) -> bytes:
    start, end = _range(rng, len(data))
    return data[:start] + data[end:]


def _end_early(rng: Random, data: bytes, _: bytes) -> bytes:
    return data[: rng.choice((0, 1, 3, 8, len(data) // 2, max(len(data) - 1, 0), rng.randint(0, len(data))))]


def _repeat(rng: Random, data: bytes, _: bytes) -> bytes:
    start, end = _range(rng, len(data))
    return data[:end] + data[start:end] * rng.choice((1, 2, 50)) + data[end:]


def _splice(rng: Random, data: bytes, other: bytes) -> bytes:
    return data[: rng.randint(0, len(data))] + other[rng.randint(0, len(other)) :]


def _number(rng: Random, data: bytes, _: bytes) -> bytes:
    found = list(_NUMBER.finditer(data[:100_000]))
    if not found:
        return data
    one = rng.choice(found)
    return data[: one.start()] + rng.choice(NUMBERS).encode() + data[one.end() :]


def _lines(rng: Random, data: bytes, _: bytes) -> bytes:
    lines = data.split(b"\n")
    if len(lines) < 2:
        return data
    here, there = rng.randrange(len(lines)), rng.randrange(len(lines))
    what = rng.randrange(4)
    if what == 0:
        lines[here], lines[there] = lines[there], lines[here]
    elif what == 1:
        del lines[here]
    elif what == 2:
        lines.insert(there, lines[here])
    else:
        lines[here] += lines.pop(there) if here < there else b""
    return rng.choice((b"\n", b"\n", b"\r\n", b"\r")).join(lines)


def _encoding(rng: Random, data: bytes, _: bytes) -> bytes:
    return data.decode("utf-8", "replace").encode(rng.choice(_ENCODINGS), "replace")


_TOKENS = (*BYTES, *(word.encode("utf-8", "surrogatepass") for word in WORDS), *(number.encode() for number in NUMBERS))
_OF_BYTES: tuple[Callable[[Random, bytes, bytes], bytes], ...] = (
    _flip, _flip, _insert, _insert, _overwrite, _cut, _end_early, _repeat, _splice, _number, _number, _lines, _lines, _encoding
)  # fmt: skip
