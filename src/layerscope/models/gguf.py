"""GGUF files, converted once into a cache of safetensors that loads in a second.

Reading a GGUF file through transformers de-quantises every tensor, some 20 s for 135 M parameters, and the result refuses
``save_pretrained``. So the plain model is rebuilt from its configuration and state dict, in float32, in which the
de-quantised values are exact, and kept with its tokenizer under the file's SHA-256.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase

from layerscope.errors import LayerscopeError, ModelError, RunError, first_line
from layerscope.models.gguf_contents import check_metadata, check_tensors
from layerscope.models.gguf_header import GgufHeader
from layerscope.models.gguf_parts import join_parts, read_parts
from layerscope.models.gguf_positions import set_positions
from layerscope.models.kept import kept, place_of
from layerscope.models.weights_found import check_weights_found
from layerscope.whole_folder import whole_folder

log = logging.getLogger(__name__)

_JOINED = "joined.gguf"


def converted(parts: Sequence[Path], digest: str) -> Path:
    """The folder with the converted model; converted now if it is not there yet.

    Args:
        parts: the file, or all parts of a model that was split, in their order.
        digest: their SHA-256, under which the result is kept.

    Raises:
        ModelError: a weight is missing, transformers cannot read the file, or the cache cannot be written.
    """
    folder = place_of(digest)
    if kept(digest) is not None:
        return folder
    headers = read_parts(parts)
    check_metadata(headers)
    log.warning("Converting %s to safetensors, once, into %s (about 20 s for 135 M parameters).", parts[0].name, folder)
    try:
        with whole_folder(folder, replace=False) as unfinished:
            if kept(digest) is not None:  # another process made it meanwhile
                return folder
            file = parts[0]
            if len(parts) > 1:
                file = unfinished / _JOINED
                join_parts(headers, file)
            model, tokenizer = _read(file, headers)
            if len(parts) > 1:
                file.unlink()
            model.save_pretrained(unfinished)
            tokenizer.save_pretrained(unfinished)
    except RunError as error:
        reason = getattr(error.__cause__, "strerror", None) or error.__cause__
        raise ModelError(
            f"The converted model is kept under '{folder.parent}', which cannot be written ({reason}): name another "
            "folder in LAYERSCOPE_CACHE."
        ) from error
    return folder


def _read(file: Path, headers: Sequence[GgufHeader]) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """The model with its weights as plain tensors, and its tokenizer."""
    where: dict[str, Any] = {"gguf_file": file.name, "local_files_only": True}
    try:
        config = AutoConfig.from_pretrained(file.parent, **where)
        check_tensors(headers, config)
        set_positions(config, headers)
        tokenizer: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(file.parent, **where)
        loaded: Any = AutoModelForCausalLM.from_pretrained(
            file.parent, **where, config=config, dtype=torch.float32, ignore_mismatched_sizes=True, output_loading_info=True
        )
    except LayerscopeError:
        raise
    except Exception as error:  # of two readers and a library in Rust, on a stranger's file
        raise ModelError(f"'{headers[0].path}' cannot be read as a GGUF model: {first_line(error)}.") from error
    model, info = loaded
    check_weights_found(str(headers[0].path), info)
    config = model.config
    del config.quantization_config
    with torch.device("meta"):
        plain: PreTrainedModel = AutoModelForCausalLM.from_config(config)  # type: ignore[no-untyped-call]
    plain.load_state_dict(model.state_dict(), assign=True)
    plain.tie_weights()
    return plain, tokenizer
