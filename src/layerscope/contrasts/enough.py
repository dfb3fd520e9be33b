"""When there are pairs enough for inference, and the sentence that says so where there are not.

Fewer give values without interval, p or q.
"""

from __future__ import annotations

FEWEST_PAIRS = 40
"""Pairs that a group, or one side of a comparison, needs."""
FEWEST_BLOCKS = 10
"""Blocks of templates that it needs."""
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


def refusal(group: str, n_pairs: int, n_blocks: int) -> str:
    """What a group has and what it would need."""
    return (
        f"{group}: {n_pairs} pairs in {n_blocks} blocks; inference needs {FEWEST_PAIRS} pairs in {FEWEST_BLOCKS} blocks of "
        "templates"
    )
