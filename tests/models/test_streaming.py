"""Weights read from disk layer by layer: the same scores to the bit, two layers in memory, every byte read once a chunk."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from transformers import AutoConfig

from layerscope.engine.batching import make_shards
from layerscope.errors import ModelError
from layerscope.models.decoder import Decoder
from layerscope.models.loading import LoadOptions, load_streamed, load_weights
from layerscope.models.sources import resolve_model
from layerscope.models.streaming import ReadingTally
from layerscope.paths.families import build_variants
from layerscope.paths.layer_major import layer_major
from layerscope.paths.plan import plan_sweep
from layerscope.sweeps.engine.stream import chunk_shards, stream_chunk
from layerscope.sweeps.engine.walk import walk_shard
from tests.made_up_windows import windows_of
from tests.tiny_models import build_tiny

FAMILIES = ["llama", "llama-untied", "mixtral", "gemma2", "gpt2", "qwen3_moe", "falcon", "bloom", "opt", "gpt_oss", "mamba"]


@pytest.fixture
def saved(tmp_path: Path) -> Callable[[str], tuple[Decoder, Decoder]]:
    """A tiny model saved as its family is published, loaded twice: whole, and to be streamed."""

    def load(family: str) -> tuple[Decoder, Decoder]:
        folder = tmp_path / family
        build_tiny(family).save_pretrained(folder, max_shard_size="20KB")
        source, options = resolve_model(str(folder)), LoadOptions()
        config = AutoConfig.from_pretrained(folder)
        return load_weights(source, config, None, options), load_streamed(source, config, None, options)

    return load


@pytest.mark.parametrize("family", FAMILIES)
def test_streamed_scores_are_the_resident_ones_to_the_bit(saved, family: str) -> None:
    resident, streamed = saved(family)
    assert streamed.streamed is not None
    variants = build_variants(["removal", "exchange", "repetition"], ["none"], resident.n_layers)
    plan = plan_sweep(variants, resident.n_layers)
    shards = make_shards(windows_of([21, 20, 7, 2, 13]), 41)
    assert len(shards) > 1
    together = stream_chunk(streamed, layer_major(plan), shards)
    for shard, found in zip(shards, together, strict=True):
        expected = walk_shard(resident, plan, shard)
        np.testing.assert_array_equal(found.scores.nll_nats, expected.scores.nll_nats)
        np.testing.assert_array_equal(found.scores.kl_nats, expected.scores.kl_nats)
        np.testing.assert_array_equal(found.scores.top1_id, expected.scores.top1_id)
        np.testing.assert_array_equal(found.proxies.cosine_sum, expected.proxies.cosine_sum)


def test_each_layer_is_read_once_a_chunk_and_two_are_in_memory(saved) -> None:
    resident, streamed = saved("llama")
    layers = streamed.streamed
    assert layers is not None
    plan = layer_major(plan_sweep(build_variants(["removal", "exchange"], [], 4), 4))
    shards = make_shards(windows_of([21, 20, 7, 2, 13]), 41)
    stream_chunk(streamed, plan, shards)  # ends with the last two layers in memory
    layers.tally = ReadingTally()
    held: list[int] = []
    require = layers.require

    def watch(layer: int) -> None:
        require(layer)
        held.append(sum(not p.is_meta for member in streamed.layers for p in [next(member.parameters())]))

    layers.require = watch
    stream_chunk(streamed, plan, shards)
    a_layer = [sum(p.nbytes for p in layer.parameters()) for layer in resident.layers]
    # the last layer is still there when layer 0 comes, and leaves before it is needed again
    assert layers.tally.bytes_read == sum(a_layer)
    assert max(held) == 2
    assert layers.tally.seconds_reading > 0.0


def test_chunks_hold_what_the_budget_allows() -> None:
    plan = layer_major(plan_sweep(build_variants(["removal"], [], 4), 4))
    shards = make_shards(windows_of([20, 20, 20, 50]), 20)
    a_position = plan.sweep.peak_states * 8
    assert [len(c) for c in chunk_shards(shards, plan, 8, 40 * a_position)] == [1, 2, 1]
    assert [len(c) for c in chunk_shards(shards, plan, 8, 1)] == [1, 1, 1, 1]
    (everything,) = chunk_shards(shards, plan, 8, 10**9)
    assert everything == tuple(shards)


def test_halves_of_layers_can_be_streamed(saved) -> None:
    resident, streamed = saved("llama")
    plan = plan_sweep(build_variants(["attention-removal", "mlp-removal"], [], 4), 4)
    (shard,) = make_shards(windows_of([9, 9]), 64)
    (found,) = stream_chunk(streamed, layer_major(plan), [shard])
    np.testing.assert_array_equal(found.scores.nll_nats, walk_shard(resident, plan, shard).scores.nll_nats)


def test_a_checkpoint_that_lacks_a_weight_is_refused(tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    build_tiny("llama").save_pretrained(tmp_path)
    path = tmp_path / "model.safetensors"
    weights = load_file(path)
    del weights["model.layers.2.mlp.up_proj.weight"]
    save_file(weights, path, metadata={"format": "pt"})
    source = resolve_model(str(tmp_path))
    with pytest.raises(ModelError, match=r"lacks 1, the first is layer 2: mlp.up_proj.weight"):
        load_streamed(source, AutoConfig.from_pretrained(tmp_path), None, LoadOptions())


@pytest.mark.parametrize("change", [{"quantize": "int8"}, {"device_map": "auto"}, {"trust_remote_code": True}])
def test_what_streaming_cannot_do_is_said(tmp_path: Path, change: dict) -> None:
    build_tiny("llama").save_pretrained(tmp_path)
    with pytest.raises(ModelError, match="Streaming reads plain weights onto one device"):
        load_streamed(resolve_model(str(tmp_path)), AutoConfig.from_pretrained(tmp_path), None, LoadOptions(**change))
