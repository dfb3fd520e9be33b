"""Pairs of a sweep and what the engine returns of them, as the tables that are written: pure conversion, no disk."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from layerscope.paths.variants import Variant
from layerscope.results.schema import gaps
from layerscope.sweeps.engine.walk import ShardScores
from layerscope.sweeps.pair_tables import PAIR_SCORES, PAIRS, PARTS, SIDES
from layerscope.sweeps.pair_texts import PairText, part_sums


def pairs_table(pairs: Sequence[PairText]) -> pa.Table:
    """One row per pair that is scored."""
    edits = np.array([one.edits for one in pairs])
    names = {name: [getattr(one.pair, name) for one in pairs] for name in ("subtype", "term", "template", "source")}
    sentences = {name: [one.sides[side].text for one in pairs] for side, name in enumerate(SIDES)}
    return PAIRS.build(
        {
            "pair": np.arange(len(pairs)),
            "id": [one.pair.id for one in pairs],
            **{name: pa.array(values, pa.string()).dictionary_encode() for name, values in names.items()},
            **sentences,
            "tokens_before": edits[:, 0, 0],
            "tokens_right": edits[:, 0, 1] - edits[:, 0, 0],
            "tokens_wrong": edits[:, 1, 1] - edits[:, 1, 0],
            "tokens_after": np.array([len(one.sides[0].ids) for one in pairs]) - edits[:, 0, 1],
        }
    )


def pair_scores_table(result: ShardScores, pairs: tuple[PairText, ...], variants: Sequence[Variant]) -> pa.Table:
    """One row per (variant, pair) of a batch of pairs, variants in the plan's order."""
    numbers, sums = part_sums(result, pairs)
    codes = np.repeat(np.arange(len(variants), dtype=np.int32), len(numbers))
    columns: dict[str, object] = {
        "variant": pa.DictionaryArray.from_arrays(codes, pa.array([variant.name for variant in variants], pa.string())),
        "pair": np.tile(numbers, len(variants)),
    }
    for part, name in enumerate(PARTS):
        for side, of_side in enumerate(SIDES):
            values = sums[:, :, side, part].ravel()
            columns[f"{name}_{of_side}_nats"] = values if name == "sentence" else gaps(values)
    return PAIR_SCORES.build(columns)
