"""When there are pairs enough for inference, and the sentence that says so where there are not.

Fewer give values without interval, p or q.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from layerscope.bilingual import Bilingual

FEWEST_PAIRS = 40
"""Pairs that a group, or one side of a comparison, needs."""
FEWEST_BLOCKS = 10
"""Blocks of templates that it needs."""
MOST_UNLIKE = 0.1
"""Largest |mean ln(size of placebo / of pair)| at a place; sizes are matched at the main place only."""
FEWEST_PAIRS_A_DIMENSION = 200
"""Pairs that inference over single dimensions needs."""
FEWEST_SCORED_PAIRS, FEWEST_SCORED_TEMPLATES = 20, 5
"""Pairs with a right side, and templates of them, that an intervention's verdict needs."""
FEWEST_SETS = 200
"""Random sets that it is held against at least."""


def is_enough(n_pairs: int, n_blocks: int) -> bool:
    """Whether a group of pairs allows inference.

    Examples:
        >>> is_enough(40, 10), is_enough(400, 9)
        (True, False)
    """
    return n_pairs >= FEWEST_PAIRS and n_blocks >= FEWEST_BLOCKS


def refusal(group: str, n_pairs: int, n_blocks: int, log_ratio: float) -> str | None:
    """Why nothing is inferred about a group at a place, with what it would need; None where it is.

    Args:
        group: its name.
        n_pairs: pairs that have the position, and a placebo that has it.
        n_blocks: blocks of templates that they lie in.
        log_ratio: mean of ln(size of the placebo / of the pair) there.
    """
    if not is_enough(n_pairs, n_blocks):
        return (
            f"{group}: {n_pairs} pairs with a placebo, in {n_blocks} blocks; inference needs {FEWEST_PAIRS} in {FEWEST_BLOCKS} "
            "blocks of templates"
        )
    if abs(log_ratio) > MOST_UNLIKE:
        return (
            f"{group}: its placebos differ {np.exp(log_ratio):.2f} times as much as its pairs here; inference needs "
            f"{np.exp(-MOST_UNLIKE):.2f} to {np.exp(MOST_UNLIKE):.2f}"
        )
    return None


def placebos_found(groups: Iterable[dict[Any, Any]]) -> Bilingual:
    """For how many pairs of each subtype there is a word whose change is of the edit's size.

    Args:
        groups: rows of the table of groups, gaps as None.
    """
    counts = [
        (row["group"], int(row["pairs"] - row["without_placebo"]), int(row["pairs"]))
        for row in groups
        if row["without_placebo"] is not None
    ]
    told = ", ".join(f"{name} {n:,} of {n_pairs:,}" for name, n, n_pairs in counts)
    told_ja = "、".join(f"{name} {n_pairs:,} ペア中 {n:,} ペア" for name, n, n_pairs in counts)
    few = [name for name, n, _ in counts if n < FEWEST_PAIRS]
    more = f" No inference with fewer than {FEWEST_PAIRS}: {', '.join(few)}." if few else ""
    more_ja = f"{FEWEST_PAIRS} ペア未満のため検定なし：{'、'.join(few)}。" if few else ""
    return Bilingual(f"Pairs with a placebo: {told or 'none'}.{more}", f"プラセボのあるペア：{told_ja or 'なし'}。{more_ja}")
