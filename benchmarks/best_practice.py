"""A sweep against the best common practice: batched Hugging Face forward passes with the layers rearranged in place, no copies.

Same batches, same scoring, at several depths. Two ratios a depth: both sides running the model's own code, which shows what
shared prefixes are worth; and layerscope as it runs by default on long sweeps, with its layers compiled. The plan's own bound
is given beside them: floating-point operations of whole forward passes over those of the shared walk.
"""

from __future__ import annotations

import numpy as np
import torch

from benchmarks.common import in_turn, parser, random_shard, ratios, record, smollm2_of_depth, spread, timed
from benchmarks.published_practice import put
from layerscope.engine.allocator import keep_freed_memory
from layerscope.engine.batching import Shard, padded_ids, scored_tokens
from layerscope.models.decoder import Decoder
from layerscope.models.layers import find_layers
from layerscope.paths.families import build_variants
from layerscope.paths.plan import SweepPlan, plan_sweep
from layerscope.sweeps.engine.compiling import compile_decoder
from layerscope.sweeps.engine.reduction import slice_reducer
from layerscope.sweeps.engine.scoring import Scorer
from layerscope.sweeps.engine.walk import walk_shard


def whole_forwards(decoder: Decoder, plan: SweepPlan, shard: Shard, *, compiled_scoring: bool) -> np.ndarray:
    """Every variant as a forward pass of its own through the model's body, then the same scorer: NLL ``(variant, token)``."""
    tokens = scored_tokens(shard)
    rows, sources = torch.from_numpy(tokens.row), torch.from_numpy(tokens.position - 1)
    ids = padded_ids(shard)
    scorer = Scorer(
        decoder,
        torch.from_numpy(tokens.token_id),
        reducer=slice_reducer(compiled=compiled_scoring),
        n_variants=len(plan.variants),
        group_size=32,
    )
    layers = find_layers(decoder.model)
    original, captured = list(layers), list[torch.Tensor]()
    for index, variant in enumerate(plan.variants):
        put(layers, [original[step.layers[0]] for step in variant.path.steps])
        handle = layers[-1].register_forward_hook(lambda _, __, output: captured.append(output))
        with torch.inference_mode():
            decoder.model.base_model(input_ids=ids, use_cache=False)
        handle.remove()
        scorer.add((index,), captured.pop()[rows, sources])
    put(layers, original)
    return scorer.result().nll_nats


def main() -> None:
    """Time both sides at each depth."""
    made = parser(__doc__, rounds=3)
    made.add_argument("--depths", type=int, nargs="+", default=[12, 24, 30, 48])
    made.add_argument("--rows", type=int, default=4)
    made.add_argument("--length", type=int, default=128)
    options = made.parse_args()
    keep_freed_memory()
    for depth in options.depths:
        decoder = smollm2_of_depth(depth)
        shard = random_shard(options.rows, options.length, decoder.vocab_size)
        plan = plan_sweep(build_variants(["removal", "exchange"], [], depth), depth)
        for compiled in (False, True):
            reason = compile_decoder(decoder, [shard]) if compiled else None

            def ours(decoder: Decoder = decoder, plan: SweepPlan = plan, shard: Shard = shard) -> np.ndarray:
                return walk_shard(decoder, plan, shard).scores.nll_nats

            def theirs(decoder: Decoder = decoder, plan: SweepPlan = plan, shard: Shard = shard) -> np.ndarray:
                return whole_forwards(decoder, plan, shard, compiled_scoring=decoder.compiled is not None)

            difference = float(np.abs(ours().mean(axis=1) - theirs().mean(axis=1)).max())
            assert difference < 0.05, f"the two sides' mean losses differ by {difference}"
            mine, others = in_turn(options.rounds, timed(ours), timed(theirs))
            layers, head = sum(p.numel() for p in decoder.layers[0].parameters()), decoder.head.vocab_size * 576
            bound = (plan.layer_runs_without_sharing * layers + len(plan.variants) * head) / (
                plan.layer_runs * layers + len(plan.variants) * head
            )
            how = "layers as they are on both sides"
            if compiled:
                how = "ours compiled" if reason is None else f"ours not compiled: {reason}"
            record(
                "best practice",
                f"SmolLM2's shape with {depth} layers, random weights, bfloat16, removal and exchange, "
                f"{shard.padded_tokens} positions, {how}",
                f"{spread(ratios(others, mine))} times; shared prefixes alone bound it at {bound:.2f}",
            )


if __name__ == "__main__":
    main()
