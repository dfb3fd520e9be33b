"""GGUF files, converted once into a cache of safetensors that loads in a second.

Reading a GGUF file through transformers de-quantises every tensor, some 20 s for 135 M parameters, and the result refuses
``save_pretrained``. So the plain model is rebuilt from its configuration and state dict, in float32, in which the
de-quantised values are exact, and kept with its tokenizer under the file's SHA-256.
"""

from __future__ import annotations

import logging
import os
import shutil
import tempfile
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from layerscope.errors import ModelError

log = logging.getLogger(__name__)


def cache_folder() -> Path:
    """``LAYERSCOPE_CACHE``, else ``XDG_CACHE_HOME/layerscope``, else ``~/.cache/layerscope``."""
    named = os.environ.get("LAYERSCOPE_CACHE")
    base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return (Path(named) if named else Path(base) / "layerscope").expanduser()


def kept(digest: str) -> Path | None:
    """The folder of a model that was converted before; None if there is none."""
    folder = cache_folder() / "gguf" / digest
    return folder if (folder / "config.json").is_file() else None


def converted(gguf_file: Path, digest: str) -> Path:
    """The folder with the converted model; converted now if it is not there yet.

    Args:
        gguf_file: the file.
        digest: its SHA-256, under which the result is kept.

    Raises:
        ModelError: transformers cannot read it, or the cache cannot be written.
    """
    folder = cache_folder() / "gguf" / digest
    if kept(digest) is not None:
        return folder
    log.warning("Converting %s to safetensors, once, into %s (about 20 s for 135 M parameters).", gguf_file.name, folder)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        unfinished = Path(tempfile.mkdtemp(prefix=".converting-", dir=folder.parent))
    except OSError as error:
        raise ModelError(
            f"The converted model is kept under '{folder.parent}', which cannot be written ({error.strerror}): "
            "name another folder in LAYERSCOPE_CACHE."
        ) from error
    try:
        _convert(gguf_file, unfinished)
        if not (folder / "config.json").is_file():  # another process may have been faster
            unfinished.rename(folder)
    except (ValueError, KeyError, OSError, NotImplementedError) as error:
        raise ModelError(f"'{gguf_file}' cannot be read as a GGUF model: {str(error).splitlines()[0]}") from error
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    return folder


def _convert(gguf_file: Path, target: Path) -> None:
    where, name = str(gguf_file.parent), gguf_file.name
    loaded = AutoModelForCausalLM.from_pretrained(where, gguf_file=name, dtype=torch.float32)
    config = loaded.config
    del config.quantization_config
    with torch.device("meta"):
        plain = AutoModelForCausalLM.from_config(config)  # type: ignore[no-untyped-call]
    plain.load_state_dict(loaded.state_dict(), assign=True)
    plain.tie_weights()
    plain.save_pretrained(target)
    AutoTokenizer.from_pretrained(where, gguf_file=name).save_pretrained(target)
