"""``3/40``: the third of forty parts of a run, for schedulers that start the same command many times."""

from __future__ import annotations

import heapq
import re
from collections.abc import Sequence
from dataclasses import dataclass

from layerscope.errors import DataError

_WRITTEN = re.compile(r"(\d{1,6})/(\d{1,6})")
_NAME = re.compile(r"([1-9]\d{0,5})-of-([1-9]\d{0,5})", re.ASCII)


@dataclass(frozen=True)
class Part:
    """One of several equal parts of a run's work.

    Examples:
        >>> ls.Part.parse("2/3").choose([5.0, 1.0, 4.0, 4.0])  # 5; 4 and 1; 4
        [1, 2]
    """

    number: int
    """From 1."""
    of: int
    """Parts that there are."""

    @classmethod
    def parse(cls, text: str) -> Part:
        """From its written form.

        Raises:
            DataError: it is none.
        """
        found = _WRITTEN.fullmatch(text)
        if found is None or not 1 <= int(found[1]) <= int(found[2]):
            raise DataError(f"--shard is I/N, part I of N, from 1/N to N/N; got '{text}'.")
        return cls(int(found[1]), int(found[2]))

    def __str__(self) -> str:
        return f"{self.number}/{self.of}"

    @property
    def name(self) -> str:
        """As files are named after it."""
        return f"{self.number}-of-{self.of}"

    @classmethod
    def named(cls, name: str) -> Part | None:
        """From what files are named after; None of any other name."""
        found = _NAME.fullmatch(name)
        return cls(int(found[1]), int(found[2])) if found is not None and int(found[1]) <= int(found[2]) else None

    def choose(self, costs: Sequence[float]) -> list[int]:
        """Which units of work are this part's, in their order: longest first, each to the part that has least so far.

        Args:
            costs: of each unit.
        """
        load = [(0.0, part) for part in range(1, self.of + 1)]
        chosen = []
        for unit in longest_first(costs):
            total, part = heapq.heappop(load)
            heapq.heappush(load, (total + costs[unit], part))
            if part == self.number:
                chosen.append(unit)
        return sorted(chosen)


def longest_first(costs: Sequence[float]) -> list[int]:
    """Numbers of units, the longest first, equal ones in their order."""
    return sorted(range(len(costs)), key=lambda unit: (-costs[unit], unit))
