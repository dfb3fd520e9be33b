"""A greedy search against SLEB's practice re-expressed: a whole forward pass a candidate and batch, all logits, then the loss.

Same batches, same texts. Two ratios: as a search runs by default, with states kept between steps; and with shared beginnings
alone. How many of the paths after each removal are the same on both sides is told beside them: bfloat16 rounds near ties apart.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

import numpy as np
import torch
from torch import nn

from benchmarks.common import (
    in_turn,
    parser,
    random_shard,
    ratios,
    real_decoder,
    record,
    shards_of,
    smollm2_of_depth,
    spread,
    timed,
)
from benchmarks.published_practice import put
from layerscope.engine.allocator import keep_freed_memory
from layerscope.engine.batching import Shard, padded_ids
from layerscope.models.decoder import Decoder
from layerscope.models.layers import find_layers
from layerscope.paths.moves import parse_moves
from layerscope.paths.path import LayerPath
from layerscope.searches.engine.walk import PathWalker
from layerscope.searches.methods.beam import beam
from layerscope.searches.race import Race
from layerscope.searches.space import Space
from layerscope.searches.units import in_units


class _Walked:
    """Texts of some shards, as one round of a race."""

    def __init__(self, decoder: Decoder, shards: Sequence[Shard], kept_bytes: int) -> None:
        self.walker = PathWalker(decoder, shards, "nll", kept_bytes)

    def expect(self, paths: Sequence[LayerPath]) -> None:
        self.walker.expect(paths)

    def score(self, _: int, paths: Sequence[LayerPath]) -> np.ndarray:
        """In the units in which a search scores."""
        found, row_of = [], {path: row for row, path in enumerate(paths)}
        for number, shard in enumerate(self.walker.shards):
            sums = np.empty((len(paths), len(shard.windows)))
            for some in in_units(paths):
                sums[[row_of[path] for path in some]] = self.walker.score(number, some)
            found.append(sums)
        return np.concatenate(found, axis=1)


def ours(decoder: Decoder, shards: Sequence[Shard], n_drop: int, kept_bytes: int) -> list[str]:
    """The path after each removal."""
    space = Space(decoder.n_layers, parse_moves(["removal"]), 2 * (decoder.n_layers - n_drop))
    counts = np.array([window.n_scored for shard in shards for window in shard.windows])
    trail = beam(space, Race(_Walked(decoder, shards, kept_bytes), counts, [len(counts)]), width=1)
    return [str(trail.best[size][0]) for size in sorted(trail.best, reverse=True)][1:]


def theirs(decoder: Decoder, shards: Sequence[Shard], n_drop: int) -> list[str]:
    """The same by whole forward passes: logits of every position, cross entropy of those that are scored."""
    layers = find_layers(decoder.model)
    original = list(layers)
    current, found = list(range(decoder.n_layers)), list[str]()
    for _ in range(n_drop):
        losses = []
        for left_out in current:
            put(layers, [original[layer] for layer in current if layer != left_out])
            losses.append(sum(_loss(decoder.model, shard) for shard in shards))
        current.remove(current[int(np.argmin(losses))])
        found.append(str(LayerPath.from_layers(current)))
    put(layers, original)
    return found


@torch.inference_mode()
def _loss(model: nn.Module, shard: Shard) -> float:
    ids = padded_ids(shard)
    logits = model(input_ids=ids, use_cache=False).logits
    targets = ids.clone()
    for row, window in enumerate(shard.windows):
        targets[row, window.n_run :] = -100
    flat = logits[:, :-1].reshape(-1, logits.shape[-1]).float()
    return float(nn.functional.cross_entropy(flat, targets[:, 1:].reshape(-1), ignore_index=-100, reduction="sum"))


def main() -> None:
    """Time both sides; the choices must be the same wherever bfloat16 tells candidates apart."""
    made = parser(__doc__, rounds=3)
    made.add_argument("--texts", type=int, default=8, help="lines of text to choose by; 0 for none of the real model")
    made.add_argument("--drop", type=int, default=6)
    made.add_argument("--depths", type=int, nargs="*", default=[48], help="also random weights of these depths")
    made.add_argument("--kept", type=float, default=4.0, help="GiB of states kept between steps")
    options = made.parse_args()
    keep_freed_memory()
    cases: list[tuple[str, Decoder, Sequence[Shard]]] = []
    if options.texts:
        shards, name = shards_of(options.texts, 1024)
        cases.append((f"SmolLM2-135M, bfloat16, {options.texts} lines of {name}", real_decoder("bfloat16"), shards))
    for depth in options.depths:
        decoder = smollm2_of_depth(depth)
        cases.append(
            (f"SmolLM2's shape with {depth} layers, random weights", decoder, [random_shard(4, 128, decoder.vocab_size)])
        )
    for what, decoder, batches in cases:
        compare(what, decoder, batches, options)


def compare(what: str, decoder: Decoder, batches: Sequence[Shard], options: argparse.Namespace) -> None:
    """Three sides in turn on one model."""
    kept, chosen = int(options.kept * 2**30), dict[str, list[str]]()
    sides = (
        timed(lambda: chosen.update(ours=ours(decoder, batches, options.drop, kept))),
        timed(lambda: chosen.update(without=ours(decoder, batches, options.drop, 0))),
        timed(lambda: chosen.update(theirs=theirs(decoder, batches, options.drop))),
    )
    with_states, without, practice = in_turn(options.rounds, *sides)
    assert chosen["ours"] == chosen["without"], "a kept state is the same state"
    n_same = sum(one == other for one, other in zip(chosen["ours"], chosen["theirs"], strict=True))
    record(
        "search practice",
        f"{what}, greedy removal of {options.drop} of {decoder.n_layers} layers, "
        f"{sum(shard.padded_tokens for shard in batches)} positions, against a whole forward a candidate; {n_same} of "
        f"{options.drop} paths the same on both sides",
        f"{spread(ratios(practice, with_states))} times; without states kept between steps {spread(ratios(practice, without))}",
    )


if __name__ == "__main__":
    main()
