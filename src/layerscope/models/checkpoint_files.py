"""What a folder with a checkpoint must look like before transformers sees it, so that each fault is told by its file.

Settings are JSON objects of a reasonable depth; weights are the safetensors that transformers would load, whole and inside the
folder; nothing is a Git LFS pointer, which stands where the file itself should. Nothing is loaded into a model here.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

from layerscope.errors import ModelError, first_line

WEIGHTS = "model.safetensors"
INDEX = "model.safetensors.index.json"
MOST_LAYERS = 4096
"""Of one model; the deepest that was published has 1,000. More would be planned for hours before they are refused."""

_SETTINGS = (
    "config.json",
    "generation_config.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.json",
)
_VOCABULARIES = ("tokenizer.json", "tokenizer.model", "spiece.model", "vocab.json", "vocab.txt", "tekken.json")
_PICKLES = (".bin", ".pt", ".pth", ".ckpt", ".pkl")
_POINTER = b"version https://git-lfs.github.com/spec/"
_LAYER_COUNT = re.compile(r"(num|n)_(\w+_)?(layers?|blocks?)|(\w+_)?(layers|depth)", re.ASCII)
_DEEPEST = 64
_MOST_BITS = 128
"""Of a whole number; tokenizers write 10**30 where a length has no limit."""


def check_checkpoint(folder: Path) -> None:
    """Refuse a folder that cannot be a model's, before anything of it is loaded.

    Raises:
        ModelError: the file, what is wrong with it, and what to do.
    """
    if not (folder / "config.json").exists():
        raise ModelError(f"A model directory holds config.json and safetensors; '{folder}' has no config.json.")
    check_settings(folder)
    config = read_object(folder / "config.json")
    for name, count in _counts_of_layers(config):
        if not 0 <= count <= MOST_LAYERS:
            raise ModelError(f"A model has up to {MOST_LAYERS} layers; '{folder / 'config.json'}' says {name}: {count}.")
    for path in weight_files(folder):
        read_names(path)
    _check_index(folder)


def check_settings(folder: Path) -> None:
    """Refuse settings and vocabularies that are no such files.

    Raises:
        ModelError: the file, and what is wrong with it.
    """
    for name in _VOCABULARIES:
        check_file(folder / name)
    for name in _SETTINGS:
        if (folder / name).exists():
            read_object(folder / name)


def check_tokenizer_files(folder: Path) -> None:
    """Refuse a folder that holds no tokenizer: transformers makes an empty one for it in some families.

    Raises:
        ModelError: it has none of the files that a tokenizer is kept in.
    """
    if not any((folder / name).exists() for name in _VOCABULARIES) and not any(folder.glob("*.tiktoken")):
        raise ModelError(
            f"A model is read with its own tokenizer; '{folder}' holds none (tokenizer.json, tokenizer.model, vocab.json): "
            "copy it there from the model that it comes from."
        )


def check_file(path: Path) -> None:
    """Refuse something other than a file where one belongs, and a Git LFS pointer; nothing there is no fault.

    Raises:
        ModelError: what it is.
    """
    if not path.exists():
        return
    if not path.is_file():
        raise ModelError(f"'{path}' must be a file, and is a folder: remove it, or fetch the model again.")
    with path.open("rb") as file:
        if file.read(len(_POINTER)) == _POINTER:
            raise ModelError(
                f"'{path}' is a Git LFS pointer, which names a file that was not fetched: run 'git lfs pull' in its repository."
            )


def read_object(path: Path) -> dict[str, Any]:
    """The JSON object of a file.

    Raises:
        ModelError: it holds something else, or what no program would write: nested too deep, numbers of hundreds of digits.
    """
    check_file(path)
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
        _check_value(value)
    except (OSError, ValueError, RecursionError) as error:
        raise ModelError(f"'{path}' must be a file with a JSON object, and is none: {first_line(error)}.") from error
    if not isinstance(value, dict):
        raise ModelError(f"'{path}' must be a file with a JSON object, and holds a {type(value).__name__}: fetch it again.")
    return value


def weight_files(folder: Path) -> tuple[Path, ...]:
    """The safetensors that transformers loads from a folder: those of the one name, else those that the index names.

    Raises:
        ModelError: there are none, one is missing, or the index is none.
    """
    if (folder / WEIGHTS).exists():
        check_file(folder / WEIGHTS)
        return (folder / WEIGHTS,)
    if not (folder / INDEX).exists():
        raise _without_weights(folder)
    shards = dict.fromkeys(_weight_map(folder).values())
    for shard in shards:
        if shard != Path(shard).name or shard in ("", ".", ".."):
            raise ModelError(f"Weights lie in the model's own folder; '{folder / INDEX}' names '{shard}', outside of it.")
        if not (folder / shard).exists():
            raise ModelError(f"A checkpoint has all files that its index names; '{folder}' lacks {shard}: fetch it too.")
        check_file(folder / shard)
    return tuple(folder / shard for shard in shards)


def read_names(path: Path) -> frozenset[str]:
    """Names of the tensors of a safetensors file.

    Raises:
        ModelError: it is none, or cut off.
    """
    try:
        with safe_open(path, framework="pt") as file:
            return frozenset(file.keys())
    except (OSError, SafetensorError) as error:
        raise ModelError(f"The weights of '{path}' cannot be read: {first_line(error)}; fetch the file again.") from error


def _check_index(folder: Path) -> None:
    """Each tensor must be in the file that the index names for it."""
    if (folder / WEIGHTS).exists():
        return
    held = {path.name: read_names(path) for path in weight_files(folder)}
    for tensor, shard in _weight_map(folder).items():
        if tensor not in held[shard]:
            raise ModelError(
                f"A checkpoint's files hold what its index says; '{folder / shard}' has no {tensor}: fetch the file again."
            )


def _weight_map(folder: Path) -> Mapping[str, str]:
    found = read_object(folder / INDEX).get("weight_map")
    if not isinstance(found, dict) or not found or not all(isinstance(shard, str) for shard in found.values()):
        raise ModelError(f"'{folder / INDEX}' must say in weight_map where each tensor is, and does not: fetch it again.")
    return found


def _without_weights(folder: Path) -> ModelError:
    names = sorted(path.name for path in folder.iterdir())
    pickles = [name for name in names if name.endswith(_PICKLES)]
    others = [name for name in names if name.endswith(".safetensors")]
    if others:
        return ModelError(
            f"Weights are in {WEIGHTS}, or in the files that {INDEX} names; '{folder}' has neither, but {others[0]}: give it "
            "the name that transformers knows, or convert the model with save_pretrained."
        )
    if pickles:
        return ModelError(
            f"Weights are read from safetensors only, because a pickle can run code; '{folder}' has {pickles[0]}: convert it "
            "with save_pretrained on a machine where you trust it."
        )
    return ModelError(f"A model directory holds config.json and safetensors; '{folder}' has no .safetensors file.")


def _counts_of_layers(settings: Mapping[str, Any]) -> Iterable[tuple[str, int]]:
    """Settings that count layers, those of parts of the model included."""
    for name, value in settings.items():
        if isinstance(value, dict):
            yield from _counts_of_layers(value)
        elif isinstance(value, int) and not isinstance(value, bool) and _LAYER_COUNT.fullmatch(name):
            yield name, value


def _check_value(value: Any) -> None:
    """Refuse what json reads and other code stumbles over.

    Raises:
        ValueError: what it is.
    """
    waiting = [(value, 0)]
    while waiting:
        one, depth = waiting.pop()
        if depth > _DEEPEST:
            raise ValueError(f"it is nested more than {_DEEPEST} deep")
        if isinstance(one, dict):
            waiting += [(part, depth + 1) for pair in one.items() for part in pair]
        elif isinstance(one, list):
            waiting += [(part, depth + 1) for part in one]
        elif isinstance(one, str):
            one.encode("utf-8")  # half of a surrogate pair is no character
        elif isinstance(one, int) and one.bit_length() > _MOST_BITS:
            raise ValueError("it holds a number of more than 38 digits")
