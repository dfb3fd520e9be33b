"""A tuned lens: for each depth an affine map of the residual stream into what the unembedding was trained to read.

Translators are numbered as in the package tuned-lens, by the layer that would read the state next: translator 0 reads the
embeddings, translator k + 1 what stands after layer k. After the last layer there is none. Files are read in
``tuned_lens_files.py``.

Source: Belrose et al. 2023, "Eliciting Latent Predictions from Transformers with the Tuned Lens" (arXiv 2303.08112).

Axes: ``d_model``.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from layerscope.errors import ModelError
from layerscope.models.decoder import Decoder
from layerscope.models.unembedding_hash import unembedding_hashes


@dataclass(frozen=True)
class TunedLens:
    """The translators of a model, as they were saved or as a decoder applies them."""

    folder: str
    """Where it was read, as the user named it."""
    base_model: str
    """The model that it was trained for, as its configuration names it."""
    base_model_revision: str | None
    """Of that."""
    unembed_hash: str | None
    """Of the unembedding that it was trained with; None where the files do not tell."""
    weights: tuple[Float[Tensor, "d_model d_model"], ...]
    """One a translator."""
    biases: tuple[Float[Tensor, " d_model"], ...] | None
    """One a translator; None where the lens has none."""
    digest: str
    """SHA-256 over the translators as they were saved."""

    @property
    def n_translators(self) -> int:
        """One a layer of the model."""
        return len(self.weights)

    @property
    def d_model(self) -> int:
        """Width of the residual stream."""
        return self.weights[0].shape[0]

    @property
    def n_numbers(self) -> int:
        """Parameters of all translators."""
        return self.n_translators * self.d_model * (self.d_model + (self.biases is not None))

    @property
    def dtype(self) -> torch.dtype:
        """Of the translators."""
        return self.weights[0].dtype

    def bytes_in(self, dtype: torch.dtype, device_type: str) -> int:
        """What it takes on a device once it is applied in a dtype: on the host the saved one stays beside its copy."""
        own = self.n_numbers * self.dtype.itemsize if device_type == "cpu" and dtype != self.dtype else 0
        return own + self.n_numbers * dtype.itemsize

    def translate(self, hidden: Float[Tensor, "*rows d_model"], translator: int) -> Float[Tensor, "*rows d_model"]:
        """The state that goes to the final norm instead of one that a layer would read next: h + (W h + b)."""
        bias = None if self.biases is None else self.biases[translator]
        hidden = hidden.to(self.weights[translator].device)
        return hidden + nn.functional.linear(hidden, self.weights[translator], bias)

    def check_shape(self, n_layers: int, d_model: int) -> None:
        """Refuse the lens of a model of another size.

        Raises:
            ModelError: its layers and width, and those of the model.
        """
        if (self.n_translators, self.d_model) != (n_layers, d_model):
            raise ModelError(
                f"A tuned lens belongs to one model; '{self.folder}', of '{self.base_model}', has {self.n_translators} layers "
                f"of width {self.d_model}, and this model has {n_layers} of width {d_model}: take the lens of this model."
            )


def attach_lens(decoder: Decoder, lens: TunedLens) -> str | None:
    """Give a decoder its lens, in the decoder's dtype and where its unembedding is.

    Args:
        decoder: the model that the lens was trained for.
        lens: as it was saved.

    Returns:
        The dtype of the unembedding whose hash is the lens's; None where the lens has no hash.

    Raises:
        ModelError: the model keeps several streams, is of another size, or its unembedding is not the lens's.
    """
    embedded = decoder.record(torch.zeros((1, 2), dtype=torch.long, device=decoder.device)).embedded
    if embedded.dim() != 3:
        raise ModelError(
            f"A tuned lens reads a residual stream of one vector a token; '{decoder.model.config.model_type}' keeps several, "
            "which is not supported: leave out tuned-depth."
        )
    lens.check_shape(decoder.n_layers, embedded.shape[-1])
    matched = _check_unembedding(decoder, lens)
    device = decoder.head.device

    def there(tensors: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        moved = tuple(tensor.to(device, embedded.dtype) for tensor in tensors)
        if not all(bool(tensor.isfinite().all()) for tensor in moved):
            raise ModelError(
                f"The translators of '{lens.folder}' are {str(lens.dtype).removeprefix('torch.')} and overflow in the model's "
                f"{str(embedded.dtype).removeprefix('torch.')}: take a wider --dtype."
            )
        return moved

    decoder.lens = replace(lens, weights=there(lens.weights), biases=None if lens.biases is None else there(lens.biases))
    return matched


def _check_unembedding(decoder: Decoder, lens: TunedLens) -> str | None:
    """The dtype in which the hashes agree; None where the lens has none."""
    if lens.unembed_hash is None:
        return None
    output: Any = decoder.model.get_output_embeddings()  # type: ignore[no-untyped-call]
    matrix = getattr(output, "weight", None)
    if not isinstance(matrix, Tensor) or matrix.dim() != 2 or not matrix.is_floating_point() or matrix.is_meta:
        raise ModelError(
            f"A tuned lens is checked by the hash of the unembedding; '{decoder.name}' has no plain matrix in memory to hash: "
            "load it without --quantize and --device-map, or leave out tuned-depth."
        )
    hashes = unembedding_hashes(matrix)
    for name, value in hashes.items():
        if value == lens.unembed_hash:
            return name
    raise ModelError(
        f"A tuned lens is read with the unembedding that it was trained for; '{lens.folder}', of '{lens.base_model}', has the "
        f"hash {lens.unembed_hash} and the unembedding of '{decoder.name}' has {hashes['float32']}, and another one in any "
        "dtype: the lens belongs to another model, or to a wider dtype of this one: take its model, or --dtype float32."
    )
