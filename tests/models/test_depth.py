"""What each depth predicts: the logits of prefixes of the intact path are those of transformers' own hidden states."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import torch
from torch import Tensor
from transformers import PreTrainedModel

from layerscope.models.decoder import Decoder
from layerscope.paths.families import build_variants
from tests.oracles import layers_of
from tests.tiny_models import TINY, build_tiny, tiny_token_ids

_WITHOUT_EMBEDDINGS = ("mamba", "mamba2", "falcon_mamba", "rwkv")
"""Families whose hidden states in transformers begin after the first layer."""


@contextmanager
def last_layer_gives(model: PreTrainedModel, state: Tensor) -> Iterator[None]:
    """The last layer runs, and hands on another state: what comes after it is the model's own."""

    def answer(_module: object, _arguments: object, output: Any) -> Any:
        return (state, *output[1:]) if isinstance(output, tuple | list) else state

    handle = layers_of(model)[-1].register_forward_hook(answer)
    try:
        yield
    finally:
        handle.remove()


@pytest.mark.parametrize("name", TINY)
@torch.inference_mode()
def test_a_depth_is_the_hidden_state_through_the_models_own_end(name: str) -> None:
    model, ids = build_tiny(name), tiny_token_ids()
    decoder = Decoder(model, name)
    states = model(ids, output_hidden_states=True, use_cache=False).hidden_states
    if model.config.model_type in _WITHOUT_EMBEDDINGS:
        states = (model.get_input_embeddings()(ids), *states[:-1])
    recording = decoder.record(ids)
    variants = build_variants(["depth"], [], decoder.n_layers)[1:]
    assert len(states) == len(variants) == decoder.n_layers + 1
    for variant, state in zip(variants, states, strict=True):
        hidden = recording.embedded
        for step in variant.path.steps:
            hidden = decoder.run_step(step, hidden, recording)
        if variant is variants[-1]:  # transformers hands out the last state after the final norm
            expected = model(ids, use_cache=False).logits
        else:
            with last_layer_gives(model, state):
                expected = model(ids, use_cache=False).logits
        assert torch.equal(decoder.unembed(hidden), expected), variant.name
