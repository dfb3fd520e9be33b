"""A model that somebody else loaded, as a Decoder: nothing of it is copied or changed, and it passes the checks at load."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from transformers import PreTrainedModel, PreTrainedTokenizerBase

from layerscope.builtin import BUILT_IN
from layerscope.errors import ModelError
from layerscope.models.checks import check_decoder
from layerscope.models.decoder import Decoder
from layerscope.models.encoder import BosPolicy, TextEncoder


def wrapped(model: Any, tokenizer: Any, bos: BosPolicy) -> Decoder:
    """A loaded model and its tokenizer as they are: on their device, in their dtype.

    Args:
        model: a causal LM of transformers; anything else is refused by its name.
        tokenizer: of transformers, in the same way.
        bos: whether a BOS stands before every text.

    Raises:
        ModelError: what was given is not a decoder-only causal LM of transformers with its tokenizer, or it cannot be swept.
    """
    check_is_model(model)
    _check_model(model)
    _check_tokenizer(tokenizer)
    decoder = Decoder(model, name_of(model), TextEncoder.from_tokenizer(tokenizer, bos))
    check_decoder(decoder)
    return decoder


def name_of(model: PreTrainedModel) -> str:
    """What a loaded model is called in results: where it was loaded from, or the name of its class."""
    name = str(getattr(model, "name_or_path", "") or "")
    built_in = [known.name for known in BUILT_IN.values() if known.sha256 and known.sha256 == Path(name).name]
    return built_in[0] if built_in else name or type(model).__name__


def check_is_model(model: Any) -> None:
    """Refuse what is no model of transformers, such as a pipeline.

    Raises:
        ModelError: its kind, and what to give in its place.
    """
    if isinstance(model, PreTrainedModel):
        return
    inside = "the model inside it (of peft, merge_and_unload() returns it)"
    if isinstance(getattr(model, "model", None), PreTrainedModel) and hasattr(model, "tokenizer"):  # a pipeline
        inside = "its .model and its .tokenizer"
    raise ModelError(
        f"A loaded model is a causal LM of transformers (a PreTrainedModel); got {_kind(model)}: give {inside}, or the name of "
        "a model."
    )


def _check_model(model: PreTrainedModel) -> None:
    if getattr(model.config, "is_encoder_decoder", False):
        raise ModelError(
            f"A model is decoder-only; '{model.config.model_type}' has an encoder before its decoder: take another model."
        )
    if model.get_output_embeddings() is None:  # type: ignore[no-untyped-call]
        raise ModelError(
            f"A model predicts the next token, and {_kind(model)} has no output matrix: load it with "
            "AutoModelForCausalLM.from_pretrained."
        )
    in_training = [name or _kind(model) for name, module in model.named_modules() if module.training]
    if in_training:
        raise ModelError(
            f"A model is measured as it predicts, without dropout; {in_training[0]} is in training mode: call model.eval() "
            "first. Nothing has been changed."
        )
    if any(parameter.is_meta for parameter in model.parameters()):
        raise ModelError(
            f"A loaded model has its weights in memory, and some of {_kind(model)} are on the meta device: load it without a "
            "device map that offloads."
        )


def _check_tokenizer(tokenizer: Any) -> None:
    if not isinstance(tokenizer, PreTrainedTokenizerBase):
        raise ModelError(
            f"A loaded model comes with its tokenizer (a PreTrainedTokenizerBase of transformers); got {_kind(tokenizer)}: "
            "load it with AutoTokenizer.from_pretrained."
        )


def _kind(value: object) -> str:
    return "none" if value is None else type(value).__name__
