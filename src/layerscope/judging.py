"""A model as judge: how probable it finds both sentences of each pair. What grammar pairs must pass before errors are studied.

A sentence's NLL is summed over its tokens, under the model's own BOS policy. Without a BOS the first token has no probability;
pairs whose edit is the first token are not judged then.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float

from layerscope.corpora.windows import make_window
from layerscope.engine.batching import make_shards
from layerscope.engine.finite import check_intact
from layerscope.engine.next_token import shard_nll
from layerscope.models.decoder import Decoder
from layerscope.models.loading import LoadOptions, load_decoder
from layerscope.pairs.files import write_lines
from layerscope.pairs.format import read_pairs, to_line
from layerscope.pairs.pair import MinimalPair

_PAIRS_AT_ONCE = 512
_BATCH_TOKENS = 4096


@dataclass(frozen=True)
class JudgedPair:
    """A pair with the model's opinion."""

    pair: MinimalPair
    """What was judged."""
    nll_nats: tuple[float, float]
    """Of each sentence, summed over its tokens; NaN where nothing can be scored."""

    @property
    def prefers(self) -> int:
        """The likelier sentence, 1 or 2; 0 where neither is."""
        first, second = self.nll_nats
        return 1 if first < second else 2 if second < first else 0

    @property
    def is_tie(self) -> bool:
        """Whether one side is wrong and both are exactly as likely, as two equal sentences are."""
        return self._is_judged and self.prefers == 0

    @property
    def agrees(self) -> bool | None:
        """Whether the likelier sentence is the right one; None for a tie, or where neither is wrong or can be scored."""
        return self.prefers == self.pair.right if self._is_judged and self.prefers else None

    @property
    def _is_judged(self) -> bool:
        return self.pair.right is not None and bool(np.isfinite(self.nll_nats).all())


def judge_pairs(decoder: Decoder, pairs: Iterable[MinimalPair]) -> Iterator[JudgedPair]:
    """Judge pairs, some at a time, in their order.

    Args:
        decoder: the judge, with a tokenizer.
        pairs: any.
    """
    waiting: list[MinimalPair] = []
    for pair in pairs:
        waiting.append(pair)
        if len(waiting) == _PAIRS_AT_ONCE:
            yield from _judge(decoder, waiting)
            waiting = []
    yield from _judge(decoder, waiting)


def sentence_nll(decoder: Decoder, sentences: Sequence[str]) -> Float[np.ndarray, " sentence"]:
    """Σ NLL over each sentence's scored tokens, in nats; NaN for sentences without one.

    Sentences of the same tokens are scored once: in batches of different shapes they would differ by a rounding error.

    Raises:
        ModelError: the judge's predictions are no numbers.
    """
    assert decoder.encoder is not None, "a judge reads text"
    encoder = decoder.encoder
    windows = [make_window(str(i), encoder.encode(text), encoder.prefix_ids) for i, text in enumerate(sentences)]
    nll, seen = np.full(len(sentences), np.nan), dict[bytes, int]()
    first_alike = [seen.setdefault(window.ids.tobytes(), index) for index, window in enumerate(windows)]
    for shard in make_shards(windows, _BATCH_TOKENS, documents=list(seen.values())):
        tokens, of_token = shard_nll(decoder, shard)
        check_intact(decoder, shard, of_token)
        nll[list(shard.documents)] = tokens.row_sums(of_token, len(shard.windows))
    return nll[first_alike]


def _judge(decoder: Decoder, pairs: list[MinimalPair]) -> Iterator[JudgedPair]:
    nll = sentence_nll(decoder, [sentence for pair in pairs for sentence in (pair.sentence1, pair.sentence2)])
    for pair, first, second in zip(pairs, nll[::2], nll[1::2], strict=True):
        yield JudgedPair(pair, (float(first), float(second)))


def judge_file(path: Path, model: str, options: LoadOptions, *, output: Path | None) -> list[JudgedPair]:
    """Judge the pairs of a file; with an output, write each with both NLLs.

    Raises:
        LayerscopeError: the file holds a line that is no pair, or the model cannot be loaded.
    """
    pairs = list(read_pairs(path))
    judged = list(judge_pairs(load_decoder(model, options=options), pairs))
    if output is not None:
        write_lines((judged_line(one, model) for one in judged), output)
    return judged


def judged_line(judged: JudgedPair, model: str) -> str:
    """A pair as a line of its file, with the judge's numbers under ``judge``."""
    nll = [value if math.isfinite(value) else None for value in judged.nll_nats]
    return to_line(judged.pair, judge={"model": model, "nll_nats": nll, "agrees": judged.agrees, "tie": judged.is_tie})
