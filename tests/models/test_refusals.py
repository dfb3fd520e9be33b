"""Models that record and inject would misread are refused by name, with the rule that they break."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from layerscope.errors import ModelError
from layerscope.models import Decoder, check_decoder
from tests.tiny_models import build_model, build_tiny

SMALL = {
    "vocab_size": 96,
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 4,
    "num_attention_heads": 4,
    "max_position_embeddings": 64,
}


GEMMA_3N = {
    **SMALL,
    "num_key_value_heads": 2,
    "head_dim": 8,
    "vocab_size_per_layer_input": 96,
    "hidden_size_per_layer_input": 8,
    "layer_types": ["sliding_attention", "full_attention"] * 2,
    "laurel_rank": 4,
    "activation_sparsity_pattern": [0.0] * 4,
}


def test_layers_that_share_keys_and_values() -> None:
    model = build_model("gemma3n_text", **GEMMA_3N, num_kv_shared_layers=2)
    with pytest.raises(ModelError, match="in 'gemma3n_text' layer [23] also reads what other layers left behind"):
        check_decoder(Decoder(model, "gemma3n"))


def test_hidden_states_of_another_layout() -> None:
    model = build_model("gemma3n_text", **GEMMA_3N, num_kv_shared_layers=0)
    with pytest.raises(ModelError, match=r"in 'gemma3n_text' it has the shape \(4, 2, 12, 32\) for \(2, 12\) tokens"):
        check_decoder(Decoder(model, "gemma3n"))


@pytest.mark.parametrize("family", ["bert", "roberta"])
def test_models_that_look_ahead(family: str) -> None:
    with pytest.raises(ModelError, match=f"predicts each token from those before it; in '{family}' changing the last token"):
        check_decoder(Decoder(build_model(family, **SMALL), family))


def test_layers_that_run_more_than_once() -> None:
    model = build_model("llama", **SMALL)
    original = model.model.forward

    def twice(**arguments: object) -> object:
        original(**arguments)
        return original(**arguments)

    model.model.forward = twice
    with pytest.raises(ModelError, match="layer 0 is called more than once in a forward pass"):
        Decoder(model, "looped").record(torch.tensor([[1, 2]]))


def test_layers_that_are_not_called() -> None:
    model = build_model("llama", **SMALL)
    model.config.num_hidden_layers = 3
    model.model.layers = nn.ModuleList(list(model.model.layers))
    decoder = Decoder(model, "short")
    with pytest.raises(ModelError, match="3 of 4 layers were called"):
        decoder.record(torch.tensor([[1, 2]]))


def test_layers_that_pass_on_more_than_the_hidden_state() -> None:
    model = build_model("llama", **SMALL)
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
    model = build_model("llama", **SMALL)
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
    model = build_model("llama", **SMALL)
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
    without = build_model("llama", **SMALL)
    without.model.layers = nn.Sequential(*without.model.layers)
    with pytest.raises(ModelError, match="keeps its layers in a list; 'llama' has none"):
        Decoder(without, "none")
