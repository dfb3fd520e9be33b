"""Moves: single changes of a path, from which a search makes its candidates. Pure values; no torch.

====================  ======================================================================================================
``removal``           one step is left out: a layer, or the half that is left of it
``attention-removal`` a layer's attention is left out, or all that is left of the layer where its MLP went before
``mlp-removal``       likewise its MLP
``exchange``          two neighbouring steps trade places
``interchange:d``     two steps up to d places apart trade places; any two without ``:d``
``block-repeat:w``    a block of 1 to w steps runs a second time right after the first; w is 4 without it
``replacement:d``     a layer gives way to a copy of another up to d layers from it; of any other without ``:d``
====================  ======================================================================================================

Sources: removal and exchange, the published scripts of this method; halves, He et al. 2024, "What Matters in Transformers?"
(arXiv 2406.15786); repeated blocks, RYS; interchange and replacement, "No Free Swap" (arXiv 2605.16234).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass

from layerscope.errors import PathError, check_text, did_you_mean
from layerscope.paths.path import LayerPath
from layerscope.paths.steps import LayerStep, Step

WIDEST_BLOCK = 4
"""Steps of a repeated block where no width is given."""

Steps = tuple[Step, ...]


@dataclass(frozen=True)
class Candidate:
    """A path that one move makes of another."""

    move: str
    """What was done, such as ``removal-10``, by the model's own numbers of layers; ``removal-10#2`` where one runs twice."""
    path: LayerPath
    """What came of it."""


@dataclass(frozen=True)
class Move:
    """One kind of change, as it was asked for."""

    name: str
    """The word before the colon."""
    reach: int | None
    """The number behind it; None where there is none."""

    @property
    def written(self) -> str:
        """As on the command line."""
        return self.name if self.reach is None else f"{self.name}:{self.reach}"

    @property
    def half_layers(self) -> int:
        """By how much it changes a path's size at most, in half layers; below 0 where it makes a path shorter."""
        return {"removal": -2, "attention-removal": -1, "mlp-removal": -1}.get(
            self.name, 1 if self.name == "block-repeat" else 0
        )


def parse_moves(names: Sequence[str]) -> tuple[Move, ...]:
    """Read moves as they are written on the command line.

    Raises:
        PathError: none, no such move (with near names), or a number where none belongs.
    """
    moves = tuple(_parse(name) for name in names)
    if not moves:
        raise PathError(f"A search makes one kind of move or more; none was given. Known: {', '.join(_MAKERS)}.")
    return tuple(dict.fromkeys(moves))


def _parse(written: str) -> Move:
    check_text(written, "A move", _MAKERS, PathError)
    name, colon, number = written.strip().partition(":")
    if name not in _MAKERS:
        raise PathError(f"Unknown move '{written}'.{did_you_mean(name, _MAKERS)} Known: {', '.join(_MAKERS)}.")
    if not colon:
        return Move(name, None)
    if name not in _WITH_REACH or not re.fullmatch(r"[1-9]\d{0,5}", number, re.ASCII):
        form = f"{name} or {name}:n with n of 1 or more" if name in _WITH_REACH else f"{name}, without a number"
        raise PathError(f"The move '{name}' is written {form}; got '{written}'.")
    return Move(name, int(number))


def size_of(path: LayerPath) -> int:
    """Half layers that a path runs: 2 for a whole layer, 1 for its attention or its MLP alone."""
    return sum(1 if member.part in ("attn", "mlp") else 2 for step in path.steps for member in step.members)


def written_size(half_layers: int) -> str:
    """A size in layers, as it is shown: ``24`` or ``23.5``."""
    return f"{half_layers / 2:g}"


def neighbours(path: LayerPath, moves: Sequence[Move], *, n_layers: int, kept: Collection[int] = ()) -> list[Candidate]:
    """Every path that one move makes of a path, each once and none of them empty or the path itself.

    Args:
        path: whole layers and halves, one after the other.
        moves: what may be done.
        n_layers: of the model.
        kept: layers that no move touches; what runs between them may still change.

    Examples:
        >>> found = neighbours(ls.LayerPath.parse("0-2"), parse_moves(["removal", "exchange"]), n_layers=3)
        >>> [(one.move, str(one.path)) for one in found[:4]]
        [('removal-0', '1-2'), ('removal-1', '0,2'), ('removal-2', '0-1'), ('exchange-0-1', '1,0,2')]
    """
    found: dict[LayerPath, Candidate] = {}
    n_named: Counter[str] = Counter()
    for move in moves:
        for what, steps in _MAKERS[move.name](path.steps, move, n_layers, frozenset(kept)):
            made, name = LayerPath(steps), f"{move.name}-{what}"
            if steps and made != path and made not in found:
                n_named[name] += 1
                found[made] = Candidate(name if n_named[name] == 1 else f"{name}#{n_named[name]}", made)
    return list(found.values())


def _layer(step: Step) -> int:
    return step.layers[0]


def _free(steps: Steps, kept: frozenset[int]) -> list[int]:
    """Places whose step may change."""
    return [place for place, step in enumerate(steps) if not kept.intersection(step.layers)]


def _removals(steps: Steps, _: Move, __: int, kept: frozenset[int]) -> Iterator[tuple[str, Steps]]:
    for at in _free(steps, kept):
        yield str(steps[at]), steps[:at] + steps[at + 1 :]


def _half_removals(lost: str, left: str) -> Callable[..., Iterator[tuple[str, Steps]]]:
    def found(steps: Steps, _: Move, __: int, kept: frozenset[int]) -> Iterator[tuple[str, Steps]]:
        for at in _free(steps, kept):
            step = steps[at]
            if isinstance(step, LayerStep) and step.part in ("whole", lost):
                rest = (LayerStep(step.layer, left),) if step.part == "whole" else ()
                yield str(step.layer), steps[:at] + rest + steps[at + 1 :]

    return found


def _exchanges(steps: Steps, _: Move, __: int, kept: frozenset[int]) -> Iterator[tuple[str, Steps]]:
    yield from _swaps(steps, 1, kept)


def _interchanges(steps: Steps, move: Move, __: int, kept: frozenset[int]) -> Iterator[tuple[str, Steps]]:
    yield from _swaps(steps, move.reach or len(steps), kept)


def _swaps(steps: Steps, reach: int, kept: frozenset[int]) -> Iterator[tuple[str, Steps]]:
    free = _free(steps, kept)
    for one in free:
        for other in (place for place in free if one < place <= one + reach):
            swapped = list(steps)
            swapped[one], swapped[other] = steps[other], steps[one]
            yield f"{steps[one]}-{steps[other]}", tuple(swapped)


def _repeats(steps: Steps, move: Move, _: int, kept: frozenset[int]) -> Iterator[tuple[str, Steps]]:
    for first in range(len(steps)):
        for last in range(first, min(first + (move.reach or WIDEST_BLOCK), len(steps))):
            block = steps[first : last + 1]
            if not any(kept.intersection(step.layers) for step in block):
                what = str(block[0]) if first == last else f"{block[0]}-{block[-1]}"
                yield what, steps[: last + 1] + block + steps[last + 1 :]


def _replacements(steps: Steps, move: Move, n_layers: int, kept: frozenset[int]) -> Iterator[tuple[str, Steps]]:
    for at in _free(steps, kept):
        step = steps[at]
        for other in range(n_layers):
            if isinstance(step, LayerStep) and abs(other - _layer(step)) <= (move.reach or n_layers):
                yield f"{step}-by-{other}", (*steps[:at], LayerStep(other, step.part), *steps[at + 1 :])


_MAKERS: dict[str, Callable[[Steps, Move, int, frozenset[int]], Iterator[tuple[str, Steps]]]] = {
    "removal": _removals,
    "attention-removal": _half_removals("attn", "mlp"),
    "mlp-removal": _half_removals("mlp", "attn"),
    "exchange": _exchanges,
    "interchange": _interchanges,
    "block-repeat": _repeats,
    "replacement": _replacements,
}
_WITH_REACH = ("interchange", "block-repeat", "replacement")
