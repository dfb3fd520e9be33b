"""Compiled layers against the model's own code, and going on without a compiler."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from layerscope.engine.batching import make_shards
from layerscope.models.decoder import Decoder
from layerscope.paths.families import build_variants
from layerscope.paths.plan import plan_sweep
from layerscope.sweeps.engine.compiling import compile_decoder
from layerscope.sweeps.engine.reduction import slice_reducer
from layerscope.sweeps.engine.walk import walk_shard
from tests.made_up_windows import windows_of
from tests.tiny_models import build_tiny

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[3]


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
    families = ["removal", "exchange", "mlp-removal", "head-removal:1-2"]
    plan = plan_sweep(build_variants(families, [], decoder.n_layers, heads=decoder.head_counts), decoder.n_layers)
    own = [walk_shard(decoder, plan, shard).scores for shard in shards]
    assert compile_decoder(decoder, shards) is None
    assert decoder.compiled is not None
    for shard, before in zip(shards, own, strict=True):
        after = walk_shard(decoder, plan, shard).scores
        np.testing.assert_allclose(after.nll_nats, before.nll_nats, atol=1e-5)
        np.testing.assert_allclose(after.kl_nats, before.kl_nats, atol=1e-5)
        np.testing.assert_array_equal(after.top1_id, before.top1_id)


@pytest.mark.skipif(shutil.which("g++") is None, reason="no C++ compiler to compile with")
def test_a_run_that_goes_on_gives_the_same_bits() -> None:
    """Whatever shards were finished before, batches of one row among them."""
    shards = make_shards(windows_of([19, 9, 9, 7, 7, 7, 6, 5]), 21)
    assert [len(shard.windows) for shard in shards] == [1, 2, 3, 1, 1]
    plan = plan_sweep(build_variants(["removal"], [], 4), 4)
    for_all = Decoder(build_tiny("llama"), "llama")
    assert compile_decoder(for_all, shards) is None
    at_once = [walk_shard(for_all, plan, shard).scores for shard in shards]
    torch._dynamo.reset()
    again = Decoder(build_tiny("llama"), "llama")
    assert compile_decoder(again, shards) is None
    for shard, before in zip(shards[:1:-1], at_once[:1:-1], strict=True):
        after = walk_shard(again, plan, shard).scores
        np.testing.assert_array_equal(after.nll_nats, before.nll_nats)
        np.testing.assert_array_equal(after.kl_nats, before.kl_nats)


def test_without_a_compiler_the_models_own_code_runs(tmp_path: Path) -> None:
    """In a process of its own, as a user without a compiler has it, and with nothing compiled earlier at hand."""
    script = """
from layerscope.engine.batching import make_shards
from layerscope.models.decoder import Decoder
from layerscope.paths.families import build_variants
from layerscope.paths.plan import plan_sweep
from layerscope.sweeps.engine.compiling import compile_decoder
from layerscope.sweeps.engine.walk import walk_shard
from tests.made_up_windows import windows_of
from tests.tiny_models import build_tiny

decoder = Decoder(build_tiny("llama"), "llama")
(shard,) = make_shards(windows_of([9, 9]), 64)
print(compile_decoder(decoder, [shard]))
assert decoder.compiled is None
scores = walk_shard(decoder, plan_sweep(build_variants(["removal"], [], 4), 4), shard).scores
print(scores.nll_nats.shape, bool((scores.nll_nats > 0).all()))
"""
    environment = {**os.environ, "CXX": "/no/such/compiler", "TORCHINDUCTOR_CACHE_DIR": str(tmp_path)}
    environment["PYTHONPATH"] = os.pathsep.join([str(ROOT), str(ROOT / "src")])
    done = subprocess.run(
        [sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 0, done.stderr
    reason, last = done.stdout.strip().splitlines()
    assert "compiler" in reason.lower(), done.stderr
    assert last == "(5, 16) True"


@pytest.mark.parametrize(
    ("change", "reason"), [(1.5, "its scores differ by"), (float("nan"), "it changes which scores are numbers, in 16 of 16")]
)
def test_a_compiler_that_changes_scores_is_not_used(change: float, reason: str, monkeypatch: pytest.MonkeyPatch) -> None:
    decoder = Decoder(build_tiny("llama"), "llama")
    (shard,) = make_shards(windows_of([9, 9]), 64)
    monkeypatch.setattr(
        "layerscope.sweeps.engine.compiling.torch.compile",
        lambda layer, **_: lambda hidden, *args, **kwargs: layer(hidden * change, *args, **kwargs),
    )
    monkeypatch.setattr("layerscope.sweeps.engine.walk.slice_reducer", lambda **_: slice_reducer(compiled=False))
    found = compile_decoder(decoder, [shard])
    assert found is not None
    assert found.startswith(reason)
    assert decoder.compiled is None
