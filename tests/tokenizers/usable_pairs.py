"""Pairs from templates that each real tokenizer can use: `python -m tests.tokenizers.usable_pairs` prints the docs' table."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

from layerscope.models.encoder import TextEncoder
from layerscope.models.pair_tokenizer import pair_tokenizer
from layerscope.pairs.checking import check_pairs
from layerscope.pairs.making import subtypes_of_templates
from layerscope.pairs.pair import MinimalPair
from layerscope.pairs.templates.generating import generate
from tests.real_tokenizers import REAL, real_tokenizer

PER_SUBTYPE = 200


@cache
def _pairs(subtype: str) -> Sequence[MinimalPair]:
    return list(generate(subtype, PER_SUBTYPE, seed=0))


def usable_pairs(name: str) -> dict[str, int]:
    """Usable pairs of each subtype, of 200 made with seed 0."""
    tokenizer = pair_tokenizer(TextEncoder.from_tokenizer(real_tokenizer(name).tokenizer))
    return {
        subtype: sum(checked.is_usable for checked in check_pairs(_pairs(subtype), tokenizer))
        for subtype in subtypes_of_templates()
    }


def table() -> list[str]:
    """Lines of the table in Markdown, a row a subtype and a column a tokenizer."""
    counts = {name: usable_pairs(name) for name in REAL}
    rows = [["subtype", *REAL], ["---", *["---:" for _ in REAL]]]
    rows += [[subtype, *(str(counts[name][subtype]) for name in REAL)] for subtype in subtypes_of_templates()]
    return [f"| {' | '.join(row)} |" for row in rows]


if __name__ == "__main__":
    print("\n".join(table()))  # noqa: T201
