"""A sweep against published practice: one text at a time, a whole forward pass a variant, a Python loop over tokens.

Same texts, same dtype. All 59 variants run on our side; a sample of them on the other, whose time a variant does not depend on
which variant it is (a layer less, or the same number of layers).
"""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from benchmarks.common import in_turn, parser, ratios, real_decoder, record, shards_of, spread, timed
from layerscope.engine.allocator import keep_freed_memory
from layerscope.engine.batching import Shard
from layerscope.models.decoder import Decoder
from layerscope.models.layers import find_layers
from layerscope.paths.families import build_variants
from layerscope.paths.plan import SweepPlan, plan_sweep
from layerscope.paths.variants import Variant
from layerscope.sweeps.engine.compiling import compile_decoder
from layerscope.sweeps.engine.walk import walk_shard


def one_text_at_a_time(decoder: Decoder, variants: list[Variant], shards: list[Shard]) -> dict[str, list[float]]:
    """Each variant's token losses and hits, as the published scripts get them."""
    model, layers = decoder.model, find_layers(decoder.model)
    original = list(layers)
    losses: dict[str, list[float]] = {}
    for variant in variants:
        put(layers, [original[step.layers[0]] for step in variant.path.steps])
        losses[variant.name] = []
        for window in (window for shard in shards for window in shard.windows):
            ids = torch.from_numpy(window.ids).long()[None].to(decoder.device)
            with torch.no_grad():
                logits = model(input_ids=ids, use_cache=False).logits[0]
            hits = 0
            for position in range(ids.shape[1] - 1):
                target = ids[0, position + 1]
                log_probabilities = torch.log_softmax(logits[position].float(), dim=-1)
                losses[variant.name].append(-log_probabilities[target].item())
                hits += int(logits[position].argmax().item() == target.item())
    put(layers, original)
    return losses


def put(layers: nn.ModuleList, order: list[nn.Module]) -> None:
    """Rearrange a model's layers in place."""
    layers._modules.clear()
    for place, layer in enumerate(order):
        layers.add_module(str(place), layer)


def main() -> None:
    """Time both sides in both dtypes, batch after batch."""
    made = parser(__doc__)
    made.add_argument("--dtypes", nargs="+", default=["bfloat16", "float32"])
    made.add_argument("--texts", type=int, nargs="+", default=[96, 32], help="lines, for each dtype")
    made.add_argument("--sample", type=int, default=2, help="variants that the other side runs on each batch")
    options = made.parse_args()
    keep_freed_memory()
    for dtype, n_texts in zip(options.dtypes, options.texts, strict=True):
        decoder = real_decoder(dtype)
        shards, texts = shards_of(n_texts, 4096)
        variants = build_variants(["removal", "exchange"], [], decoder.n_layers)
        plan = plan_sweep(variants, decoder.n_layers)
        sample = variants[1 :: len(variants) // options.sample][: options.sample]
        reason = compile_decoder(decoder, shards)
        check(decoder, sample, plan, shards[:1], dtype)
        ours, theirs = [], []
        for shard in shards:
            (mine,), (others,) = in_turn(
                1,
                timed(lambda decoder=decoder, plan=plan, shard=shard: walk_shard(decoder, plan, shard)),
                timed(lambda decoder=decoder, sample=sample, shard=shard: one_text_at_a_time(decoder, sample, [shard])),
            )
            ours.append(mine / len(variants))
            theirs.append(others / len(sample))
            print(f"{len(shard.windows)} texts, {shard.n_scored} tokens: {theirs[-1] / ours[-1]:.2f}", flush=True)
        n_scored = sum(shard.n_scored for shard in shards)
        record(
            "published practice",
            f"SmolLM2-135M, {dtype}, 59 variants and the intact model, {n_scored} tokens of {n_texts} lines of {texts}, "
            f"batch by batch{'' if reason is None else ', not compiled'}",
            f"{sum(theirs) / sum(ours):.2f} times in all; by batch {spread(ratios(theirs, ours))}; tokens/s a variant: ours "
            f"{n_scored / sum(ours):.0f}, theirs {n_scored / sum(theirs):.0f}",
        )


def check(decoder: Decoder, sample: list[Variant], plan: SweepPlan, shards: list[Shard], dtype: str) -> None:
    """Both sides measure the same thing: the mean loss of a variant."""
    sampled = plan_sweep([plan.variants[0], *sample], plan.n_layers)
    scores = [walk_shard(decoder, sampled, shard).scores.nll_nats for shard in shards]
    for index, losses in enumerate(one_text_at_a_time(decoder, sample, shards).values(), start=1):
        difference = abs(float(np.concatenate([s[index] for s in scores]).mean()) - sum(losses) / len(losses))
        assert difference < (1e-4 if dtype == "float32" else 0.05), f"{sample[index - 1].name}: means differ by {difference}"


if __name__ == "__main__":
    main()
