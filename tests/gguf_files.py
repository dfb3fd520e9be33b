"""GGUF files of a tiny random Llama, written with the gguf package as llama.cpp's converter writes them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from gguf import GGUFWriter, TokenType
from tokenizers.pre_tokenizers import ByteLevel
from torch import Tensor
from transformers import LlamaConfig, LlamaForCausalLM

N_LAYERS = 3
_NAMES = {
    "model.embed_tokens.weight": "token_embd.weight",
    "model.norm.weight": "output_norm.weight",
    "lm_head.weight": "output.weight",
}
_IN_LAYERS = {
    "input_layernorm": "attn_norm",
    "post_attention_layernorm": "ffn_norm",
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
}


def tiny_llama(**settings: Any) -> LlamaForCausalLM:
    """A random Llama with an output matrix of its own."""
    torch.manual_seed(0)
    config = LlamaConfig(
        **{
            "vocab_size": 258,
            "hidden_size": 32,
            "intermediate_size": 48,
            "num_hidden_layers": N_LAYERS,
            "num_attention_heads": 4,
            "num_key_value_heads": 2,
            "max_position_embeddings": 64,
            "rms_norm_eps": 1e-5,
            "tie_word_embeddings": False,
            **settings,
        }
    )
    model = LlamaForCausalLM(config).eval()
    for parameter in model.parameters():
        if parameter.dim() > 1:
            torch.nn.init.normal_(parameter, std=0.1)
    return model


def gguf_tensors(model: LlamaForCausalLM) -> dict[str, np.ndarray]:
    """A Llama's tensors under llama.cpp's names, its queries and keys in llama.cpp's order of rotary dimensions."""
    heads = {"attn_q": model.config.num_attention_heads, "attn_k": model.config.num_key_value_heads}
    tensors: dict[str, np.ndarray] = {}
    for name, tensor in model.state_dict().items():
        if name in _NAMES:
            tensors[_NAMES[name]] = tensor.numpy()
            continue
        number, _, rest = name.removeprefix("model.layers.").partition(".")
        short = _IN_LAYERS[rest.removesuffix(".weight")]
        tensors[f"blk.{number}.{short}.weight"] = (_interleaved(tensor, heads[short]) if short in heads else tensor).numpy()
    return tensors


def write_gguf(
    path: Path,
    model: LlamaForCausalLM | None = None,
    *,
    metadata: Mapping[str, Any] | None = None,
    change: Callable[[dict[str, np.ndarray]], object] = lambda _: None,
    tensors_a_part: int = 0,
) -> Path:
    """Write a model as one file, or as the parts that gguf-split makes.

    Args:
        path: of the file; parts get their number between its stem and its ending.
        model: a tiny one by default.
        metadata: to add to those of the model, or to put in their place; None leaves one out.
        change: done to the tensors before they are written.
        tensors_a_part: at which a new part begins; 0 for one file.
    """
    model = model or tiny_llama()
    tensors = gguf_tensors(model)
    change(tensors)
    config, letters = model.config, sorted(ByteLevel.alphabet())
    values = {
        "llama.block_count": config.num_hidden_layers,
        "llama.context_length": config.max_position_embeddings,
        "llama.embedding_length": config.hidden_size,
        "llama.feed_forward_length": config.intermediate_size,
        "llama.attention.head_count": config.num_attention_heads,
        "llama.attention.head_count_kv": config.num_key_value_heads,
        "llama.attention.layer_norm_rms_epsilon": config.rms_norm_eps,
        "llama.rope.freq_base": float(config.rope_parameters["rope_theta"]),
        "llama.vocab_size": config.vocab_size,
        "tokenizer.ggml.model": "gpt2",
        "tokenizer.ggml.tokens": ["<s>", *letters, "th"],
        "tokenizer.ggml.token_type": [TokenType.CONTROL, *[TokenType.NORMAL] * (len(letters) + 1)],
        "tokenizer.ggml.merges": ["t h"],
        "tokenizer.ggml.bos_token_id": 0,
        "tokenizer.ggml.eos_token_id": 0,
        **(metadata or {}),
    }
    writer = GGUFWriter(path, "llama", split_max_tensors=tensors_a_part)
    for name, value in values.items():
        if isinstance(value, bool | str):
            (writer.add_bool if isinstance(value, bool) else writer.add_string)(name, value)
        elif isinstance(value, int | float):
            (writer.add_uint32 if isinstance(value, int) else writer.add_float32)(name, value)
        elif value is not None:
            writer.add_array(name, value)
    for name, array in tensors.items():
        writer.add_tensor(name, np.ascontiguousarray(array))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def _interleaved(weight: Tensor, heads: int) -> Tensor:
    """From halves of a head's dimensions to neighbours, as convert_hf_to_gguf.py does for Llama."""
    return weight.reshape(heads, 2, -1, weight.shape[-1]).swapaxes(1, 2).reshape(weight.shape)
