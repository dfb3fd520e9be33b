"""Shared prefixes against whole forward passes: same variants, batches, scoring and dtype, both sides alternating in one run.

Prints the ratio with its spread and appends a row to ``results.md`` beside this file. The other side is the best common
practice: one load, batched Hugging Face forward passes with the layers rearranged in place, no copies.
"""

from __future__ import annotations

import argparse
import datetime
import platform
import statistics
import time
from pathlib import Path

import torch
from torch import nn

from layerscope.corpora import Protocol, cut_windows, load_documents
from layerscope.engine import Scorer, make_shards, padded_ids, scored_tokens, walk_shard
from layerscope.engine.batching import Shard
from layerscope.models import Decoder, LoadOptions, load_decoder
from layerscope.models.decoder import find_layers
from layerscope.paths import SweepPlan, Variant, build_variants, plan_sweep

TABLE = Path(__file__).with_name("results.md")
HEADER = (
    "# Benchmarks\n\nRatios of wall time, both sides alternating in one run; more than 1 means layerscope is faster.\n\n"
    "| date | what | machine | dtype | variants | tokens | ratio, median (min to max) |\n|---|---|---|---|---|---|---|\n"
)


def whole_forwards(decoder: Decoder, plan: SweepPlan, shard: Shard) -> torch.Tensor:
    """Every variant as a forward pass of its own through the model's body, then the same scorer."""
    tokens = scored_tokens(shard)
    rows, sources = torch.from_numpy(tokens.row), torch.from_numpy(tokens.position - 1)
    ids = padded_ids(shard)
    scorer = Scorer(decoder, torch.from_numpy(tokens.token_id), n_variants=len(plan.variants), group_size=32)
    original = list(decoder.layers)
    modules = find_layers(decoder.model)
    captured: list[torch.Tensor] = []
    for index, variant in enumerate(plan.variants):
        modules._modules.clear()
        for place, step in enumerate(variant.path.steps):
            modules.add_module(str(place), original[step.layers[0]])
        handle = modules[-1].register_forward_hook(lambda _, __, output: captured.append(output))
        with torch.inference_mode():
            decoder.model.base_model(input_ids=ids, use_cache=False)
        handle.remove()
        scorer.add((index,), captured.pop()[rows, sources])
    restore(modules, original)
    return torch.from_numpy(scorer.result().nll_nats)


def restore(modules: nn.ModuleList, original: list[nn.Module]) -> None:
    """Put the layers back into their order."""
    modules._modules.clear()
    for place, layer in enumerate(original):
        modules.add_module(str(place), layer)


def main() -> None:
    """Time both sides and append the ratio."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dtype", default="bfloat16")
    parser.add_argument("--texts", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--every", type=int, default=1, help="take every n-th variant of removal and exchange, intact included")
    options = parser.parse_args()
    decoder = load_decoder("smollm2-135m", options=LoadOptions(dtype=options.dtype))
    assert decoder.encoder is not None
    corpus = cut_windows(
        load_documents("lee", "lines"),
        Protocol.parse("lines"),
        decoder.encoder.encode,
        prefix_ids=(),
        context_length=decoder.context_length,
        max_samples=options.texts,
        seed=42,
    )
    variants = build_variants(["removal", "exchange"], [], decoder.n_layers)
    sampled = [Variant.intact(decoder.n_layers), *variants[1 :: options.every]] if options.every > 1 else variants
    plan = plan_sweep(sampled, decoder.n_layers)
    shards = make_shards(corpus.windows, 1024)
    ratios = []
    for _ in range(options.rounds):
        started = time.perf_counter()
        ours = [torch.from_numpy(walk_shard(decoder, plan, shard).scores.nll_nats) for shard in shards]
        middle = time.perf_counter()
        theirs = [whole_forwards(decoder, plan, shard) for shard in shards]
        ended = time.perf_counter()
        for one, other in zip(ours, theirs, strict=True):
            torch.testing.assert_close(one, other, atol=0.5 if options.dtype != "float32" else 1e-3, rtol=0)
        ratios.append((ended - middle) / (middle - started))
        print(f"shared {middle - started:.1f} s, whole {ended - middle:.1f} s, ratio {ratios[-1]:.2f}")
    ratio = f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"
    bound = plan.layer_runs_without_sharing / plan.layer_runs
    print(f"ratio {ratio}; layer runs alone: {bound:.2f}")
    machine = f"{platform.processor() or platform.machine()}, {torch.get_num_threads()} threads"
    if not TABLE.exists():
        TABLE.write_text(HEADER, encoding="utf-8")
    with TABLE.open("a", encoding="utf-8") as table:
        today = datetime.datetime.now(tz=datetime.UTC).date()
        n_tokens = sum(shard.n_scored for shard in shards)
        table.write(
            f"| {today} | shared prefixes against whole forward passes, SmolLM2-135M | {machine} | {options.dtype} "
            f"| {len(sampled)} | {n_tokens} | {ratio} |\n"
        )


if __name__ == "__main__":
    main()
