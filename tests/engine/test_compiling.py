"""Compiled layers against the model's own code, and going on without a compiler."""

from __future__ import annotations

import shutil
from collections.abc import Iterator

import numpy as np
import pytest
import torch

from layerscope.engine import compile_decoder, make_shards, walk_shard
from layerscope.engine.reduction import reduce_slice
from layerscope.models import Decoder
from layerscope.paths import build_variants, plan_sweep
from tests.engine.test_walk import windows_of
from tests.tiny_models import build_tiny


@pytest.fixture(autouse=True)
def fresh_compiler() -> Iterator[None]:
    torch._dynamo.reset()
    yield
    torch._dynamo.reset()


@pytest.mark.skipif(shutil.which("g++") is None, reason="no C++ compiler to compile with")
@pytest.mark.parametrize("family", ["llama", "gemma2", "mixtral"])
def test_compiled_scores_are_the_models_own(family: str) -> None:
    decoder = Decoder(build_tiny(family), family)
    shards = make_shards(windows_of([19, 18, 9, 9, 9, 4]), 40)
    plan = plan_sweep(build_variants(["removal", "exchange", "mlp-removal"], [], decoder.n_layers), decoder.n_layers)
    own = [walk_shard(decoder, plan, shard).scores for shard in shards]
    assert compile_decoder(decoder, shards[0]) is None
    assert decoder.compiled is not None
    for shard, before in zip(shards, own, strict=True):
        after = walk_shard(decoder, plan, shard).scores
        np.testing.assert_allclose(after.nll_nats, before.nll_nats, atol=1e-5)
        np.testing.assert_allclose(after.kl_nats, before.kl_nats, atol=1e-5)
        np.testing.assert_array_equal(after.top1_id, before.top1_id)


def test_without_a_compiler_the_models_own_code_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch._inductor.config

    monkeypatch.setattr(torch._inductor.config.cpp, "cxx", ("/no/such/compiler",))
    monkeypatch.setattr(torch._inductor.config, "force_disable_caches", True)
    monkeypatch.setattr(torch._inductor.config, "compile_threads", 1)
    decoder = Decoder(build_tiny("llama"), "llama")
    (shard,) = make_shards(windows_of([9, 9]), 64)
    reason = compile_decoder(decoder, shard)
    assert reason is not None
    assert "compiler" in reason.lower()
    assert decoder.compiled is None
    plan = plan_sweep(build_variants(["removal"], [], 4), 4)
    assert np.isfinite(walk_shard(decoder, plan, shard).scores.nll_nats).all()


def test_a_compiler_that_changes_scores_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    decoder = Decoder(build_tiny("llama"), "llama")
    (shard,) = make_shards(windows_of([9, 9]), 64)
    monkeypatch.setattr(
        "layerscope.engine.compiling.torch.compile",
        lambda layer, **_: lambda hidden, *args, **kwargs: layer(hidden * 1.5, *args, **kwargs),
    )
    monkeypatch.setattr("layerscope.engine.walk.slice_reducer", lambda **_: reduce_slice)
    reason = compile_decoder(decoder, shard)
    assert reason is not None
    assert reason.startswith("its scores differ by")
    assert decoder.compiled is None
