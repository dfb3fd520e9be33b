"""Paths by moves drawn at random: what a search must beat to have found anything."""

from __future__ import annotations

import random

from layerscope.paths.moves import size_of
from layerscope.paths.path import LayerPath
from layerscope.searches.methods.trail import Step, Trail
from layerscope.searches.race import Race
from layerscope.searches.space import Space


def random_chains(space: Space, n_chains: int, seed: str) -> list[dict[int, LayerPath]]:
    """Chains of moves towards the budget, each move drawn evenly from those that there are.

    Args:
        space: what may be tried; only moves towards the budget are.
        n_chains: how many.
        seed: of the draw.

    Returns:
        For each chain, its path at every size that it went through. With removals alone, each is an even draw of all sets of
        that size.
    """
    dice = random.Random(seed)
    chains = []
    for _ in range(n_chains):
        path, chain = space.start, dict[int, LayerPath]()
        while size_of(path) != space.budget:
            found = space.candidates(path, space.towards)
            if not found:
                break
            path = dice.choice(found).path
            chain[size_of(path)] = path
        chains.append(chain)
    return chains


def random_search(space: Space, race: Race, *, n_chains: int, seed: str) -> Trail:
    """The best of some random paths of each size, by the calibration texts."""
    trail = Trail(best={space.whole: (space.start,)})
    chains = random_chains(space, n_chains, seed)
    by_size: dict[int, list[LayerPath]] = {}
    for chain in chains:
        for size, path in chain.items():
            by_size.setdefault(size, []).append(path)
    paths = [path for group in by_size.values() for path in dict.fromkeys(group)]
    race.score_all([space.start])
    race.compare(paths, {}, n_best=1)
    for size, group in by_size.items():
        trail.best[size] = tuple(race.ranked(list(dict.fromkeys(group)))[:1])
    trail.steps.append(Step(1, tuple(paths), {size: trail.best[size] for size in by_size}))
    return trail
