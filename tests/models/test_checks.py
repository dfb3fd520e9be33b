"""Each check at load, on a Llama broken on purpose in just the way that the check is for."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from layerscope.errors import ModelError
from layerscope.models.checks import check_decoder
from layerscope.models.decoder import Decoder
from tests.tiny_models import build_tiny


def test_layers_that_run_more_than_once() -> None:
    model = build_tiny("llama")
    original = model.model.forward

    def twice(**arguments: object) -> object:
        original(**arguments)
        return original(**arguments)

    model.model.forward = twice
    with pytest.raises(ModelError, match="layer 0 is called more than once in a forward pass"):
        Decoder(model, "looped").record(torch.tensor([[1, 2]]))


def test_layers_that_are_not_called() -> None:
    model = build_tiny("llama")
    model.config.num_hidden_layers = 3
    model.model.layers = nn.ModuleList(list(model.model.layers))
    decoder = Decoder(model, "short")
    with pytest.raises(ModelError, match="3 of 4 layers were called"):
        decoder.record(torch.tensor([[1, 2]]))


def test_layers_that_pass_on_more_than_the_hidden_state() -> None:
    model = build_tiny("llama")
    layer = model.model.layers[2]
    original = layer.forward

    def leaning(hidden: torch.Tensor, **arguments: object) -> torch.Tensor:
        return original(hidden, **arguments) + model.model.layers[1].left_behind

    model.model.layers[1].left_behind = torch.zeros(())
    model.model.layers[1].register_forward_hook(
        lambda module, _, output: setattr(module, "left_behind", 0.1 * output.detach()[..., :1])
    )
    layer.forward = leaning
    with pytest.raises(ModelError, match="in 'llama' layer 2 also reads what other layers left behind"):
        check_decoder(Decoder(model, "leaning"))


def test_layers_that_cannot_run_alone() -> None:
    model = build_tiny("llama")
    first, second = model.model.layers[0], model.model.layers[1]
    original = second.forward

    def needy(hidden: torch.Tensor, **arguments: object) -> torch.Tensor:
        if not hasattr(first, "indices"):
            raise ValueError("needs indices of a previous layer")
        del first.indices
        return original(hidden, **arguments)

    first.register_forward_hook(lambda module, *_: setattr(module, "indices", 1))
    second.forward = needy
    with pytest.raises(ModelError, match="one needs what another leaves behind .ValueError: needs indices of a previous layer"):
        check_decoder(Decoder(model, "needy"))


def test_an_output_that_replay_does_not_give() -> None:
    model = build_tiny("llama")
    original = model.forward

    def forward(**arguments: object) -> object:
        output = original(**arguments)
        if model.model.layers[0].forward.__name__ == "forward" and "forward" not in model.model.layers[0].__dict__:
            output.logits = output.logits + 1.0
        return output

    model.forward = forward
    with pytest.raises(ModelError, match=r"must give the model's own logits; for 'llama' they differ by 1"):
        check_decoder(Decoder(model, "odd"))


def test_a_model_without_a_list_of_layers() -> None:
    model = build_tiny("llama")
    assert Decoder(model, "fine").n_layers == 4
    without = build_tiny("llama")
    without.model.layers = nn.Sequential(*without.model.layers)
    with pytest.raises(ModelError, match="keeps its layers in a list; 'llama' has none"):
        Decoder(without, "none")


def test_halves_are_told_apart_on_more_than_a_zero_state() -> None:
    model = build_tiny("llama")
    model.model.embed_tokens.weight.data[0] = 0  # the padding row of many a real model
    original = model.model.layers[1].forward
    model.model.layers[1].forward = lambda hidden, **arguments: 0.5 * original(hidden, **arguments)
    with pytest.raises(ModelError, match="in 'llama' layer 1 does something else: with both silent its input changes"):
        _ = Decoder(model, "scaled").halves


def test_a_half_that_does_nothing_is_no_half() -> None:
    model = build_tiny("llama")
    model.model.layers[2].mlp.down_proj.weight.data.zero_()
    with pytest.raises(ModelError, match="in 'llama' layer 2 does something else"):
        _ = Decoder(model, "empty").halves


def test_a_model_that_needs_more_than_token_ids() -> None:
    model = build_tiny("llama")

    def forward(**arguments: object) -> object:
        raise ValueError("set a language first")

    model.forward = forward
    with pytest.raises(ModelError, match="must predict from token ids alone; 'llama' does not .ValueError: set a language"):
        check_decoder(Decoder(model, "spoken"))
