"""A batch runs from its embeddings to its scores without asking the device for a value."""

from __future__ import annotations

import copy

import pytest
import torch
from torch.utils import _pytree as pytree

from layerscope.engine.batching import make_shards
from layerscope.models.decoder import Decoder, LayerCall, Recording
from layerscope.paths.families import build_variants
from layerscope.paths.plan import plan_sweep
from layerscope.sweeps.engine.walk import ShardWalk
from tests.made_up_windows import windows_of
from tests.tiny_models import build_tiny


@pytest.mark.parametrize("family", ["llama", "gpt2", "qwen3", "mistral", "phi3"])
def test_a_walk_runs_on_a_device_that_holds_no_values(family: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """On the meta device every read of a value raises; whatever would wait for a GPU has to read one.

    Two things happen elsewhere: the head is proved at load, and transformers reads the position ids once per batch, when it is
    recorded and the device has nothing to do yet.
    """
    on_cpu = Decoder(build_tiny(family), family)
    decoder = Decoder(copy.deepcopy(on_cpu.model).to("meta"), family)
    vars(decoder)["tuple_lengths"] = on_cpu.tuple_lengths
    vars(decoder)["head"] = head = copy.copy(on_cpu.head)
    head._decoder, head._matrix = decoder, decoder.model.get_output_embeddings()
    names = {module: name for name, module in on_cpu.model.named_modules()}
    head._between = tuple(decoder.model.get_submodule(names[module]) for module in on_cpu.head._between)

    def to_meta(tree):
        return pytree.tree_map(lambda leaf: leaf.to("meta") if isinstance(leaf, torch.Tensor) else leaf, tree)

    def record(token_ids):
        recording = on_cpu.record(torch.zeros(token_ids.shape, dtype=torch.long))
        calls = tuple(LayerCall(to_meta(call.args), to_meta(call.kwargs)) for call in recording.calls)
        return Recording(recording.embedded.to("meta"), calls)

    monkeypatch.setattr(decoder, "record", record)
    plan = plan_sweep(build_variants(["removal", "exchange", "parallel:2"], [], 4), 4)
    (shard,) = make_shards(windows_of([12, 12, 12]), 64)
    monkeypatch.setattr("layerscope.sweeps.engine.walk.group_size", lambda *_: 2)
    walk = ShardWalk(decoder, plan, shard)
    walk.obey(plan.instructions)
    with pytest.raises(NotImplementedError, match="meta"):
        walk.result()
