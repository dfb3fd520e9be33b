"""Raw text cut at its tokens, so that all pieces together are the text."""

from __future__ import annotations

import pandas as pd


def text_pieces(documents: pd.DataFrame, tokens: pd.DataFrame) -> tuple[list[str], list[str]]:
    """What lies before each token, which a tokenizer may leave out, and what the token adds itself.

    A token that covers the rest of a character adds nothing: all pieces together are the text.

    Args:
        documents: documents.parquet.
        tokens: rows of tokens.parquet, those of a document together and in order.
    """
    text_of = documents.set_index("document")["text"]
    before, added, last_document, reached = [], [], -1, 0
    for document, start, end in zip(tokens["document"], tokens["char_start"], tokens["char_end"], strict=True):
        if document != last_document:
            last_document, reached = document, 0
        text = text_of[document]
        before.append(text[reached:start])
        added.append(text[max(start, reached) : end])
        reached = max(reached, end)
    return before, added
