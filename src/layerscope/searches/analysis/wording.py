"""Words that findings of a search share: sizes, layers and clauses, in both languages."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from layerscope.bilingual import Bilingual

_LISTED = 6
"""Sizes that are named one by one."""


def size_name(layers: float) -> str:
    """``24`` or ``23.5``."""
    return f"{layers:g}"


def at_sizes(sizes: Sequence[float], total: int, *, word: Literal["every", "any"] = "every") -> Bilingual:
    """Where something holds, as a clause.

    Args:
        sizes: in layers, one or more.
        total: how many sizes there are.
        word: where it is all of them; ``any`` behind a negation.

    Examples:
        >>> at_sizes([28.0, 27.0], 3).en, at_sizes([28.0, 27.5], 3).ja
        ('at 28 and 27 layers', '28、27.5 層では')
        >>> at_sizes([28.0, 27.0], 2).en
        'at every size'
    """
    if total > 1 and len(sizes) == total:
        return Bilingual(f"at {word} size", "どのサイズでも")
    names = [size_name(size) for size in sizes]
    if len(names) > _LISTED:
        return Bilingual(
            f"at {len(names)} of {total} sizes between {names[0]} and {names[-1]} layers",
            f"{total} サイズ中 {len(names)}（{names[0]}〜{names[-1]} 層）で",
        )
    return Bilingual(f"at {listed(names)} layers", f"{'、'.join(names)} 層では")


def listed(names: Sequence[str]) -> str:
    """``16, 17 and 18``."""
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def ranges(layers: Sequence[int]) -> list[str]:
    """Layers with neighbours drawn together.

    Examples:
        >>> ranges([3, 4, 5, 8, 10, 11])
        ['3-5', '8', '10', '11']
    """
    runs: list[list[int]] = []
    for layer in sorted(layers):
        if runs and runs[-1][-1] == layer - 1:
            runs[-1].append(layer)
        else:
            runs.append([layer])
    return [one for run in runs for one in ([f"{run[0]}-{run[-1]}"] if len(run) > 2 else map(str, run))]


def plural(word: str, number: int) -> str:
    """An English noun for so many."""
    return word if number == 1 else f"{word}s"


def joined(clauses: Sequence[Bilingual]) -> Bilingual:
    """Clauses of one sentence."""
    return Bilingual("; ".join(one.en for one in clauses), "。".join(one.ja for one in clauses))
