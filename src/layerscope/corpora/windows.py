"""Window: a stretch of tokens that one forward pass sees, and which of them are scored. Pure values; numpy, no torch.

Axes: ``seq`` runs over the tokens of a window, prefix (BOS) included.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Int


@dataclass(frozen=True)
class Document:
    """A text as it came, with a name by which it can be found again."""

    name: str
    """For example ``train[1824]`` or ``lee_background.cor[17]``."""
    text: str
    """Never stripped, cleaned or cut."""


@dataclass(frozen=True)
class EncodedText:
    """A text in a model's tokens, without any special token added."""

    text: str
    """The raw text."""
    ids: Int[np.ndarray, " seq"]
    """Token ids."""
    spans: Int[np.ndarray, "seq 2"]
    """First character and one past the last, in ``text``; (0, 0) where the tokenizer gives none."""


Encode = Callable[[str], EncodedText]


@dataclass(frozen=True)
class Window:
    """Tokens that stand together in one row of a batch."""

    name: str
    """The document's name, or the window's place in the joined text."""
    text: str
    """The text that the spans point into."""
    ids: Int[np.ndarray, " seq"]
    """Prefix, then text tokens; those past ``n_run`` never enter the model."""
    spans: Int[np.ndarray, "seq 2"]
    """Character spans in ``text``; (0, 0) for the prefix."""
    scored: Bool[np.ndarray, " seq"]
    """True where the token's probability counts; never True at position 0 or past ``n_run``."""
    n_prefix: int
    """Tokens at the start that are not part of the text, such as a BOS."""
    n_run: int
    """Positions that enter the model: all, unless the text is longer than the model's context."""
    n_context: int = 0
    """Text tokens at the start that serve as context only, because an earlier window scores them."""

    @property
    def n_tokens(self) -> int:
        """Tokens of the text itself."""
        return len(self.ids) - self.n_prefix

    @property
    def n_scored(self) -> int:
        """Tokens whose probability counts."""
        return int(self.scored.sum())

    @property
    def n_cut(self) -> int:
        """Tokens past the model's context, not scored."""
        return len(self.ids) - self.n_run

    @property
    def n_without_context(self) -> int:
        """1 where the first token of the text has nothing before it, so that no probability exists for it."""
        return self.n_tokens - self.n_scored - self.n_cut - self.n_context

    @property
    def scored_bytes(self) -> int:
        """UTF-8 bytes of the text that the scored tokens cover, for bits per byte."""
        spans = self.spans[self.scored]
        if len(spans) == 0:
            return 0
        return len(self.text[int(spans[:, 0].min()) : int(spans[:, 1].max())].encode("utf-8"))


def make_window(
    name: str, encoded: EncodedText, prefix_ids: tuple[int, ...], *, longest: int | None = None, n_context: int = 0
) -> Window:
    """A window over one encoded text.

    Args:
        name: how to find the text again.
        encoded: the text's tokens.
        prefix_ids: tokens put before it, such as a BOS; not doubled where the text starts with them already.
        longest: positions that the model can see, prefix included; tokens past it are kept as not scored.
        n_context: leading text tokens that are context only.
    """
    doubled = len(prefix_ids) > 0 and tuple(encoded.ids[: len(prefix_ids)].tolist()) == prefix_ids
    prefix = () if doubled else prefix_ids
    ids = np.concatenate([np.asarray(prefix, dtype=np.int64), encoded.ids.astype(np.int64)])
    spans = np.concatenate([np.zeros((len(prefix), 2), dtype=np.int64), encoded.spans.astype(np.int64).reshape(-1, 2)])
    n_run = len(ids) if longest is None else min(len(ids), longest)
    scored = np.zeros(len(ids), dtype=bool)
    scored[max(1, len(prefix) + n_context) : n_run] = True
    return Window(name, encoded.text, ids, spans, scored, len(prefix), n_run, n_context)
