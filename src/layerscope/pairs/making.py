"""Pairs from a source into a file: templates, or a chat server. What cannot be used is kept beside it with its reason."""

from __future__ import annotations

import itertools
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from layerscope.errors import PairError
from layerscope.pairs.chat.prompts import ChatRequest
from layerscope.pairs.chat.source import ChatOutcome, make_pairs_by_chat
from layerscope.pairs.chat.usefulness import what_helps
from layerscope.pairs.checking import check_pairs
from layerscope.pairs.files import only_usable, write_lines
from layerscope.pairs.format import write_pairs
from layerscope.pairs.pair import MinimalPair
from layerscope.pairs.subtypes import SUBTYPES
from layerscope.pairs.templates.generating import find_sources, generate
from layerscope.pairs.tokenizer import PairTokenizer
from layerscope.progress import Progress, nobody_asks

_TRIED_FOR_EACH = 50
"""Pairs made for each one that a tokenizer shall be able to use, before it is given up."""


@dataclass(frozen=True)
class MadePairs:
    """What making pairs came to."""

    counts: dict[tuple[str, str], int]
    """Pairs written, by type and subtype."""
    rejected: dict[str, int]
    """Pairs that were not, by reason."""
    rejected_path: Path | None
    """Where they are, with their reasons; None if there are none."""
    chat: ChatOutcome | None = None
    """What a chat server gave."""


def make_from_templates(
    output: Path, *, per_subtype: int, subtypes: Sequence[str], seed: int, tokenizer: PairTokenizer | None
) -> MadePairs:
    """Write pairs of each subtype; with a tokenizer, only those that it can use are counted and written.

    Raises:
        PairError: an unknown subtype, or fewer pairs can be made than are asked for.
    """
    counts: Counter[tuple[str, str]] = Counter()

    def pairs() -> Iterator[MinimalPair]:
        for subtype in subtypes:
            for pair in _some(subtype, per_subtype, seed, tokenizer):
                counts[pair.type, pair.subtype] += 1
                yield pair

    write_pairs(pairs(), output)
    return MadePairs(dict(counts), {}, None)


def make_from_chat(
    output: Path,
    request: ChatRequest,
    *,
    cache_dir: Path,
    tokenizer: PairTokenizer | None,
    tokenizer_name: str = "",
    progress: Progress = nobody_asks,
) -> MadePairs:
    """Write what a chat server gives; everything rejected goes to ``<output>.rejected.jsonl`` with its reason.

    With a tokenizer, of the model of that name, pairs that it cannot use are rejected too.

    Raises:
        LayerscopeError: as ``make_pairs_by_chat``, and where no pair could be made; then no file of pairs is written.
    """
    outcome = make_pairs_by_chat(request, cache_dir=cache_dir, progress=progress)
    rejected = [asdict(one) for one in outcome.rejected]
    pairs = list(outcome.pairs)
    if tokenizer is not None:
        checked = list(check_pairs(pairs, tokenizer))
        pairs = [one.pair for one in checked if one.is_usable]
        rejected += [
            {
                "subtype": one.pair.subtype,
                "text": f"{one.pair.sentence1} / {one.pair.sentence2}",
                "reason": f"{one.verdict} under the tokenizer of {tokenizer_name}",
                "where": one.pair.template,
            }
            for one in checked
            if not one.is_usable
        ]
    rejected_path = output.with_name(f"{output.name}.rejected.jsonl") if rejected else None
    if rejected_path is not None:
        write_lines((json.dumps(one, ensure_ascii=False) for one in rejected), rejected_path)
    if not pairs:
        raise PairError(_why_none(Counter(str(one["reason"]) for one in rejected), rejected_path))
    write_pairs(pairs, output)
    counts = Counter((pair.type, pair.subtype) for pair in pairs)
    return MadePairs(dict(counts), dict(Counter(one["reason"] for one in rejected)), rejected_path, outcome)


def subtypes_of_templates() -> tuple[str, ...]:
    """Every subtype that there is a file of templates for, those known by name first and in their order."""
    names = list(find_sources())
    return (*(name for name in SUBTYPES if name in names), *(name for name in names if name not in SUBTYPES))


def _why_none(reasons: Counter[str], rejected_path: Path | None) -> str:
    """Why there is not a single pair, and what to do."""
    if not reasons:
        return "Pairs come from answers, and the budget of requests (--max-requests) was spent before there was one: raise it."
    ((reason, count),) = reasons.most_common(1)
    return (
        f"A file of pairs holds one or more, and no answer had any, {count:,} times because {reason}: {what_helps(reason)}; "
        f"what came is in '{rejected_path}'."
    )


def _some(subtype: str, count: int, seed: int, tokenizer: PairTokenizer | None) -> Iterator[MinimalPair]:
    if tokenizer is None:
        yield from generate(subtype, count, seed=seed)
        return
    n_usable = 0
    with suppress(PairError):  # the templates are used up
        for pair in itertools.islice(only_usable(generate(subtype, count * _TRIED_FOR_EACH, seed=seed), tokenizer), count):
            n_usable += 1
            yield pair
    if n_usable < count:
        raise PairError(
            f"Of {count * _TRIED_FOR_EACH} pairs of '{subtype}', or all that there are, the tokenizer can use {n_usable}; "
            f"{count} are wanted: ask for fewer, or leave --tokenizer out."
        )
