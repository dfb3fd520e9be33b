"""Each move against a definition written anew on lists of (layer, part): what it makes, its names, sizes and kept layers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from layerscope.errors import PathError
from layerscope.paths.moves import Move, neighbours, parse_moves, size_of, written_size
from layerscope.paths.path import LayerPath
from layerscope.paths.steps import LayerStep

Plain = tuple[tuple[int, str], ...]
N_LAYERS = 4
ALL = [
    "removal",
    "attention-removal",
    "mlp-removal",
    "exchange",
    "interchange:2",
    "interchange",
    "block-repeat:2",
    "replacement:1",
]


def plain(path: LayerPath) -> Plain:
    return tuple((member.layer, member.part) for step in path.steps for member in step.members)


def naive_removal(path: Plain, kept: set[int]) -> set[Plain]:
    return {tuple(path[j] for j in range(len(path)) if j != i) for i in range(len(path)) if path[i][0] not in kept}


def naive_half_removal(lost: str) -> Callable[[Plain, set[int]], set[Plain]]:
    left = {"attn": "mlp", "mlp": "attn"}[lost]

    def found(path: Plain, kept: set[int]) -> set[Plain]:
        made = set()
        for i, (layer, part) in enumerate(path):
            if layer in kept or part == left:
                continue
            changed = list(path)
            if part == "whole":
                changed[i] = (layer, left)
            else:
                del changed[i]
            made.add(tuple(changed))
        return made

    return found


def naive_swaps(reach: int) -> Callable[[Plain, set[int]], set[Plain]]:
    def found(path: Plain, kept: set[int]) -> set[Plain]:
        made = set()
        for i, j in combinations(range(len(path)), 2):
            if j - i <= reach and not {path[i][0], path[j][0]} & kept:
                order = list(range(len(path)))
                order[i], order[j] = j, i
                made.add(tuple(path[k] for k in order))
        return made

    return found


def naive_repeats(width: int) -> Callable[[Plain, set[int]], set[Plain]]:
    def found(path: Plain, kept: set[int]) -> set[Plain]:
        made = set()
        for n in range(1, width + 1):
            for start in range(len(path) - n + 1):
                block = path[start : start + n]
                if all(layer not in kept for layer, _ in block):
                    made.add(path[:start] + 2 * block + path[start + n :])
        return made

    return found


def naive_replacements(reach: int) -> Callable[[Plain, set[int]], set[Plain]]:
    def found(path: Plain, kept: set[int]) -> set[Plain]:
        made = set()
        for i, (layer, part) in enumerate(path):
            for other in range(max(0, layer - reach), min(N_LAYERS, layer + reach + 1)):
                if layer not in kept and other != layer:
                    made.add((*path[:i], (other, part), *path[i + 1 :]))
        return made

    return found


NAIVE: dict[str, Callable[[Plain, set[int]], set[Plain]]] = {
    "removal": naive_removal,
    "attention-removal": naive_half_removal("attn"),
    "mlp-removal": naive_half_removal("mlp"),
    "exchange": naive_swaps(1),
    "interchange": naive_swaps(99),
    "interchange:1": naive_swaps(1),
    "interchange:2": naive_swaps(2),
    "interchange:3": naive_swaps(3),
    "block-repeat": naive_repeats(4),
    "block-repeat:1": naive_repeats(1),
    "block-repeat:2": naive_repeats(2),
    "block-repeat:6": naive_repeats(6),
    "replacement": naive_replacements(99),
    "replacement:1": naive_replacements(1),
    "replacement:2": naive_replacements(2),
}

steps = st.builds(LayerStep, st.integers(0, N_LAYERS - 1), st.sampled_from(["whole", "whole", "attn", "mlp"]))
paths = st.lists(steps, max_size=6).map(lambda some: LayerPath(tuple(some)))
kept_layers = st.sets(st.integers(0, N_LAYERS - 1), max_size=3)


@pytest.mark.parametrize("name", NAIVE)
@settings(max_examples=60, deadline=None)
@given(path=paths, kept=kept_layers)
def test_a_move_makes_what_its_definition_says(name: str, path: LayerPath, kept: set[int]) -> None:
    found = [plain(one.path) for one in neighbours(path, parse_moves([name]), n_layers=N_LAYERS, kept=kept)]
    assert len(found) == len(set(found))
    assert set(found) == NAIVE[name](plain(path), kept) - {plain(path), ()}


@settings(max_examples=100, deadline=None)
@given(path=paths, kept=kept_layers, names=st.lists(st.sampled_from(ALL), min_size=1, max_size=4, unique=True))
def test_moves_together_make_each_path_once_and_name_it_once(path: LayerPath, kept: set[int], names: list[str]) -> None:
    moves = parse_moves(names)
    found = neighbours(path, moves, n_layers=N_LAYERS, kept=kept)
    expected = set().union(*(NAIVE[name](plain(path), kept) for name in names)) - {plain(path), ()}
    assert Counter(plain(one.path) for one in found) == Counter(expected)
    # a name says what to do again: two paths of one list never share it, and the same list comes again
    assert len({one.move for one in found}) == len(found)
    assert neighbours(path, moves, n_layers=N_LAYERS, kept=frozenset(kept)) == found


@settings(max_examples=100, deadline=None)
@given(path=paths, kept=kept_layers)
def test_kept_layers_run_as_often_and_in_the_same_parts(path: LayerPath, kept: set[int]) -> None:
    def of_kept(some: LayerPath) -> list[tuple[int, str]]:
        return [member for member in plain(some) if member[0] in kept]

    for one in neighbours(path, parse_moves([name for name in ALL if name != "replacement:1"]), n_layers=N_LAYERS, kept=kept):
        assert of_kept(one.path) == of_kept(path)


@settings(max_examples=100, deadline=None)
@given(path=paths)
def test_sizes_change_by_no_more_than_the_move_says(path: LayerPath) -> None:
    assert size_of(path) == sum({"whole": 2, "attn": 1, "mlp": 1}[part] for _, part in plain(path))
    for move in parse_moves(ALL):
        for one in neighbours(path, [move], n_layers=N_LAYERS):
            change = size_of(one.path) - size_of(path)
            if move.half_layers < 0:
                assert move.half_layers <= change < 0
            elif move.half_layers > 0:
                assert change >= move.half_layers
            else:
                assert change == 0


def test_both_halves_of_a_layer_go_one_after_the_other() -> None:
    moves = parse_moves(["attention-removal", "mlp-removal"])
    by_name = {one.move: one.path for one in neighbours(LayerPath.parse("0-2"), moves, n_layers=3)}
    assert str(by_name["attention-removal-1"]) == "0,1.mlp,2"
    assert str(by_name["mlp-removal-1"]) == "0,1.attn,2"
    then = {one.move: str(one.path) for one in neighbours(by_name["attention-removal-1"], moves, n_layers=3)}
    assert then["mlp-removal-1"] == "0,2"
    assert "attention-removal-1" not in then


def test_names_are_those_of_the_layers_of_the_model() -> None:
    moves = parse_moves(["removal", "exchange", "interchange:2", "block-repeat:2", "replacement:1"])
    found = {one.move: str(one.path) for one in neighbours(LayerPath.parse("1,3,0"), moves, n_layers=4)}
    assert found == {
        "removal-1": "3,0",
        "removal-3": "1,0",
        "removal-0": "1,3",
        "exchange-1-3": "3,1,0",
        "exchange-3-0": "1,0,3",
        "interchange-1-0": "0,3,1",
        "block-repeat-1": "1,1,3,0",
        "block-repeat-1-3": "1,3,1,3,0",
        "block-repeat-3": "1,3,3,0",
        "block-repeat-3-0": "1,3,0,3,0",
        "block-repeat-0": "1,3,0,0",
        "replacement-1-by-0": "0,3,0",
        "replacement-1-by-2": "2-3,0",
        "replacement-3-by-2": "1-2,0",
        "replacement-0-by-1": "1,3,1",
    }


def test_layers_that_run_twice_are_told_apart() -> None:
    found = {one.move: str(one.path) for one in neighbours(LayerPath.parse("0,1,2,0"), parse_moves(["removal"]), n_layers=3)}
    assert found == {"removal-0": "1-2,0", "removal-1": "0,2,0", "removal-2": "0-1,0", "removal-0#2": "0-2"}
    found = {
        one.move: str(one.path) for one in neighbours(LayerPath.parse("0,1,1"), parse_moves(["block-repeat:3"]), n_layers=3)
    }
    assert found == {
        "block-repeat-0": "0,0-1,1",
        "block-repeat-0-1": "0-1,0-1,1",
        "block-repeat-0-1#2": "0-1,1,0-1,1",
        "block-repeat-1": "0-1,1,1",
        "block-repeat-1-1": "0-1,1,1,1",
    }


@pytest.mark.parametrize("path", ["none", "2"])
def test_nothing_is_made_of_nothing(path: str) -> None:
    found = neighbours(LayerPath.parse(path), parse_moves(["removal", "exchange", "interchange"]), n_layers=4)
    assert found == []


def test_everything_kept_leaves_nothing_to_do() -> None:
    assert neighbours(LayerPath.parse("0-3"), parse_moves(list(NAIVE)), n_layers=4, kept=range(4)) == []


def test_moves_are_read_and_written() -> None:
    assert [move.written for move in parse_moves([" removal", "interchange:12", "block-repeat"])] == [
        "removal",
        "interchange:12",
        "block-repeat",
    ]
    assert parse_moves(["removal", "removal"]) == (Move("removal", None),)
    assert [written_size(size) for size in (1, 2, 47, 60)] == ["0.5", "1", "23.5", "30"]


@pytest.mark.parametrize(
    ("written", "told"),
    [
        ("removl", "Did you mean.*removal"),
        ("", "Unknown move"),
        ("removal:2", "'removal' is written removal, without a number; got 'removal:2'"),
        ("exchange:1", "without a number"),
        ("interchange:0", "interchange or interchange:n with n of 1 or more; got 'interchange:0'"),
        ("interchange:", "interchange:n"),
        ("interchange:-1", "interchange:n"),
        ("block-repeat:٣", "block-repeat:n"),
        ("replacement:1.5", "replacement:n"),
        ("block-repeat:1000000", "block-repeat:n"),
    ],
)
def test_other_moves_are_refused(written: str, told: str) -> None:
    with pytest.raises(PathError, match=told):
        parse_moves([written])


def test_no_move_is_refused() -> None:
    with pytest.raises(PathError, match="one kind of move or more; none was given"):
        parse_moves([])
