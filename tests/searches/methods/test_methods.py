"""Methods against brute force on made-up scores: one number a path, no model."""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Callable

import numpy as np
import pytest
from scipy import stats

from layerscope.errors import PathError
from layerscope.paths.moves import neighbours, parse_moves, size_of
from layerscope.paths.path import LayerPath
from layerscope.searches.methods import evolution
from layerscope.searches.methods.at_random import random_chains
from layerscope.searches.methods.beam import beam
from layerscope.searches.methods.evolution import n_generations
from layerscope.searches.methods.method import Method
from layerscope.searches.methods.one_shot import one_shot
from layerscope.searches.methods.trail import Trail
from layerscope.searches.space import Space
from tests.searches.made_up import of_path, one_number, race_of

Score = Callable[[LayerPath], float]


def space_of(n_layers: int, moves: str, *, drop: float = 0.0, kept: tuple[int, ...] = ()) -> Space:
    return Space(n_layers, parse_moves(moves.split(",")), int(2 * (n_layers - drop)), frozenset(kept))


def layers(path: LayerPath) -> tuple[int, ...]:
    return tuple(step.layer for step in path.steps)


def salted(salt: int) -> Score:
    return lambda path: of_path(path, str(salt))


def check_moves_lead_to(trail: Trail, space: Space, path: LayerPath) -> None:
    """The moves that are told, made again one by one from the intact model, give the path."""
    current = space.start
    for name in trail.moves(path):
        (current,) = (one.path for one in space.candidates(current) if one.move == name)
    assert current == path


# greedy and beam


def naive_sleb(score: Score, n_layers: int, drop: int, kept: tuple[int, ...]) -> dict[int, tuple[int, ...]]:
    """SLEB's loop: take away, again and again, the layer without which the rest is best."""
    remaining, found = list(range(n_layers)), {}
    for number in range(1, drop + 1):
        scores = {layer: score(LayerPath.from_layers(x for x in remaining if x != layer)) for layer in remaining}
        remaining.remove(min((layer for layer in remaining if layer not in kept), key=scores.__getitem__))
        found[number] = tuple(remaining)
    return found


@pytest.mark.parametrize(("n_layers", "drop", "kept"), [(5, 1, ()), (7, 3, ()), (8, 7, ()), (7, 4, (0, 6)), (4, 3, (2,))])
@pytest.mark.parametrize("salt", range(5))
def test_greedy_removal_is_the_published_loop(n_layers: int, drop: int, kept: tuple[int, ...], salt: int) -> None:
    space = space_of(n_layers, "removal", drop=drop, kept=kept)
    trail = beam(space, one_number(salted(salt)), width=1)
    expected = naive_sleb(salted(salt), n_layers, drop, kept)
    assert {n_layers - size // 2: layers(path) for size, (path,) in trail.best.items() if size < space.whole} == expected
    assert [step.number for step in trail.steps] == list(range(1, drop + 1))
    assert [len(step.candidates) for step in trail.steps] == [n_layers - len(kept) - number for number in range(drop)]
    for (path,) in trail.best.values():
        check_moves_lead_to(trail, space, path)


def naive_removal_beam(score: Score, n_layers: int, drop: int, width: int) -> dict[int, list[frozenset[int]]]:
    """Sets of dropped layers, level by level."""
    level, found = [frozenset[int]()], {}
    for number in range(1, drop + 1):
        grown = {gone | {layer} for gone in level for layer in range(n_layers) if layer not in gone}
        rest = {gone: LayerPath.from_layers(x for x in range(n_layers) if x not in gone) for gone in grown}
        level = sorted(grown, key=lambda gone: score(rest[gone]))[:width]
        found[number] = level
    return found


@pytest.mark.parametrize("width", [1, 2, 3, 8, 100])
@pytest.mark.parametrize("salt", range(3))
def test_a_beam_of_removals_is_a_naive_beam_and_a_wide_one_finds_the_best(width: int, salt: int) -> None:
    space, score = space_of(7, "removal", drop=4), salted(salt)
    race, scoring = race_of(lambda path: np.array([score(path)]), [1])
    trail = beam(space, race, width=width)
    expected = naive_removal_beam(score, 7, 4, width)
    for number, level in expected.items():
        assert [frozenset(range(7)) - set(layers(path)) for path in trail.best[14 - 2 * number]] == level
    if width == 100:
        best = min(itertools.combinations(range(7), 3), key=lambda some: score(LayerPath.from_layers(some)))
        assert layers(trail.best[6][0]) == best
    assert scoring.paths[0] == space.start
    assert len(scoring.paths) == len(set(scoring.paths))


def naive_beam(space: Space, score: Score, width: int, steps: int) -> dict[int, list[LayerPath]]:
    """Any moves: the best of each size of all that were ever seen; those that became one of them are extended next."""
    seen, best = {space.start}, {space.whole: [space.start]}
    fresh = [space.start]
    low, high = sorted((space.whole, space.budget))
    for _ in range(steps):
        new = []
        for path in fresh:
            for one in neighbours(path, space.moves, n_layers=space.n_layers, kept=space.kept):
                if one.path not in seen and low <= size_of(one.path) <= high:
                    seen.add(one.path)
                    new.append(one.path)
        for path in new:
            best[size_of(path)] = sorted([*best.get(size_of(path), []), path], key=score)[:width]
        fresh = [path for path in new if path in best[size_of(path)]]
    return best


@pytest.mark.parametrize("width", [1, 2, 5])
@pytest.mark.parametrize(
    ("n_layers", "moves", "drop"),
    [
        (5, "removal,exchange", 2),
        (4, "attention-removal,mlp-removal", 1.5),
        (4, "removal,attention-removal,mlp-removal", 2.5),
        (4, "block-repeat:2", -3),
        (4, "block-repeat,interchange:2", -2),
        (5, "exchange", 0),
        (4, "interchange,replacement:1", 0),
        (4, "block-repeat:1,mlp-removal", -1.5),
        (4, "removal,block-repeat,exchange", 1),
    ],
)
def test_a_beam_of_any_moves_is_a_naive_beam(n_layers: int, moves: str, drop: float, width: int) -> None:
    space = space_of(n_layers, moves, drop=drop)
    for salt in range(2):
        race, _ = race_of(lambda path, salt=salt: np.array([of_path(path, str(salt))]), [1])
        trail = beam(space, race, width=width)
        expected = naive_beam(space, salted(salt), width, space.most_steps)
        assert {size: list(paths) for size, paths in trail.best.items()} == expected
        for paths in trail.best.values():
            check_moves_lead_to(trail, space, paths[0])


def test_halves_reach_a_budget_with_a_half() -> None:
    space = space_of(4, "attention-removal,mlp-removal", drop=1.5)
    trail = beam(space, one_number(salted(1)), width=4)
    assert set(trail.best) == {8, 7, 6, 5}
    assert all(size_of(path) == size for size, paths in trail.best.items() for path in paths)


def test_growth_stays_within_the_budget_and_gets_there() -> None:
    space = space_of(4, "block-repeat:3", drop=-3)
    trail = beam(space, one_number(salted(2)), width=2)
    assert set(trail.best) == {8, 10, 12, 14}
    assert all(space.whole < size_of(path) <= space.budget for step in trail.steps for path in step.candidates)


def test_moves_that_keep_the_size_may_better_the_intact_model_and_end_when_nothing_does() -> None:
    """The number of neighbours in the wrong order: the intact model is best, nothing comes among the best, one step is made."""
    space = space_of(5, "exchange")
    trail = beam(space, one_number(lambda path: sum(a > b for a, b in itertools.combinations(layers(path), 2))), width=1)
    assert (len(trail.steps), trail.best) == (1, {10: (space.start,)})
    race = one_number(lambda path: -sum(a > b for a, b in itertools.combinations(layers(path), 2)))
    trail = beam(space, race, width=1, steps=10)
    assert [layers(path) for path in trail.best[10]] == [(4, 3, 2, 1, 0)]
    assert len(trail.steps) == 10
    assert len(trail.moves(trail.best[10][0])) == 10
    assert trail.moves(space.start) == ()  # though exchanges lead back to it


def test_steps_end_a_search_early() -> None:
    trail = beam(space_of(6, "removal", drop=4), one_number(salted(0)), width=2, steps=2)
    assert set(trail.best) == {12, 10, 8}


# one-shot


@pytest.mark.parametrize("salt", range(5))
@pytest.mark.parametrize("kept", [(), (0, 3)])
def test_one_shot_is_sort_and_take(salt: int, kept: tuple[int, ...]) -> None:
    space, score = space_of(7, "removal", drop=4, kept=kept), salted(salt)
    trail = one_shot(space, one_number(score))
    alone = {layer: score(LayerPath.from_layers(x for x in range(7) if x != layer)) for layer in range(7) if layer not in kept}
    order = sorted(alone, key=alone.__getitem__)
    for k in range(1, 5):
        assert layers(trail.best[14 - 2 * k][0]) == tuple(x for x in range(7) if x not in order[:k])
    # no step but the first chooses anything
    assert [len(step.candidates) for step in trail.steps] == [7 - len(kept), 3]


def test_one_shot_of_layers_and_halves_ranks_by_cost_for_each_half() -> None:
    space = space_of(3, "removal,attention-removal,mlp-removal", drop=2)
    costs = {"0-2": 1.0, "1-2": 1.9, "0,2": 9.0, "0-1": 9.0, "0.mlp,1-2": 8.0, "0,1.mlp,2": 1.5, "0-1,2.mlp": 7.0}
    costs |= {"0.attn,1-2": 8.0, "0,1.attn,2": 3.0, "0-1,2.attn": 1.2}
    trail = one_shot(space, one_number(lambda path: costs.get(str(path), 50.0)))
    # for each half layer: 2 without MLP .2, 0 whole .45, 1 without attention .5, 1 without MLP 2.0, which ends at the budget
    assert {size: str(paths[0]) for size, paths in trail.best.items()} == {
        6: "0-2",
        5: "0-1,2.attn",
        3: "1,2.attn",
        2: "1.mlp,2.attn",
    }


def test_one_shot_takes_both_halves_of_a_layer_where_those_cost_least() -> None:
    """The second half of a layer goes by its own name, whatever other move would make the same path."""
    costs = {"0-2": 0.0, "0,1.attn,2": 0.1, "0,1.mlp,2": 0.2}
    halves = "attention-removal,mlp-removal"
    for moves in (f"removal,{halves}", f"{halves},removal", "mlp-removal,attention-removal"):
        trail = one_shot(space_of(3, moves, drop=1), one_number(lambda path: costs.get(str(path), 9.0)))
        assert {size: str(paths[0]) for size, paths in trail.best.items()} == {6: "0-2", 5: "0,1.attn,2", 4: "0,2"}


def test_one_shot_repeats_the_best_blocks() -> None:
    space = space_of(4, "block-repeat:2", drop=-3)
    costs = {"0-3": 0.0, "0-1,1-3": 0.1, "0-2,1-3": 0.3, "0-3,3": 0.5}
    trail = one_shot(space, one_number(lambda path: costs.get(str(path), 9.0)))
    # by half layer: 1 once more .05, 1-2 once more .075, then 3
    assert {size: str(paths[0]) for size, paths in trail.best.items()} == {
        8: "0-3",
        10: "0-1,1-3",
        14: "0-1,1-2,1-3",
    }


# random


def test_chains_of_removals_are_an_even_draw_of_sets_of_every_size() -> None:
    space = space_of(6, "removal", drop=3, kept=(5,))
    chains = random_chains(space, 1_500, "any")
    for size, n_gone in ((10, 1), (8, 2), (6, 3)):
        found = Counter(frozenset(range(6)) - set(layers(chain[size])) for chain in chains)
        sets = [frozenset(some) for some in itertools.combinations(range(5), n_gone)]
        assert set(found) == set(sets)
        assert stats.chisquare([found[some] for some in sets]).pvalue > 0.01


def test_chains_depend_on_their_seed_alone_and_get_to_the_budget() -> None:
    halves = "attention-removal,mlp-removal"
    for moves, drop in (("removal", 4), (halves, 2.5), ("removal,mlp-removal", 3.5), ("block-repeat", -5)):
        space = space_of(6, moves, drop=drop)
        chains = random_chains(space, 20, "one")
        assert chains == random_chains(space, 20, "one") != random_chains(space, 20, "other")
        assert chains[:5] == random_chains(space, 5, "one")
        for chain in chains:
            assert space.budget in chain
            assert all(size_of(path) == size for size, path in chain.items())


def test_random_search_takes_the_best_of_its_paths() -> None:
    space, score = space_of(8, "removal", drop=3), salted(3)
    trail = Method.parse("random:12").run(space, one_number(score), steps=None, seed="s")
    chains = random_chains(space, 12, "s")
    for size in (14, 12, 10):
        assert trail.best[size][0] == min((chain[size] for chain in chains), key=score)


# evolution


def dropped_parts(path: LayerPath, n_layers: int) -> Counter[str]:
    there = {step.layer: step.part for step in path.steps}
    attn = sum(there.get(layer) not in ("whole", "attn") for layer in range(n_layers))
    mlp = sum(there.get(layer) not in ("whole", "mlp") for layer in range(n_layers))
    return Counter({"attn": attn, "mlp": mlp})


@pytest.mark.parametrize(
    ("moves", "drop", "parts"),
    [
        ("removal", 3, {"attn": 3, "mlp": 3}),
        ("attention-removal,mlp-removal", 3, {"attn": 3, "mlp": 3}),
        ("attention-removal", 2, {"attn": 4, "mlp": 0}),
        ("mlp-removal", 1.5, {"attn": 0, "mlp": 3}),
    ],
)
@pytest.mark.parametrize("salt", range(3))
def test_evolution_keeps_the_counts_and_the_best(moves: str, drop: float, parts: dict[str, int], salt: int) -> None:
    """Two rounds: 2 texts of the first, 6 in all; each path scored at most once on each, by MadeUp's own rule."""
    space = space_of(9, moves, drop=drop, kept=(4,))
    generator = np.random.default_rng(salt)
    noise = {}

    def sums(path: LayerPath) -> np.ndarray:
        return noise.setdefault(path, of_path(path, str(salt)) + generator.normal(0, 0.2, 6))

    race, scoring = race_of(sums, [1] * 6, [2, 6])
    trail = Method.parse("evolution:8").run(space, race, steps=None, seed=f"{salt}")
    assert set(trail.best) == {space.whole, space.budget}
    for path in scoring.paths:
        assert (size_of(path), dropped_parts(path, 9)) == (space.budget, Counter(parts))
        assert any(step.layer == 4 and step.part == "whole" for step in path.steps)
        told = trail.moves(path)  # of a first path that is an offspring too, it ends
        assert told[0] == "drawn"
        assert all(name.startswith("generation-") for name in told[1:])
    parents = [step.best[space.budget][0] for step in trail.steps]
    assert len(parents) == 9
    for step, before, after in zip(trail.steps[1:], parents, parents[1:], strict=False):
        assert 1 <= len(step.candidates) <= evolution.OFFSPRING
        assert len(set(step.candidates)) == len(step.candidates)
        assert before not in step.candidates
        survivors = sorted(step.candidates, key=lambda path: noise[path][:2].mean())[: evolution.SURVIVORS]
        best = min([before, *survivors], key=lambda path: noise[path].mean())
        assert after == best  # the parent unless a child is better
    assert len(trail.steps[0].candidates) <= evolution.FIRST_PATHS
    assert parents[0] == min(trail.steps[0].candidates, key=lambda path: noise[path][:2].mean())
    assert trail.best[space.budget] == (parents[-1],)


def test_children_differ_from_their_parent_by_one_to_three_exchanges_of_one_kind() -> None:
    space = space_of(20, "removal", drop=6)
    trail = Method.parse("evolution:30").run(space, one_number(salted(5)), steps=None, seed="0")
    changes: Counter[int] = Counter()
    for before, step in zip(trail.steps, trail.steps[1:], strict=False):
        parent = set(layers(before.best[space.budget][0]))
        changes.update(len(parent - set(layers(child))) for child in step.candidates)
    assert set(changes) == {1, 2, 3}
    # the smaller of two even draws is 1, 2, 3 with 5, 3, 1 in 9; repeats of one child are drawn again
    assert changes[1] > changes[2] > changes[3]


def test_equal_children_do_not_replace_their_parent() -> None:
    trail = Method.parse("evolution:5").run(space_of(8, "removal", drop=2), one_number(lambda path: 1.0), steps=None, seed="0")
    assert len({step.best[12] for step in trail.steps}) == 1


def test_a_small_space_is_searched_through() -> None:
    """One of five layers: four other paths, all of which are children of the first parent."""
    space = space_of(5, "removal", drop=1)
    trail = Method.parse("evolution").run(space, one_number(salted(0)), steps=None, seed="0")
    assert trail.best[8][0] == min((one.path for one in space.candidates(space.start)), key=salted(0))
    assert n_generations(space) == 2  # 1 × 4 / 1.5
    assert n_generations(space_of(32, "removal", drop=8)) == 128


@pytest.mark.parametrize("written", ["one-shot", "greedy", "beam:3", "evolution:4", "random:6"])
def test_a_method_depends_on_its_seed_and_nothing_else(written: str) -> None:
    space = space_of(9, "removal", drop=4)
    first, again, other = (
        Method.parse(written).run(space, one_number(salted(7)), steps=None, seed=seed) for seed in ("a", "a", "b")
    )
    assert first == again
    assert (first.steps == other.steps) == (written.split(":")[0] not in ("evolution", "random"))


@pytest.mark.parametrize("written", ["one-shot", "greedy", "beam:2", "evolution:3", "random:4"])
@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_scores_that_are_no_numbers_are_never_chosen(written: str, bad: float) -> None:
    """Whatever runs without layer 0 overflows."""
    space = space_of(6, "removal", drop=2)
    race = one_number(lambda path: of_path(path) if 0 in layers(path) else bad)
    trail = Method.parse(written).run(space, race, steps=None, seed="1")
    assert all(0 in layers(paths[0]) for paths in trail.best.values())


# what is refused


@pytest.mark.parametrize(
    ("written", "told"),
    [
        ("greedi", "Did you mean.*greedy"),
        ("beam", "'beam' is written beam:w with w of 1 or more; got 'beam'"),
        ("beam:0", "beam:w"),
        ("greedy:2", "'greedy' is written greedy; got 'greedy:2'"),
        ("one-shot:1", "written one-shot"),
        ("evolution:", "evolution or evolution:g"),
        ("random:x", "random or random:n"),
    ],
)
def test_other_methods_are_refused(written: str, told: str) -> None:
    with pytest.raises(PathError, match=told):
        Method.parse(written)


@pytest.mark.parametrize("written", ["one-shot", "greedy", "beam:8", "evolution", "evolution:40", "random", "random:3"])
def test_methods_are_written_as_they_are_read(written: str) -> None:
    assert str(Method.parse(f" {written} ")) == written


@pytest.mark.parametrize(
    ("written", "moves", "drop", "told"),
    [
        ("one-shot", "removal,exchange", 2, "moves towards the budget only; exchange is none: take greedy or beam:w"),
        ("random:3", "removal,block-repeat:2", 2, "block-repeat:2 is none"),
        ("evolution", "removal,exchange", 2, "Evolution drops whole layers"),
        ("evolution", "removal,mlp-removal", 2, "Evolution drops whole layers"),
        ("evolution", "block-repeat", -2, "Evolution drops whole layers"),
        ("evolution", "attention-removal,mlp-removal", 1.5, "a whole number of layers"),
    ],
)
def test_methods_refuse_moves_that_they_cannot_make(written: str, moves: str, drop: float, told: str) -> None:
    with pytest.raises(PathError, match=told):
        Method.parse(written).check(space_of(6, moves, drop=drop))
