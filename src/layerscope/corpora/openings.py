"""The opening of a text: its first sentence, or more where that is very short. Pure."""

from __future__ import annotations

import re

FEWEST_WORDS = 8
_END = re.compile(r"[.!?][\"'”’)]?(?=\s+[\"'“‘(]?[A-Z0-9])")


def opening(text: str) -> str:
    """The start of a text up to the first end of a sentence after eight words; all of it if there is none.

    Args:
        text: English prose.

    Examples:
        >>> opening("The road was closed on Monday after a storm. It opened again on Tuesday.")
        'The road was closed on Monday after a storm.'
    """
    for end in _END.finditer(text):
        start = text[: end.end()].strip()
        if len(start.split()) >= FEWEST_WORDS:
            return start
    return text.strip()
