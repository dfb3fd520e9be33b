"""Paths over batches of texts, each shared step run once, with states kept from one step of a search to the next.

A search extends what it has just scored: candidates of its next step begin as candidates of this one do. So the states along a
walk are kept, in as much memory as there may be, and the next walk starts from the deepest one at hand. Removing layer j where
the step before removed layer p costs the layers after p alone for every j before p. Where memory does not hold every state,
each k-th is kept, so that a walk has at most k − 1 layers to run again. The same state always comes from the same operations on
the same batch, so that what is kept changes no bit of a score.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from layerscope.engine.batching import Shard, padded_ids, scored_tokens
from layerscope.models.decoder import Decoder, Recording
from layerscope.paths.path import LayerPath
from layerscope.paths.steps import LayerStep
from layerscope.paths.trie import ROOT, PrefixTree, Visit
from layerscope.progress import Advance, nobody_asks
from layerscope.searches.engine.objective import GROUP_BYTES, Objective, text_sums


@dataclass
class PathWalker:
    """Scores paths on shards; remembers states between calls."""

    decoder: Decoder
    """The model; never copied."""
    shards: Sequence[Shard]
    """All batches of texts that will be asked for."""
    objective: Objective
    """What is summed over each text."""
    kept_bytes: int
    """What states may take between calls; 0 to keep none."""
    advance: Advance = nobody_asks
    """Called with layer runs × positions as they are done."""
    layer_runs: int = 0
    """Layers that ran so far, counted over all batches."""
    _tree: PrefixTree = field(default_factory=PrefixTree)
    _kept: list[dict[int, Tensor]] = field(init=False)
    _intact: dict[int, Tensor] = field(init=False, default_factory=dict)
    _every: int = field(init=False, default=1)
    _held: int = field(init=False, default=0)

    def __post_init__(self) -> None:
        self._kept = [{} for _ in self.shards]

    def expect(self, paths: Sequence[LayerPath]) -> None:
        """Say which paths come next: states that none of them begins with are let go, and room is made for theirs."""
        needed = {node for path in paths for node in self._tree.nodes(path)}
        for states in self._kept:
            for node in [node for node in states if node not in needed]:
                self._held -= states.pop(node).nbytes
        _, visits = self._tree.walk(paths)
        positions = sum(shard.padded_tokens for shard in self.shards)
        wanted = len(visits) * positions * self._bytes_a_position
        self._every = math.ceil(wanted / self.kept_bytes) if self.kept_bytes > 0 else 0

    @torch.inference_mode()
    def score(self, number: int, paths: Sequence[LayerPath]) -> Float[np.ndarray, "path row"]:
        """The objective summed over each text of a shard.

        Args:
            number: of the shard, in ``shards``.
            paths: to be scored.
        """
        shard, kept = self.shards[number], self._kept[number]
        recording = self.decoder.record(padded_ids(shard))
        ended = _Ended(self.decoder, self.objective, shard, len(paths))
        if self.objective == "kl":
            if number not in self._intact:
                self._intact[number] = ended.chosen(self._run_intact(recording)).clone()
            ended.intact = self._intact[number]
        at_start, visits = self._tree.walk(paths, kept.keys())
        states = {ROOT: recording.embedded, **kept}
        for node, ends in at_start.items():
            ended.add(ends, states[node])
        for visit in visits:
            source = states.pop(visit.parent) if visit.is_last_use else states[visit.parent]
            state = self.decoder.run_step(visit.step, source, recording)
            del source
            self.layer_runs += visit.step.layer_runs
            if visit.ends:
                ended.add(visit.ends, state)
            if not visit.is_leaf:
                states[visit.node] = state
                self._keep(number, visit, state)
            self.advance(visit.step.layer_runs * shard.padded_tokens)
        return ended.result()

    def _keep(self, number: int, visit: Visit, state: Tensor) -> None:
        if not self._every or self._tree.depth(visit.node) % self._every or visit.node in self._kept[number]:
            return
        if self._held + state.nbytes <= self.kept_bytes:
            self._kept[number][visit.node] = state
            self._held += state.nbytes

    def _run_intact(self, recording: Recording) -> Tensor:
        hidden = recording.embedded
        for layer in range(self.decoder.n_layers):
            hidden = self.decoder.run_step(LayerStep(layer), hidden, recording)
        self.layer_runs += self.decoder.n_layers
        return hidden

    @cached_property
    def _bytes_a_position(self) -> int:
        embedded = self.decoder.record(torch.zeros((1, 2), dtype=torch.long)).embedded
        return embedded[0, 0].numel() * embedded.element_size()


class _Ended:
    """Final states of a shard's paths, scored in groups."""

    def __init__(self, decoder: Decoder, objective: Objective, shard: Shard, n_paths: int) -> None:
        self.intact: Tensor | None = None
        self._decoder, self._objective = decoder, objective
        self._tokens = tokens = scored_tokens(shard)
        self._rows, self._sources = torch.from_numpy(tokens.row), torch.from_numpy(tokens.position - 1)
        self._sums = np.full((n_paths, len(shard.windows)), np.nan)
        self._waiting: list[tuple[tuple[int, ...], Tensor]] = []

    def chosen(self, state: Tensor) -> Tensor:
        """What predicts the scored tokens, of a state of the whole batch."""
        return state[self._rows.to(state.device), self._sources.to(state.device)]

    def add(self, ends: tuple[int, ...], state: Tensor) -> None:
        """The state with which some paths end."""
        self._waiting.append((ends, self.chosen(state)))
        if len(self._waiting) * self._waiting[0][1].nbytes >= GROUP_BYTES:
            self._score()

    def result(self) -> Float[np.ndarray, "path row"]:
        """Sums of every path, once all have ended."""
        if self._waiting:
            self._score()
        return self._sums

    def _score(self) -> None:
        finals, n_rows = [final for _, final in self._waiting], self._sums.shape[1]
        found = text_sums(self._decoder, self._objective, finals, self._tokens, n_rows=n_rows, intact=self.intact)
        for (ends, _), of_path in zip(self._waiting, found, strict=True):
            self._sums[list(ends)] = of_path
        self._waiting.clear()
