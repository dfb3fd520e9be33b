"""The tree of prefixes: its visits run every path, each shared step once, and let every state go after its last use."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from layerscope.paths.families import build_variants
from layerscope.paths.path import LayerPath
from layerscope.paths.plan import plan_sweep
from layerscope.paths.steps import LayerStep, ParallelStep, Step
from layerscope.paths.trie import ROOT, PrefixTree, Visit

Prefix = tuple[Step, ...]

whole_layers = st.integers(0, 3).map(LayerStep)
any_step = st.one_of(
    whole_layers,
    whole_layers,
    st.builds(LayerStep, st.integers(0, 3), st.sampled_from(["attn", "mlp", "h0"])),
    st.lists(whole_layers, min_size=2, max_size=3).map(lambda members: ParallelStep(tuple(members))),
)
any_path = st.lists(any_step, max_size=6).map(lambda steps: LayerPath(tuple(steps)))
sets_of_paths = st.lists(any_path, max_size=10)


def prefixes(paths: list[LayerPath]) -> set[Prefix]:
    """Every prefix of some paths but the empty one."""
    return {path.steps[:length] for path in paths for length in range(1, len(path) + 1)}


def obey(visits: list[Visit], at_hand: dict[int, Prefix]) -> tuple[dict[int, Prefix], list[Prefix]]:
    """Run visits with tuples of steps as states: where each path ended, and every prefix that was run."""
    states: dict[int, Prefix] = dict(at_hand)
    let_go: set[int] = set()
    ended: dict[int, Prefix] = {}
    ran: list[Prefix] = []
    for visit in visits:
        assert visit.parent not in let_go, "a state is used after it was let go"
        state = (*states[visit.parent], visit.step)
        ran.append(state)
        if visit.is_last_use:
            del states[visit.parent]
            let_go.add(visit.parent)
        assert visit.node not in states, "a state is made twice, or was at hand"
        if not visit.is_leaf:
            states[visit.node] = state
        for index in visit.ends:
            assert index not in ended, "a path ends twice"
            ended[index] = state
    assert states.keys() <= at_hand.keys(), "a state that was made is never let go"
    return ended, ran


def check_walk(tree: PrefixTree, paths: list[LayerPath], at_hand: dict[int, Prefix]) -> list[Prefix]:
    """Walk, and hold everything about it against the paths themselves; the prefixes that were run."""
    known = {ROOT: (), **at_hand}
    at_start, visits = tree.walk(paths, at_hand.keys())
    ended, ran = obey(visits, known)
    for node, indices in at_start.items():
        for index in indices:
            assert index not in ended, "a path ends twice"
            ended[index] = known[node]
    assert ended == {index: path.steps for index, path in enumerate(paths)}

    # of each path, what lies behind its deepest state at hand must run, once
    needed: set[Prefix] = set()
    for path in paths:
        deepest = max(n for n in range(len(path) + 1) if path.steps[:n] in known.values())
        needed |= {path.steps[:n] for n in range(deepest + 1, len(path) + 1)}
    assert len(ran) == len(set(ran))
    assert set(ran) == needed

    parents = {visit.parent for visit in visits}
    for place, visit in enumerate(visits):
        assert visit.is_leaf == (visit.node not in parents)
        assert visit.is_last_use == all(later.parent != visit.parent for later in visits[place + 1 :])
    return ran


@settings(max_examples=200, deadline=None)
@given(sets_of_paths)
def test_visits_run_every_path_and_each_shared_step_once(paths: list[LayerPath]) -> None:
    assert set(check_walk(PrefixTree(), paths, {})) == prefixes(paths)


@settings(max_examples=300, deadline=None)
@given(sets_of_paths, sets_of_paths, st.data())
def test_states_at_hand_are_started_from_the_deepest_of_each_path(
    earlier: list[LayerPath], paths: list[LayerPath], data: st.DataObject
) -> None:
    tree = PrefixTree()
    prefix_of = {node: path.steps[:n] for path in [*earlier, *paths] for n, node in enumerate(tree.nodes(path), start=1)}
    chosen = data.draw(st.sets(st.sampled_from(sorted(prefix_of)))) if prefix_of else set()
    check_walk(tree, paths, {node: prefix_of[node] for node in chosen})


@settings(max_examples=100, deadline=None)
@given(st.lists(sets_of_paths, min_size=2, max_size=4))
def test_numbers_never_change_and_stand_for_one_prefix_each(walks: list[list[LayerPath]]) -> None:
    tree = PrefixTree()
    number_of: dict[Prefix, int] = {(): ROOT}
    for paths in walks:
        tree.walk(paths)
        for path in paths:
            for depth, node in enumerate(tree.nodes(path), start=1):
                assert number_of.setdefault(path.steps[:depth], node) == node
                assert tree.depth(node) == depth
    assert sorted(number_of.values()) == list(range(len(number_of)))


@settings(max_examples=100, deadline=None)
@given(sets_of_paths)
def test_nothing_runs_where_every_path_is_at_hand(paths: list[LayerPath]) -> None:
    tree = PrefixTree()
    ends = {(ROOT, *tree.nodes(path))[-1]: path.steps for path in paths}
    at_start, visits = tree.walk(paths, ends.keys())
    assert not visits
    assert sorted(index for indices in at_start.values() for index in indices) == list(range(len(paths)))


@pytest.mark.parametrize("n_layers", [1, 2, 5, 12])
@pytest.mark.parametrize(
    "experiments", [["removal"], ["exchange"], ["removal", "exchange"], ["attention-removal", "mlp-removal"]]
)
def test_the_plan_of_a_sweep_runs_as_many_layers_as_there_are_prefixes(n_layers: int, experiments: list[str]) -> None:
    variants = build_variants(experiments, ["0,0,0", "(0|0),0"], n_layers)
    plan = plan_sweep(variants, n_layers)
    found = prefixes([variant.path for variant in variants])
    assert plan.layer_runs == sum(prefix[-1].layer_runs for prefix in found)
    assert len(plan.instructions) == len(found)
