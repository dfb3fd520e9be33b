"""Proof that an exported folder is the path: loaded again with transformers alone, it must do what the path does.

1. Nothing is missing, and nothing is left over.
2. What the model hands to each layer (its mask, its rotary tables) is what the layer had where it came from, on a text longer
   than the model's window: a layer whose kind was lost shows here, though no window reaches across a short text.
3. Logits: those of the reloaded model's own forward pass are those of the path. Layers that act on their own number show here.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from huggingface_hub.errors import StrictDataclassError
from torch import Tensor
from transformers import AutoModelForCausalLM, PreTrainedModel

from layerscope.errors import ModelError
from layerscope.models.checks import probe_ids
from layerscope.models.decoder import Decoder
from layerscope.paths.path import LayerPath

_WINDOWS = ("sliding_window", "attention_chunk_size", "attention_window_size", "window_size")
"""What configurations call the number of positions that a layer sees."""
_BEYOND = 16
"""Tokens of a probe that lie outside the window."""
_LONGEST_PROBE = 8192
"""Tokens; a mask for more takes more memory than the check is worth."""
_RELATIVE_TOLERANCE = 1e-5
"""Of the largest logit, in any dtype: the same code runs on the same weights, so that the difference is 0 as a rule. What a
device that is not deterministic makes of the same path twice is allowed on top."""


@dataclass(frozen=True)
class Agreement:
    """How well a reloaded model agrees with the path that it was written from."""

    largest_difference: float
    """Between two logits."""
    largest_logit: float
    """Absolute value, of the path's."""
    n_tokens: int
    """Random tokens that both were given."""
    parameters: int
    """Of the reloaded model, those that are tied counted once."""


def check_reloaded(decoder: Decoder, path: LayerPath, *, folder: Path) -> Agreement:
    """Load a folder with transformers alone and hold it against a path.

    Args:
        decoder: the model that the path runs through.
        path: whole layers and halves, one after the other.
        folder: a checkpoint.

    Returns:
        How well they agree.

    Raises:
        ModelError: they do not, or the folder cannot be loaded.
    """
    reloaded = _load(decoder, folder)
    _check_calls(decoder, path, Decoder(reloaded, "the reloaded model"))
    ids = probe_ids(decoder)
    expected, again = _path_logits(decoder, path, ids), _path_logits(decoder, path, ids)
    with torch.inference_mode():
        logits: Tensor = reloaded(input_ids=ids, use_cache=False).logits  # a cache rounds keys in some families (CodeGen)
    difference, largest = _distance(logits, expected), float(expected.float().abs().max())
    if not difference <= largest * _RELATIVE_TOLERANCE + _distance(again, expected):
        raise ModelError(
            f"An exported checkpoint must give the path's own logits; for '{path}' of '{_family(decoder)}' they differ by "
            f"{difference:.3g} where the largest logit is {largest:.3g}, as happens where a layer acts on its own number: "
            "the path can be measured (layerscope sweep --path), not exported."
        )
    return Agreement(difference, largest, ids.numel(), sum(parameter.numel() for parameter in reloaded.parameters()))


def _path_logits(decoder: Decoder, path: LayerPath, ids: Tensor) -> Tensor:
    recording = decoder.record(ids)
    hidden = recording.embedded
    for step in path.steps:
        hidden = decoder.run_step(step, hidden, recording)
    return decoder.unembed(hidden)


def _distance(first: Tensor, second: Tensor) -> float:
    """Largest absolute difference; infinite where there is a value that is not a number."""
    return float((first.float() - second.float()).abs().nan_to_num(nan=torch.inf).max())


def _load(decoder: Decoder, folder: Path) -> PreTrainedModel:
    attention = getattr(decoder.model.config, "_attn_implementation", None)
    try:
        loaded: Any = AutoModelForCausalLM.from_pretrained(
            folder,
            dtype="auto",
            use_safetensors=True,
            local_files_only=True,
            output_loading_info=True,
            trust_remote_code=not type(decoder.model).__module__.startswith("transformers."),  # it is running already
            **({"attn_implementation": attention} if attention else {}),
        )
    except (
        *(OSError, ValueError, KeyError, RuntimeError, ImportError, TypeError, AttributeError, StrictDataclassError),
    ) as error:
        raise ModelError(
            f"An exported checkpoint must load with transformers alone; that of '{_family(decoder)}' does not "
            f"({(str(error).strip() or type(error).__name__).splitlines()[0][:240]}), so it cannot be exported."
        ) from error
    model, info = loaded
    wrong = sorted(str(name) for kind in ("missing_keys", "unexpected_keys", "mismatched_keys") for name in info[kind])
    if wrong:
        raise ModelError(
            f"An exported checkpoint holds its model's weights, all of them and no others; that of '{_family(decoder)}' does "
            f"not ({len(wrong)} do not fit, the first is {wrong[0]}), so it cannot be exported."
        )
    reloaded: PreTrainedModel = model.to(decoder.device)
    return reloaded


def _check_calls(decoder: Decoder, path: LayerPath, reloaded: Decoder) -> None:
    settings = decoder.model.config.get_text_config(decoder=True).to_dict()
    windows = [value for name in _WINDOWS if isinstance(value := settings.get(name), int)]
    length = min(max(windows, default=0) + _BEYOND, decoder.context_length or _LONGEST_PROBE, _LONGEST_PROBE)
    ids = (torch.arange(length, device=decoder.device) % decoder.vocab_size)[None]
    before, after = decoder.record(ids).calls, reloaded.record(ids).calls
    for place, step in enumerate(path.steps):
        (layer,) = step.layers
        if not _is_same((before[layer].args, before[layer].kwargs), (after[place].args, after[place].kwargs)):
            raise ModelError(
                f"An exported checkpoint must hand each layer what it had; for '{path}' of '{_family(decoder)}' the layer in "
                f"place {place} does not get the mask or positions of layer {layer}: the path can be measured "
                "(layerscope sweep --path), not exported."
            )


def _is_same(first: Any, second: Any) -> bool:
    """Equal tensors in equal places. Other objects may be the model's own, such as a layer's number, and pass."""
    if isinstance(first, Tensor) and isinstance(second, Tensor):
        return torch.equal(first, second.to(first.device))
    if isinstance(first, tuple | list) and isinstance(second, tuple | list):
        return len(first) == len(second) and all(map(_is_same, first, second))
    if isinstance(first, dict) and isinstance(second, dict):
        return first.keys() == second.keys() and all(_is_same(value, second[name]) for name, value in first.items())
    return isinstance(first, Tensor) == isinstance(second, Tensor) and (first is None) == (second is None)


def _family(decoder: Decoder) -> str:
    return str(decoder.model.config.model_type)
