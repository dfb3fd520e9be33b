"""Evaluation protocols: how texts become windows. Perplexity depends on the protocol more than on many models.

========================  =============================================================================================
``lines``                 every line or sample is a text of its own (the published scripts of this method)
``documents``             each document from its start, cut at the model's context length
``windows:N``             texts joined by a blank line, cut into windows of N tokens, tail dropped (quantisation papers)
``strided:N/S``           windows of N tokens every S, each token scored once with the longest context (Hugging Face guide)
========================  =============================================================================================

In every protocol: scored tokens = tokens − texts without a prefix − tokens cut or dropped, which are counted.
"""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeVar, cast

from layerscope.corpora.parquet import ParquetTexts
from layerscope.corpora.windows import Document, Encode, EncodedText, Window, make_window
from layerscope.errors import DataError, check_text

Unit = Literal["lines", "documents"]
JOINER = "\n\n"
T = TypeVar("T")


@dataclass(frozen=True)
class Protocol:
    """A named way to cut texts into windows."""

    kind: Literal["lines", "documents", "windows", "strided"]
    """See the table of this module."""
    size: int = 0
    """Text tokens per window; 0 for ``lines`` and ``documents``."""
    stride: int = 0
    """Text tokens from one window's start to the next one's."""

    @classmethod
    def parse(cls, text: str) -> Protocol:
        """Read ``lines``, ``documents``, ``windows:N`` or ``strided:N/S``.

        Raises:
            DataError: another word, or sizes that make no sense.
        """
        check_text(text, "A protocol", ["lines", "documents", "windows:1024", "strided:1024/512"], DataError)
        if text in ("lines", "documents"):
            return cls(text)  # type: ignore[arg-type]
        windows = re.fullmatch(r"windows:(\d{1,9})", text, re.ASCII)
        strided = re.fullmatch(r"strided:(\d{1,9})/(\d{1,9})", text, re.ASCII)
        if windows and int(windows[1]) >= 2:
            return cls("windows", int(windows[1]), int(windows[1]))
        if strided and int(strided[1]) >= 2 and 1 <= int(strided[2]) < int(strided[1]):
            return cls("strided", int(strided[1]), int(strided[2]))
        raise DataError(
            "A protocol is lines, documents, windows:N or strided:N/S, with N of 2 tokens or more and S from 1 to N−1; "
            f"got '{text}'."
        )

    @property
    def unit(self) -> Unit:
        """What the corpus must be read as."""
        return "documents" if self.kind == "documents" else "lines"

    def __str__(self) -> str:
        if self.kind == "windows":
            return f"windows:{self.size}"
        return f"strided:{self.size}/{self.stride}" if self.kind == "strided" else self.kind


@dataclass(frozen=True)
class WindowedCorpus:
    """What a run scores, and what it had to leave unscored."""

    windows: tuple[Window, ...]
    """One for each text, or for each place in the joined text."""
    tail_tokens: int = 0
    """Tokens of the joined text that filled no whole window."""


def cut_windows(
    documents: Sequence[Document],
    protocol: Protocol,
    encode: Encode,
    *,
    prefix_ids: tuple[int, ...],
    context_length: int | None,
    max_samples: int | None,
    seed: int,
) -> WindowedCorpus:
    """Sample and cut a corpus as its protocol says.

    Args:
        documents: every text of the corpus, in order.
        protocol: how to cut.
        encode: the model's tokenizer.
        prefix_ids: tokens that stand before every window.
        context_length: positions the model can see; None if unlimited.
        max_samples: texts (``lines``, ``documents``) or windows to draw; None for all.
        seed: of the draw, which is ``random.Random(seed).sample`` over indices, as in the published scripts.

    Raises:
        DataError: no text, windows longer than the model's context, or a joined text shorter than one window.
    """
    if not documents:
        raise DataError("A corpus holds at least one text; this one is empty.")
    if protocol.kind in ("lines", "documents"):
        sampled = draw(documents, max_samples, seed)
        return WindowedCorpus(
            tuple(make_window(document.name, encode(document.text), prefix_ids, longest=context_length) for document in sampled)
        )
    if context_length is not None and protocol.size + len(prefix_ids) > context_length:
        raise DataError(
            f"A window and its {len(prefix_ids)} prefix token(s) fit the model's context of {context_length}; "
            f"'{protocol}' does not: take windows of {context_length - len(prefix_ids)} tokens or fewer."
        )
    joined = encode(JOINER.join(document.text for document in documents))
    n_tokens = len(joined.ids)
    if n_tokens < protocol.size:
        raise DataError(
            f"The texts together fill at least one window; they have {n_tokens} tokens and '{protocol}' needs {protocol.size}."
        )
    windows, tail = (_whole_windows if protocol.kind == "windows" else _strided_windows)(joined, protocol, prefix_ids)
    in_order = sorted(draw(range(len(windows)), max_samples, seed))
    return WindowedCorpus(tuple(windows[index] for index in in_order), tail)


def draw(population: Sequence[T], max_samples: int | None, seed: int) -> list[T]:
    """A sample without replacement, in the order drawn; all, in their own order, where no more are there than asked for."""
    if max_samples is None or max_samples >= len(population):
        return list(population)
    drawn = random.Random(seed).sample(range(len(population)), max_samples)
    if isinstance(population, ParquetTexts):
        return cast(list[T], population.take(drawn))
    return [population[index] for index in drawn]


def _whole_windows(joined: EncodedText, protocol: Protocol, prefix_ids: tuple[int, ...]) -> tuple[list[Window], int]:
    count = len(joined.ids) // protocol.size
    windows = [_slice(joined, i * protocol.size, (i + 1) * protocol.size, prefix_ids, 0) for i in range(count)]
    return windows, len(joined.ids) - count * protocol.size


def _strided_windows(joined: EncodedText, protocol: Protocol, prefix_ids: tuple[int, ...]) -> tuple[list[Window], int]:
    windows, scored_to, start = [], 0, 0
    while scored_to < len(joined.ids):
        end = min(start + protocol.size, len(joined.ids))
        windows.append(_slice(joined, start, end, prefix_ids, scored_to - start))
        scored_to, start = end, start + protocol.stride
    return windows, 0


def _slice(joined: EncodedText, start: int, end: int, prefix_ids: tuple[int, ...], n_context: int) -> Window:
    """Tokens ``start`` to ``end`` of the joined text as a window with its own text."""
    spans = joined.spans[start:end]
    first, last = int(spans[:, 0].min()), int(spans[:, 1].max())
    encoded = EncodedText(joined.text[first:last], joined.ids[start:end], spans - first)
    return make_window(f"tokens {start}-{end - 1}", encoded, prefix_ids, n_context=n_context)
