"""The model library's advice and progress bars, kept out of the way of a command's own output."""

from __future__ import annotations

import transformers


def quieten_transformers() -> None:
    """Errors only, and no bars; of the whole process, so only a command's own process calls it."""
    transformers.utils.logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    transformers.utils.logging.disable_progress_bar()  # type: ignore[no-untyped-call]
