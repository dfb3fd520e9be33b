"""Pairs to a file, and what a tokenizer makes of them: counts by subtype and verdict, nothing dropped in silence."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from transformers import PreTrainedTokenizerBase

from layerscope.atomic import whole_file, write_json
from layerscope.jobs.judging import JudgedPair, judge_pairs
from layerscope.models import LoadOptions, load_decoder, load_tokenizer
from layerscope.pairs import (
    USABLE,
    EncodedPair,
    EncodeIds,
    MinimalPair,
    check_pairs,
    read_pairs,
    to_line,
    to_published,
)

Keep = Literal["usable", "aligned", "all"]


@dataclass
class CheckCounts:
    """How many pairs of each subtype got each verdict."""

    tokenizer: str
    """Name of the model whose tokenizer it was."""
    verdicts: dict[tuple[str, str], Counter[str]] = field(default_factory=dict)
    """By type and subtype, in the order in which they came."""
    examples: dict[str, MinimalPair] = field(default_factory=dict)
    """The first pair of each verdict that is not usable."""

    def add(self, checked: EncodedPair) -> None:
        """Count one pair."""
        key = (checked.pair.type, checked.pair.subtype)
        self.verdicts.setdefault(key, Counter())[checked.verdict] += 1
        if not checked.is_usable:
            self.examples.setdefault(checked.verdict, checked.pair)


def tokenizer_of(model: str, revision: str | None = None) -> EncodeIds:
    """Sentences to ids with a model's tokenizer; no weights are loaded and no special token is added.

    Raises:
        ModelError: the model cannot be found, or has no tokenizer.
    """
    return encoder_of(load_tokenizer(model, revision=revision))


def encoder_of(tokenizer: PreTrainedTokenizerBase) -> EncodeIds:
    """Sentences to ids, no special token added."""

    def encode(sentences: list[str]) -> list[list[int]]:
        if tokenizer.is_fast:  # without offsets, which transformers always asks for
            found = tokenizer.backend_tokenizer.encode_batch_fast(sentences, add_special_tokens=False)
            return [encoding.ids for encoding in found]
        ids: list[list[int]] = tokenizer(sentences, add_special_tokens=False, verbose=False)["input_ids"]
        return ids

    return encode


def check(pairs: Iterable[MinimalPair], encode: EncodeIds, counts: CheckCounts) -> Iterator[EncodedPair]:
    """Judge pairs and count them as they pass."""
    for checked in check_pairs(pairs, encode):
        counts.add(checked)
        yield checked


def is_kept(checked: EncodedPair, keep: Keep) -> bool:
    """Whether a checked pair goes into the output.

    ``aligned`` also keeps pairs of unequal length that share a token before the edit and one after it: they are compared from
    both ends, and stay apart from the others.
    """
    if keep == "all" or checked.verdict in USABLE:
        return True
    return keep == "aligned" and checked.verdict == "lengths differ" and checked.edit > 0 and checked.n_after > 0


def checked_line(checked: EncodedPair, tokenizer: str) -> str:
    """A pair as a line of its file, with what the tokenizer makes of it under ``check``."""
    aligned = checked.verdict == "lengths differ" and checked.edit > 0 and checked.n_after > 0
    found = {
        "tokenizer": tokenizer,
        "verdict": checked.verdict,
        "suffix_aligned": aligned,
        "edit": checked.edit,
        "tokens": [len(checked.ids1), len(checked.ids2)],
        "tokens_after": checked.n_after,
    }
    return to_line(checked.pair, check=found)


def only_usable(pairs: Iterable[MinimalPair], encode: EncodeIds) -> Iterator[MinimalPair]:
    """Those that a tokenizer can use."""
    return (checked.pair for checked in check_pairs(pairs, encode) if checked.is_usable)


def write_lines(lines: Iterable[str], path: Path) -> int:
    """Lines into a file that appears whole or not at all; returns their number."""
    n_written = 0
    with whole_file(path) as unfinished, unfinished.open("w", encoding="utf-8", newline="\n") as out:
        for line in lines:
            out.write(f"{line}\n")
            n_written += 1
    return n_written


def check_file(path: Path, counts: CheckCounts, *, keep: Keep, output: Path | None) -> int:
    """Check the pairs of a file in constant memory; returns how many are kept.

    Raises:
        LayerscopeError: the file holds a line that is no pair, or the tokenizer cannot be found.
    """
    kept = (pair for pair in check(read_pairs(path), tokenizer_of(counts.tokenizer), counts) if is_kept(pair, keep))
    if output is None:
        return sum(1 for _ in kept)
    return write_lines((checked_line(pair, counts.tokenizer) for pair in kept), output)


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
    nll = [None if math.isnan(value) else value for value in judged.nll_nats]
    return to_line(judged.pair, judge={"model": model, "nll_nats": nll, "agrees": judged.agrees})


def write_published(path: Path, output: Path) -> int:
    """Write the pairs of a file in the published layout; returns their number."""
    pairs = list(read_pairs(path))
    write_json(output, to_published(pairs))
    return len(pairs)
