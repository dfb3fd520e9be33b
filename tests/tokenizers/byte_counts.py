"""Where each token lies in a text, counted in bytes from the vendor's vocabulary, without the code under test."""

from __future__ import annotations

from collections.abc import Sequence

from layerscope.language.words import Word
from tests.real_tokenizers import RealTokenizer


def touched_characters(real: RealTokenizer, text: str, ids: Sequence[int]) -> list[list[int]]:
    """The characters of a text that each token has a byte of, white space left out.

    A tokenizer that reads a text as if a space stood before it has one byte more.
    """
    pieces = [real.pieces[token_id] for token_id in ids]
    assert None not in pieces, "a special token stands in no text"
    joined, raw = b"".join(piece for piece in pieces if piece is not None), text.encode("utf-8")
    assert joined in (raw, b" " + raw), f"the tokens are not the text: {pieces}"
    of_byte = [index for index, character in enumerate(text) for _ in character.encode("utf-8")]
    of_byte = [-1] * (len(joined) - len(raw)) + of_byte
    found, place = [], 0
    for piece in pieces:
        assert piece is not None
        touched = of_byte[place : place + len(piece)]
        found.append([index for index in dict.fromkeys(touched) if index >= 0 and not text[index].isspace()])
        place += len(piece)
    return found


def words_by_count(text: str, touched: list[list[int]], words: Sequence[Word]) -> list[int]:
    """The word with most of a token's characters, the first of equals; −1 where there is none."""
    word_of = {index: number for number, word in enumerate(words) for index in range(word.start, word.end)}
    found = []
    for characters in touched:
        shares = [word_of[index] for index in characters if index in word_of]
        found.append(min(shares, key=lambda number: (-shares.count(number), number)) if shares else -1)
    return found
