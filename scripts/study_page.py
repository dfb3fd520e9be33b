"""What the scripts of the studies share: commands, tables of a page and the places where they stand, a rank correlation."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd


def layerscope(*arguments: str) -> None:
    """Run a command, and end if it does."""
    subprocess.run([Path(sys.executable).parent / "layerscope", *arguments], check=True)


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table in Markdown."""
    lines = ["| " + " | ".join(heads) + " |", "|" + "---|" * len(heads)]
    return "\n".join([*lines, *("| " + " | ".join(row) + " |" for row in rows)])


def fill(page: Path, blocks: Mapping[str, str]) -> None:
    """Write each block between its marks, ``<!-- made: name -->`` and ``<!-- /made -->``."""
    text = page.read_text(encoding="utf-8")
    for name, made in blocks.items():
        start, end = f"<!-- made: {name} -->\n", "<!-- /made -->"
        before, found, rest = text.partition(start)
        assert found, f"the page has no block '{name}'"
        text = f"{before}{start}{made}\n{end}{rest.partition(end)[2]}"
    page.write_text(text, encoding="utf-8")


def rank_correlation(
    one: np.ndarray, other: np.ndarray, generator: np.random.Generator, n_permutations: int
) -> tuple[float, float]:
    """Spearman's ρ and its two-sided p by permutation."""
    ranks = [pd.Series(some).rank().to_numpy() for some in (one, other)]
    centred = [(some - some.mean()) / np.linalg.norm(some - some.mean()) for some in ranks]
    rho = float(centred[0] @ centred[1])
    permuted = generator.permuted(np.tile(centred[1], (n_permutations, 1)), axis=1) @ centred[0]
    return rho, float((1 + (np.abs(permuted) >= abs(rho) - 1e-12).sum()) / (n_permutations + 1))
