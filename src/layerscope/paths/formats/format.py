"""What a format is: a reader, a writer, what it cannot say, and how its files are told from others. Pure values; no torch.

Layers are numbered from 0. A file may leave open how many layers the model has; whoever reads it then has to know.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from layerscope.errors import PathError
from layerscope.paths.path import LONGEST_PATH, LayerPath
from layerscope.reading import whole_number

_MOST_STEPS = 2 * LONGEST_PATH


@dataclass(frozen=True)
class FoundPath:
    """A path as a file says it."""

    path: LayerPath
    """Within the model's layers, if their number is known."""
    n_layers: int | None
    """Layers of the model, from the file or from whoever reads it; None where neither knows."""


@dataclass(frozen=True)
class Source:
    """What a written file says besides the path, as far as it is known."""

    n_layers: int | None = None
    """Layers of the model that the path is of."""
    model: str | None = None
    """Its name."""
    dtype: str | None = None
    """Of its weights, as torch names it."""


@dataclass(frozen=True)
class PathFormat:
    """One format."""

    name: str
    """As it is given to ``--to``."""
    says: str
    """What it can say, as the start of a sentence."""
    difference: Callable[[LayerPath], str | None]
    """What of a path it cannot say, as the rest of a sentence about the path; None if it can say all of it."""
    recognises: Callable[[str], bool]
    """Whether a text looks like one of its files. Cheap, and right for its own files, not a proof that they can be read."""
    read: Callable[[str, str, int | None], tuple[FoundPath, ...]]
    """From a text, where it stands (``'file.txt'``, for messages) and the number of layers, if known, to one path or more."""
    write: Callable[[LayerPath, Source], str]
    """The whole text of a file, for a path that it can say."""
    holds_several: bool = False
    """True if a file may hold several paths: their texts one after the other."""


def within_limit(found: Iterable[FoundPath], place: str) -> tuple[FoundPath, ...]:
    """The paths of a file that may hold several, as they are read.

    Raises:
        PathError: they have more steps together than are read.
    """
    kept: list[FoundPath] = []
    n_steps = 0
    for one in found:
        n_steps += len(one.path)
        if n_steps > _MOST_STEPS:
            raise PathError(f"The paths of a file have at most {_MOST_STEPS:,} steps together; {place} has more: split it.")
        kept.append(one)
    return tuple(kept)


def agreed_layers(held: int | None, given: int | None, place: str) -> int | None:
    """The number of layers, where the file and whoever reads it may both know.

    Raises:
        PathError: they disagree, or it is no number of layers.
    """
    for count in (held, given):
        if count is not None and not 0 < count <= LONGEST_PATH:
            raise PathError(
                f"A model has 1 to {LONGEST_PATH:,} layers; got {shown(count)} for {place}: name the model's own number."
            )
    if held is not None and given is not None and held != given:
        raise PathError(
            f"{place} is about a model of {held} layers, not of {given}: leave --layers and --model out, or name the "
            "model that it is about."
        )
    return given if held is None else held


def needed_layers(n_layers: int | None, what: str) -> int:
    """The number of layers where a format cannot do without.

    Raises:
        PathError: nobody knows it.
    """
    if n_layers is None:
        raise PathError(f"{what}, and it does not say how many layers the model has: add --layers or --model.")
    return n_layers


def layer_numbers(values: Sequence[object], n_layers: int | None, place: str, *, repeats: bool = False) -> list[int]:
    """Layers as a list holds them.

    Args:
        values: of a stranger's file.
        n_layers: of the model, if known.
        place: where the list stands, as the start of a sentence.
        repeats: whether a layer may come more than once.

    Raises:
        PathError: something else is among them, a layer that the model does not have, or one twice.
    """
    if len(values) > LONGEST_PATH:
        raise PathError(f"{place} has {len(values):,} items; a path has at most {LONGEST_PATH:,} steps: shorten it.")
    found: list[int] = []
    seen: set[int] = set()
    for value in values:
        if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 10**18:
            raise PathError(f"{place} lists layers by their number from 0; got {shown(value)}: correct it there.")
        if n_layers is not None and value >= n_layers:
            raise PathError(f"{place} stays within the model's layers 0-{n_layers - 1}; got {value}: correct it there.")
        if value in seen and not repeats:
            raise PathError(f"{place} names each layer once; got {value} twice: leave one out.")
        seen.add(value)
        found.append(value)
    return found


def typed_numbers(text: str) -> list[object]:
    """The items of a list that somebody typed, joined by commas: numbers where they are whole ones, else as they stand."""
    items = [item.strip() for item in text.split(",")] if text.strip() else []
    return [item if (number := whole_number(item)) is None else number for item in items]


def shown(value: object) -> str:
    """A stranger's value in a message: short, whatever it is."""
    if isinstance(value, list | tuple):
        return f"a list of {len(value)}"
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, int) and value.bit_length() > 200:
        return "a number of more than 60 digits"
    text = f"'{value}'" if isinstance(value, str) else f"{value}"
    return text if len(text) <= 60 else f"{text[:60]}…"
