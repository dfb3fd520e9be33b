"""From a name to files: built-in models, local directories, GGUF files, ids on the Hub. Nothing is loaded into a model here."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

from layerscope.builtin import BUILT_IN, BuiltIn
from layerscope.errors import ModelError, did_you_mean
from layerscope.models.gguf import cache_folder, converted, kept
from layerscope.models.pieces import put_together

_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)?", re.ASCII)
_PICKLES = (".bin", ".pt", ".pth", ".ckpt", ".pkl")


@dataclass(frozen=True)
class ModelSource:
    """Where a model's files are."""

    name: str
    """As the user wrote it."""
    location: str
    """A local directory with safetensors, or an id on the Hub."""
    revision: str | None
    """Branch, tag or commit on the Hub; None for local files."""
    fingerprint: str
    """``sha256:`` of the local files, or the id and revision on the Hub."""

    @property
    def is_local(self) -> bool:
        """True if nothing needs to be fetched."""
        return Path(self.location).is_dir()


def resolve_model(name: str, revision: str | None = None) -> ModelSource:
    """Find a model by name. A GGUF file is converted on first use.

    Args:
        name: a built-in name, a local directory, a ``.gguf`` file, or an id on the Hub, tried in that order.
        revision: on the Hub only.

    Raises:
        ModelError: unknown name (with near names), no such file, a pickle checkpoint, or a revision of local files.
    """
    path = Path(name).expanduser()
    if name not in BUILT_IN and not path.exists():
        return _on_the_hub(name, revision)
    if revision is not None:
        raise ModelError(f"--revision belongs to models on the Hub; '{name}' is local.")
    if name in BUILT_IN:
        return _built_in(BUILT_IN[name])
    if path.suffix == ".gguf":
        digest = file_sha256(path)
        return ModelSource(name, str(converted(path, digest)), None, f"sha256:{digest}")
    if path.is_dir():
        _refuse_pickles(path)
        return ModelSource(name, str(path), None, f"sha256:{_folder_sha256(path)}")
    raise ModelError(
        f"A model is a built-in name, a directory, a .gguf file or an id on the Hub; '{name}' is another kind of file."
    )


def _built_in(model: BuiltIn) -> ModelSource:
    pieces = model.find()
    if not pieces:
        raise ModelError(f"The built-in model '{model.name}' ships in a package that is not installed: {model.install}")
    digest = model.sha256 if len(pieces) > 1 else file_sha256(pieces[0])
    if (folder := kept(digest)) is None:
        if len(pieces) > 1:
            with put_together(model.name, pieces, digest, folder=cache_folder()) as whole:
                folder = converted(whole, digest)
        else:
            folder = converted(pieces[0], digest)
    return ModelSource(model.name, str(folder), None, f"sha256:{digest}")


def file_sha256(path: Path) -> str:
    """SHA-256 of one file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _on_the_hub(name: str, revision: str | None) -> ModelSource:
    looks_like_path = name.startswith((".", "/", "~")) or name.endswith((".gguf", "/")) or name.count("/") > 1
    if looks_like_path:
        raise ModelError(f"No such model file or directory: '{name}'.")
    near = did_you_mean(name, BUILT_IN) if "/" not in name else ""
    if not _HUB_ID.fullmatch(name) or near:
        known = ", ".join(BUILT_IN)
        raise ModelError(
            f"Unknown model '{name}'.{near} Known: {known}, a directory, a .gguf file, or a Hub id such as "
            "meta-llama/Meta-Llama-3-8B."
        )
    return ModelSource(name, name, revision, f"{name}@{revision or 'main'}")


def _refuse_pickles(folder: Path) -> None:
    if not (folder / "config.json").is_file():
        raise ModelError(f"A model directory holds config.json and safetensors; '{folder}' has no config.json.")
    if any(folder.glob("*.safetensors")):
        return
    pickles = sorted(path.name for path in folder.iterdir() if path.suffix in _PICKLES)
    if pickles:
        raise ModelError(
            f"Weights are read from safetensors only, because a pickle can run code; '{folder}' has {pickles[0]}: convert it "
            "with save_pretrained on a machine where you trust it."
        )
    raise ModelError(f"A model directory holds config.json and safetensors; '{folder}' has no .safetensors file.")


def _folder_sha256(folder: Path) -> str:
    """One digest over the files that decide the numbers, in the order of their names."""
    digest = hashlib.sha256()
    for path in sorted(folder.iterdir()):
        if path.suffix in (".safetensors", ".json", ".model", ".txt", ".tiktoken"):
            digest.update(f"{path.name}\0{file_sha256(path)}\n".encode())
    return digest.hexdigest()
