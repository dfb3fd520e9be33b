"""A model as judge: how probable it finds both sentences of each pair. What grammar pairs must pass before errors are studied.

A sentence's NLL is summed over its tokens, under the model's own BOS policy. Without a BOS the first token has no probability;
pairs whose edit is the first token are not judged then.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from layerscope.corpora import make_window
from layerscope.engine import make_shards, walk_shard
from layerscope.models import Decoder
from layerscope.pairs import MinimalPair
from layerscope.paths import Variant, plan_sweep

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
    def agrees(self) -> bool | None:
        """Whether the likelier sentence is the right one; None where neither is wrong or nothing could be scored."""
        return None if self.pair.right is None or np.isnan(self.nll_nats).any() else self.prefers == self.pair.right


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
    """Σ NLL over each sentence's scored tokens, in nats; NaN for sentences without one."""
    assert decoder.encoder is not None, "a judge reads text"
    encoder = decoder.encoder
    windows = [make_window(str(i), encoder.encode(text), encoder.prefix_ids) for i, text in enumerate(sentences)]
    nll = np.full(len(sentences), np.nan)
    plan = plan_sweep([Variant.intact(decoder.n_layers)], decoder.n_layers)
    for shard in make_shards(windows, _BATCH_TOKENS):
        result = walk_shard(decoder, plan, shard)
        of_row = np.bincount(result.tokens.row, result.scores.nll_nats[0].astype(np.float64), minlength=len(shard.windows))
        nll[list(shard.documents)] = of_row
    return nll


def _judge(decoder: Decoder, pairs: list[MinimalPair]) -> Iterator[JudgedPair]:
    nll = sentence_nll(decoder, [sentence for pair in pairs for sentence in (pair.sentence1, pair.sentence2)])
    for pair, first, second in zip(pairs, nll[::2], nll[1::2], strict=True):
        yield JudgedPair(pair, (float(first), float(second)))
