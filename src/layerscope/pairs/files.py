"""Pairs to a file, and what a tokenizer makes of them: counts by subtype and verdict, nothing dropped in silence."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from layerscope.atomic import whole_file, write_json
from layerscope.pairs.checking import EncodedPair, check_pairs
from layerscope.pairs.format import read_pairs, to_line
from layerscope.pairs.importing import to_published
from layerscope.pairs.pair import MinimalPair
from layerscope.pairs.tokenizer import PairTokenizer

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


def check(pairs: Iterable[MinimalPair], tokenizer: PairTokenizer, counts: CheckCounts) -> Iterator[EncodedPair]:
    """Judge pairs and count them as they pass."""
    for checked in check_pairs(pairs, tokenizer):
        counts.add(checked)
        yield checked


def is_kept(checked: EncodedPair, keep: Keep) -> bool:
    """Whether a checked pair goes into the output.

    ``aligned`` also keeps pairs of unequal length that can be compared from both ends; they stay apart from the others.
    """
    return keep == "all" or checked.is_accepted(aligned=keep == "aligned")


def checked_line(checked: EncodedPair, tokenizer: str) -> str:
    """A pair as a line of its file, with what the tokenizer makes of it under ``check``."""
    found = {
        "tokenizer": tokenizer,
        "verdict": checked.verdict,
        "suffix_aligned": checked.is_aligned,
        "edit": checked.edit,
        "tokens": [len(checked.ids1), len(checked.ids2)],
        "tokens_after": checked.n_after,
    }
    return to_line(checked.pair, check=found)


def only_usable(pairs: Iterable[MinimalPair], tokenizer: PairTokenizer) -> Iterator[MinimalPair]:
    """Those that a tokenizer can use."""
    return (checked.pair for checked in check_pairs(pairs, tokenizer) if checked.is_usable)


def write_lines(lines: Iterable[str], path: Path) -> int:
    """Lines into a file that appears whole or not at all; returns their number."""
    n_written = 0
    with whole_file(path) as unfinished, unfinished.open("w", encoding="utf-8", newline="\n") as out:
        for line in lines:
            out.write(f"{line}\n")
            n_written += 1
    return n_written


def check_file(path: Path, tokenizer: PairTokenizer, counts: CheckCounts, *, keep: Keep, output: Path | None) -> int:
    """Check the pairs of a file in constant memory; returns how many are kept.

    Raises:
        PairError: the file holds a line that is not a pair.
    """
    kept = (pair for pair in check(read_pairs(path), tokenizer, counts) if is_kept(pair, keep))
    if output is None:
        return sum(1 for _ in kept)
    return write_lines((checked_line(pair, counts.tokenizer) for pair in kept), output)


def write_published(path: Path, output: Path) -> int:
    """Write the pairs of a file in the published layout; returns their number."""
    pairs = list(read_pairs(path))
    write_json(output, to_published(pairs))
    return len(pairs)
