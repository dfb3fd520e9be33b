"""Pairs from templates under real tokenizers: enough of every subtype, and the counts that the documentation shows."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from layerscope.pairs.subtypes import SUBTYPES
from tests.real_tokenizers import REAL
from tests.tokenizers.usable_pairs import PER_SUBTYPE, usable_pairs

PAGE = Path(__file__).parents[2] / "docs" / "commands" / "pairs.md"
SELDOM = {"typo": 1 / 20, "unrelated": 1 / 2}
"""A misspelling is one token by chance, as unrelated sentences are of one length by chance; `pairs make` tries 50 for one."""
MOST = 4 / 5
"""Elsewhere a pair is lost only where a word of the lexicon is of several tokens: with 32,000 tokens, one of nouns in six."""


def in_the_docs(name: str) -> dict[str, int]:
    rows = [re.findall(r"[^|\s]+", line) for line in PAGE.read_text("utf-8").splitlines() if line.startswith("|")]
    start = next(number for number, row in enumerate(rows) if name in row)
    column = rows[start].index(name)
    return {row[0]: int(row[column]) for row in rows[start + 2 :] if row[0] in SUBTYPES}


@pytest.mark.parametrize("name", sorted(REAL))
def test_every_subtype_is_usable_under_every_tokenizer(name: str) -> None:
    found = usable_pairs(name)
    for subtype, count in found.items():
        assert count >= SELDOM.get(subtype, MOST) * PER_SUBTYPE, subtype
    assert found == in_the_docs(name)
