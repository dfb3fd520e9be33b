"""Minimal pairs as texts of a sweep: which are scored, in which batches, and which of their tokens say what.

Pairs have batches of their own. Both sides of a pair share one, so that what rounding does is the same for both, and the
neutral texts of a run have the numbers that they have without pairs, to the bit.

What both sides begin with is the same text with nothing before it, so that its tokens are scored once, on the right side. The
layers see it in both rows: to run it once there, too, needs a mask that not every architecture takes.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float, Int

from layerscope.corpora.windows import Window, make_window
from layerscope.engine.batching import Shard, make_shards
from layerscope.errors import PairError
from layerscope.models.encoder import TextEncoder
from layerscope.models.pair_tokenizer import start_ids
from layerscope.pairs.importing import read_ours_or_blimp
from layerscope.pairs.judging_protocol import JudgingProtocol
from layerscope.pairs.pair import MinimalPair
from layerscope.sweeps.engine.walk import ShardScores
from layerscope.sweeps.pair_tables import SIDES

NAMED = ("id", "subtype", "term", "template", "source")
"""Of a pair, what its tables and groups are made by."""


@dataclass(frozen=True)
class PairText:
    """A pair with a wrong side, as it is scored."""

    pair: MinimalPair
    """As it was read."""
    sides: tuple[Window, Window]
    """The right sentence, then the wrong one."""
    edits: tuple[tuple[int, int], tuple[int, int]]
    """Of each side the first position that differs and one past the last; empty where a token is missing there."""

    @property
    def is_start_shared(self) -> bool:
        """Whether the tokens before the edit are scored on the right side only."""
        return self.sides[1].n_context > 0


@dataclass(frozen=True)
class PairTexts:
    """The pairs of a run."""

    pairs: tuple[PairText, ...]
    """In the order of the file."""
    protocol: JudgingProtocol
    """How a sentence is put to the model."""
    shards: tuple[Shard, ...]
    """Their batches; documents are sides, two per pair. They are numbered on from the run's neutral texts."""
    left_out: dict[str, int]
    """Pairs of the file that are not scored, by reason."""

    @property
    def digest(self) -> str:
        """SHA-256 over all pairs that are scored, in order: both sentences, and the names by which pairs are grouped."""
        parts = [
            part
            for one in self.pairs
            for part in (*(side.text for side in one.sides), *(getattr(one.pair, name) for name in NAMED))
        ]
        return hashlib.sha256(json.dumps(parts, ensure_ascii=False).encode("utf-8")).hexdigest()


def prepare_pairs(
    path: Path,
    encoder: TextEncoder,
    protocol: JudgingProtocol,
    *,
    context_length: int | None,
    batch_tokens: int,
    first_index: int,
) -> PairTexts:
    """Read a file of pairs, ours or BLiMP's, or a folder of them, and cut it into batches.

    Args:
        path: the file or folder.
        encoder: the model's tokenizer.
        protocol: how a sentence is put to the model.
        context_length: positions that the model can see.
        batch_tokens: positions per batch.
        first_index: of their batches.

    Raises:
        PairError: a line is not a pair, or no pair can be scored.
        ModelError: the protocol needs a start token and the tokenizer has none.
    """
    prefix = start_ids(encoder, protocol)
    left_out: Counter[str] = Counter()
    kept = []
    for pair in read_ours_or_blimp(path):
        reason = None if pair.right is not None else "neither side is wrong"
        if reason is None:
            text = _windows(pair, encoder, protocol, prefix, context_length)
            reason = _why_not(text)
        if reason is None:
            kept.append(text)
        else:
            left_out[reason] += 1
    if not kept:
        said = "; ".join(f"{n:,}: {reason}" for reason, n in left_out.items()) or "it holds none"
        raise PairError(f"A sweep scores pairs with a right and a wrong side; '{path}' has none that can be scored ({said}).")
    windows = [side for one in kept for side in one.sides]
    shards = make_shards(windows, batch_tokens, first_index=first_index, together=2)
    return PairTexts(tuple(kept), protocol, tuple(shards), dict(left_out))


def part_sums(
    result: ShardScores, pairs: tuple[PairText, ...]
) -> tuple[Int[np.ndarray, " pair"], Float[np.ndarray, "variant pair side part"]]:
    """NLL of a batch's pairs in nats, summed over the tokens of each part; NaN for a part without a scored token.

    Args:
        result: scores of one batch of pairs.
        pairs: all of the run.

    Returns:
        Which pairs they are, and the sums.
    """
    documents = np.asarray(result.shard.documents)
    numbers = np.unique(documents // 2)
    place = 2 * np.searchsorted(numbers, documents // 2) + documents % 2  # of each row of the batch
    edits = np.array([pairs[document // 2].edits[document % 2] for document in documents.tolist()])
    row, position = result.tokens.row, result.tokens.position
    # an edit at the very start has a first token without a probability
    is_edit = (position >= edits[row, 0]) & (position < edits[row, 1]) & (edits[row, 0] > 0)
    is_before, is_after = position < edits[row, 0], position >= edits[row, 1]
    nll = result.scores.nll_nats.astype(np.float64)

    def sums_over(chosen: Bool[np.ndarray, " token"], *, of_none: float) -> Float[np.ndarray, "variant pair side"]:
        sums = np.full((len(nll), 2 * len(numbers)), of_none)
        at = np.flatnonzero(chosen)
        if len(at):
            starts = np.flatnonzero(np.diff(row[at], prepend=-1))
            sums[:, place[row[at][starts]]] = np.add.reduceat(nll[:, at], starts, axis=1)
        return sums.reshape(len(nll), len(numbers), 2)

    before, rest = sums_over(is_before, of_none=0.0), sums_over(~is_before, of_none=0.0)
    is_shared = np.array([pairs[number].is_start_shared for number in numbers])
    before[:, is_shared, 1] = before[:, is_shared, 0]
    edit, after = (sums_over(chosen, of_none=np.nan) for chosen in (is_edit, is_after))
    return numbers, np.stack([edit, after, before + rest], axis=3)


def _windows(
    pair: MinimalPair, encoder: TextEncoder, protocol: JudgingProtocol, prefix: tuple[int, ...], context_length: int | None
) -> PairText:
    sentences = (pair.sentence1, pair.sentence2) if pair.right == 1 else (pair.sentence2, pair.sentence1)

    def window(side: int, n_context: int = 0) -> Window:
        encoded = encoder.encode(protocol.before + sentences[side])
        return make_window(f"{pair.id}/{SIDES[side]}", encoded, prefix, longest=context_length, n_context=n_context)

    right, wrong = window(0), window(1)
    before = _shared(right.ids, wrong.ids)
    after = _shared(right.ids[before:][::-1], wrong.ids[before:][::-1])
    n_shared = before - wrong.n_prefix
    if n_shared > 0 and before < len(wrong.ids):
        wrong = window(1, n_shared)
    return PairText(pair, (right, wrong), ((before, len(right.ids) - after), (before, len(wrong.ids) - after)))


def _why_not(text: PairText) -> str | None:
    """Why a pair cannot be scored."""
    if np.array_equal(text.sides[0].ids, text.sides[1].ids):
        return "both sides have the same tokens"
    if any(side.n_cut for side in text.sides):
        return "a side is longer than the model's context"
    return None if all(side.n_scored for side in text.sides) else "a side has no token with another before it"


def _shared(one: Int[np.ndarray, " seq"], other: Int[np.ndarray, " other_seq"]) -> int:
    """Tokens that both begin with."""
    n = min(len(one), len(other))
    differing = np.flatnonzero(one[:n] != other[:n])
    return int(differing[0]) if len(differing) else n
