"""What ablations do to predictions: over minimal pairs, from the edit on, and over ordinary text.

Many ablations go over the same batches. What both sides of a batch's pairs share is run once and copied for each of them; the
layers before the first changed one are not run again, where going on from the intact state gives the intact model to the bit.

Axes: ``ablation``, ``side`` (2), ``pair``, ``text``, ``row`` and ``column`` of a pass.
"""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from layerscope.contrasts.engine.ablation import Replacement, Units, ablated, check_replacement, replacement_values
from layerscope.contrasts.engine.pair_batches import FAMILYS_OWN_ERRORS, BatchRun, PairBatch, run_shared, run_sides
from layerscope.contrasts.engine.pair_scores import pair_tokens
from layerscope.contrasts.engine.reference import Reference
from layerscope.engine.batching import Shard, padded_ids, scored_tokens
from layerscope.engine.next_token import nll_of
from layerscope.models.decoder import Decoder
from layerscope.models.patching import Forward, replaced_forward
from layerscope.models.sites import Activations, SiteMap, first_of
from layerscope.progress import Advance, nobody_asks


@dataclass(frozen=True)
class Ablation:
    """One change to the model."""

    units: Units
    """What is changed."""
    replace: Replacement = "mean"
    """By what."""


Ablations = Sequence[Ablation | None]
"""None is the intact model."""


@dataclass(frozen=True)
class Outcome:
    """Predictions over pairs under each ablation."""

    continuation_nats: Float[np.ndarray, "ablation side pair"]
    """−ln p of all that follows the edit, summed; NaN where nothing does."""
    sentence_nats: Float[np.ndarray, "ablation side pair"]
    """−ln p of the edit and all that follows; NaN where nothing stands before the edit."""


@dataclass(frozen=True)
class TextOutcome:
    """Predictions over texts under each ablation."""

    nll_nats: Float[np.ndarray, "ablation text"]
    """−ln p summed over the text's scored tokens."""
    n_tokens: Int[np.ndarray, " text"]
    """Tokens scored."""


class PairScoring:
    """Pairs that are scored under one ablation after another, each from the first token that differs on.

    What all ablations share, the intact passes, is run when a batch is first needed, and kept.

    Args:
        sites: of the model.
        batches: all that ``make_batches`` made of some pairs.
        ablations: all that may be asked for; the intact model may be among them.
        reference: for mean and resample.
        seed: for resample. Each place of a pair draws a token of the reference: the same for all ablations, whatever the
            batches, and the same on both sides, counted from the edit's end, so that it cancels in their difference.
        advance: called with the passes done since the last call; one for each batch and ablation.

    Raises:
        ModelError: units that the model does not have, or a reference that is missing. Nothing has run then.
    """

    def __init__(
        self,
        sites: SiteMap,
        batches: Sequence[PairBatch],
        ablations: Ablations,
        *,
        reference: Reference | None = None,
        seed: int = 0,
        advance: Advance = nobody_asks,
    ) -> None:
        _check(sites, ablations, reference)
        self._sites, self._batches, self._ablations = sites, batches, ablations
        self._reference, self._seed, self._advance = reference, seed, advance
        self._kept: dict[int, Rows] = {}

    def under(self, some: range) -> Outcome:
        """Of the ablations of these numbers."""
        n_pairs = sum(len(batch.members) for batch in self._batches)
        continuation, sentence = np.full((2, len(some), 2, n_pairs), np.nan)
        with self._sites.decoder.weights_at_hand():
            for number, batch in enumerate(self._batches):
                rows, tokens = self._rows(number), pair_tokens(batch)
                for index, ablation in enumerate(self._ablations[one] for one in some):
                    final = BatchRun(Activations([rows.final(ablation, self._reference)]), rows.shared_final).final
                    nll = nll_of(self._sites.decoder, final[tokens.row, tokens.column], torch.from_numpy(tokens.token_id))
                    continuation[index][:, batch.members], sentence[index][:, batch.members] = tokens.sums(nll)
                    self._advance(1)
        return Outcome(continuation, sentence)

    def _rows(self, number: int) -> Rows:
        if number not in self._kept:
            batch, bank_size = self._batches[number], _bank_size(self._ablations, self._reference)
            sample = None if bank_size is None else _pair_samples(batch, bank_size, self._seed)
            self._kept[number] = pair_rows(self._sites, batch, _skipped(self._ablations), sample=sample)
        return self._kept[number]


def measure_pairs(
    sites: SiteMap,
    batches: Sequence[PairBatch],
    ablations: Ablations,
    *,
    reference: Reference | None = None,
    seed: int = 0,
    advance: Advance = nobody_asks,
) -> Outcome:
    """``PairScoring`` under all its ablations."""
    scoring = PairScoring(sites, batches, ablations, reference=reference, seed=seed, advance=advance)
    return scoring.under(range(len(ablations)))


def measure_text(
    sites: SiteMap,
    shards: Sequence[Shard],
    ablations: Ablations,
    *,
    reference: Reference | None = None,
    seed: int = 0,
    advance: Advance = nobody_asks,
) -> TextOutcome:
    """Score texts under many ablations, each at all tokens but the first.

    Args:
        sites: of the model.
        shards: all that ``make_shards`` made of some windows.
        ablations: any number; the intact model may be among them.
        reference: for mean and resample.
        seed: for resample. Each place of a text draws a token of the reference, the same for all ablations.
        advance: called with the passes done since the last call; as many as shards times ablations in all.

    Returns:
        Sums for each window that the shards were made from, up to the last that has anything to score.

    Raises:
        ModelError: units that the model does not have, or a reference that is missing. Nothing has run then.
    """
    _check(sites, ablations, reference)
    n_texts = 1 + max((max(shard.documents) for shard in shards), default=-1)
    sums, n_tokens = np.zeros((len(ablations), n_texts)), np.zeros(n_texts, dtype=np.int64)
    with sites.decoder.weights_at_hand():
        for shard in shards:
            rows = _text_rows(sites, shard, ablations, reference, seed)
            tokens = scored_tokens(shard)
            text = np.array(shard.documents)[tokens.row]
            np.add.at(n_tokens, text, 1)
            at = torch.from_numpy(tokens.row), torch.from_numpy(tokens.position - 1)
            for index, ablation in enumerate(ablations):
                nll = nll_of(sites.decoder, rows.final(ablation, reference)[at], torch.from_numpy(tokens.token_id))
                sums[index, list(shard.documents)] += tokens.row_sums(nll, len(shard.documents))
                advance(1)
    return TextOutcome(sums, n_tokens)


def _check(sites: SiteMap, ablations: Ablations, reference: Reference | None) -> None:
    for ablation in ablations:
        if ablation is not None:
            ablation.units.check(sites)
            check_replacement(ablation.units, ablation.replace, reference)


class Rows:
    """Rows that are run again and again: once intact, then under each ablation from the first changed layer on.

    Args:
        sites: of the model.
        forward: one pass over the rows; may be called any number of times.
        where: places that ablations change.
        sample: token of the reference for each place.
        skipped: how many of the first layers some change to come leaves as they are; 0 is none.
        shared_final: what both sides of pairs share, see ``SharedPart.final``.
    """

    def __init__(
        self,
        sites: SiteMap,
        forward: Callable[[], None],
        *,
        where: Bool[Tensor, "row column"],
        sample: Int[np.ndarray, "row column"] | None,
        skipped: set[int],
        shared_final: Float[Tensor, "pair d_model"] | None = None,
    ) -> None:
        self.shared_final = shared_final
        self._sites, self._forward, self._where, self._sample = sites, forward, where, sample
        with _states_after(sites.decoder, {*skipped - {0}, sites.n_layers}) as states:
            forward()
        self.states: dict[int, Float[Tensor, "row column d_model"]] = states
        """Of the intact model, by how many layers they came out of."""
        self._intact = states[sites.n_layers]
        self._resumable = {n for n in skipped - {0} if self._is_resumable(n, states[n])}

    def final(self, ablation: Ablation | None, reference: Reference | None) -> Float[Tensor, "row column d_model"]:
        """The residual stream after the last layer."""
        if ablation is None:
            return self._intact
        values = replacement_values(ablation.units, ablation.replace, reference=reference, sample=self._sample)
        return self.changed(ablation.units, values, self._where)

    def changed(
        self, units: Units, values: Mapping[int, Float[Tensor, "#row #column _"]], where: Bool[Tensor, "row column"]
    ) -> Float[Tensor, "row column d_model"]:
        """The residual stream after the last layer, with other values in some units at some places."""
        with ExitStack() as stack:
            n_layers = unchanged_layers(units)
            if n_layers in self._resumable:
                stack.enter_context(resumed(self._sites.decoder, n_layers, self.states[n_layers]))
            stack.enter_context(ablated(self._sites, units, values=values, where=where))
            return self._run()

    def _run(self) -> Tensor:
        n_layers = self._sites.n_layers
        with _states_after(self._sites.decoder, {n_layers}) as states:
            self._forward()
        return states[n_layers]

    def _is_resumable(self, n_layers: int, state: Tensor) -> bool:
        """Whether nothing after these layers depends on anything but their answer; proved on the rows themselves."""
        try:
            with resumed(self._sites.decoder, n_layers, state):
                return torch.equal(self._run(), self._intact)
        except FAMILYS_OWN_ERRORS:
            return False


def pair_rows(
    sites: SiteMap, batch: PairBatch, skipped: set[int], *, sample: Int[np.ndarray, "row column"] | None = None
) -> Rows:
    """Both sides of a batch's pairs, changed from the edit on.

    Args:
        sites: of the model.
        batch: of pairs.
        skipped: see ``Rows``.
        sample: likewise.
    """
    shared = run_shared(sites.decoder, batch)

    def forward() -> None:
        # a pass writes into its cache; a copy works for every kind of cache, and costs next to nothing beside a pass
        fresh = None if shared is None else dataclasses.replace(shared, cache=copy.deepcopy(shared.cache))
        run_sides(sites.decoder, batch, fresh)

    where = torch.zeros((2 * len(batch.filled), batch.width), dtype=torch.bool)
    for row, pair in enumerate(batch.pairs):
        where[2 * row : 2 * row + 2, pair.n_before - batch.start :] = True
    final = None if shared is None else shared.final
    return Rows(sites, forward, where=where, sample=sample, skipped=skipped, shared_final=final)


def _text_rows(sites: SiteMap, shard: Shard, ablations: Ablations, reference: Reference | None, seed: int) -> Rows:
    decoder, ids = sites.decoder, padded_ids(shard)

    @torch.inference_mode()
    def forward() -> None:
        decoder.model.base_model(input_ids=ids.to(decoder.device), use_cache=False)

    where = torch.ones(ids.shape, dtype=torch.bool)
    where[:, 0] = False
    bank_size = _bank_size(ablations, reference)
    sample = None
    if bank_size is not None:
        sample = np.zeros(ids.shape, dtype=np.int64)
        for row, (document, window) in enumerate(zip(shard.documents, shard.windows, strict=True)):
            sample[row, : window.n_run] = np.random.default_rng([seed, document]).integers(bank_size, size=window.n_run)
    return Rows(sites, forward, where=where, sample=sample, skipped=_skipped(ablations))


def _skipped(ablations: Ablations) -> set[int]:
    return {unchanged_layers(ablation.units) for ablation in ablations if ablation is not None}


def _bank_size(ablations: Ablations, reference: Reference | None) -> int | None:
    """Tokens to draw from; None where no ablation draws."""
    for ablation in ablations:
        if ablation is not None and ablation.replace == "resample" and reference is not None:
            return len(reference.bank[ablation.units.site])
    return None


def _pair_samples(batch: PairBatch, bank_size: int, seed: int) -> Int[np.ndarray, "row column"]:
    """Tokens of the reference for each place of a batch; depends on nothing but seed and pair."""
    sample = np.zeros((2 * len(batch.filled), batch.width), dtype=np.int64)
    for row, (member, pair) in enumerate(zip(batch.members, batch.pairs, strict=True)):
        n_edit = max(0, max(pair.after) - pair.n_before)
        n_rest = max(last - after + 1 for last, after in zip(pair.last, pair.after, strict=True))
        drawn = np.random.default_rng([seed, member]).integers(bank_size, size=n_edit + n_rest)
        for side in (0, 1):
            token = np.arange(pair.n_before, pair.last[side] + 1)
            sample[2 * row + side, token - batch.start] = drawn[n_edit + token - pair.after[side]]
    return sample


def unchanged_layers(units: Units) -> int:
    """Layers whose modules answer as they do in the intact model: what the first changed module is given follows from them."""
    first = min(units.layers)
    return first + 1 if units.site == "resid_post" else first


@contextmanager
def _states_after(decoder: Decoder, counts: set[int]) -> Iterator[dict[int, Tensor]]:
    """Within the context, a pass leaves here what came out of the first so many layers."""
    states: dict[int, Tensor] = {}
    with ExitStack() as stack:
        for count in counts:

            def keep(_: Any, __: Any, output: Any, count: int = count) -> None:
                states[count] = first_of(output)

            stack.callback(decoder.layers[count - 1].register_forward_hook(keep).remove)
        yield states


@contextmanager
def resumed(decoder: Decoder, n_layers: int, state: Float[Tensor, "row column d_model"]) -> Iterator[None]:
    """Within the context, the first layers are not run: the last of them answers with a state of an earlier pass."""

    def answering(index: int) -> Forward:
        # a copy, since some families go on to compute in the memory of what they are given
        return lambda *_, **__: decoder.answer_of(index, state.clone())

    _ = decoder.tuple_lengths  # found with the real layers, before any is replaced
    with ExitStack() as stack:
        for index in range(n_layers):
            stack.enter_context(replaced_forward(decoder.layers[index], answering(index)))
        yield
