"""TextEncoder: a model's tokenizer, its BOS policy, and where each token lies in the raw text.

BOS is added to every text or window if and only if the model was trained with one: its tokenizer adds one (``auto``), or the
user says so (``always``, ``never``).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
from jaxtyping import Bool, Int
from transformers import PreTrainedTokenizerBase
from transformers.convert_slow_tokenizer import bytes_to_unicode

from layerscope.corpora.windows import EncodedText
from layerscope.errors import ModelError
from layerscope.language.words import is_word_character

_BYTE_OF = {character: byte for byte, character in bytes_to_unicode().items()}  # type: ignore[no-untyped-call]
"""How byte-level vocabularies write bytes."""
BosPolicy = Literal["auto", "always", "never"]


@dataclass(frozen=True)
class TextEncoder:
    """Text to token ids and character spans, with no special token added to the text itself."""

    tokenizer: PreTrainedTokenizerBase
    """As Hugging Face loads it."""
    prefix_ids: tuple[int, ...]
    """Tokens that stand before every text; empty if the model was trained without."""

    @classmethod
    def from_tokenizer(cls, tokenizer: PreTrainedTokenizerBase, bos: BosPolicy = "auto") -> TextEncoder:
        """Settle the BOS policy.

        Raises:
            ModelError: ``always`` for a tokenizer that has no BOS.
        """
        if bos == "never":
            return cls(tokenizer, ())
        if bos == "auto":
            return cls(tokenizer, _own_prefix(tokenizer))
        if tokenizer.bos_token_id is None:
            raise ModelError(
                "A BOS before every text (always) needs a tokenizer with a BOS token; this one has none: take auto or never."
            )
        return cls(tokenizer, (int(tokenizer.bos_token_id),))

    def encode(self, text: str) -> EncodedText:
        """Token ids and character spans of a text, as it is."""
        if self.tokenizer.is_fast:
            encoded = self.tokenizer(text, add_special_tokens=False, return_offsets_mapping=True, verbose=False)
            ids, spans = encoded["input_ids"], np.asarray(encoded["offset_mapping"], dtype=np.int64).reshape(-1, 2)
            if not _cover(spans, text):  # Llama 3's are empty in some versions of tokenizers
                rebuilt = spans_by_bytes(text, list(self.tokenizer.convert_ids_to_tokens(ids)))
                spans = spans if rebuilt is None else rebuilt
            if self._begins_with_a_space_of_its_own(ids, spans):
                spans[0] = 0
            return EncodedText(text, np.asarray(ids, dtype=np.int64), spans)
        ids = self.tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"]
        return EncodedText(text, np.asarray(ids, dtype=np.int64), self._spans_by_decoding(text, ids))

    def token_name(self, token_id: int) -> str:
        """A token as its vocabulary writes it, for tokens that stand in no text."""
        return str(self.tokenizer.convert_ids_to_tokens(int(token_id)))

    def token_text(self, token_id: int) -> str:
        """The characters that a token stands for in the middle of a text, its leading space included."""
        name = self.token_name(token_id)
        if self._is_byte_level and all(character in _BYTE_OF for character in name):
            return bytes(_BYTE_OF[character] for character in name).decode("utf-8", errors="replace")
        return name.replace("▁", " ")

    def starts_word(self, token_id: int) -> bool:
        """Whether a token cannot go on with a word: its text begins with neither a letter, a digit nor a mark.

        Special tokens end a word too. A token that begins in the middle of a character goes on with it.
        """
        if token_id in self.tokenizer.all_special_ids:
            return True
        text = self.token_text(token_id)
        return bool(text) and text[0] != "\ufffd" and not is_word_character(text[0])

    def word_starts(self, vocab_size: int) -> Bool[np.ndarray, " vocab"]:
        """``starts_word`` for each row of a model's output matrix; rows that no token has start nothing."""
        n_tokens = min(len(self.tokenizer), vocab_size)
        starts = np.zeros(vocab_size, dtype=bool)
        starts[:n_tokens] = [self.starts_word(token_id) for token_id in range(n_tokens)]
        return starts

    def check_word_starts(self) -> None:
        """Refuse a tokenizer whose tokens do not tell where a word begins.

        Raises:
            ModelError: fewer than one token in twenty begins with a space.
        """
        n_tokens = len(self.tokenizer)
        with_space = sum(self.token_text(token_id).startswith(" ") for token_id in range(n_tokens))
        if with_space < n_tokens / 20:
            raise ModelError(
                f"Word boundaries need a tokenizer whose words begin with a space; {with_space:,} of the {n_tokens:,} tokens "
                "of this one do: leave --word-boundaries out."
            )

    def _begins_with_a_space_of_its_own(self, ids: list[int], spans: Int[np.ndarray, "seq 2"]) -> bool:
        """Whether the first token is a space that the tokenizer reads before a text, where no longer token has it.

        Sentencepiece's do so before a character that they write in bytes; the space is given the span of that character.
        """
        shares_character = len(ids) > 1 and bool(spans[1, 0] == 0 < spans[0, 1])
        return shares_character and not self.token_text(ids[0]).strip()

    @cached_property
    def _is_byte_level(self) -> bool:
        return any(token.startswith("Ġ") for token in self.tokenizer.get_vocab())

    def _spans_by_decoding(self, text: str, ids: list[int]) -> np.ndarray:
        """Spans for tokenizers without offsets: each token's own text, found in order; empty where it is not there."""
        spans, position = np.zeros((len(ids), 2), dtype=np.int64), 0
        for index, token_id in enumerate(ids):
            piece = str(self.tokenizer.decode([token_id])).strip()
            found = text.find(piece, position) if piece else -1
            if found >= 0:
                spans[index] = found, found + len(piece)
                position = found + len(piece)
            else:
                spans[index] = position, position
        return spans


def spans_by_bytes(text: str, tokens: list[str]) -> Int[np.ndarray, "seq 2"] | None:
    """Character spans of a byte-level vocabulary's tokens, from the bytes that they stand for.

    Args:
        text: the raw text.
        tokens: as the vocabulary writes them, such as ``Ġcat``.

    Returns:
        First character and one past the last, a character counting for every token with one of its bytes; None if the tokens
        are not the bytes of the text.
    """
    raw = text.encode("utf-8")
    if any(character not in _BYTE_OF for token in tokens for character in token):
        return None
    pieces = [bytes(_BYTE_OF[character] for character in token) for token in tokens]
    if b"".join(pieces) != raw or not all(pieces):
        return None
    begins_character = np.array([byte & 0xC0 != 0x80 for byte in raw], dtype=np.int64)
    character_of_byte = np.cumsum(begins_character) - 1
    ends = np.cumsum([len(piece) for piece in pieces])
    starts = np.append(0, ends[:-1])
    return np.stack([character_of_byte[starts], character_of_byte[ends - 1] + 1], axis=1)


def _cover(spans: Int[np.ndarray, "seq 2"], text: str) -> bool:
    """Whether every character that is no white space lies in some span."""
    edges = np.zeros(len(text) + 1, dtype=np.int64)
    np.add.at(edges, spans[:, 0], 1)
    np.add.at(edges, spans[:, 1], -1)
    covered = np.cumsum(edges)[:-1] > 0
    return bool(covered.all()) or all(inside or character.isspace() for character, inside in zip(text, covered, strict=True))


def _own_prefix(tokenizer: PreTrainedTokenizerBase) -> tuple[int, ...]:
    """What the tokenizer puts before a text by itself."""
    bare = list(tokenizer("a", add_special_tokens=False)["input_ids"])
    dressed = list(tokenizer("a")["input_ids"])
    for start in range(len(dressed) - len(bare) + 1):
        if dressed[start : start + len(bare)] == bare:
            return tuple(int(token_id) for token_id in dressed[:start])
    return ()
