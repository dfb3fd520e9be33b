"""A contrast against published practice: each sentence padded to 512 tokens, one at a time, dictionaries of numbers, JSON.

Both sides have the model in memory and end with their results on disk. Ours measures at three sites and six positions where the
other records one vector a layer; both count pairs.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import torch

from benchmarks.common import MODEL, in_turn, parser, ratios, real_decoder, record, spread, timed
from layerscope.contrasts.engine.groups import ContrastPlan
from layerscope.contrasts.engine.pair_batches import can_share
from layerscope.contrasts.group_runs import GroupRunner
from layerscope.contrasts.groups import units_of
from layerscope.contrasts.placebos import PlaceboMaker
from layerscope.contrasts.prepare import ContrastRequest, PreparedContrast, prepare_contrast
from layerscope.contrasts.reference import ReferenceText, find_reference
from layerscope.contrasts.worker import placebo_maker
from layerscope.engine.allocator import keep_freed_memory
from layerscope.models.decoder import Decoder
from layerscope.models.loading import LoadOptions
from layerscope.models.sites import SiteMap
from layerscope.pairs.pair import MinimalPair

_LENGTH = 512


def one_sentence_at_a_time(decoder: Decoder, pairs: list[MinimalPair], folder: Path) -> None:
    """Each pair as the published scripts treat it, into one JSON file a pair."""
    for number, pair in enumerate(pairs):
        first, second = (_activations(decoder, sentence) for sentence in (pair.sentence1, pair.sentence2))
        result: dict[str, Any] = {"sentence1": pair.sentence1, "sentence2": pair.sentence2, "layers": {}}
        for layer, values in first.items():
            dimensions = {}
            for dimension, value in values.items():
                other = second[layer][dimension]
                dimensions[f"dim_{dimension}"] = {"a1": value, "a2": other, "activation_diff": abs(value - other)}
            result["layers"][f"layer_{layer}"] = dimensions
        (folder / f"pair_{number}.json").write_text(json.dumps(result, indent=2), encoding="utf-8")


def _activations(decoder: Decoder, sentence: str) -> dict[int, dict[int, float]]:
    """The last token's activation after each layer, dimension by dimension."""
    assert decoder.encoder is not None
    tokenizer = decoder.encoder.tokenizer
    ids = tokenizer(sentence)["input_ids"]
    padded = torch.tensor([ids + [0] * (_LENGTH - len(ids))])
    mask = torch.tensor([[1] * len(ids) + [0] * (_LENGTH - len(ids))])
    found: dict[int, dict[int, float]] = {}
    handles = []
    for index, layer in enumerate(decoder.layers):

        def keep(_: Any, __: Any, output: Any, index: int = index) -> None:
            hidden = output[0] if isinstance(output, tuple) else output
            vector = hidden[0, len(ids) - 1].float()
            found[index] = {dimension: vector[dimension].item() for dimension in range(vector.shape[0])}

        handles.append(layer.register_forward_hook(keep))
    try:
        with torch.no_grad():
            decoder.model(input_ids=padded, attention_mask=mask)
    finally:
        for handle in handles:
            handle.remove()
    return found


def all_at_once(prepared: PreparedContrast, sites: SiteMap, plan: ContrastPlan, maker: PlaceboMaker) -> None:
    """Our way, placebos included, into a fresh run directory."""
    prepared.directory.clear()
    runner = GroupRunner(prepared, sites, plan, maker)
    for unit in units_of(prepared.groups):
        runner.compare(unit, lambda *_: None)


def main() -> None:
    """Time both sides in turn."""
    made = parser(__doc__, rounds=3)
    made.add_argument("--per-subtype", type=int, default=200, help="template pairs of each subtype on our side")
    made.add_argument("--sample", type=int, default=4, help="pairs on the other side")
    made.add_argument("--dtype", default="float32")
    options = made.parse_args()
    keep_freed_memory()
    decoder = real_decoder(options.dtype)
    with tempfile.TemporaryDirectory() as folder:
        request = ContrastRequest(
            MODEL, per_subtype=options.per_subtype, options=LoadOptions(dtype=options.dtype), output_dir=Path(folder)
        )
        prepared = prepare_contrast(request)
        sites = SiteMap(decoder, prepared.sites)
        fingerprint = prepared.record.model_fingerprint
        reference = find_reference(sites, ReferenceText(), fingerprint=fingerprint, batch_tokens=prepared.batch_tokens)
        share = can_share(sites)
        plan = ContrastPlan(prepared.positions, reference.spread, prepared.batch_tokens, share)
        maker = placebo_maker(prepared, sites, reference, share=share)
        sample = [checked.pair for checked in prepared.groups[-2].checked[: options.sample]]
        ours, theirs = in_turn(
            options.rounds,
            timed(lambda: all_at_once(prepared, sites, plan, maker)),
            timed(lambda: one_sentence_at_a_time(decoder, sample, Path(folder))),
        )
        size = sum(path.stat().st_size for path in Path(folder).glob("pair_*.json")) / len(sample)
    mine = [seconds / prepared.n_pairs for seconds in ours]
    others = [seconds / len(sample) for seconds in theirs]
    record(
        "contrast practice",
        f"SmolLM2-135M, {options.dtype}, {prepared.n_pairs} pairs and their placebos, {len(prepared.groups)} groups, "
        f"{len(prepared.sites)} sites, {len(prepared.positions)} positions, tables written; the other side {len(sample)} "
        f"pairs, one vector a layer, {size / 2**20:.1f} MiB of JSON a pair",
        f"{spread(ratios(others, mine), 0)} times the pairs a second; ours {spread([1 / s for s in mine], 1)} a second, "
        f"{spread(ours, 0)} s in all; the other {spread(others)} s a pair",
    )


if __name__ == "__main__":
    main()
