"""Scores of paths without a model: from a function, noted as they are asked for."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from layerscope.paths.path import LayerPath
from layerscope.searches.race import Race


def of_path(path: LayerPath, salt: str = "") -> float:
    """A number of its own for each path, even between 0 and 1."""
    return int.from_bytes(hashlib.sha256(f"{salt}/{path}".encode()).digest()[:6], "big") / 2**48


@dataclass
class MadeUp:
    """Scores from a function of the path; refuses to score a path on a round twice."""

    sums: Callable[[LayerPath], np.ndarray]
    """Over each text."""
    round_ends: Sequence[int]
    """Texts up to and with each round."""
    asked: list[tuple[int, LayerPath]] = field(default_factory=list)
    """Rounds and paths, in the order in which they were scored."""

    def expect(self, paths: Sequence[LayerPath]) -> None:
        """Nothing to make room for."""

    def score(self, round_: int, paths: Sequence[LayerPath]) -> np.ndarray:
        """Sums over each text of a round."""
        new = [(round_, path) for path in paths]
        assert len(set(new)) == len(new), "scored twice at once"
        assert not set(new) & set(self.asked), "scored twice"
        self.asked += new
        start, end = (0, *self.round_ends)[round_], self.round_ends[round_]
        return np.stack([self.sums(path)[start:end] for path in paths])

    @property
    def paths(self) -> list[LayerPath]:
        """Those that were scored, each once."""
        return list(dict.fromkeys(path for _, path in self.asked))

    @property
    def texts(self) -> int:
        """Texts that were run, over all paths."""
        ends = (0, *self.round_ends)
        return sum(ends[number + 1] - ends[number] for number, _ in self.asked)


def race_of(
    sums: Callable[[LayerPath], np.ndarray],
    counts: Sequence[int],
    round_ends: Sequence[int] | None = None,
    until: float | None = None,
) -> tuple[Race, MadeUp]:
    """A race over made-up scores; one round if no ends are given."""
    ends = tuple(round_ends or (len(counts),))
    scoring = MadeUp(sums, ends)
    return Race(scoring, np.asarray(counts), ends, until=until), scoring


def one_number(value: Callable[[LayerPath], float]) -> Race:
    """A race over a single text of one token, so that a path's mean is the number given."""
    return race_of(lambda path: np.array([value(path)]), [1])[0]
