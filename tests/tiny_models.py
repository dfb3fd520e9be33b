"""A catalogue of tiny random models, one entry a family or a setting of one. What is done with them lies in the tests.

Every entry is a real transformers configuration, made by its own constructor: 4 layers, 32 dimensions, 112 tokens. Windows are
4 to 6 tokens, soft-caps and scales are tight, so that losing one of them shows in the logits of a text of ``TEXT_LENGTH``
tokens. Weights are drawn again wider than a fresh model has them, and biases and norms are moved off their start.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from transformers import CONFIG_MAPPING, AutoModelForCausalLM, PretrainedConfig, PreTrainedModel

TEXT_LENGTH = 18
"""Tokens in a test text; longer than every window of the catalogue."""
VOCAB_SIZE = 112
N_LAYERS = 4
_VECTOR_STD = 0.05

_SLIDING, _FULL, _LINEAR = "sliding_attention", "full_attention", "linear_attention"
_MIXED = (_SLIDING, _FULL, _SLIDING, _SLIDING)
"""Not its own mirror image: a reversed path that loses a layer's mask shows."""
_RECURRENT = (_LINEAR, _FULL, _LINEAR, _LINEAR)

_SPECIAL = {"pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2}
_PLAIN = {"vocab_size": VOCAB_SIZE, "hidden_size": 32, "num_hidden_layers": N_LAYERS, **_SPECIAL}
_SHARED = {**_PLAIN, "num_attention_heads": 4}
_NEOX = {**_SHARED, "intermediate_size": 48, "max_position_embeddings": 64}
_LLAMA = {**_NEOX, "num_key_value_heads": 2}
_GEMMA = {**_LLAMA, "head_dim": 8}
_GPT = {"vocab_size": VOCAB_SIZE, "n_embd": 32, "n_layer": N_LAYERS, "n_head": 4, "n_positions": 64, **_SPECIAL}
_TWO_OF_FOUR = {"num_local_experts": 4, "num_experts_per_tok": 2}
_EXPERTS = {"num_experts_per_tok": 2, "moe_intermediate_size": 24}
_LATENT = {"kv_lora_rank": 16, "q_lora_rank": 16, "qk_rope_head_dim": 4, "qk_nope_head_dim": 4, "v_head_dim": 8}
_DEEPSEEK = {**_LLAMA, **_EXPERTS, **_LATENT, "num_key_value_heads": 4, "n_routed_experts": 4, "first_k_dense_replace": 1}
_MAMBA = {"mamba_d_state": 4, "mamba_d_conv": 3, "mamba_expand": 2}
_MAMBA2 = {**_MAMBA, "mamba_n_heads": 8, "mamba_d_head": 8, "mamba_n_groups": 2, "mamba_chunk_size": 4}
_DELTA_NET = {
    "linear_conv_kernel_dim": 3,
    "linear_key_head_dim": 8,
    "linear_value_head_dim": 8,
    "linear_num_key_heads": 2,
    "linear_num_value_heads": 4,
}


@dataclass(frozen=True)
class TinyModel:
    """One entry of the catalogue."""

    model_type: str
    """The family, as transformers names it."""
    settings: Mapping[str, Any]
    """Arguments of the family's configuration class."""
    matrix_std: float = 0.08
    """Standard deviation of the weights that are no vectors."""

    def config(self, **changes: Any) -> PretrainedConfig:
        """The configuration; sequences are handed over as fresh lists, because some constructors edit them."""
        merged = {**self.settings, **changes}
        fresh = {name: list(value) if isinstance(value, list | tuple) else value for name, value in merged.items()}
        return CONFIG_MAPPING[self.model_type](**fresh)


def _tiny(model_type: str, base: Mapping[str, Any], *, matrix_std: float = 0.08, **settings: Any) -> TinyModel:
    return TinyModel(model_type, {**base, **settings}, matrix_std)


def _without(settings: Mapping[str, Any], name: str) -> dict[str, Any]:
    """For the few families that have no such option."""
    return {key: value for key, value in settings.items() if key != name}


TINY: dict[str, TinyModel] = {
    # Llama and its near kin: rotary positions, RMS norms, gated MLPs
    "llama": _tiny("llama", _LLAMA, tie_word_embeddings=True),
    "llama-untied": _tiny("llama", _LLAMA, tie_word_embeddings=False, attention_bias=True, mlp_bias=True),
    "mistral": _tiny("mistral", _LLAMA, sliding_window=None),
    "mistral-sliding": _tiny("mistral", _LLAMA, sliding_window=5),
    "ministral": _tiny("ministral", _GEMMA, sliding_window=4, layer_types=_MIXED),
    "qwen2": _tiny("qwen2", _LLAMA, tie_word_embeddings=True),
    "qwen2-sliding": _tiny("qwen2", _LLAMA, use_sliding_window=True, sliding_window=5, max_window_layers=2),
    "qwen3": _tiny("qwen3", _GEMMA, tie_word_embeddings=False),
    "qwen3-sliding": _tiny("qwen3", _GEMMA, use_sliding_window=True, sliding_window=4, layer_types=_MIXED),
    "phi3": _tiny("phi3", _LLAMA),
    "phi3-sliding": _tiny("phi3", _LLAMA, sliding_window=6),
    "smollm3": _tiny("smollm3", _LLAMA, no_rope_layers=(1, 0, 1, 1), tie_word_embeddings=True),
    "smollm3-sliding": _tiny("smollm3", _LLAMA, no_rope_layers=(1, 0, 1, 1), use_sliding_window=True, sliding_window=5),
    "granite": _tiny(
        "granite", _LLAMA, logits_scaling=4.0, residual_multiplier=0.5, embedding_multiplier=3.0, attention_multiplier=0.2
    ),
    "arcee": _tiny("arcee", _GEMMA),
    "apertus": _tiny("apertus", _LLAMA),
    "ernie4_5": _tiny("ernie4_5", _GEMMA, use_bias=True),
    "glm": _tiny("glm", _GEMMA),
    "helium": _tiny("helium", _GEMMA),
    "seed_oss": _tiny("seed_oss", _GEMMA),
    "diffllama": _tiny("diffllama", _GEMMA),
    "cwm": _tiny("cwm", _GEMMA, sliding_window=4, layer_types=_MIXED),
    # norms elsewhere: after a half, on both sides of it, or one for both
    "gemma": _tiny("gemma", _GEMMA),
    "gemma2": _tiny(
        "gemma2",
        _GEMMA,
        query_pre_attn_scalar=8,
        sliding_window=4,
        layer_types=_MIXED,
        final_logit_softcapping=1.0,
        attn_logit_softcapping=0.1,
    ),
    "gemma3_text": _tiny(
        "gemma3_text", _GEMMA, query_pre_attn_scalar=8, sliding_window=4, layer_types=_MIXED, final_logit_softcapping=1.5
    ),
    "vaultgemma": _tiny(
        "vaultgemma", _GEMMA, query_pre_attn_scalar=8, sliding_window=4, layer_types=_MIXED, final_logit_softcapping=1.0
    ),
    "gemma4_text": _tiny(
        "gemma4_text",
        _GEMMA,
        global_head_dim=16,
        sliding_window=4,
        layer_types=(_SLIDING, _FULL, _SLIDING, _FULL),
        final_logit_softcapping=1.0,
        vocab_size_per_layer_input=VOCAB_SIZE,
        hidden_size_per_layer_input=8,
    ),
    "glm4": _tiny("glm4", _GEMMA),
    "olmo": _tiny("olmo", _LLAMA, clip_qkv=0.3),
    "olmo2": _tiny("olmo2", _LLAMA),
    "olmo3": _tiny("olmo3", _LLAMA, sliding_window=4, layer_types=_MIXED),
    "exaone4": _tiny("exaone4", _LLAMA, sliding_window=5, layer_types=_MIXED),
    "cohere": _tiny("cohere", _LLAMA, logit_scale=0.25, use_qk_norm=True),
    "cohere2": _tiny("cohere2", _LLAMA, logit_scale=0.25, sliding_window=4, layer_types=_MIXED),
    "nemotron": _tiny("nemotron", _LLAMA, attention_bias=True, mlp_bias=True),
    "stablelm": _tiny("stablelm", _LLAMA, use_qkv_bias=True, qk_layernorm=True),
    "stablelm-parallel": _tiny("stablelm", _LLAMA, use_parallel_residual=True),
    "starcoder2": _tiny("starcoder2", _LLAMA, use_bias=True, tie_word_embeddings=True),
    "starcoder2-sliding": _tiny("starcoder2", _LLAMA, sliding_window=5, tie_word_embeddings=False),
    "persimmon": _tiny("persimmon", _NEOX),
    "phi": _tiny("phi", _LLAMA, qk_layernorm=True),
    "bitnet": _tiny("bitnet", _LLAMA),
    # GPT-2 and its kin: biases everywhere, several ways to tell positions
    "gpt2": _tiny("gpt2", _GPT),
    "gpt2-inverse-layer": _tiny("gpt2", _GPT, scale_attn_by_inverse_layer_idx=True, tie_word_embeddings=False),
    "gpt_bigcode": _tiny("gpt_bigcode", _GPT),
    "gptj": _tiny("gptj", _GPT, rotary_dim=4),
    "codegen": _tiny("codegen", _without(_GPT, "pad_token_id"), rotary_dim=4),
    "openai-gpt": _tiny("openai-gpt", _GPT),
    "gpt_neo": _tiny(
        "gpt_neo",
        {"vocab_size": VOCAB_SIZE, "hidden_size": 32, "num_layers": N_LAYERS, "num_heads": 4, **_SPECIAL},
        intermediate_size=48,
        max_position_embeddings=64,
        attention_types=[[["global", "local"], 1], [["local"], 2]],
        window_size=4,
    ),
    "gpt_neox": _tiny("gpt_neox", _NEOX),
    "gpt_neox-sequential": _tiny("gpt_neox", _NEOX, use_parallel_residual=False),
    "opt": _tiny("opt", _SHARED, ffn_dim=48, max_position_embeddings=64, word_embed_proj_dim=32),
    "opt-350m": _tiny(
        "opt", _SHARED, ffn_dim=48, max_position_embeddings=64, word_embed_proj_dim=16, do_layer_norm_before=False
    ),
    "biogpt": _tiny("biogpt", _NEOX),
    "xglm": _tiny(
        "xglm",
        {"vocab_size": VOCAB_SIZE, "d_model": 32, "num_layers": N_LAYERS, "attention_heads": 4, **_SPECIAL},
        ffn_dim=48,
        max_position_embeddings=64,
    ),
    "falcon": _tiny("falcon", _SHARED, multi_query=True, parallel_attn=True, bias=True, max_position_embeddings=64),
    "falcon-40b": _tiny("falcon", _SHARED, new_decoder_architecture=True, num_kv_heads=2, tie_word_embeddings=False),
    "falcon-alibi": _tiny("falcon", _SHARED, alibi=True, parallel_attn=False, multi_query=False, bias=True),
    "bloom": _tiny("bloom", {"vocab_size": VOCAB_SIZE, "hidden_size": 32, "n_layer": N_LAYERS, "n_head": 4, **_SPECIAL}),
    "mpt": _tiny(
        "mpt",
        {"vocab_size": VOCAB_SIZE, "d_model": 32, "n_layers": N_LAYERS, "n_heads": 4, **_SPECIAL},
        max_seq_len=64,
        expansion_ratio=2,
    ),
    # mixtures of experts
    "mixtral": _tiny("mixtral", _LLAMA, **_TWO_OF_FOUR),
    "mixtral-sliding": _tiny("mixtral", _LLAMA, **_TWO_OF_FOUR, sliding_window=5),
    "qwen2_moe": _tiny(
        "qwen2_moe", _LLAMA, **_EXPERTS, num_experts=4, shared_expert_intermediate_size=24, mlp_only_layers=(2,)
    ),
    "qwen3_moe": _tiny("qwen3_moe", _LLAMA, **_EXPERTS, num_experts=4, mlp_only_layers=(2,)),
    "olmoe": _tiny("olmoe", _LLAMA, num_experts=4, num_experts_per_tok=2),
    "phimoe": _tiny("phimoe", _LLAMA, **_TWO_OF_FOUR, lm_head_bias=True),
    "granitemoe": _tiny("granitemoe", _LLAMA, **_TWO_OF_FOUR, logits_scaling=4.0),
    "gpt_oss": _tiny("gpt_oss", _GEMMA, **_TWO_OF_FOUR, sliding_window=4, layer_types=_MIXED),
    "deepseek_v2": _tiny("deepseek_v2", _DEEPSEEK, n_shared_experts=1),
    "deepseek_v3": _tiny("deepseek_v3", _DEEPSEEK, n_shared_experts=1, n_group=2, topk_group=1),
    "glm4_moe": _tiny("glm4_moe", _LLAMA, **_EXPERTS, n_routed_experts=4, use_qk_norm=True),
    "afmoe": _tiny(
        "afmoe", _GEMMA, **_EXPERTS, num_experts=4, num_shared_experts=1, sliding_window=4, layer_types=_MIXED, mup_enabled=True
    ),
    "lfm2_moe": _tiny(
        "lfm2_moe", _LLAMA, **_EXPERTS, num_experts=4, num_dense_layers=1, layer_types=("conv", _FULL, "conv", "conv")
    ),
    "llama4_text": _tiny(
        "llama4_text",
        _GEMMA,
        num_local_experts=4,
        intermediate_size_mlp=48,
        interleave_moe_layer_step=2,
        no_rope_layers=(1, 0, 1, 1),
        attention_chunk_size=5,
    ),
    # state spaces, convolutions, recurrences, alone or beside attention
    "mamba": _tiny("mamba", _PLAIN, state_size=4, matrix_std=0.3),
    "mamba2": _tiny("mamba2", _PLAIN, state_size=4, num_heads=8, head_dim=8, n_groups=2, chunk_size=4, matrix_std=0.3),
    "falcon_mamba": _tiny("falcon_mamba", _PLAIN, state_size=4, matrix_std=0.3),
    "jamba": _tiny(
        "jamba",
        _LLAMA,
        **_MAMBA,
        num_experts=4,
        num_experts_per_tok=2,
        expert_layer_period=2,
        expert_layer_offset=1,
        attn_layer_period=3,
        attn_layer_offset=1,
        matrix_std=0.15,
    ),
    "lfm2": _tiny("lfm2", _LLAMA, layer_types=("conv", _FULL, "conv", "conv"), block_multiple_of=8, matrix_std=0.15),
    "bamba": _tiny("bamba", _LLAMA, **_MAMBA2, attn_layer_indices=(1,), matrix_std=0.15),
    "falcon_h1": _tiny("falcon_h1", _LLAMA, **_MAMBA2, mamba_d_ssm=64, lm_head_multiplier=0.5, embedding_multiplier=2.0),
    "granitemoehybrid": _tiny(
        "granitemoehybrid",
        _LLAMA,
        **_MAMBA2,
        **_TWO_OF_FOUR,
        shared_intermediate_size=24,
        layer_types=_RECURRENT,
        residual_multiplier=0.5,
        matrix_std=0.15,
    ),
    "nemotron_h": _tiny(
        "nemotron_h",
        _without(_GEMMA, "num_hidden_layers"),
        **_EXPERTS,
        layers_block_type=(_LINEAR, "moe", _FULL, "mlp"),
        ssm_state_size=4,
        mamba_num_heads=8,
        mamba_head_dim=8,
        n_groups=2,
        chunk_size=4,
        n_routed_experts=4,
        moe_shared_expert_intermediate_size=24,
        matrix_std=0.15,
    ),
    "zamba2": _tiny(
        "zamba2",
        {**_LLAMA, "num_key_value_heads": 4},
        layers_block_type=(_LINEAR, "hybrid", _LINEAR, "hybrid"),
        mamba_d_state=4,
        mamba_ngroups=2,
        n_mamba_heads=8,
        chunk_size=4,
        matrix_std=0.15,
    ),
    "qwen3_next": _tiny(
        "qwen3_next",
        _GEMMA,
        **_EXPERTS,
        **_DELTA_NET,
        num_experts=4,
        shared_expert_intermediate_size=24,
        layer_types=_RECURRENT,
    ),
    "qwen3_5_text": _tiny("qwen3_5_text", _GEMMA, **_DELTA_NET, layer_types=_RECURRENT),
    "olmo_hybrid": _tiny("olmo_hybrid", _LLAMA, **_DELTA_NET, layer_types=_RECURRENT),
    "recurrent_gemma": _tiny(
        "recurrent_gemma",
        {**_SHARED, "intermediate_size": 96, "num_key_value_heads": 1},
        lru_width=32,
        attention_window_size=4,
        logits_soft_cap=1.0,
        block_types=("recurrent", "attention", "recurrent"),
        matrix_std=0.15,
    ),
    "rwkv": _tiny("rwkv", _without(_PLAIN, "pad_token_id"), context_length=64, rescale_every=0),
}
"""Every model that a sweep must get right, by test id."""


def build_tiny(name: str, **changes: Any) -> PreTrainedModel:
    """A model of the catalogue, a new one and the same to the bit at every call.

    Args:
        name: test id.
        **changes: settings to take instead of the entry's; the weights stay the same where their shapes do.

    Returns:
        The model on the CPU in float32, in evaluation mode.
    """
    return build_random(TINY[name].config(**changes), matrix_std=TINY[name].matrix_std)


def build_random(config: PretrainedConfig, *, matrix_std: float = 0.08) -> PreTrainedModel:
    """A causal LM of any configuration, with random weights that depend on nothing but their shapes."""
    torch.manual_seed(0)
    model: PreTrainedModel = AutoModelForCausalLM.from_config(config, dtype=torch.float32)
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in model.parameters():
            noise = torch.randn(parameter.shape, generator=generator)
            if parameter.dim() > 1:
                parameter.copy_(matrix_std * noise)
            else:
                parameter.add_(_VECTOR_STD * noise)
    return model.eval()


def tiny_token_ids(*, batch: int = 2) -> torch.Tensor:
    """Random token ids ``(batch, TEXT_LENGTH)``, none of them special."""
    return torch.randint(3, VOCAB_SIZE, (batch, TEXT_LENGTH), generator=torch.Generator().manual_seed(2))
