"""Everything that the analysis of one site and position needs of a run, as one value."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from layerscope.contrasts.analysis.group_scores import GroupScores, MatchedScores

WITH_BLOCKS = ("percentile", "raw", "z")
"""Scales whose blocks are kept, so that there is something to draw again."""


@dataclass(frozen=True)
class Place:
    """One site and position of a run."""

    site: str
    """Where activations were compared."""
    position: str
    """At which token."""
    cells: dict[str, dict[str, Float[np.ndarray, "layer dim"]]]
    """Means over pairs: by scale (``median`` beside those), then by group; groups without a pair are left out."""
    types: dict[str, list[GroupScores]]
    """Blocks of meaning and grammar, by scale; where placebos are wanted, of the pairs that have one."""
    matched: dict[str, list[MatchedScores]]
    """By scale, those types beside their placebos."""
    checks: dict[str, list[MatchedScores]]
    """By scale, placebos beside second placebos: what is found here is not there. Empty without second ones."""
    spread: Float[np.ndarray, "layer dim"]
    """σ of each unit over ordinary text."""


def main_place(sites: Sequence[str], positions: Sequence[str]) -> tuple[str, str]:
    """Where figures and reading look: the residual stream just after the edit, or what comes nearest to it.

    The edit itself is mostly lexical, and last tokens of sentences are the strangest.
    """
    later = [position for position in positions if position.startswith("edit+")] or list(positions)
    return ("resid_post" if "resid_post" in sites else sites[0]), later[0]
