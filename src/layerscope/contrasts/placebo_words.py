"""Candidates for a placebo: tokens that could stand where an edit stands, frequent ones and neighbours in embedding space.

A token is of the kind of another if both begin with a space or neither does, and both are letters, digits or something else,
in ASCII or not. Left out are the words that stand at the edit of some pair of the subtype, and other forms of the pair's own
words.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from layerscope.models.decoder import Decoder
from layerscope.models.encoder import TextEncoder
from layerscope.pairs.templates.bands import band_of, words_in

N_FREQUENT, N_NEAREST, N_NEAR, _NEIGHBOURS = 32, 64, 32, 256
"""Words of like frequency; the nearest neighbours; more, of those up to the 256th. Words of about the size of an edit are
mostly among the nearest, hence so many."""
_AT_ONCE = 16_384
_SAME_START = 3
"""Words that begin with so many letters are taken for forms of one word, unless that leaves three of the shorter one."""

Kind = tuple[bool, str, bool]


class Vocabulary:
    """A model's tokens by kind, and which lie near which.

    Args:
        decoder: whose input embeddings are compared.
        encoder: its tokenizer.
    """

    def __init__(self, decoder: Decoder, encoder: TextEncoder) -> None:
        self._decoder, self._encoder = decoder, encoder
        n_tokens = min(len(encoder.tokenizer), decoder.vocab_size)
        special = set(encoder.tokenizer.all_special_ids)
        self.texts = [encoder.token_text(token) for token in range(n_tokens)]
        """Of each token, its leading space included."""
        self._by_kind: dict[Kind, list[int]] = {}
        for token, text in enumerate(self.texts):
            if token not in special and (kind := _kind(text)) is not None:
                self._by_kind.setdefault(kind, []).append(token)

    @cached_property
    def _of_text(self) -> dict[str, int]:
        return {text: token for token, text in reversed(list(enumerate(self.texts)))}

    @torch.inference_mode()
    def neighbours(self, tokens: Sequence[int]) -> dict[int, list[int]]:
        """For each token, the 256 of its kind with the most alike embeddings (cosine), nearest first."""
        by_kind: dict[Kind, list[int]] = {}
        found: dict[int, list[int]] = {token: [] for token in tokens}
        for token in found:
            kind = _kind(self.texts[token]) if token < len(self.texts) else None
            if kind is not None:
                by_kind.setdefault(kind, []).append(token)
        with self._decoder.weights_at_hand():
            for kind, some in by_kind.items():
                others = np.array(self._by_kind[kind])
                wanted = self._embedded(np.array(some))
                alike = torch.cat(
                    [
                        (wanted @ self._embedded(others[start : start + _AT_ONCE]).T).cpu()
                        for start in range(0, len(others), _AT_ONCE)
                    ],
                    dim=1,
                )
                alike[torch.from_numpy(others[None, :] == np.array(some)[:, None])] = -torch.inf
                nearest = alike.topk(min(_NEIGHBOURS, len(others) - 1), dim=1).indices.numpy()
                for token, places in zip(some, nearest, strict=True):
                    found[token] = [int(other) for other in others[places]]
        return found

    def frequent(self, token: int) -> list[int]:
        """Single tokens that are words about as frequent as one."""
        text = self.texts[token] if token < len(self.texts) else ""
        start, word = text[: len(text) - len(text.lstrip())], text.strip()
        found = (self._of_text.get(start + other) for other in words_in(band_of(word)))
        return [other for other in found if other is not None and _kind(self.texts[other]) == _kind(text)]

    def _embedded(self, tokens: Int[np.ndarray, " some"]) -> Float[Tensor, "some d_model"]:
        ids = torch.from_numpy(tokens).to(self._decoder.device)
        embedding = self._decoder.model.get_input_embeddings()
        return torch.nn.functional.normalize(embedding(ids).float(), dim=1)


def candidates(
    vocabulary: Vocabulary,
    edits: Sequence[tuple[int, int]],
    generators: Sequence[np.random.Generator],
) -> list[list[int]]:
    """Tokens to try in the place of each edit, in random order.

    Args:
        vocabulary: of the model.
        edits: of a subtype's pairs, the token of the first side and that of the second.
        generators: one per pair, so that what a pair gets does not depend on the others.
    """
    near = vocabulary.neighbours(list(dict.fromkeys(first for first, _ in edits)))
    at_edits = {_word(vocabulary, token) for edit in edits for token in edit}
    found = []
    for edit, generator in zip(edits, generators, strict=True):
        own = [_word(vocabulary, token) for token in edit]

        def allowed(token: int, own: list[str] = own) -> bool:
            word = _word(vocabulary, token)
            return word not in at_edits and not any(are_forms(word, other) for other in own)

        nearest = [token for token in near[edit[0]] if allowed(token)]
        more = nearest[N_NEAREST:]
        frequent = [token for token in vocabulary.frequent(edit[0]) if allowed(token)]
        some = [
            *nearest[:N_NEAREST],
            *generator.permutation(more)[:N_NEAR].tolist(),
            *generator.permutation(frequent)[:N_FREQUENT].tolist(),
        ]
        order = generator.permutation(list(dict.fromkeys(int(token) for token in some)))
        found.append([int(token) for token in order])
    return found


def are_forms(one: str, other: str) -> bool:
    """Whether two words look like forms of one: equal but for case, or with one beginning.

    Examples:
        >>> are_forms("walks", "walked"), are_forms("Dog", "dogs"), are_forms("cat", "car")
        (True, True, False)
    """
    one, other = one.lower(), other.lower()
    n_same = next((i for i, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))
    return one == other or n_same >= max(_SAME_START, min(len(one), len(other)) - 2)


def _word(vocabulary: Vocabulary, token: int) -> str:
    return vocabulary.texts[token].strip().lower() if token < len(vocabulary.texts) else ""


def _kind(text: str) -> Kind | None:
    inner = text.strip()
    if not inner or "\ufffd" in inner or inner.split() != [inner]:
        return None
    letters = "letters" if inner.isalpha() else "digits" if inner.isdigit() else "others"
    return text.startswith(" "), letters, inner.isascii()
