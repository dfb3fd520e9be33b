"""The engine against naive forward passes, and what must not matter: batches, padding, company, order, repetition."""

from __future__ import annotations

import copy
import math

import numpy as np
import pytest
import torch

from layerscope.corpora.windows import Window
from layerscope.engine.batching import Shard, make_shards
from layerscope.models.decoder import Decoder
from layerscope.paths.families import build_variants
from layerscope.paths.path import LayerPath
from layerscope.paths.plan import plan_sweep
from layerscope.paths.variants import Variant
from layerscope.sweeps.engine.walk import ShardScores, walk_shard, work_steps
from tests.made_up_windows import windows_of
from tests.naive import naive_kl, naive_scores, rearranged
from tests.tiny_models import build_tiny

FAMILIES = ["llama", "gpt2", "mixtral", "gemma2", "bloom", "opt", "mamba", "qwen3_moe", "falcon"]


def scores_by_window(results: list[ShardScores], n_windows: int, field: str) -> list[np.ndarray]:
    """Arrays ``(variant, token)``, one a window, put back in the windows' order."""
    found: list[np.ndarray | None] = [None] * n_windows
    for result in results:
        for row, document in enumerate(result.shard.documents):
            found[document] = getattr(result.scores, field)[:, result.tokens.row == row]
    return [array for array in found if array is not None]


def walk(decoder: Decoder, windows: list[Window], variants: list[Variant], budget: int) -> list[ShardScores]:
    plan = plan_sweep(variants, decoder.n_layers)
    return [walk_shard(decoder, plan, shard) for shard in make_shards(windows, budget)]


@pytest.fixture(scope="module")
def llama() -> Decoder:
    return Decoder(build_tiny("llama"), "llama")


def test_removal_and_exchange_equal_naive_forward_passes(llama: Decoder) -> None:
    windows = windows_of([17, 5, 2, 11, 9])
    variants = build_variants(["removal", "exchange"], [], 4)
    results = walk(llama, windows, variants, budget=40)
    by_field = {name: scores_by_window(results, 5, name) for name in ("nll_nats", "kl_nats", "top1_id", "agrees_with_intact")}
    for index, window in enumerate(windows):
        ids = window.ids.tolist()
        intact = naive_scores(llama.model, ids)
        for row, variant in enumerate(variants):
            expected = naive_scores(rearranged(llama.model, [step.layer for step in variant.path.steps]), ids)
            np.testing.assert_allclose(by_field["nll_nats"][index][row], expected.nll, atol=2e-5, err_msg=variant.name)
            np.testing.assert_allclose(by_field["kl_nats"][index][row], naive_kl(intact, expected), atol=2e-5)
            np.testing.assert_array_equal(by_field["top1_id"][index][row], expected.top1)
            np.testing.assert_array_equal(by_field["agrees_with_intact"][index][row], expected.top1 == intact.top1)


@pytest.mark.parametrize("family", FAMILIES)
def test_scores_do_not_depend_on_batch_padding_or_company(family: str) -> None:
    decoder = Decoder(build_tiny(family), family)
    windows = windows_of([19, 7, 3, 13, 8, 2])
    variants = build_variants(["removal", "exchange"], [], decoder.n_layers)
    alone = scores_by_window(walk(decoder, windows, variants, budget=1), 6, "nll_nats")
    together = scores_by_window(walk(decoder, windows, variants, budget=10_000), 6, "nll_nats")
    for one, other in zip(alone, together, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)


def test_intact_agrees_with_itself_and_has_no_divergence(llama: Decoder) -> None:
    variants = build_variants(["removal"], ["0-3", "none"], 4)
    for result in walk(llama, windows_of([9, 6]), variants, budget=20):
        again = [variant.name for variant in variants].index("0-3")
        for row in (0, again):
            assert result.scores.agrees_with_intact[row].all()
            assert (result.scores.kl_nats[row] == 0.0).all()
        assert np.isfinite(result.scores.nll_nats).all()


def test_the_model_is_bit_identical_after_a_sweep_and_scores_repeat_to_the_bit(llama: Decoder) -> None:
    before = {name: tensor.clone() for name, tensor in llama.model.state_dict().items()}
    variants = build_variants(["removal", "exchange", "attention-removal", "mlp-removal", "parallel:2"], [], 4)
    first, second = (walk(llama, windows_of([9, 12]), variants, budget=64) for _ in range(2))
    assert all(torch.equal(before[name], tensor) for name, tensor in llama.model.state_dict().items())
    np.testing.assert_array_equal(first[0].scores.nll_nats, second[0].scores.nll_nats)
    np.testing.assert_array_equal(first[0].scores.kl_nats, second[0].scores.kl_nats)


def through(decoder: Decoder, path: str, ids: torch.Tensor) -> torch.Tensor:
    """A path's logits."""
    recording = decoder.record(ids)
    hidden = recording.embedded
    for step in LayerPath.parse(path).steps:
        hidden = decoder.run_step(step, hidden, recording)
    return decoder.unembed(hidden)


@pytest.mark.parametrize("first", range(3))
def test_exchanging_twice_is_the_identity(llama: Decoder, first: int) -> None:
    """Once in the model, whose modules change places, and once in the path over it."""
    ids, order = torch.arange(10, 22)[None], list(range(4))
    order[first : first + 2] = first + 1, first
    exchanged = copy.deepcopy(llama.model)
    exchanged.model.layers = torch.nn.ModuleList(exchanged.model.layers[index] for index in order)
    once, path = Decoder(exchanged, "exchanged once"), ",".join(map(str, order))
    assert not torch.equal(once.logits(ids), llama.logits(ids))
    assert torch.equal(through(llama, path, ids), once.logits(ids))
    assert torch.equal(through(once, path, ids), llama.logits(ids))


def test_uniform_logits_give_the_vocabulary_size() -> None:
    model = build_tiny("llama-untied")
    torch.nn.init.zeros_(model.get_output_embeddings().weight)
    decoder = Decoder(model, "uniform")
    (result,) = walk(decoder, windows_of([12]), build_variants(["removal"], [], 4), budget=64)
    np.testing.assert_allclose(np.exp(result.scores.nll_nats), decoder.vocab_size, rtol=1e-5)


def test_small_chunks_slices_and_groups_give_the_same_scores(llama: Decoder, monkeypatch: pytest.MonkeyPatch) -> None:
    windows, variants = windows_of([30, 30]), build_variants(["removal"], [], 4)
    (whole,) = walk(llama, windows, variants, budget=64)
    monkeypatch.setattr("layerscope.sweeps.engine.scoring._FEWEST_ROWS", 7)
    monkeypatch.setattr("layerscope.sweeps.engine.scoring.logits_bytes", lambda _: 1)
    monkeypatch.setattr("layerscope.models.head.slice_width", lambda _: 13)
    monkeypatch.setattr("layerscope.sweeps.engine.walk.group_size", lambda *_: 2)
    (chunked,) = walk(llama, windows, variants, budget=64)
    np.testing.assert_allclose(whole.scores.nll_nats, chunked.scores.nll_nats, atol=1e-5)
    np.testing.assert_allclose(whole.scores.kl_nats, chunked.scores.kl_nats, atol=1e-5)
    np.testing.assert_array_equal(whole.scores.top1_id, chunked.scores.top1_id)


def test_a_score_that_overflows_stays_so() -> None:
    model = build_tiny("llama")
    with torch.no_grad():
        model.model.layers[2].mlp.down_proj.weight.fill_(float("inf"))
    (result,) = walk(Decoder(model, "overflow"), windows_of([8]), build_variants(["removal"], [], 4), budget=64)
    assert np.isnan(result.scores.nll_nats[0]).all()
    assert np.isfinite(result.scores.nll_nats[3]).all(), "without the broken layer every score is a number"


def test_progress_adds_up(llama: Decoder) -> None:
    plan = plan_sweep(build_variants(["removal", "exchange"], [], 4), 4)
    (shard,) = make_shards(windows_of([9, 9]), 64)
    units: list[int] = []
    walk_shard(llama, plan, shard, advance=units.append)
    assert sum(units) == work_steps(plan) == 16 + 8


def test_proxies_equal_arithmetic_on_hidden_states(llama: Decoder) -> None:
    windows = windows_of([11, 10])
    variants = build_variants(["removal", "exchange", "block-removal:3"], [], 4)
    (result,) = walk(llama, windows, variants, budget=64)
    with torch.no_grad():
        streams = [intact_stream(llama, window.ids.tolist()) for window in windows]
    for index, span in enumerate(result.proxies.spans):
        for row, document in enumerate(result.shard.documents):
            before, after = streams[document][span.first].double(), streams[document][span.last + 1].double()
            cosine = (before * after).sum(-1) / (before.norm(dim=-1) * after.norm(dim=-1))
            assert math.isclose(result.proxies.cosine_sum[index, row], float(cosine.sum()), rel_tol=1e-5)
            angle = torch.arccos(cosine).sum() / math.pi
            assert math.isclose(result.proxies.angle_sum[index, row], float(angle), rel_tol=1e-4)
            assert result.proxies.tokens[row] == len(windows[document].ids)


def intact_stream(decoder: Decoder, ids: list[int]) -> list[torch.Tensor]:
    """The residual stream before each layer and after the last, read by hooks on the untouched model."""
    seen: list[torch.Tensor] = []
    handles = [layer.register_forward_pre_hook(lambda _, args: seen.append(args[0][0])) for layer in decoder.layers]
    last: list[torch.Tensor] = []
    handles.append(decoder.layers[-1].register_forward_hook(lambda _, __, output: last.append(output[0])))
    decoder.logits(torch.tensor([ids]))
    for handle in handles:
        handle.remove()
    return [*seen, last[0]]


def test_shards_hold_every_scorable_window_once_within_the_budget() -> None:
    windows = windows_of([30, 4, 1, 9, 9, 9, 2, 55])
    shards = make_shards(windows, 40)
    assert sorted(document for shard in shards for document in shard.documents) == [0, 1, 3, 4, 5, 6, 7]
    assert [shard.index for shard in shards] == list(range(len(shards)))
    assert all(shard.padded_tokens <= 40 or len(shard.windows) == 1 for shard in shards)
    assert max(len(window.ids) for window in shards[0].windows) == 55


def test_scored_tokens_are_tokens_minus_texts_without_bos() -> None:
    for prefix, lost in (((), 3), ((1,), 0)):
        shards: list[Shard] = make_shards(windows_of([7, 4, 12], prefix=prefix), 100)
        assert sum(shard.n_scored for shard in shards) == 7 + 4 + 12 - lost


def test_the_memory_estimate_adds_up_by_hand(tiny_checkpoint) -> None:
    from transformers import AutoConfig

    from layerscope.sweeps.engine.memory import estimate_memory

    config = AutoConfig.from_pretrained(tiny_checkpoint)
    plan = plan_sweep(build_variants(["removal", "exchange"], [], 4), 4)
    found = estimate_memory(plan, config, torch.bfloat16, longest_batch=100)
    parameters = 2 * 260 * 32 + 32 + 4 * (2 * 32 * 32 + 2 * 32 * 16 + 3 * 32 * 64 + 2 * 32)
    assert found.weights == 2 * parameters
    assert found.loading == (4 + 2) * parameters, "the checkpoint is float32 and its copy is not"
    assert estimate_memory(plan, config, torch.float32, longest_batch=100).loading == 4 * parameters
    state = 100 * 32 * 2
    assert found.states == plan.peak_states * state + 100 * (6 * 32 + 3 * 64) * 2
    assert found.total == found.runtime + found.weights + found.states + found.scoring
    assert estimate_memory(plan, config, torch.bfloat16, longest_batch=100, compiled=True).runtime > found.runtime
    streamed = estimate_memory(plan, config, torch.bfloat16, longest_batch=100, stream_bytes=10**6)
    assert streamed.weights == 2 * (2 * 260 * 32 + 32 + 3 * (2 * 32 * 32 + 2 * 32 * 16 + 3 * 32 * 64 + 2 * 32))
    assert streamed.loading == 0
    assert streamed.states > 10**6
