"""Logits by slices of the vocabulary against the model's own, in every family."""

from __future__ import annotations

import pytest
import torch

from layerscope.models.decoder import Decoder
from layerscope.models.head import SlicedHead, WholeHead
from tests.tiny_models import TINY, build_tiny, tiny_token_ids

WHOLE = {"llama4_text"}
"""Families whose causal LM is its own body: they have no place to slice at."""


@pytest.mark.parametrize("name", TINY)
def test_slices_are_the_models_own_logits(name: str) -> None:
    decoder = Decoder(build_tiny(name), name)
    assert isinstance(decoder.head, WholeHead if name in WHOLE else SlicedHead)
    ids = tiny_token_ids()
    recording = decoder.record(ids)
    hidden = recording.embedded
    own = decoder.unembed(hidden)
    rows = hidden.flatten(0, 1)
    features = decoder.head.features(rows)
    vocabulary = decoder.head.vocab_size
    sliced = torch.cat([decoder.head.logits(features, a, min(a + 17, vocabulary)) for a in range(0, vocabulary, 17)], dim=1)
    torch.testing.assert_close(sliced, own.flatten(0, 1), atol=1e-5, rtol=1e-5)


def test_a_head_that_does_more_than_its_matrix_is_not_sliced_wrongly() -> None:
    """Logits that depend on their neighbours in the vocabulary cannot be made by slices; the whole head must stand in."""
    model = build_tiny("llama")
    own = model.forward

    def centred(*args, **kwargs):
        output = own(*args, **kwargs)
        output.logits = output.logits - output.logits.mean(dim=-1, keepdim=True)
        return output

    model.forward = centred
    assert isinstance(Decoder(model, "centred").head, WholeHead)


def test_state_after_use_is_as_before() -> None:
    model = build_tiny("gemma2")
    decoder = Decoder(model, "gemma2")
    ids = tiny_token_ids()
    before = decoder.logits(ids)
    head = decoder.head
    head.logits(head.features(decoder.record(ids).embedded.flatten(0, 1)), 0, 9)
    assert torch.equal(before, decoder.logits(ids))
    assert all("forward" not in vars(module) for module in model.modules())
