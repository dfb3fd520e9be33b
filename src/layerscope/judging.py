"""A model as judge: how probable it finds both sentences of each pair. What grammar pairs must pass before errors are studied.

A sentence's NLL is summed over its tokens, put to the model as a protocol says. Without a start token the first token of a
sentence has no probability; sentences of one token are not judged then.
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
from layerscope.models.pair_tokenizer import start_ids
from layerscope.pairs.files import write_lines
from layerscope.pairs.format import to_line
from layerscope.pairs.importing import read_ours_or_blimp
from layerscope.pairs.judging_protocol import PLAIN, JudgingProtocol
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
    protocol: JudgingProtocol = PLAIN
    """How it was put to the model."""

    @property
    def prefers(self) -> int:
        """The likelier sentence, 1 or 2; 0 where neither is."""
        first, second = self.nll_nats
        return 1 if first < second else 2 if second < first else 0

    @property
    def is_tie(self) -> bool:
        """Whether one side is wrong and both are exactly as likely, as two equal sentences are."""
        return self.is_judged and self.prefers == 0

    @property
    def agrees(self) -> bool | None:
        """Whether the likelier sentence is the right one.

        None where neither is wrong or can be scored, and for a tie, unless the protocol takes it for right.
        """
        if not self.is_judged:
            return None
        if self.prefers == 0:
            return True if self.protocol.is_tie_right else None
        return self.prefers == self.pair.right

    @property
    def is_judged(self) -> bool:
        """Whether one side is wrong and both could be scored."""
        return self.pair.right is not None and bool(np.isfinite(self.nll_nats).all())


def judge_pairs(decoder: Decoder, pairs: Iterable[MinimalPair], *, protocol: JudgingProtocol = PLAIN) -> Iterator[JudgedPair]:
    """Judge pairs, some at a time, in their order.

    Args:
        decoder: the judge, with a tokenizer.
        pairs: any.
        protocol: how a sentence is put to the judge.

    Raises:
        ModelError: the protocol needs a start token and the tokenizer has none.
    """
    waiting: list[MinimalPair] = []
    for pair in pairs:
        waiting.append(pair)
        if len(waiting) == _PAIRS_AT_ONCE:
            yield from _judge(decoder, waiting, protocol)
            waiting = []
    yield from _judge(decoder, waiting, protocol)


def sentence_nll(
    decoder: Decoder, sentences: Sequence[str], *, protocol: JudgingProtocol = PLAIN
) -> Float[np.ndarray, " sentence"]:
    """Σ NLL over each sentence's scored tokens, in nats; NaN for sentences without one.

    Sentences of the same tokens are scored once: in batches of different shapes they would differ by a rounding error.

    Raises:
        ModelError: the protocol needs a start token and the tokenizer has none, or the judge's predictions are no numbers.
    """
    assert decoder.encoder is not None, "a judge reads text"
    encoder, prefix = decoder.encoder, start_ids(decoder.encoder, protocol)
    windows = [make_window(str(i), encoder.encode(protocol.before + text), prefix) for i, text in enumerate(sentences)]
    nll, seen = np.full(len(sentences), np.nan), dict[bytes, int]()
    first_alike = [seen.setdefault(window.ids.tobytes(), index) for index, window in enumerate(windows)]
    for shard in make_shards(windows, _BATCH_TOKENS, documents=list(seen.values())):
        tokens, of_token = shard_nll(decoder, shard)
        check_intact(decoder, shard, of_token)
        nll[list(shard.documents)] = tokens.row_sums(of_token, len(shard.windows))
    return nll[first_alike]


def _judge(decoder: Decoder, pairs: list[MinimalPair], protocol: JudgingProtocol) -> Iterator[JudgedPair]:
    sentences = [sentence for pair in pairs for sentence in (pair.sentence1, pair.sentence2)]
    nll = sentence_nll(decoder, sentences, protocol=protocol)
    for pair, first, second in zip(pairs, nll[::2], nll[1::2], strict=True):
        yield JudgedPair(pair, (float(first), float(second)), protocol)


@dataclass(frozen=True)
class JudgedFile:
    """The pairs of a file, or of a folder of them, with who judged them and how."""

    model: str
    """The judge, as it was named."""
    protocol: JudgingProtocol
    """How sentences were put to it."""
    start: tuple[str, ...]
    """Tokens that stood before each sentence, as the vocabulary writes them."""
    pairs: tuple[JudgedPair, ...]
    """In the order of the file."""


def judge_file(
    path: Path, model: str, options: LoadOptions, *, protocol: JudgingProtocol = PLAIN, output: Path | None = None
) -> JudgedFile:
    """Judge the pairs of a file of ours or of BLiMP's, or of a folder of them; with an output, write each with both NLLs.

    Raises:
        LayerscopeError: a line is not a pair, the model cannot be loaded, or the protocol needs a start token that is missing.
    """
    pairs = list(read_ours_or_blimp(path))
    decoder = load_decoder(model, options=options)
    assert decoder.encoder is not None, "a judge reads text"
    encoder = decoder.encoder
    start = tuple(encoder.token_name(token_id) for token_id in start_ids(encoder, protocol))
    judged = JudgedFile(model, protocol, start, tuple(judge_pairs(decoder, pairs, protocol=protocol)))
    if output is not None:
        write_lines((_judged_line(one, judged) for one in judged.pairs), output)
    return judged


def _judged_line(one: JudgedPair, judged: JudgedFile) -> str:
    """A pair as a line of its file, with the judge's numbers and how they came about under ``judge``."""
    nll = [value if math.isfinite(value) else None for value in one.nll_nats]
    how = {"model": judged.model, "protocol": judged.protocol.name, "start": judged.start, "before": judged.protocol.before}
    return to_line(one.pair, judge={**how, "nll_nats": nll, "agrees": one.agrees, "tie": one.is_tie})
