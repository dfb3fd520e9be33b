"""The baseline of every search: each move scored once, alone, and those that cost least made together.

Moves are ranked by what they add to the objective for each half layer that they change. Removing the k least needed layers is
the commonest practice; published searches gain little over it (arXiv 2604.24938), so that every search here is held against it.
"""

from __future__ import annotations

from layerscope.paths.moves import Candidate, neighbours, size_of
from layerscope.paths.path import LayerPath
from layerscope.searches.methods.trail import Step, Trail
from layerscope.searches.race import Race
from layerscope.searches.space import Space


def one_shot(space: Space, race: Race, *, at_least: int = 1) -> Trail:
    """Rank single moves, then make the first k of them together, for every k that the budget allows.

    Args:
        space: what may be tried; only moves towards the budget are.
        race: scores paths; what an earlier method has scored with it is not scored again.
        at_least: best paths of a size that may not be dropped early, because a method that goes on from here takes as many.
    """
    trail = Trail(best={space.whole: (space.start,)})
    single = space.candidates(space.start, space.towards)
    if not single:
        return trail
    race.score_all([space.start])
    paths = trail.made(space.start, single)
    race.compare(paths, {}, n_best=max(_needed(space), at_least))
    rank = {path: place for place, path in enumerate(_by_cost(space, race, paths))}
    trail.steps.append(Step(1, tuple(paths), {}))
    current, composed = space.start, list[LayerPath]()
    for one in sorted(single, key=lambda one: rank[one.path]):
        extended = _made_again(space, current, one)
        if extended is not None:
            trail.made(current, [extended])
            current = extended.path
            composed.append(current)
            trail.best[size_of(current)] = (current,)
        if size_of(current) == space.budget:
            break
    race.score_all(composed)
    if new := [path for path in composed if path not in paths]:
        trail.steps.append(Step(2, tuple(new), {}))
    return trail


def _needed(space: Space) -> int:
    """Moves that the budget takes at most; so many of each size must be told apart from the others."""
    return abs(space.budget - space.whole)


def _by_cost(space: Space, race: Race, paths: list[LayerPath]) -> list[LayerPath]:
    """From the cheapest to the dearest for each half layer; dropped ones behind all others."""
    alive = [path for path in paths if path not in race.dropped]
    n = min((race.n_scored(path) for path in alive), default=0)

    def cost(path: LayerPath) -> float:
        texts = race.n_scored(path) if path in race.dropped else n
        return (race.mean(path, texts) - race.mean(space.start, texts)) / abs(size_of(path) - space.whole)

    return sorted(paths, key=lambda path: (path in race.dropped, cost(path)))


def _made_again(space: Space, path: LayerPath, one: Candidate) -> Candidate | None:
    """The same move on a path that other moves have changed; None where it is no longer possible or goes past the budget."""
    # kind by kind: where two kinds make the same path, as removal and attention-removal do of 3.attn, only one gives its name
    found = (neighbours(path, (move,), n_layers=space.n_layers, kept=space.kept) for move in space.towards)
    again = next((again for some in found for again in some if again.move == one.move), None)
    low, high = sorted((space.whole, space.budget))
    return again if again is not None and low <= size_of(again.path) <= high else None
