"""A search with scores from a dice: how many candidates and layer runs it takes, before any weight is loaded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from jaxtyping import Float

from layerscope.paths.path import LayerPath
from layerscope.paths.trie import PrefixTree
from layerscope.searches.course import Course, run_course
from layerscope.searches.prepare import PreparedSearch
from layerscope.searches.units import in_units


@dataclass
class Dice:
    """Scores that mean nothing, and the work that real ones would take."""

    n_texts: Sequence[int]
    """Texts of each round."""
    n_batches: Sequence[int]
    """Batches of each round."""
    dice: np.random.Generator
    """Where scores come from."""
    layer_runs: int = 0
    """On one batch after the other, shared steps once; states that are kept between steps not counted."""
    without_sharing: int = 0
    """If each path were a forward pass of its own."""
    scored: int = 0
    """Paths on batches."""
    _tree: PrefixTree = field(default_factory=PrefixTree)

    def expect(self, paths: Sequence[LayerPath]) -> None:
        """Nothing to make room for."""

    def score(self, round_: int, paths: Sequence[LayerPath]) -> Float[np.ndarray, "path document"]:
        """Positive noise."""
        visits = [visit for some in in_units(paths) for visit in self._tree.walk(some)[1]]
        self.layer_runs += self.n_batches[round_] * sum(visit.step.layer_runs for visit in visits)
        self.without_sharing += self.n_batches[round_] * sum(step.layer_runs for path in paths for step in path.steps)
        self.scored += self.n_batches[round_] * len(paths)
        return self.dice.random((len(paths), self.n_texts[round_]))


@dataclass(frozen=True)
class Work:
    """What a draw takes at most: no candidate dropped early, no state kept between steps."""

    steps: int
    """Of the method."""
    first_candidates: int
    """Of its first step."""
    paths: int
    """Scored on calibration texts."""
    layer_runs: int
    """On all batches of the draw."""
    without_sharing: int
    """If each path were a forward pass of its own."""


def rehearse(prepared: PreparedSearch) -> Work:
    """Run the first draw's course on noise, every candidate on every text."""
    prepared = replace(prepared, request=replace(prepared.request, until_ci=None))
    draw = prepared.draws[0]
    n_texts = [end - start for start, end in zip((0, *draw.round_ends), draw.round_ends, strict=False)]
    dice = Dice(n_texts, [len(shards) for shards in draw.rounds], np.random.default_rng(0))
    course: Course = run_course(prepared, 0, dice)
    steps = course.trail.steps
    return Work(
        steps=len(steps),
        first_candidates=len(steps[0].candidates) if steps else 0,
        paths=len(course.race.sums),
        layer_runs=dice.layer_runs,
        without_sharing=dice.without_sharing,
    )
