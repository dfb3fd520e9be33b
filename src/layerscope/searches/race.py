"""Candidates of one step on the same texts: all of them scored, or those that cannot win dropped while texts come in.

With ``until`` texts come in rounds, in random order. After each round a candidate is dropped where an interval says that it is
worse than each of the ``n_best`` best of its size so far. With m candidates of a size and J looks each comparison has the
one-sided error α / (J (m − 1)), so that by Bonferroni's inequality one that is truly among the best is dropped with probability
α or less in the whole step. Levels are extreme and texts few, so the interval is the wider one of those with and without the
correction for skewness: by the corrected one alone, a best one was dropped in up to 10% of simulated steps. A step ends early
when of all that are left of each size the distance to the best is known to within ``until`` nats.
Sources: Maron & Moore 1994, "Hoeffding Races"; Hsu 1981, "Simultaneous Confidence Intervals for all Distances from the Best".

Axes: ``path``, ``document`` (texts in the order of the rounds).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float, Int

from layerscope.paths.moves import size_of
from layerscope.paths.path import LayerPath
from layerscope.stats.looks import ALPHA
from layerscope.stats.ratio import ratio_interval


@runtime_checkable
class Scoring(Protocol):
    """Whatever can score paths on a round of texts: the engine, what an earlier run wrote, or a dice for a dry run."""

    def expect(self, paths: Sequence[LayerPath]) -> None:
        """Say which paths come next."""

    def score(self, round_: int, paths: Sequence[LayerPath]) -> Float[np.ndarray, "path document"]:
        """Sums over each text of a round, in the order of the texts."""


@dataclass(frozen=True)
class Distance:
    """A candidate against the best of its size, on the same texts."""

    nats: float
    """Mean of the candidate − mean of the best, a token; 0 for the best itself."""
    low: float
    """Lower end of its interval, which holds for all candidates of the size together; NaN with fewer than two texts."""
    high: float
    """Upper end."""

    @property
    def is_tied(self) -> bool:
        """True unless the interval says that the candidate is worse than the best, or its mean is no number."""
        return not (self.low > 0.0 or self.nats == math.inf)


@dataclass
class Race:
    """What is known of every path that a search has scored on its calibration texts."""

    scoring: Scoring
    """Where scores come from."""
    counts: Int[np.ndarray, " document"]
    """Scored tokens of each text."""
    round_ends: Sequence[int]
    """Texts up to and with each round; one round where nothing is dropped."""
    until: float | None = None
    """Half-width in nats at which those that are left are good enough; None to score every candidate on every text."""
    sums: dict[LayerPath, Float[np.ndarray, " document"]] = field(default_factory=dict)
    """Of each path; NaN for texts that it was not scored on."""
    dropped: set[LayerPath] = field(default_factory=set)
    """Paths that an interval told to be worse than the best."""
    _reached: dict[LayerPath, int] = field(default_factory=dict)

    def compare(self, fresh: Sequence[LayerPath], rivals: Mapping[int, Sequence[LayerPath]], *, n_best: int) -> None:
        """Score paths, those that were scored before on what texts they lack.

        Args:
            fresh: candidates, of any size; those that were dropped before stay so.
            rivals: by size in half layers, paths scored before that they have to beat.
            n_best: of each size, how many will be taken.
        """
        alive = [path for path in dict.fromkeys(fresh) if path not in self.dropped]
        self.scoring.expect([path for path in alive if self.n_scored(path) < self.round_ends[-1]])
        if self.until is None:
            self.score_all(alive)
            return
        groups: dict[int, list[LayerPath]] = {}
        for path in alive:
            groups.setdefault(size_of(path), []).append(path)
        n_of_group = {size: len(group) + len(rivals.get(size, ())) for size, group in groups.items()}
        for number, end in enumerate(self.round_ends):
            self._score_round(number, [path for size, group in groups.items() for path in (*rivals.get(size, ()), *group)])
            if end == self.round_ends[-1]:
                return
            settled = True
            for size, group in groups.items():
                left, is_settled = self._look(group, rivals.get(size, ()), n_best, n_of_group[size], end)
                groups[size], settled = left, settled and is_settled
            if settled:
                return

    def score_all(self, paths: Sequence[LayerPath], *, rounds: int | None = None) -> None:
        """Score paths on all texts, or those of the first rounds, whatever came of them before."""
        for number in range(len(self.round_ends) if rounds is None else rounds):
            self._score_round(number, paths)

    def mean(self, path: LayerPath, n_documents: int | None = None) -> float:
        """Nats per token over the first texts, or all that the path was scored on; infinite where it is no number."""
        n = self.n_scored(path) if n_documents is None else n_documents
        found = float(self.sums[path][:n].sum() / self.counts[:n].sum())
        return found if math.isfinite(found) else math.inf

    def n_scored(self, path: LayerPath) -> int:
        """Texts that a path was scored on."""
        return self._reached.get(path, 0)

    def ranked(self, paths: Sequence[LayerPath]) -> list[LayerPath]:
        """Paths from best to worst, those compared on the same texts; then dropped ones, then those whose mean is no number."""
        finite = [path for path in paths if math.isfinite(self.mean(path))]
        alive = [path for path in finite if path not in self.dropped]
        n = min((self.n_scored(path) for path in alive), default=0)
        alive.sort(key=lambda path: self.mean(path, n))
        behind = sorted((path for path in finite if path in self.dropped), key=self.mean)
        return alive + behind + [path for path in paths if not math.isfinite(self.mean(path))]

    def distances(self, paths: Sequence[LayerPath], best: LayerPath) -> dict[LayerPath, Distance]:
        """Each path against the best of them, with intervals that hold for all together."""
        level = 1.0 - 2.0 * ALPHA / (len(self.round_ends) * max(len(paths) - 1, 1))
        found: dict[LayerPath, Distance] = {}
        for path in paths:
            n = min(self.n_scored(path), self.n_scored(best))
            gap = self._gaps([path], best, n, level)
            value = self.mean(path, n) - self.mean(best, n)
            found[path] = Distance(value if math.isfinite(value) else math.inf, float(gap[0][0]), float(gap[1][0]))
        return found

    def _of(self, path: LayerPath) -> Float[np.ndarray, " document"]:
        if path not in self.sums:
            self.sums[path] = np.full(len(self.counts), np.nan)
        return self.sums[path]

    def _score_round(self, number: int, paths: Sequence[LayerPath]) -> None:
        start, end = (0, *self.round_ends)[number], self.round_ends[number]
        missing = [path for path in dict.fromkeys(paths) if self.n_scored(path) < end]
        if not missing:
            return
        for path, of_path in zip(missing, self.scoring.score(number, missing), strict=True):
            # a text of a model that overflows: infinitely bad, but scored
            self._of(path)[start:end] = np.where(np.isnan(of_path), np.inf, of_path)
            self._reached[path] = max(end, self.n_scored(path))

    def _look(
        self, group: list[LayerPath], rivals: Sequence[LayerPath], n_best: int, n_compared: int, n: int
    ) -> tuple[list[LayerPath], bool]:
        """Those of a size that stay in, and whether they are known well enough."""
        best = self.ranked([*rivals, *group])[:n_best]
        others = [path for path in group if path not in best]
        level = 1.0 - 2.0 * ALPHA / (len(self.round_ends) * max(n_compared - 1, 1))
        if others:
            means = {path: self.mean(path, n) for path in (*best, *others)}
            is_worse = np.ones(len(others), dtype=bool)
            for rival in best:
                low, _ = self._gaps(others, rival, n, level)
                is_worse &= (low > 0.0) | [math.isinf(means[path]) and math.isfinite(means[rival]) for path in others]
            self.dropped |= {path for path, worse in zip(others, is_worse, strict=True) if worse}
        left = [path for path in group if path not in self.dropped]
        return left, self._is_settled([*best, *(path for path in left if path not in best)], best, n, level)

    def _is_settled(self, left: Sequence[LayerPath], best: Sequence[LayerPath], n: int, level: float) -> bool:
        """Whether every distance to the best and to the last of those that will be taken is known to within ``until``."""
        assert self.until is not None, "nothing is dropped without it"
        for rival in {best[0], best[-1]}:
            if others := [path for path in left if path != rival]:
                low, high = self._gaps(others, rival, n, level)
                if not np.all((high - low) / 2.0 <= self.until):
                    return False
        return True

    def _gaps(
        self, paths: Sequence[LayerPath], rival: LayerPath, n: int, level: float
    ) -> tuple[Float[np.ndarray, " path"], Float[np.ndarray, " path"]]:
        """Ends of the intervals of path − rival over the first texts."""
        with np.errstate(invalid="ignore"):
            differences = np.stack([self.sums[path][:n] - self.sums[rival][:n] for path in paths])
        found = ratio_interval(differences, self.counts[:n], level=level, cautious=True)
        return found.low, found.high
