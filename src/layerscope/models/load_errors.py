"""What transformers and the libraries below it raise while they load a model, as one sentence each."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from layerscope.connection import offline_if_unreachable
from layerscope.errors import DeviceError, HubError, LayerscopeError, ModelError, first_line
from layerscope.models.sources import ModelSource

_NO_MEMORY = ("can't allocate memory", "cannot allocate memory", "not enough memory", "out of memory")


@contextmanager
def loading(source: ModelSource, what: str) -> Iterator[bool]:
    """Around code of transformers that reads a stranger's files; gives True if only local files can be used.

    Args:
        source: where the files are.
        what: configuration, tokenizer or weights.

    Raises:
        LayerscopeError: whatever was raised, in one sentence.
    """
    offline = False
    try:
        if source.is_local:
            yield True
        else:
            with offline_if_unreachable() as offline:
                yield offline
    except LayerscopeError:
        raise
    except Exception as error:  # of four libraries, on any file: their own kinds are no fewer than that
        raise _explained(error, source, what, offline) from error


def _explained(error: Exception, source: ModelSource, what: str, offline: bool) -> LayerscopeError:
    text = str(error)
    if _is_memory(error):
        return DeviceError(
            f"The {what} of '{source.name}' do not fit in memory: load them in bfloat16, quantized, or with a device map."
        )
    if "trust_remote_code" in text:
        return ModelError(
            f"'{source.name}' needs code that comes with its checkpoint, which is not run unless you ask: read that code, "
            "then add --trust-remote-code, or LoadOptions(trust_remote_code=True) in Python."
        )
    if not source.is_local and offline:
        return HubError(
            f"The model '{source.name}' is not on this machine and the Hugging Face Hub cannot be reached: connect and try "
            "again, or give a local directory or .gguf file."
        )
    if not source.is_local and ("gated" in text or "401" in text or "403" in text):
        return HubError(f"The Hub refuses '{source.name}': accept its licence there, then set HF_TOKEN or run 'hf auth login'.")
    if not source.is_local and ("not a local folder" in text or "404" in text or "not a valid model identifier" in text):
        return ModelError(f"Unknown model '{source.name}': the Hub has none of that name (or none that you may read).")
    if not source.is_local and "does not appear to have a file named model.safetensors" in text:
        return ModelError(
            f"Weights are read from safetensors only, because a pickle can run code; '{source.name}' has none on the Hub."
        )
    return ModelError(f"The {what} of '{source.name}' cannot be loaded: {first_line(error)}.")


def _is_memory(error: BaseException | None) -> bool:
    """Whether memory ran out, here or in what this was raised from."""
    while error is not None:
        text = str(error).lower()
        if isinstance(error, MemoryError | torch.OutOfMemoryError) or getattr(error, "errno", None) == errno.ENOMEM:
            return True
        if isinstance(error, RuntimeError | OSError) and any(part in text for part in _NO_MEMORY):
            return True
        error = error.__cause__ or error.__context__
    return False
