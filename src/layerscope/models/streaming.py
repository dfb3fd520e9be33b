"""Weights that come and go: two layers in memory, the next one being read, everything outside the layers resident.

What transformers makes of a file is left to transformers. What lies outside the layers is taken over from a model that it
loaded itself (``resident_part.py``). Of the layers, its own functions say which files are read and put the tensors into the
model, so that renamed and merged weights (Mixtral's experts), weights kept in float32 and shards are what they are in any other
load. Tensors are read from safetensors with plain reads, not mapped, so that memory holds what it should; on a CPU they come to
lie as the mapped file has them, because the product of a matrix and one vector is rounded by how the matrix is aligned.
"""

from __future__ import annotations

import copy
import json
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import transformers
from safetensors import safe_open
from torch import Tensor, nn
from transformers import AutoModelForCausalLM, PretrainedConfig, PreTrainedModel
from transformers.conversion_mapping import get_model_conversion_mapping
from transformers.core_model_loading import (
    WeightConverter,
    WeightRenaming,
    convert_and_load_state_dict_in_model,
    rename_source_key,
)
from transformers.modeling_utils import LoadStateDictConfig, _get_resolved_checkpoint_files

from layerscope.errors import ModelError
from layerscope.models.layers import find_layers
from layerscope.models.skeleton import WINDOW

_ALIGNMENT = 64
"""Bytes; no instruction of a CPU asks for more."""


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
        files: of the checkpoint, from ``checkpoint_files``.
        device: where weights go.
    """

    def __init__(self, model: PreTrainedModel, files: Sequence[str], device: torch.device) -> None:
        self._model, self._device = model, device
        self._dtype: Any = model.config.dtype
        self._layers = list(find_layers(model))
        names = {id(module): name for name, module in model.named_modules()}
        self._prefixes = [f"{names[id(layer)]}." for layer in self._layers]
        self._check_untied()
        self._files: dict[str, Any] = {  # of a name that stands in two files the last one counts, as in transformers
            key: file
            for path in files
            for file in [safe_open(path, framework="pt", backend="pread")]
            for key in file.keys()  # type: ignore[no-untyped-call]  # noqa: SIM118
        }
        self._offsets = {key: offset for path in files for key, offset in _offsets_in_file(Path(path)).items()}
        self._mapping: list[Any] = get_model_conversion_mapping(model)
        self._keys = self._keys_by_layer()
        self._absent = [dict(layer.named_parameters()) for layer in self._layers]
        self._resident: set[int] = set()
        self._coming: tuple[int, Future[dict[str, Tensor]]] | None = None
        self._reader = ThreadPoolExecutor(max_workers=1, thread_name_prefix="layer-reader")
        self.tally = ReadingTally()

    @property
    def prefixes(self) -> tuple[str, ...]:
        """What the names of each layer's weights begin with."""
        return tuple(self._prefixes)

    def require(self, layer: int) -> None:
        """Have a layer's weights in memory, and begin to read the next one's.

        Raises:
            ModelError: the checkpoint lacks some of them, or they do not fit the model.
        """
        if layer in self._resident:
            return
        if len(self._resident) == WINDOW:
            # of two as far away the later one, as a plan goes through the layers upwards, two neighbours at a time
            self._release(max(self._resident, key=lambda other: (abs(other - layer), other)))
        started = time.perf_counter()
        if self._coming is not None and self._coming[0] == layer:
            tensors = self._coming[1].result()
        else:
            tensors = self._reader.submit(self._read, self._keys[layer]).result()
        self.tally.seconds_waiting += time.perf_counter() - started
        self._coming = None
        self._put(layer, tensors)
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
        tensors: dict[str, Tensor] = {}
        for key in keys:
            tensor = self._files[key].get_tensor(key)
            tensors[key] = tensor if self._device.type != "cpu" else copy_aligned(tensor, self._offsets[key])
        self.tally.bytes_read += sum(tensor.nbytes for tensor in tensors.values())
        self.tally.seconds_reading += time.perf_counter() - started
        return tensors

    def _put(self, layer: int, tensors: dict[str, Tensor]) -> None:
        """Into the model, through transformers' own conversion."""
        config = LoadStateDictConfig(
            dtype=self._dtype,
            dtype_plan=self._model._get_dtype_plan(self._dtype),
            device_map={"": self._device},
            weight_mapping=self._mapping,
            use_safetensors=True,
        )
        with quiet_load():
            info, _ = convert_and_load_state_dict_in_model(self._model, tensors, config)
        self._model._adjust_missing_and_unexpected_keys(info)
        prefix = self._prefixes[layer]
        for name, found, expected in sorted(info.mismatched_keys):
            raise ModelError(
                f"A weight has the shape that the configuration gives it; {name} has {tuple(found)} in the checkpoint where "
                f"the model of this configuration has {tuple(expected)}."
            )
        if info.conversion_errors:
            name, reason = next(iter(info.conversion_errors.items()))
            raise ModelError(f"The weights of layer {layer} cannot be put together: {name}: {str(reason).strip()[:240]}")
        weights = (name for name, parameter in self._layers[layer].named_parameters() if parameter.is_meta)
        lacking = {f"{prefix}{name}" for name in weights} | {name for name in info.missing_keys if name.startswith(prefix)}
        if lacking:
            first = min(lacking).removeprefix(prefix)
            raise ModelError(
                f"A checkpoint holds every weight of its model; this one lacks {len(lacking)}, the first is layer {layer}: "
                f"{first}."
            )

    def _keys_by_layer(self) -> list[list[str]]:
        """The checkpoint's names of each layer's weights."""
        names: Any = self._model.state_dict()
        renamings = [entry for entry in self._mapping if isinstance(entry, WeightRenaming)]
        converters = [entry for entry in self._mapping if isinstance(entry, WeightConverter)]
        inside: list[list[str]] = [[] for _ in self._layers]
        for key in self._files:
            renamed, _ = rename_source_key(key, renamings, converters, self._model.base_model_prefix, names)
            if renamed not in names and key in names:  # what has its final name already
                renamed = key
            for index, prefix in enumerate(self._prefixes):
                if renamed.startswith(prefix):
                    inside[index].append(key)
        return inside

    def _check_untied(self) -> None:
        """Refuse layers that have weights in common with anything else: one could not leave without the other."""
        tied: dict[str, str] = self._model.all_tied_weights_keys
        for name, other in tied.items():
            if name.startswith(self.prefixes) or other.startswith(self.prefixes):
                raise ModelError(
                    f"Streaming brings in each layer by itself; in '{self._model.config.model_type}' a layer shares weights "
                    f"({name} is {other}): leave out --stream."
                )


def checkpoint_files(location: str, config: PretrainedConfig, *, revision: str | None, local_only: bool) -> list[str]:
    """The files that transformers itself would read: one, or those that an index names; others of the folder are left alone."""
    files, _ = _get_resolved_checkpoint_files(
        location,
        variant=None,
        gguf_file=None,
        use_safetensors=True,
        user_agent=None,
        is_remote_code=False,
        transformers_explicit_filename=getattr(config, "transformers_weights", None),
        download_kwargs={"revision": revision, "local_files_only": local_only},
    )
    assert files is not None, "a checkpoint has files"
    return files


def empty_model(config: PretrainedConfig, dtype: torch.dtype, device: torch.device) -> PreTrainedModel:
    """A model whose parameters hold nothing yet and whose computed buffers (rotary frequencies) are there."""
    with torch.device("meta"):
        model: PreTrainedModel = AutoModelForCausalLM.from_config(copy.deepcopy(config), dtype=dtype)  # type: ignore[no-untyped-call]
    for parameter in model.parameters():
        parameter._is_hf_initialized = True  # type: ignore[attr-defined]  # what transformers leaves alone
    persistent = {name for name, _ in model.named_buffers()} & model.state_dict().keys()
    model._move_missing_keys_from_meta_to_device(persistent, {"": device}, None, None)  # type: ignore[arg-type]
    model._initialize_missing_keys(is_quantized=False)
    return model


def copy_aligned(tensor: Tensor, address: int) -> Tensor:
    """A copy that starts where ``address`` does between two multiples of 64 bytes."""
    buffer = torch.empty(tensor.nbytes + _ALIGNMENT, dtype=torch.uint8, device=tensor.device)
    start = (address - buffer.data_ptr()) % _ALIGNMENT
    return buffer[start : start + tensor.nbytes].view(tensor.dtype).view(tensor.shape).copy_(tensor)


def _offsets_in_file(path: Path) -> dict[str, int]:
    """Where each tensor of a safetensors file begins, in bytes."""
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        header = json.loads(file.read(length))
    return {key: 8 + length + entry["data_offsets"][0] for key, entry in header.items() if key != "__metadata__"}


def place_tensor(model: nn.Module, name: str, tensor: Tensor) -> None:
    """Put a parameter or buffer where its name says."""
    holder, _, last = name.rpartition(".")
    setattr(model.get_submodule(holder), last, tensor)


@contextmanager
def quiet_load() -> Iterator[None]:
    """No progress bar, and no report of the layers that a part of a model leaves in the file."""
    logging: Any = transformers.utils.logging
    was_on, verbosity = logging.is_progress_bar_enabled(), logging.get_verbosity()
    logging.disable_progress_bar()
    logging.set_verbosity_error()
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)
        if was_on:
            logging.enable_progress_bar()
