"""Weights larger than memory: streaming against the resident run, and against whole forward passes with disk off-load.

A Llama-shaped model of random weights, by default 1.5 billion parameters, is written to disk once. Shown: the same scores to
the bit, bytes read a chunk over the model's size, the peak of resident weights, how time splits between reading and computing,
and what accelerate's disk off-load reads for each variant.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate.utils import OffloadedWeightsLoader
from transformers import AutoConfig, AutoModelForCausalLM

from benchmarks.common import in_turn, llama_config, parser, random_shard, ratios, record, spread, timed
from benchmarks.published_practice import put
from layerscope.engine.allocator import keep_freed_memory
from layerscope.engine.batching import Shard
from layerscope.models.decoder import Decoder
from layerscope.models.layers import find_layers
from layerscope.models.loading import LoadOptions, load_streamed, load_weights
from layerscope.models.sources import resolve_model
from layerscope.models.streaming import ReadingTally
from layerscope.paths.families import build_variants
from layerscope.paths.layer_major import layer_major
from layerscope.paths.plan import SweepPlan, plan_sweep
from layerscope.sweeps.engine.stream import stream_chunk
from layerscope.sweeps.engine.walk import ShardScores, walk_shard


def write_model(folder: Path, layers: int, width: int) -> int:
    """A random Llama on disk; its bytes."""
    config = llama_config(
        layers=layers, width=width, inner=width * 11 // 4, heads=width // 64, kv_heads=width // 256, vocabulary=32_000
    )
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(config, dtype=torch.bfloat16)
    model.save_pretrained(folder, max_shard_size="500MB")
    return sum(parameter.nbytes for parameter in model.parameters())


class PeakOfWeights:
    """The most bytes of parameters that were in memory when a layer had just come in, the one being read included."""

    def __init__(self, decoder: Decoder) -> None:
        assert decoder.streamed is not None
        self.bytes = 0
        streamed, require = decoder.streamed, decoder.streamed.require
        a_layer = max(sum(p.nbytes for p in layer.parameters()) for layer in decoder.layers)

        def watch(layer: int) -> None:
            require(layer)
            here = sum(p.nbytes for p in decoder.model.parameters() if not p.is_meta)
            self.bytes = max(self.bytes, here + (a_layer if streamed._coming is not None else 0))

        streamed.require = watch  # type: ignore[method-assign]


def offloaded_forwards(folder: Path, plan: SweepPlan, shard: Shard, count: int) -> tuple[float, float]:
    """Bytes read and seconds for each variant: whole forward passes with accelerate's disk off-load of all layers."""
    read = [0]
    original = OffloadedWeightsLoader.__getitem__

    def counted(self: Any, key: str) -> Any:
        tensor = original(self, key)
        read[0] += tensor.nbytes
        return tensor

    config = AutoConfig.from_pretrained(folder)
    places: dict[str, Any] = {"model.embed_tokens": "cpu", "model.norm": "cpu", "model.rotary_emb": "cpu", "lm_head": "cpu"}
    places |= {f"model.layers.{index}": "disk" for index in range(config.num_hidden_layers)}
    with tempfile.TemporaryDirectory() as elsewhere:
        model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.bfloat16, device_map=places, offload_folder=elsewhere)
        layers = find_layers(model)
        in_order = list(layers)
        ids = torch.from_numpy(np.stack([window.ids for window in shard.windows]))
        OffloadedWeightsLoader.__getitem__ = counted  # type: ignore[method-assign]
        started = time.perf_counter()
        for variant in plan.variants[1 : 1 + count]:
            put(layers, [in_order[step.layers[0]] for step in variant.path.steps])
            with torch.inference_mode():
                model(input_ids=ids, use_cache=False, logits_to_keep=1)
        seconds = time.perf_counter() - started
        OffloadedWeightsLoader.__getitem__ = original  # type: ignore[method-assign]
    return read[0] / count, seconds / count


def main() -> None:
    """Write, stream, compare."""
    made = parser(__doc__, rounds=2)
    made.add_argument("--layers", type=int, default=30)
    made.add_argument("--width", type=int, default=2048)
    made.add_argument("--rows", type=int, default=4)
    made.add_argument("--length", type=int, default=64)
    made.add_argument("--offloaded", type=int, default=3, help="variants for the other side")
    options = made.parse_args()
    keep_freed_memory()
    with tempfile.TemporaryDirectory() as folder:
        size = write_model(Path(folder), options.layers, options.width)
        source, config = resolve_model(folder), AutoConfig.from_pretrained(folder)
        load_options = LoadOptions(dtype="bfloat16")
        plan = plan_sweep(build_variants(["removal", "exchange"], [], options.layers), options.layers)
        by_layer = layer_major(plan)
        shards = [random_shard(options.rows, options.length, 32_000) for _ in range(2)]

        streamed = load_streamed(source, config, None, load_options)
        resident = load_weights(source, config, None, load_options)
        assert streamed.streamed is not None
        load_bytes = streamed.streamed.tally.bytes_read
        peak = PeakOfWeights(streamed)
        found: list[ShardScores] = []
        expected: list[ShardScores] = []

        def stream() -> None:
            assert streamed.streamed is not None
            streamed.streamed.tally = ReadingTally()
            found[:] = stream_chunk(streamed, by_layer, shards)

        def walk() -> None:
            expected[:] = [walk_shard(resident, plan, shard) for shard in shards]

        stream()  # the first chunk finds the layers that the checks at load have left behind
        counters = rchar()
        stream()
        by_system = rchar() - counters
        streaming, walking = in_turn(options.rounds, timed(stream), timed(walk))
        tally = streamed.streamed.tally
        equal = all(np.array_equal(a.scores.nll_nats, b.scores.nll_nats) for a, b in zip(found, expected, strict=True))
        a_variant, variant_seconds = offloaded_forwards(Path(folder), plan, shards[0], options.offloaded)
    positions = sum(shard.padded_tokens for shard in shards)
    what = f"random Llama, {size / 2e9:.2f} B parameters, bfloat16, {len(plan.variants)} variants, chunk of {positions}"
    record(
        "streaming",
        what,
        f"scores {'identical to the resident run' if equal else 'NOT identical'}; bytes of layers read a chunk "
        f"{tally.bytes_read / size:.2f} of the model's size ({by_system / size:.2f} by the system's count; the rest stays "
        f"resident); most weights in memory {peak.bytes / size:.2f} of it; checks at load read {load_bytes / size:.1f} × it; "
        f"{spread(ratios(streaming, walking))} times the resident run's time, which is {min(walking):.0f} s: "
        f"{tally.seconds_reading:.1f} s reading, of which the computation waited {tally.seconds_waiting:.1f} s",
    )
    record(
        "disk off-load by accelerate",
        f"the same model, {options.offloaded} variants as whole forward passes of {shards[0].padded_tokens} positions",
        f"{a_variant / size:.2f} of the model's size read for each variant, {variant_seconds:.1f} s each "
        f"({len(plan.variants)} variants: {len(plan.variants) * a_variant / tally.bytes_read:.0f} times the bytes of a chunk)",
    )


def rchar() -> int:
    """Bytes that this process has asked the system to read."""
    counters = Path("/proc/self/io").read_text(encoding="ascii")
    return int(next(line for line in counters.splitlines() if line.startswith("rchar")).split()[1])


if __name__ == "__main__":
    main()
