"""The fast walk against the plain one, in families that differ in mask, state, head and batch layout."""

from __future__ import annotations

import numpy as np
import pytest

from layerscope.engine.batching import make_shards
from layerscope.models.decoder import Decoder
from layerscope.paths.families import build_variants
from layerscope.paths.plan import plan_sweep
from layerscope.sweeps.engine.plain import plain_shard
from layerscope.sweeps.engine.walk import walk_shard
from tests.made_up_windows import windows_of
from tests.tiny_models import build_tiny

FAMILIES = ["llama", "gpt2", "mixtral", "gemma2", "bloom", "opt", "mamba", "qwen3_moe", "falcon"]


@pytest.mark.parametrize("family", FAMILIES)
def test_every_score_and_proxy_is_that_of_the_plain_way(family: str) -> None:
    decoder = Decoder(build_tiny(family), family)
    families = ["removal", "exchange", "reversal:0-3", "repetition"]
    plan = plan_sweep(build_variants(families, ["none"], decoder.n_layers), decoder.n_layers)
    for shard in make_shards(windows_of([21, 20, 20, 7, 2, 13]), 64):
        fast, plain = walk_shard(decoder, plan, shard), plain_shard(decoder, plan, shard)
        np.testing.assert_allclose(fast.scores.nll_nats, plain.scores.nll_nats, atol=1e-5)
        np.testing.assert_allclose(fast.scores.kl_nats, plain.scores.kl_nats, atol=1e-5)
        np.testing.assert_array_equal(fast.scores.top1_id, plain.scores.top1_id)
        np.testing.assert_array_equal(fast.scores.agrees_with_intact, plain.scores.agrees_with_intact)
        assert fast.proxies.spans == plain.proxies.spans
        np.testing.assert_allclose(fast.proxies.cosine_sum, plain.proxies.cosine_sum, rtol=1e-5)
        np.testing.assert_allclose(fast.proxies.angle_sum, plain.proxies.angle_sum, atol=2e-3)
        np.testing.assert_array_equal(fast.proxies.tokens, plain.proxies.tokens)
