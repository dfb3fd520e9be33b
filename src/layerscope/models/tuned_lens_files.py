"""Reading a tuned lens as the package tuned-lens saves it: ``config.json`` and ``params.pt``, or ``params.safetensors``.

Nothing of the files is trusted: a pickle is read with ``weights_only``, and every tensor is checked before it is used.
"""

from __future__ import annotations

import hashlib
import pickle
import re
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from layerscope.errors import ModelError, first_line
from layerscope.models.checkpoint_files import MOST_LAYERS, check_file, read_object
from layerscope.models.sources import local_path
from layerscope.models.tuned_lens import TunedLens

CONFIG, SAFE, PICKLE = "config.json", "params.safetensors", "params.pt"
_KIND = "linear_tuned_lens"
_OLD_HASH = "unemebd_hash"
"""How the package wrote it before 0.1.1."""
_PREFIX = "layer_translators."
_DTYPES = (torch.float32, torch.bfloat16, torch.float16, torch.float64)
_MOST_WIDTH = 2**20
_SHA256 = re.compile(r"[0-9a-f]{64}", re.ASCII)
_NO_TENSORS = (
    pickle.UnpicklingError,
    OSError,
    EOFError,
    RuntimeError,
    ValueError,
    TypeError,
    KeyError,
    IndexError,
    AttributeError,
    AssertionError,
    OverflowError,
    MemoryError,
    RecursionError,
    ImportError,
)
"""What torch raises on a file that is no pickle of tensors, or a broken one."""
_Value = TypeVar("_Value")


@dataclass(frozen=True)
class _Config:
    base_model: str
    base_model_revision: str | None
    d_model: int
    n_layers: int
    has_bias: bool
    unembed_hash: str | None


def read_tuned_lens(folder: Path) -> TunedLens:
    """Read a lens and check it by itself; whether it belongs to a model is told by ``attach_lens``.

    Args:
        folder: with ``config.json`` and ``params.safetensors`` or ``params.pt``; the former is taken where there are both.

    Raises:
        ModelError: a file is missing or is none, or what it holds is no lens.
    """
    place = local_path(str(folder))
    if place is None or not place.is_dir():
        raise ModelError(f"--tuned-lens is a folder with {CONFIG} and {SAFE} or {PICKLE}; there is none at '{folder}'.")
    try:
        if not (place / CONFIG).exists():
            raise ModelError(f"A tuned lens has a {CONFIG} that names its model; '{folder}' has none: fetch it, too.")
        config = _read_config(place / CONFIG)
        path = next((place / name for name in (SAFE, PICKLE) if (place / name).exists()), None)
        if path is None:
            raise ModelError(f"The translators of a tuned lens are in {SAFE} or {PICKLE}; '{folder}' has neither: fetch them.")
        check_file(path)
        state = _read_safe(path) if path.name == SAFE else _read_pickle(path)
    except PermissionError as error:
        raise ModelError(f"The tuned lens '{folder}' cannot be read ({error.strerror}): check its permissions.") from error
    weights, biases = _translators(state, config, path)
    return TunedLens(
        folder=str(folder),
        base_model=config.base_model,
        base_model_revision=config.base_model_revision,
        unembed_hash=config.unembed_hash,
        weights=weights,
        biases=biases,
        digest=_digest(weights, biases),
    )


def _read_config(path: Path) -> _Config:
    settings = read_object(path)

    def field(name: str, kind: type[_Value], says: str, default: _Value | None = None) -> _Value:
        value = settings.get(name, default)
        if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
            raise ModelError(
                f"In the configuration of a tuned lens {name} is {says}; '{path}' has {_shown(value)}: this is not a lens of "
                "the package tuned-lens, or a broken one."
            )
        return value

    n_layers = field("num_hidden_layers", int, "the model's number of layers")
    d_model = field("d_model", int, "the width of the model's residual stream")
    if not (0 < n_layers <= MOST_LAYERS and 0 < d_model <= _MOST_WIDTH):
        raise ModelError(
            f"A tuned lens has 1 to {MOST_LAYERS} layers, 1 to {_MOST_WIDTH:,} wide; '{path}' says {n_layers} and {d_model}: "
            "fetch it again."
        )
    kind = settings.get("lens_type", _KIND)
    if kind != _KIND:
        raise ModelError(f"A tuned lens is of the type {_KIND}; '{path}' says {_shown(kind)}, which is read by nothing here.")
    revision = settings.get("base_model_revision")
    return _Config(
        base_model=field("base_model_name_or_path", str, "the model's name"),
        base_model_revision=None if revision is None else field("base_model_revision", str, "a name or null"),
        d_model=d_model,
        n_layers=n_layers,
        has_bias=field("bias", bool, "true or false", True),
        unembed_hash=_hash_of(settings, path),
    )


def _hash_of(settings: Mapping[str, Any], path: Path) -> str | None:
    value = settings.get("unembed_hash")
    value = settings.get(_OLD_HASH) if value is None else value
    if value is None or (isinstance(value, str) and _SHA256.fullmatch(value)):
        return value
    raise ModelError(
        f"The unembed_hash of a tuned lens is a SHA-256 in 64 hexadecimal digits, or null; '{path}' has {_shown(value)}: fetch "
        "it again."
    )


def _read_safe(path: Path) -> dict[str, Tensor]:
    try:
        return load_file(path, device="cpu")
    except (OSError, SafetensorError, ValueError, RuntimeError) as error:
        raise ModelError(f"The translators of '{path}' cannot be read: {first_line(error)}; fetch the file again.") from error


def _read_pickle(path: Path) -> Mapping[object, object]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of pickles that are none of torch's, which are refused anyway
            state = torch.load(path, weights_only=True, map_location="cpu")
    except _NO_TENSORS as error:
        raise ModelError(
            f"{PICKLE} is read as tensors and nothing else, because a pickle can run code; '{path}' holds something else or is "
            f"broken ({type(error).__name__}): fetch it again, or write its tensors as {SAFE} where you trust it."
        ) from error
    if not isinstance(state, Mapping):
        raise ModelError(
            f"{PICKLE} holds the translators by name; '{path}' holds a {type(state).__name__}: save a lens with its save()."
        )
    return state


def _translators(
    state: Mapping[Any, object], config: _Config, path: Path
) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...] | None]:
    """The tensors in their order, each checked."""
    named = {str(name).removeprefix(_PREFIX): value for name, value in state.items()}
    parts = ("weight", "bias") if config.has_bias else ("weight",)
    expected = [f"{index}.{part}" for index in range(config.n_layers) for part in parts]
    missing, more = [name for name in expected if name not in named], sorted(named.keys() - set(expected))
    if missing or more or len(named) != len(state):
        what = f"lacks {_some(missing)}" if missing else f"also has {_some(more)}" if more else "has a name twice"
        raise ModelError(
            f"A tuned lens of {config.n_layers} layers has {expected[0]} to {expected[-1]}, as its {CONFIG} says; '{path}' "
            f"{what}: the two files belong to different lenses, or this is none."
        )
    found = [_checked(name, named[name], config.d_model, path) for name in expected]
    if len({tensor.dtype for tensor in found}) > 1:
        raise ModelError(f"The translators of a tuned lens are of one dtype; those of '{path}' are of several: save it again.")
    weights, biases = tuple(found[:: len(parts)]), tuple(found[1::2]) if config.has_bias else None
    return weights, biases


def _checked(name: str, value: object, d_model: int, path: Path) -> Tensor:
    part = name.rpartition(".")[2]
    shape = (d_model, d_model) if part == "weight" else (d_model,)
    fault = _fault(value, shape) if isinstance(value, Tensor) else f"a {type(value).__name__}"
    if fault is not None or not isinstance(value, Tensor):
        raise ModelError(
            f"A translator is made of finite floating-point numbers, its {part} of shape {shape}; {name} of '{path}' is {fault}"
            ": fetch the lens again."
        )
    return value.detach().contiguous()


def _fault(value: Tensor, shape: tuple[int, ...]) -> str | None:
    """Why a tensor is no part of a translator."""
    is_plain = type(value) in (Tensor, nn.Parameter) and value.layout == torch.strided and value.device.type == "cpu"
    if not is_plain or value.dtype not in _DTYPES:
        return f"of {str(value.dtype).removeprefix('torch.')}{'' if is_plain else ', and no plain tensor'}"
    if tuple(value.shape) != shape:
        return f"of shape {tuple(value.shape)}"
    if value.untyped_storage().nbytes() < value.numel() * value.element_size():
        return "larger than what is stored of it"
    return None if bool(value.isfinite().all()) else "not finite"


def _digest(weights: tuple[Tensor, ...], biases: tuple[Tensor, ...] | None) -> str:
    digest = hashlib.sha256(f"{weights[0].dtype} {len(weights)} {weights[0].shape[0]} {biases is not None}\n".encode())
    for tensor in (*weights, *(biases or ())):
        digest.update(tensor.view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def _some(names: list[str]) -> str:
    shown = ", ".join(f"'{name[:40]}'" for name in names[:3])
    return f"{shown} and {len(names) - 3} more" if len(names) > 3 else shown


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}…"
