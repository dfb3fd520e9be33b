"""Greedy and beam search: extend the best paths of each size by one move, score them again, and go on.

A step extends every path that has become one of the ``width`` best of its size by each move; a path is scored once, by whatever
moves it was reached. With removals alone this is the beam search of SLEB (width 1: Song et al. 2024, arXiv 2402.09025). Where a
move keeps the size, as an exchange does, or a repeat makes up for a removal, a path takes part among those of the size that it
has then. The search ends when a step brings nothing new among the best, or after a number of steps.
"""

from __future__ import annotations

from layerscope.paths.moves import size_of
from layerscope.paths.path import LayerPath
from layerscope.searches.methods.trail import Step, Trail
from layerscope.searches.race import Race
from layerscope.searches.space import Space


def beam(space: Space, race: Race, *, width: int, steps: int | None = None) -> Trail:
    """Search with the ``width`` best paths of each size.

    Args:
        space: what may be tried.
        race: scores paths.
        width: 1 is a greedy search.
        steps: after which to end; as many as the space needs if None.
    """
    trail = Trail(best={space.whole: (space.start,)})
    fresh: list[LayerPath] = [space.start]
    for number in range(1, (space.most_steps if steps is None else steps) + 1):
        candidates: list[LayerPath] = []
        for path in fresh:
            candidates += trail.made(path, [one for one in space.candidates(path) if one.path != space.start])
        if not candidates:
            break
        race.score_all([space.start])
        race.compare(candidates, trail.best, n_best=width)
        of_size: dict[int, list[LayerPath]] = {}
        for path in candidates:
            of_size.setdefault(size_of(path), []).append(path)
        for size, paths in of_size.items():
            trail.best[size] = tuple(race.ranked([*trail.best.get(size, ()), *paths])[:width])
        new = set(candidates)
        fresh = [path for size in of_size for path in trail.best[size] if path in new]
        trail.steps.append(Step(number, tuple(candidates), {size: trail.best[size] for size in of_size}))
    return trail
