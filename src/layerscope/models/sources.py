"""From a name to files: built-in models, local directories, GGUF files, adapters, ids on the Hub. Nothing is loaded here."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, replace
from pathlib import Path

from layerscope.builtin import BUILT_IN, BuiltIn
from layerscope.errors import ModelError, did_you_mean
from layerscope.models.adapters import check_adapter, is_adapter
from layerscope.models.checkpoint_files import INDEX, WEIGHTS, check_checkpoint, check_file
from layerscope.models.gguf import converted
from layerscope.models.gguf_parts import find_parts
from layerscope.models.kept import cache_folder, kept
from layerscope.models.pieces import put_together

_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)?", re.ASCII)
_LONGEST_ID = 96


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
    adapter: str | None = None
    """A local directory with an adapter that is merged into the weights."""

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
        ModelError: unknown name (with near names), no such file, a folder that is no checkpoint, or a revision of local files.
    """
    path = local_path(name)
    if name not in BUILT_IN and path is None:
        return _on_the_hub(name, revision)
    if revision is not None:
        raise ModelError(f"A revision belongs to models on the Hub; '{name}' is local: leave it out.")
    if name in BUILT_IN:
        return _built_in(BUILT_IN[name])
    assert path is not None
    try:
        return _local(name, path)
    except OSError as error:
        raise ModelError(f"The model '{name}' cannot be read ({error.strerror or error}): check its permissions.") from error


def check_model_name(name: str) -> None:
    """Refuse a name that no model can have, before anything is made of it.

    Raises:
        ModelError: neither built in nor a file, and no id on the Hub.
    """
    if name not in BUILT_IN and local_path(name) is None:
        _on_the_hub(name, None)


def local_path(name: str) -> Path | None:
    """The file or folder of that name; None if there is none, or no such name is possible."""
    try:
        path = Path(name).expanduser()
        return path if path.exists() else None
    except (OSError, ValueError, RuntimeError):  # too long, not encodable, the home of a user who is not there
        return None


def _local(name: str, path: Path) -> ModelSource:
    if path.is_dir():
        return _adapted(name, path) if is_adapter(path) else _checkpoint(name, path)
    if path.suffix == ".gguf":
        parts = find_parts(path)
        for part in parts:
            check_file(part)
        digests = [file_sha256(part) for part in parts]
        digest = digests[0] if len(digests) == 1 else hashlib.sha256("\n".join(digests).encode()).hexdigest()
        return ModelSource(name, str(converted(parts, digest)), None, f"sha256:{digest}")
    raise ModelError(
        f"A model is a built-in name, a directory, a .gguf file or an id on the Hub; '{name}' is another kind of file."
    )


def _built_in(model: BuiltIn) -> ModelSource:
    pieces = model.find()
    if not pieces:
        raise ModelError(f"The built-in model '{model.name}' ships in a package that is not installed: {model.install}")
    if len(pieces) == 1:
        return _local(model.name, pieces[0])
    folder = kept(model.sha256)
    if folder is None:
        with put_together(model.name, pieces, model.sha256, folder=cache_folder()) as whole:
            folder = converted([whole], model.sha256)
    return ModelSource(model.name, str(folder), None, f"sha256:{model.sha256}")


def _checkpoint(name: str, folder: Path) -> ModelSource:
    check_checkpoint(folder)
    return ModelSource(name, str(folder), None, f"sha256:{_folder_sha256(folder)}")


def _adapted(name: str, folder: Path) -> ModelSource:
    """An adapter with its base: that in the same folder if there is one, else that which it names."""
    named, revision = check_adapter(folder)
    if (folder / "config.json").exists() and ((folder / WEIGHTS).exists() or (folder / INDEX).exists()):
        return replace(_checkpoint(name, folder), adapter=str(folder))
    if named is None:
        raise ModelError(
            f"An adapter names its base in base_model_name_or_path; that of '{folder}' names none: add its folder."
        )
    try:
        base = resolve_model(named, None if named in BUILT_IN or local_path(named) else revision)
    except ModelError as error:
        raise ModelError(f"'{name}' is an adapter of '{named}', which cannot be taken as its base. {error}") from error
    if base.adapter is not None:
        raise ModelError(
            f"An adapter's base is a model; that of '{name}', '{named}', is an adapter itself: merge that one first."
        )
    digest = hashlib.sha256(f"{base.fingerprint}\n{_folder_sha256(folder)}".encode()).hexdigest()
    return replace(base, name=name, fingerprint=f"sha256:{digest}", adapter=str(folder))


def file_sha256(path: Path) -> str:
    """SHA-256 of one file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _on_the_hub(name: str, revision: str | None) -> ModelSource:
    looks_like_path = name.startswith((".", "/", "~")) or name.endswith((".gguf", "/")) or name.count("/") > 1
    if looks_like_path:
        raise ModelError(f"No such model file or directory: '{name}'.")
    near = did_you_mean(name, BUILT_IN) if "/" not in name else ""
    if len(name) > _LONGEST_ID or not _HUB_ID.fullmatch(name) or near:
        known = ", ".join(BUILT_IN)
        raise ModelError(
            f"Unknown model '{name}'.{near} Known: {known}, a directory, a .gguf file, or a Hub id such as "
            "meta-llama/Meta-Llama-3-8B."
        )
    return ModelSource(name, name, revision, f"{name}@{revision or 'main'}")


def _folder_sha256(folder: Path) -> str:
    """One digest over the files that decide the numbers, in the order of their names."""
    digest = hashlib.sha256()
    for path in sorted(folder.iterdir()):
        if path.suffix in (".safetensors", ".json", ".model", ".txt", ".tiktoken"):
            digest.update(f"{path.name}\0{file_sha256(path)}\n".encode())
    return digest.hexdigest()
