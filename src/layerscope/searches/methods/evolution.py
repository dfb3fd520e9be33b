"""Evolution: one parent, mutated offspring, selection in two stages. After EvoPress (Sieberling et al. 2024, arXiv 2410.14649).

Its defaults for dropping layers are taken: 64 random paths of which the best on few texts is the first parent; 32 offspring a
generation; a mutation exchanges one to three dropped parts for others of the same kind, the smaller of two even draws;
selection on few texts to 2 survivors and on all texts to 1, the parent among those; k (n − k) / 1.5 generations to drop k of n.
One thing differs: texts are those of the draw and stay the same in every generation, the few being the first of them, so that
a path's score is one number and no path is scored twice.
"""

from __future__ import annotations

import random
from collections.abc import Iterator

from layerscope.errors import PathError
from layerscope.paths.path import LayerPath
from layerscope.paths.steps import LayerStep
from layerscope.searches.methods.trail import Step, Trail
from layerscope.searches.race import Race
from layerscope.searches.space import Space

FIRST_PATHS, OFFSPRING, SURVIVORS, MOST_MUTATIONS = 64, 32, 2, 3
_HALVES = {"attention-removal": "attn", "mlp-removal": "mlp"}

Dropped = frozenset[tuple[str, int]]
"""Parts that are left out: ``("whole" | "attn" | "mlp", layer)``."""


def n_generations(space: Space) -> int:
    """As many as EvoPress's own script takes."""
    n = space.n_layers
    k = (space.whole - space.budget) / 2
    return max(1, int(k * (n - k) / 1.5))


def check_evolution(space: Space) -> None:
    """Refuse what evolution cannot search.

    Raises:
        PathError: other moves than removal, or than halves; or a number of halves that does not come out.
    """
    names = {move.name for move in space.moves}
    if not (names == {"removal"} or (names and names <= _HALVES.keys())) or space.budget >= space.whole:
        raise PathError(
            "Evolution drops whole layers (--moves removal), or attentions and MLPs (--moves attention-removal,mlp-removal); "
            f"got {', '.join(move.written for move in space.moves)}: take beam:w for other moves."
        )
    if (space.whole - space.budget) % _halves_at_once(space):
        raise PathError(
            "Evolution drops as many attentions as MLPs; that takes a whole number of layers to drop, such as --drop 6."
        )
    free = space.n_layers - len(space.kept)
    if any(count > free for count in _counts(space).values()):
        raise PathError(f"Evolution can drop {free} parts of a kind; {max(_counts(space).values())} were asked for.")


def evolution(space: Space, race: Race, *, generations: int | None, seed: str) -> Trail:
    """Search one size, that of the budget.

    Args:
        space: what may be tried.
        race: scores paths; its first round are the few texts of the first stage.
        generations: None for EvoPress's own number.
        seed: of every draw.
    """
    dice = random.Random(seed)
    trail = Trail(best={space.whole: (space.start,)})
    first = list(dict.fromkeys(_path(space, dropped) for dropped in _random_states(space, dice)))
    trail.origins.update(dict.fromkeys(first, (space.start, "drawn")))  # so that none is taken for its own offspring's
    states = {path: _dropped(space, path) for path in first}
    race.score_all(first, rounds=1)
    parent = min(first, key=lambda path: race.mean(path, race.round_ends[0]))
    race.score_all([parent])
    trail.best[space.budget] = (parent,)
    trail.steps.append(Step(1, tuple(first), {space.budget: (parent,)}))
    for number in range(2, 2 + (n_generations(space) if generations is None else generations)):
        offspring = []
        for dropped in _mutants(states[parent], space, dice):
            path = _path(space, dropped)
            states[path] = dropped
            offspring.append(path)
            trail.origins.setdefault(path, (parent, f"generation-{number - 1}"))
        race.scoring.expect(offspring)
        race.score_all(offspring, rounds=1)
        survivors = sorted(offspring, key=lambda path: race.mean(path, race.round_ends[0]))[:SURVIVORS]
        race.score_all(survivors)
        parent = min([parent, *survivors], key=race.mean)
        trail.best[space.budget] = (parent,)
        trail.steps.append(Step(number, tuple(offspring), {space.budget: (parent,)}))
    return trail


def _kinds(space: Space) -> tuple[str, ...]:
    return tuple(_HALVES.get(move.name, "whole") for move in space.moves)


def _halves_at_once(space: Space) -> int:
    """Half layers by which the size changes when one part of each kind goes."""
    return sum(2 if kind == "whole" else 1 for kind in _kinds(space))


def _counts(space: Space) -> dict[str, int]:
    """Parts of each kind to drop."""
    return {kind: (space.whole - space.budget) // _halves_at_once(space) for kind in _kinds(space)}


def _free_layers(space: Space) -> list[int]:
    return [layer for layer in range(space.n_layers) if layer not in space.kept]


def _random_states(space: Space, dice: random.Random) -> Iterator[Dropped]:
    for _ in range(FIRST_PATHS):
        chosen = {(kind, layer) for kind, n in _counts(space).items() for layer in dice.sample(_free_layers(space), n)}
        yield frozenset(chosen)


def _mutants(parent: Dropped, space: Space, dice: random.Random) -> Iterator[Dropped]:
    """Offspring that differ from the parent and from each other; fewer than 32 where there are no more."""
    seen, tries = {parent}, 0
    while len(seen) <= OFFSPRING and tries < 20 * OFFSPRING:
        tries += 1
        child = parent
        for _ in range(min(dice.randint(1, MOST_MUTATIONS), dice.randint(1, MOST_MUTATIONS))):
            child = _exchanged(child, space, dice)
        if child not in seen:
            seen.add(child)
            yield child


def _exchanged(dropped: Dropped, space: Space, dice: random.Random) -> Dropped:
    kind = dice.choice(_kinds(space))
    gone = sorted(layer for one, layer in dropped if one == kind)
    there = [layer for layer in _free_layers(space) if (kind, layer) not in dropped]
    if not gone or not there:
        return dropped
    return dropped - {(kind, dice.choice(gone))} | {(kind, dice.choice(there))}


def _path(space: Space, dropped: Dropped) -> LayerPath:
    steps = []
    for layer in range(space.n_layers):
        has_attention, has_mlp = (("whole", layer) not in dropped and (half, layer) not in dropped for half in ("attn", "mlp"))
        if has_attention or has_mlp:
            steps.append(LayerStep(layer, "whole" if has_attention and has_mlp else "attn" if has_attention else "mlp"))
    return LayerPath(tuple(steps))


def _dropped(space: Space, path: LayerPath) -> Dropped:
    """What a path leaves out, in the space's kinds."""
    there = {member.layer: member.part for step in path.steps for member in step.members}
    if _kinds(space) == ("whole",):
        return frozenset(("whole", layer) for layer in range(space.n_layers) if layer not in there)
    layers = range(space.n_layers)
    return frozenset((half, layer) for half in _kinds(space) for layer in layers if there.get(layer) not in ("whole", half))
