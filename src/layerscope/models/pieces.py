"""A file that packages carry in pieces, put together for as long as it is read, and believed only by its hash."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from layerscope.errors import ModelError

_BLOCK = 1 << 20


@contextmanager
def put_together(name: str, pieces: Sequence[Path], sha256: str, *, folder: Path) -> Iterator[Path]:
    """The whole file, gone again afterwards.

    Args:
        name: of the model, for messages.
        pieces: in their order.
        sha256: of the whole file, in hexadecimal.
        folder: where there is room for it; made if need be.

    Raises:
        ModelError: the pieces do not make up that file, or it cannot be written.
    """
    whole: Path | None = None
    try:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            handle, path = tempfile.mkstemp(prefix=".whole-", suffix=".gguf", dir=folder)
            whole, digest = Path(path), hashlib.sha256()
            with os.fdopen(handle, "wb") as file:
                for piece in pieces:
                    with piece.open("rb") as source:
                        while block := source.read(_BLOCK):
                            digest.update(block)
                            file.write(block)
        except OSError as error:
            raise ModelError(
                f"The pieces of '{name}' are put together under '{folder}', which cannot be written ({error.strerror}): name "
                "another folder in LAYERSCOPE_CACHE."
            ) from error
        if (found := digest.hexdigest()) != sha256:
            raise ModelError(
                f"The pieces of '{name}' make a file with the SHA-256 {sha256[:12]}…; those here make {found[:12]}…: install "
                "its packages again."
            )
        yield whole
    finally:
        if whole is not None:
            whole.unlink(missing_ok=True)
