"""Weights that come and go: two layers in memory, the next one being read, everything outside the layers resident.

transformers' own loader puts each layer's tensors into the model, so renamed and merged weights (Mixtral's experts) are what
they are in any other load. Tensors are read from safetensors with plain reads, not mapped, so that memory holds what it should.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import transformers
from accelerate import init_empty_weights
from safetensors import safe_open
from torch import Tensor
from transformers import AutoModelForCausalLM, PretrainedConfig, PreTrainedModel
from transformers.conversion_mapping import get_model_conversion_mapping
from transformers.core_model_loading import (
    WeightConverter,
    WeightRenaming,
    convert_and_load_state_dict_in_model,
    rename_source_key,
)
from transformers.modeling_utils import LoadStateDictConfig

from layerscope.errors import ModelError
from layerscope.models.layers import find_layers
from layerscope.models.skeleton import WINDOW


@dataclass
class ReadingTally:
    """What streaming has read, and what that took."""

    bytes_read: int = 0
    """Of layers, from files."""
    seconds_reading: float = 0.0
    """Spent reading, mostly beside the computation."""
    seconds_waiting: float = 0.0
    """That the computation had to wait."""


class StreamedLayers:
    """The layers of a model whose weights lie on disk. ``require`` brings one in; the one furthest from it leaves.

    Args:
        model: from ``empty_model``.
        folder: with the checkpoint's safetensors.
        device: where weights go.
    """

    def __init__(self, model: PreTrainedModel, folder: Path, device: torch.device) -> None:
        self._model, self._device = model, device
        self._layers = list(find_layers(model))
        self._files: dict[str, Any] = {
            key: file
            for path in sorted(folder.glob("*.safetensors"))
            for file in [safe_open(path, framework="pt", backend="pread")]
            for key in file.keys()  # type: ignore[no-untyped-call]  # noqa: SIM118
        }
        self._mapping: list[Any] = get_model_conversion_mapping(model)
        outside, self._keys = self._keys_by_layer()
        self._absent = [dict(layer.named_parameters()) for layer in self._layers]
        self._resident: set[int] = set()
        self._coming: tuple[int, Future[dict[str, Tensor]]] | None = None
        self._reader = ThreadPoolExecutor(max_workers=1, thread_name_prefix="layer-reader")
        self.tally = ReadingTally()
        self._put(self._read(outside))
        model.tie_weights()
        lacking = [name for name, p in model.named_parameters() if p.is_meta and not self._is_in_a_layer(name)]
        if lacking:
            raise _lacking(lacking)
        self.tally = ReadingTally()

    def require(self, layer: int) -> None:
        """Have a layer's weights in memory, and begin to read the next one's.

        Raises:
            ModelError: the checkpoint lacks some of them.
        """
        if layer in self._resident:
            return
        if len(self._resident) == WINDOW:
            self._release(max(self._resident, key=lambda other: abs(other - layer)))
        started = time.perf_counter()
        if self._coming is not None and self._coming[0] == layer:
            tensors = self._coming[1].result()
        else:
            tensors = self._reader.submit(self._read, self._keys[layer]).result()
        self.tally.seconds_waiting += time.perf_counter() - started
        self._coming = None
        self._put(tensors)
        lacking = [name for name, parameter in self._layers[layer].named_parameters() if parameter.is_meta]
        if lacking:
            raise _lacking([f"layer {layer}: {name}" for name in lacking])
        self._resident.add(layer)
        if layer + 1 < len(self._layers) and layer + 1 not in self._resident:
            self._coming = layer + 1, self._reader.submit(self._read, self._keys[layer + 1])

    def _release(self, layer: int) -> None:
        for name, absent in self._absent[layer].items():
            holder, _, last = name.rpartition(".")
            setattr(self._layers[layer].get_submodule(holder), last, absent)
        self._resident.remove(layer)

    def _read(self, keys: Sequence[str]) -> dict[str, Tensor]:
        started = time.perf_counter()
        tensors: dict[str, Tensor] = {key: self._files[key].get_tensor(key) for key in keys}
        self.tally.bytes_read += sum(tensor.nbytes for tensor in tensors.values())
        self.tally.seconds_reading += time.perf_counter() - started
        return tensors

    def _put(self, tensors: dict[str, Tensor]) -> None:
        """Into the model, through transformers' own conversion."""
        config = LoadStateDictConfig(
            dtype=self._model.dtype, device_map={"": self._device}, weight_mapping=self._mapping, use_safetensors=True
        )
        with _quiet():
            convert_and_load_state_dict_in_model(self._model, tensors, config)

    def _keys_by_layer(self) -> tuple[list[str], list[list[str]]]:
        """The checkpoint's names: those outside the layers, and those of each layer."""
        names = self._model.state_dict()
        renamings = [entry for entry in self._mapping if isinstance(entry, WeightRenaming)]
        converters = [entry for entry in self._mapping if isinstance(entry, WeightConverter)]
        prefixes = self._prefixes()
        outside: list[str] = []
        inside: list[list[str]] = [[] for _ in self._layers]
        for key in self._files:
            renamed, _ = rename_source_key(key, renamings, converters, self._model.base_model_prefix, names)
            layer = next((index for index, prefix in enumerate(prefixes) if renamed.startswith(prefix)), None)
            (outside if layer is None else inside[layer]).append(key)
        return outside, inside

    def _prefixes(self) -> list[str]:
        names = {id(module): name for name, module in self._model.named_modules()}
        return [f"{names[id(layer)]}." for layer in self._layers]

    def _is_in_a_layer(self, name: str) -> bool:
        return name.startswith(tuple(self._prefixes()))


def empty_model(config: PretrainedConfig, dtype: torch.dtype) -> PreTrainedModel:
    """A model whose parameters hold nothing yet and whose computed buffers are there."""
    with init_empty_weights(include_buffers=False):
        model: PreTrainedModel = AutoModelForCausalLM.from_config(config, dtype=dtype)  # type: ignore[no-untyped-call]
    return model


def move_buffers(model: PreTrainedModel, device: torch.device) -> None:
    """Put what the model has computed for itself (rotary frequencies) where its weights go."""
    for name, buffer in model.named_buffers():
        holder, _, last = name.rpartition(".")
        setattr(model.get_submodule(holder), last, buffer.to(device))


def _lacking(names: list[str]) -> ModelError:
    return ModelError(f"A checkpoint holds every weight of its model; this one lacks {len(names)}, the first is {names[0]}.")


@contextmanager
def _quiet() -> Iterator[None]:
    """Transformers draws a progress bar for every load."""
    logging: Any = transformers.utils.logging
    was_on = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        if was_on:
            logging.enable_progress_bar()
