"""Naive re-implementations that every optimisation is held against: whole forward passes of rebuilt copies of a model.

Nothing of layerscope is used here. Where a family keeps its layers, and which modules write, stands in tables to be read.
Axes: ``batch``, ``seq``, ``vocab``.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn
from transformers import PretrainedConfig, PreTrainedModel
from transformers.pytorch_utils import Conv1D


@dataclass(frozen=True)
class Outputs:
    """The last maps of a layer's two halves; what they give is all that a half adds to the residual stream."""

    attn: tuple[str, ...]
    """Modules or parameters within a layer, by dotted name; a layer has one or more of them."""
    mlp: tuple[str, ...]
    """Likewise."""


_LAYERS = {
    "bloom": "transformer.h",
    "codegen": "transformer.h",
    "falcon": "transformer.h",
    "gpt2": "transformer.h",
    "gpt_bigcode": "transformer.h",
    "gpt_neo": "transformer.h",
    "gptj": "transformer.h",
    "openai-gpt": "transformer.h",
    "mpt": "transformer.blocks",
    "biogpt": "biogpt.layers",
    "gpt_neox": "gpt_neox.layers",
    "opt": "model.decoder.layers",
    "mamba": "backbone.layers",
    "mamba2": "backbone.layers",
    "falcon_mamba": "backbone.layers",
    "rwkv": "rwkv.blocks",
}
"""Where a family keeps its layers; the others keep them in ``model.layers``."""

_LLAMA = Outputs(("self_attn.o_proj",), ("mlp.down_proj",))
_EXPERTS = Outputs(("self_attn.o_proj",), ("mlp.experts.down_proj",))
_GPT2 = Outputs(("attn.c_proj",), ("mlp.c_proj",))
_GPTJ = Outputs(("attn.out_proj",), ("mlp.fc_out",))
_NEOX = Outputs(("attention.dense",), ("mlp.dense_4h_to_h",))
_BLOOM = Outputs(("self_attention.dense",), ("mlp.dense_4h_to_h",))
_OPT = Outputs(("self_attn.out_proj",), ("fc2",))
_DEEPSEEK = Outputs(("self_attn.o_proj",), ("mlp.down_proj", "mlp.experts.down_proj", "mlp.shared_experts.down_proj"))
_QWEN_MOE = Outputs(
    ("self_attn.o_proj", "linear_attn.out_proj"), ("mlp.down_proj", "mlp.experts.down_proj", "mlp.shared_expert.down_proj")
)

_OUTPUTS = {
    "afmoe": _DEEPSEEK,
    "apertus": _LLAMA,
    "arcee": _LLAMA,
    "bamba": Outputs(("self_attn.o_proj", "mamba.out_proj"), ("feed_forward.down_proj",)),
    "biogpt": _OPT,
    "bitnet": _LLAMA,
    "bloom": _BLOOM,
    "codegen": _GPTJ,
    "cohere": _LLAMA,
    "cohere2": _LLAMA,
    "cwm": _LLAMA,
    "deepseek_v2": _DEEPSEEK,
    "deepseek_v3": _DEEPSEEK,
    "diffllama": _LLAMA,
    "ernie4_5": _LLAMA,
    "exaone4": _LLAMA,
    "falcon": _BLOOM,
    "falcon_h1": Outputs(("self_attn.o_proj", "mamba.out_proj"), ("feed_forward.down_proj",)),
    "gemma": _LLAMA,
    "gemma2": _LLAMA,
    "gemma3_text": _LLAMA,
    "glm": _LLAMA,
    "glm4": _LLAMA,
    "glm4_moe": _DEEPSEEK,
    "gpt2": _GPT2,
    "gpt_bigcode": _GPT2,
    "gpt_neo": Outputs(("attn.attention.out_proj",), ("mlp.c_proj",)),
    "gpt_neox": _NEOX,
    "gpt_oss": Outputs(("self_attn.o_proj",), ("mlp.experts.down_proj", "mlp.experts.down_proj_bias")),
    "gptj": _GPTJ,
    "granite": _LLAMA,
    "granitemoe": Outputs(("self_attn.o_proj",), ("block_sparse_moe.experts.down_proj",)),
    "granitemoehybrid": Outputs(
        ("self_attn.o_proj", "mamba.out_proj"), ("block_sparse_moe.experts.down_proj", "shared_mlp.output_linear")
    ),
    "helium": _LLAMA,
    "jamba": Outputs(("self_attn.o_proj", "mamba.out_proj"), ("feed_forward.down_proj", "feed_forward.experts.down_proj")),
    "lfm2": Outputs(("self_attn.out_proj", "conv.out_proj"), ("feed_forward.w2",)),
    "lfm2_moe": Outputs(("self_attn.out_proj", "conv.out_proj"), ("feed_forward.w2", "feed_forward.experts.down_proj")),
    "llama": _LLAMA,
    "llama4_text": Outputs(
        ("self_attn.o_proj",),
        ("feed_forward.down_proj", "feed_forward.experts.down_proj", "feed_forward.shared_expert.down_proj"),
    ),
    "ministral": _LLAMA,
    "mistral": _LLAMA,
    "mixtral": _EXPERTS,
    "mpt": Outputs(("attn.out_proj",), ("ffn.down_proj",)),
    "nemotron": _LLAMA,
    "olmo": _LLAMA,
    "olmo2": _LLAMA,
    "olmo3": _LLAMA,
    "olmo_hybrid": Outputs(("self_attn.o_proj", "linear_attn.o_proj"), ("mlp.down_proj",)),
    "olmoe": _EXPERTS,
    "opt": _OPT,
    "persimmon": Outputs(("self_attn.dense",), ("mlp.dense_4h_to_h",)),
    "phi": Outputs(("self_attn.dense",), ("mlp.fc2",)),
    "phi3": _LLAMA,
    "phimoe": _EXPERTS,
    "qwen2": _LLAMA,
    "qwen2_moe": _QWEN_MOE,
    "qwen3": _LLAMA,
    "qwen3_5_text": _QWEN_MOE,
    "qwen3_moe": _QWEN_MOE,
    "qwen3_next": _QWEN_MOE,
    "recurrent_gemma": Outputs(("temporal_block.o_proj", "temporal_block.linear_out"), ("mlp_block.down_proj",)),
    "seed_oss": _LLAMA,
    "smollm3": _LLAMA,
    "stablelm": _LLAMA,
    "starcoder2": Outputs(("self_attn.o_proj",), ("mlp.c_proj",)),
    "vaultgemma": _LLAMA,
    "xglm": _OPT,
}
"""Families whose layers add an attention update (or another token mixer's) and an MLP update to the residual stream."""

_PROJECTIONS = {"gemma4_text": "self_attn.o_proj", "nemotron_h": "mixer.o_proj", "openai-gpt": "attn.c_proj"}
"""The attention's output projection, where the family is in no other table."""

_PER_LAYER = ("layer_types", "layers_block_type", "attention_layers", "no_rope_layers", "mlp_layer_types", "layers_num_experts")
"""Lists of a configuration that hold one item a layer, from which models choose masks and positions as they walk."""


def model_logits(model: PreTrainedModel, token_ids: Tensor) -> Tensor:
    """A plain forward pass: logits ``(batch, seq, vocab)``."""
    with torch.no_grad():
        logits: Tensor = model(input_ids=token_ids, use_cache=False).logits
    return logits


def surgery_logits(model: PreTrainedModel, token_ids: Tensor, order: Sequence[int]) -> Tensor:
    """Logits of a copy whose layers were put in another order, each with the mask of the place that it comes from.

    The copy's layers are copied once more, apart from its body: they keep the model's own configuration, while the body, which
    hands each layer its mask and positions by place, gets one whose lists stand in the new order.
    """
    changed = copy.deepcopy(model)
    holder, _, name = _LAYERS.get(model.config.model_type, "model.layers").rpartition(".")
    setattr(changed.get_submodule(holder), name, nn.ModuleList())
    for config in _configurations(changed):
        _reorder(config, order)
    setattr(changed.get_submodule(holder), name, nn.ModuleList(copy.deepcopy(layers_of(model)[index]) for index in order))
    if model.config.model_type == "gemma4_text":
        _reorder_layer_inputs(changed, model, order)
    if model.config.model_type == "zamba2":
        _fix_layer_numbers(changed, order)
    return model_logits(changed, token_ids)


def silenced_logits(model: PreTrainedModel, token_ids: Tensor, layer: int, half: Literal["attn", "mlp"]) -> Tensor:
    """Logits of a copy in which the last maps of one half of one layer, weights and biases, are zero."""
    return model_logits(silenced(model, layer, half), token_ids)


def silenced(model: PreTrainedModel, layer: int, half: Literal["attn", "mlp"]) -> PreTrainedModel:
    """That copy."""
    changed = copy.deepcopy(model)
    outputs = _OUTPUTS[model.config.model_type]
    silent = 0
    with torch.no_grad():
        for name in outputs.attn if half == "attn" else outputs.mlp:
            for parameter in _parameters(layers_of(changed)[layer], name):
                parameter.zero_()
                silent += 1
    assert silent, f"layer {layer} of '{model.config.model_type}' has no {half} by the table"
    return changed


def without_columns_logits(model: PreTrainedModel, token_ids: Tensor, layer: int, columns: slice) -> Tensor:
    """Logits of a copy in which some columns of the attention's output projection of one layer are zero; its bias stays."""
    changed = copy.deepcopy(model)
    name = _PROJECTIONS.get(model.config.model_type) or _OUTPUTS[model.config.model_type].attn[0]
    projection = layers_of(changed)[layer].get_submodule(name)
    with torch.no_grad():  # GPT-2 keeps its matrices the other way round
        (projection.weight.T if isinstance(projection, Conv1D) else projection.weight)[:, columns] = 0
    return model_logits(changed, token_ids)


def layers_of(model: PreTrainedModel) -> list[nn.Module]:
    """The layers, in the model's order."""
    return list(model.get_submodule(_LAYERS.get(model.config.model_type, "model.layers")).children())


def has_halves(model_type: str) -> bool:
    """Whether the table says what writes the halves of this family's layers."""
    return model_type in _OUTPUTS


def _configurations(model: PreTrainedModel) -> Iterable[PretrainedConfig]:
    """Every configuration that the model's modules hold, each once."""
    held = [module.config for module in model.modules() if isinstance(getattr(module, "config", None), PretrainedConfig)]
    return {id(config): config for config in held}.values()


def _reorder(config: PretrainedConfig, order: Sequence[int]) -> None:
    """Put every list that holds one item a layer into another order, and set the number of layers."""
    new: dict[str, Any] = {"num_hidden_layers": len(order)}
    for name in _PER_LAYER:
        values = getattr(config, name, None)
        if values is not None:
            new[name] = [values[index] for index in order]
    computed: dict[str, Any] = {}
    for name, value in new.items():
        stored_as = type(config).attribute_map.get(name, name)
        if isinstance(getattr(type(config), stored_as, None), property):
            computed[stored_as] = value
        else:
            setattr(config, name, value)
    # Some families (Jamba, RecurrentGemma) compute such a list from a period: the result is fixed in a class of its own.
    config.__class__ = type(type(config).__name__, (type(config),), computed)


def _reorder_layer_inputs(changed: PreTrainedModel, model: PreTrainedModel, order: Sequence[int]) -> None:
    """Gemma 4 embeds each token once a layer and hands a layer its own embedding by place, not by configuration."""
    body, untouched = changed.get_submodule("model"), copy.deepcopy(model).get_submodule("model")
    vars(body)["get_per_layer_inputs"] = untouched.get_per_layer_inputs
    vars(body)["project_per_layer_inputs"] = lambda *given: untouched.project_per_layer_inputs(*given)[:, :, list(order)]


def _fix_layer_numbers(changed: PreTrainedModel, order: Sequence[int]) -> None:
    """Zamba 2 tells a layer its number by place (third argument), from which the shared block picks its adapter."""
    for layer, index in zip(layers_of(changed), order, strict=True):
        layer.register_forward_pre_hook(lambda _, given, index=index: (*given[:2], index, *given[3:]))


def _parameters(layer: nn.Module, name: str) -> list[nn.Parameter]:
    """The parameters of a module, or a single one, by dotted name; none if the layer has no such part."""
    found: Any = layer
    for part in name.split("."):
        found = getattr(found, part, None)
    if isinstance(found, nn.Parameter):
        return [found]
    return list(found.parameters()) if isinstance(found, nn.Module) else []
