"""Numbers that are none: weights that hold not-a-number, and hidden states that a dtype cannot hold.

Where the model as it is gives such predictions, nothing can be compared with them, so it is refused, and the layer is named.
A variant that overflows by itself is a result, and stays.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from layerscope.errors import ModelError
from layerscope.models.decoder import Decoder
from layerscope.paths.steps import LayerStep

_WIDER = {torch.float16: "load it in bfloat16 or float32", torch.bfloat16: "load it in float32"}
"""What helps where a dtype is too narrow."""


def check_weights(decoder: Decoder) -> None:
    """Refuse weights that are no numbers; streamed layers are brought in one after the other.

    Raises:
        ModelError: the layer and the weight.
    """
    inside = {id(parameter) for layer in decoder.layers for parameter in layer.parameters()}
    outside = ((name, p) for name, p in decoder.model.named_parameters() if id(p) not in inside)
    _check_numbers(decoder, "what lies outside the layers", outside)
    for index, layer in enumerate(decoder.layers):
        if decoder.streamed is not None:
            decoder.streamed.require(index)
        _check_numbers(decoder, f"layer {index}", layer.named_parameters())


@torch.inference_mode()
def final_states(
    decoder: Decoder, token_ids: Int[Tensor, "batch seq"], is_real: Bool[Tensor, "batch seq"] | None = None
) -> Float[Tensor, "batch seq *d_model"]:
    """The hidden states behind the last layer, every one on the way there being a number.

    Args:
        decoder: runs its intact path.
        token_ids: right-padded.
        is_real: which of them are no pads; all of them if None.

    Raises:
        ModelError: the first layer behind which they are not.
    """
    recording = decoder.record(token_ids)
    hidden = recording.embedded
    _check_state(decoder, hidden, is_real, "the embeddings")
    for layer in range(decoder.n_layers):
        hidden = decoder.run_step(LayerStep(layer), hidden, recording)
        _check_state(decoder, hidden, is_real, f"layer {layer}")
    return hidden


def overflow(decoder: Decoder, place: str) -> ModelError:
    """The refusal of a model whose numbers end at a place, such as ``layer 3``."""
    dtype = str(decoder.dtype).removeprefix("torch.")
    if decoder.dtype in _WIDER:
        return ModelError(f"'{decoder.name}': {dtype} overflows in {place}: {_WIDER[decoder.dtype]}.")
    return ModelError(
        f"A prediction is made of numbers; '{decoder.name}' gives not-a-number or infinity in {place}, in {dtype}: its weights "
        "or its configuration are broken, so take another copy."
    )


def _check_state(decoder: Decoder, hidden: Tensor, is_real: Tensor | None, place: str) -> None:
    finite = hidden.isfinite().flatten(2).all(dim=2) if hidden.dim() > 2 else hidden.isfinite()
    if is_real is not None and is_real.shape == finite.shape:
        finite = finite | ~is_real.to(finite.device)
    if not bool(finite.all()):
        raise overflow(decoder, place)


def _check_numbers(decoder: Decoder, place: str, parameters: Iterable[tuple[str, nn.Parameter]]) -> None:
    for name, parameter in parameters:
        if parameter.is_meta or not parameter.is_floating_point() or parameter.dtype.itemsize < 2 or not parameter.numel():
            continue
        low, high = (float(value) for value in parameter.detach().aminmax())
        if low != low or high != high:
            raise ModelError(
                f"Weights are numbers; in '{decoder.name}' the weights of {place} hold not-a-number ({name}): the file is "
                "broken, take another copy."
            )
        if max(abs(low), abs(high)) == float("inf"):
            helps = (
                f": {_WIDER[decoder.dtype]}, or another copy if that is what the file holds" if decoder.dtype in _WIDER else ""
            )
            raise ModelError(
                f"Weights are finite; in '{decoder.name}' the weights of {place} hold infinity ({name}) in "
                f"{str(decoder.dtype).removeprefix('torch.')}{helps or ': the file is broken, take another copy'}."
            )
