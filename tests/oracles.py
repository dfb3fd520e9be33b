"""Naive surgery on copies of a model: what rearranging layers and silencing halves must give; nothing of the engine."""

from __future__ import annotations

import copy
import re

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

# Parameters that write the update of a layer's attention (or other token mixer) and of its MLP (or experts), by family:
#   llama and most others  self_attn.o_proj            mlp.down_proj
#   gpt2, gpt_bigcode      attn.c_proj                 mlp.c_proj
#   gpt_neo                attn.attention.out_proj     mlp.c_proj
#   gptj, codegen          attn.out_proj               mlp.fc_out
#   gpt_neox               attention.dense             mlp.dense_4h_to_h
#   falcon, bloom          self_attention.dense        mlp.dense_4h_to_h
#   opt, biogpt, xglm      self_attn.out_proj          fc2
#   phi, persimmon         self_attn.dense             mlp.fc2, mlp.dense_4h_to_h
#   mpt                    attn.out_proj               ffn.down_proj
#   jamba                  self_attn.o_proj, mamba.out_proj            feed_forward.[experts.]down_proj
#   lfm2                   self_attn.out_proj, conv.out_proj           feed_forward.w2
#   qwen3_next             self_attn.o_proj, linear_attn.out_proj      mlp.experts.down_proj, mlp.shared_expert.down_proj
#   granitemoe             self_attn.o_proj            block_sparse_moe.output_linear
WRITES = {
    "attn": re.compile(
        r"(self_attn|attn|attn\.attention|attention|self_attention|mamba|conv|linear_attn)"
        r"\.(o_proj|out_proj|c_proj|dense)\.(weight|bias)"
    ),
    "mlp": re.compile(
        r"(fc2|(mlp|ffn|feed_forward|block_sparse_moe)\.(\S+\.)?"
        r"(down_proj|down_proj_bias|c_proj|fc_out|dense_4h_to_h|fc2|w2|output_linear))(\.weight|\.bias)?"
    ),
}


def surgery_logits(model: PreTrainedModel, token_ids: Tensor, order: list[int]) -> Tensor:
    """Logits of a copy whose list of layers is rearranged and whose configuration is rearranged with it.

    Masks are chosen by a layer's place in the configuration's lists, so that those lists must follow the layers.
    """
    changed = copy.deepcopy(model)
    holder, name, layers = layer_list(changed)
    n_layers = len(layers)
    setattr(holder, name, nn.ModuleList([copy.deepcopy(layers[index]) for index in order]))
    for config in {id(module.config): module.config for module in changed.modules() if hasattr(module, "config")}.values():
        for attribute, value in list(vars(config).items()):
            if isinstance(value, list) and len(value) == n_layers:
                vars(config)[attribute] = [value[index] for index in order]
        for attribute in ("num_hidden_layers", "num_layers", "n_layer", "n_layers"):
            if attribute in vars(config):
                vars(config)[attribute] = len(order)
    return plain_logits(changed, token_ids)


def silenced_logits(model: PreTrainedModel, token_ids: Tensor, layer: int, half: str) -> Tensor:
    """Logits of a copy in which one half of one layer writes zeros, because its last weights and biases are zero."""
    changed = copy.deepcopy(model)
    _, _, layers = layer_list(changed)
    silenced = [parameter for name, parameter in layers[layer].named_parameters() if WRITES[half].fullmatch(name)]
    assert silenced, f"no {half} parameters among {[name for name, _ in layers[layer].named_parameters()]}"
    for parameter in silenced:
        parameter.data.zero_()
    return plain_logits(changed, token_ids)


def plain_logits(model: PreTrainedModel, token_ids: Tensor) -> Tensor:
    """The model's own forward pass."""
    with torch.no_grad():
        return model(input_ids=token_ids, use_cache=False).logits


def layer_list(model: PreTrainedModel) -> tuple[nn.Module, str, nn.ModuleList]:
    """The module that holds the layers, the attribute's name, and the layers; by the names that families use."""
    for holder in (model.base_model, getattr(model.base_model, "decoder", None)):
        for name in ("layers", "h", "blocks"):
            if isinstance(getattr(holder, name, None), nn.ModuleList):
                return holder, name, getattr(holder, name)
    raise AssertionError(f"where does {type(model).__name__} keep its layers?")
