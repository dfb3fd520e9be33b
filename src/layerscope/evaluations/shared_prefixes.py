"""Paths that begin alike are run once as far as they do: states of a task's batches, kept from one path to the next.

The harness asks each path the same batches in the same order, so a state is found again by the tokens of its batch and the
steps that led to it. The same steps on the same tensors are the same numbers, to the bit. What does not fit is not kept, and
that batch is run whole.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TypeAlias

from jaxtyping import Float, Int
from torch import Tensor

from layerscope.models.decoder import Decoder
from layerscope.paths.path import LayerPath
from layerscope.paths.steps import Step

LIMIT_BYTES = 2**30
"""Of states."""

_Prefix: TypeAlias = tuple[Step, ...]
_Batch: TypeAlias = tuple[tuple[int, ...], bytes]


class SharedPrefixes:
    """States that later paths begin with, for one task."""

    def __init__(self, decoder: Decoder, paths: Sequence[LayerPath], *, limit_bytes: int = LIMIT_BYTES) -> None:
        """Find what each path shares with those before it.

        Args:
            decoder: which runs them.
            paths: in the order in which they are evaluated.
            limit_bytes: of states that are kept at once.
        """
        self._decoder, self._paths, self._limit = decoder, tuple(paths), limit_bytes
        self._starts = tuple(_longest_shared(path, paths[:index]) for index, path in enumerate(paths))
        self._states: dict[tuple[_Batch, _Prefix], Tensor] = {}
        self._bytes = 0

    def walker(self, index: int) -> Callable[[Int[Tensor, "batch seq"]], Float[Tensor, "batch seq *d_model"]]:
        """What takes a batch along one of the paths. States that it and no path after it begin with are let go afterwards."""
        still_needed = set(self._starts[index:])
        for place in [place for place in self._states if place[1] not in still_needed]:
            self._bytes -= self._states.pop(place).nbytes
        return partial(self._walk, index)

    def _walk(self, index: int, token_ids: Int[Tensor, "batch seq"]) -> Float[Tensor, "batch seq *d_model"]:
        batch = (tuple(token_ids.shape), token_ids.cpu().numpy().tobytes())
        recording = self._decoder.record(token_ids)
        steps, start = self._paths[index].steps, self._starts[index]
        wanted = {prefix for prefix in self._starts[index + 1 :] if prefix == steps[: len(prefix)]}
        kept = self._states.get((batch, start)) if start else None
        hidden = recording.embedded if kept is None else kept
        for position in range(0 if kept is None else len(start), len(steps)):
            hidden = self._decoder.run_step(steps[position], hidden, recording)
            if steps[: position + 1] in wanted:
                self._keep(batch, steps[: position + 1], hidden)
        return hidden

    def _keep(self, batch: _Batch, prefix: _Prefix, hidden: Float[Tensor, "batch seq *d_model"]) -> None:
        if (batch, prefix) not in self._states and self._bytes + hidden.nbytes <= self._limit:
            self._states[batch, prefix] = hidden
            self._bytes += hidden.nbytes


def _longest_shared(path: LayerPath, others: Sequence[LayerPath]) -> _Prefix:
    """The longest beginning that a path shares with any of some others."""
    longest: _Prefix = ()
    for other in others:
        n = next((n for n, (a, b) in enumerate(zip(path.steps, other.steps, strict=False)) if a != b), None)
        n = min(len(path), len(other)) if n is None else n
        longest = max(longest, path.steps[:n], key=len)
    return longest
