"""Tiny random models of many families, built from their configurations: four layers of 32 dimensions.

Among them: sliding windows shorter than the test's text, soft-capping that bites, logit scaling, tied and untied embeddings,
mixtures of experts, parallel attention and MLP, learned, rotary and ALiBi positions, state-space and convolution layers.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass, field
from typing import Any

import torch
from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedModel

TEXT_TOKENS = 18
"""Length of the texts that tests run through these models."""
WINDOW = 5
"""Sliding windows; much shorter than the text."""

_TOKENS = {"vocab_size": 96, "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2}
_LLAMA = {
    **_TOKENS,
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 4,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 64,
}
_HEADS = {**_LLAMA, "head_dim": 8}
_MANY_HEADS = {key: value for key, value in _LLAMA.items() if key != "num_key_value_heads"}
_GPT2 = {**_TOKENS, "n_layer": 4, "n_embd": 32, "n_head": 4, "n_positions": 64}
_EXPERTS = {"num_experts_per_tok": 2, "moe_intermediate_size": 16}
_MIXED = ["sliding_attention", "full_attention", "sliding_attention", "full_attention"]
_SLIDING = {"sliding_window": WINDOW, "layer_types": _MIXED}
_MLA = {"q_lora_rank": 16, "kv_lora_rank": 16, "qk_rope_head_dim": 8, "qk_nope_head_dim": 8, "v_head_dim": 8}


@dataclass(frozen=True)
class TinyModel:
    """How to build one."""

    model_type: str
    """The family, as transformers calls it."""
    settings: dict[str, Any] = field(default_factory=dict)
    """Arguments of its configuration."""
    has_halves: bool = True
    """Whether its layers have an attention (or other mixer) and an MLP that add to the residual stream."""


TINY_MODELS: dict[str, TinyModel] = {
    "llama": TinyModel("llama", _LLAMA),
    "llama-tied": TinyModel("llama", {**_LLAMA, "tie_word_embeddings": True}),
    "mistral": TinyModel("mistral", {**_HEADS, "sliding_window": WINDOW}),
    "mixtral": TinyModel("mixtral", {**_HEADS, "num_local_experts": 4, "num_experts_per_tok": 2}),
    "qwen2": TinyModel("qwen2", {**_LLAMA, "use_sliding_window": True, **_SLIDING}),
    "qwen3": TinyModel("qwen3", {**_HEADS, "use_sliding_window": True, **_SLIDING}),
    "qwen2_moe": TinyModel("qwen2_moe", {**_LLAMA, **_EXPERTS, "num_experts": 4, "shared_expert_intermediate_size": 16}),
    "qwen3_moe": TinyModel("qwen3_moe", {**_HEADS, **_EXPERTS, "num_experts": 4}),
    "gemma": TinyModel("gemma", _HEADS),
    "gemma2": TinyModel(
        "gemma2",
        {**_HEADS, **_SLIDING, "final_logit_softcapping": 1.0, "attn_logit_softcapping": 1.0, "query_pre_attn_scalar": 8},
    ),
    "gemma3_text": TinyModel("gemma3_text", {**_HEADS, **_SLIDING, "query_pre_attn_scalar": 8}),
    "gpt2": TinyModel("gpt2", _GPT2),
    "gpt_bigcode": TinyModel("gpt_bigcode", _GPT2),
    "gpt_neox": TinyModel("gpt_neox", _MANY_HEADS),
    "gpt_neo": TinyModel(
        "gpt_neo",
        {
            **_TOKENS,
            "hidden_size": 32,
            "num_layers": 4,
            "num_heads": 4,
            "intermediate_size": 64,
            "max_position_embeddings": 64,
            "attention_types": [[["global", "local"], 2]],
            "window_size": WINDOW,
        },
    ),
    "gptj": TinyModel("gptj", {**_GPT2, "rotary_dim": 4}),
    "codegen": TinyModel("codegen", {**_GPT2, "rotary_dim": 4}),
    "opt": TinyModel("opt", {**_MANY_HEADS, "ffn_dim": 64, "word_embed_proj_dim": 32}),
    "falcon": TinyModel("falcon", {**_MANY_HEADS, "multi_query": True}),
    "falcon-alibi": TinyModel(
        "falcon", {**_MANY_HEADS, "alibi": True, "parallel_attn": False, "new_decoder_architecture": False}
    ),
    "bloom": TinyModel("bloom", {**_TOKENS, "hidden_size": 32, "n_layer": 4, "n_head": 4}),
    "mpt": TinyModel("mpt", {**_TOKENS, "d_model": 32, "n_heads": 4, "n_layers": 4, "max_seq_len": 64, "expansion_ratio": 2}),
    "gpt_oss": TinyModel("gpt_oss", {**_HEADS, **_SLIDING, "num_local_experts": 4, "num_experts_per_tok": 2}),
    "phi": TinyModel("phi", _MANY_HEADS),
    "phi3": TinyModel("phi3", {**_LLAMA, "sliding_window": WINDOW}),
    "olmo": TinyModel("olmo", _LLAMA),
    "olmo2": TinyModel("olmo2", _LLAMA),
    "olmo3": TinyModel("olmo3", {**_LLAMA, **_SLIDING}),
    "olmoe": TinyModel("olmoe", {**_LLAMA, "num_experts": 4, "num_experts_per_tok": 2}),
    "cohere": TinyModel("cohere", {**_LLAMA, "logit_scale": 0.25}),
    "cohere2": TinyModel("cohere2", {**_LLAMA, **_SLIDING, "logit_scale": 0.25}),
    "starcoder2": TinyModel("starcoder2", {**_LLAMA, "sliding_window": WINDOW}),
    "stablelm": TinyModel("stablelm", _LLAMA),
    "granite": TinyModel("granite", {**_LLAMA, "logits_scaling": 4.0, "residual_multiplier": 0.5, "embedding_multiplier": 2.0}),
    "smollm3": TinyModel("smollm3", {**_LLAMA, "no_rope_layers": [1, 0, 1, 0]}),
    "glm": TinyModel("glm", _HEADS),
    "glm4": TinyModel("glm4", _HEADS),
    "nemotron": TinyModel("nemotron", _HEADS),
    "exaone4": TinyModel("exaone4", {**_LLAMA, **_SLIDING}),
    "deepseek_v3": TinyModel(
        "deepseek_v3",
        {
            **_MANY_HEADS,
            **_MLA,
            "num_key_value_heads": 4,
            "n_routed_experts": 4,
            "num_experts_per_tok": 2,
            "moe_intermediate_size": 16,
            "n_group": 1,
            "topk_group": 1,
            "first_k_dense_replace": 1,
        },
    ),
    "lfm2": TinyModel("lfm2", {**_LLAMA, "layer_types": ["conv", "full_attention", "conv", "full_attention"]}),
    "mamba": TinyModel("mamba", {**_TOKENS, "hidden_size": 32, "num_hidden_layers": 4, "state_size": 8}, has_halves=False),
    "falcon_mamba": TinyModel(
        "falcon_mamba", {**_TOKENS, "hidden_size": 32, "num_hidden_layers": 4, "state_size": 8}, has_halves=False
    ),
    "jamba": TinyModel(
        "jamba",
        {
            **_LLAMA,
            "num_experts": 4,
            "num_experts_per_tok": 2,
            "attn_layer_period": 2,
            "attn_layer_offset": 1,
            "mamba_d_state": 8,
            "mamba_d_conv": 4,
            "mamba_dt_rank": 4,
            "use_mamba_kernels": False,
        },
    ),
    "persimmon": TinyModel("persimmon", _MANY_HEADS),
    "helium": TinyModel("helium", _HEADS),
    "arcee": TinyModel("arcee", _LLAMA),
    "ernie4_5": TinyModel("ernie4_5", _HEADS),
    "biogpt": TinyModel("biogpt", _MANY_HEADS),
    "xglm": TinyModel("xglm", {**_TOKENS, "d_model": 32, "ffn_dim": 64, "num_layers": 4, "attention_heads": 4}),
    "qwen3_next": TinyModel(
        "qwen3_next",
        {
            **_HEADS,
            **_EXPERTS,
            "num_experts": 4,
            "shared_expert_intermediate_size": 16,
            "layer_types": ["linear_attention", "full_attention"] * 2,
            "linear_num_key_heads": 2,
            "linear_num_value_heads": 4,
            "linear_key_head_dim": 8,
            "linear_value_head_dim": 8,
        },
    ),
    "granitemoe": TinyModel("granitemoe", {**_LLAMA, "num_local_experts": 4, "num_experts_per_tok": 2}),
}


@functools.cache
def build_tiny(name: str) -> PreTrainedModel:
    """A random model in float32 whose biases and norm weights matter, too; the same one at every call."""
    return build_model(TINY_MODELS[name].model_type, **TINY_MODELS[name].settings)


def build_model(model_type: str, **settings: Any) -> PreTrainedModel:
    """A random model of any family."""
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(AutoConfig.for_model(model_type, **settings)).float().eval()
    for parameter in model.parameters():
        if parameter.dim() > 1:
            torch.nn.init.normal_(parameter, std=0.08)
        else:
            parameter.data += 0.05 * torch.randn_like(parameter)
    return model


def some_ids() -> torch.Tensor:
    """Token ids ``(batch, seq)`` for any of these models."""
    return torch.randint(3, 90, (2, TEXT_TOKENS), generator=torch.Generator().manual_seed(1))
