"""How far apart a GGUF model's positions are: what transformers leaves out when it reads the metadata.

llama.cpp keeps the scaling of rotary positions either in the metadata (``rope.scaling.type``) or as one factor a frequency in a
tensor of its own (``rope_freqs.weight``; Llama 3.1 and later). transformers reads neither, without a word, and the model would
run with other positions than it was trained with. The factors are written into the configuration in a form that it reads; what
has no such form is refused.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from transformers import PretrainedConfig

from layerscope.errors import ModelError
from layerscope.models.gguf_header import GgufHeader

_FACTORS = "rope_freqs.weight"


def set_positions(config: PretrainedConfig, headers: Sequence[GgufHeader]) -> None:
    """Write the file's scaling of rotary positions into the configuration, in place, where transformers left it out.

    Args:
        config: what transformers makes of the metadata.
        headers: of all parts of the file.

    Raises:
        ModelError: the file scales positions in a way that the configuration does not hold.
    """
    first = headers[0]
    architecture = first.metadata["general.architecture"]
    named = first.metadata.get(f"{architecture}.rope.scaling.type", "none")
    rope: Any = getattr(config, "rope_parameters", None)
    is_plain = isinstance(rope, dict) and rope.get("rope_type", "default") == "default"
    nested = isinstance(rope, dict) and any(isinstance(part, dict) for part in rope.values())
    if named not in ("none", "") and (is_plain or nested):
        raise ModelError(
            f"A GGUF model is run with its own positions; '{first.path}' scales them (rope.scaling.type is {named}), which "
            "transformers does not read from such a file: take the model's safetensors."
        )
    factors = next((found for header in headers if (found := header.floats(_FACTORS)) is not None), None)
    if factors is None or all(factor == 1.0 for factor in factors):
        return
    if not is_plain or nested:
        raise ModelError(
            f"A GGUF model is run with its own positions; '{first.path}' scales them by the tensor {_FACTORS}, which has "
            f"no place in a configuration of the family '{config.model_type}': take the model's safetensors."
        )
    config.rope_parameters = {
        **rope,
        "rope_type": "longrope",  # of all types the one that takes a factor for each frequency
        "short_factor": factors,
        "long_factor": factors,
        "attention_factor": 1.0,
        "factor": 1.0,
        "original_max_position_embeddings": config.max_position_embeddings,
    }
