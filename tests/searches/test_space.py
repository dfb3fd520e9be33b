"""Where a search may go, and which budgets are refused because no moves lead there."""

from __future__ import annotations

import itertools

import pytest

from layerscope.errors import PathError
from layerscope.paths.moves import parse_moves, size_of
from layerscope.paths.path import LayerPath
from layerscope.searches.space import Space


def reachable(n_layers: int, moves: str, kept: tuple[int, ...], most: int) -> set[int]:
    """Every size that some sequence of moves leads to, by trying all."""
    found: set[int] = set()
    for budget in (1, most):
        seen, pending = set(), [LayerPath.intact(n_layers)]
        space = object.__new__(Space)  # unchecked
        for name, value in (("n_layers", n_layers), ("moves", parse_moves(moves.split(","))), ("budget", budget)):
            object.__setattr__(space, name, value)
        object.__setattr__(space, "kept", frozenset(kept))
        while pending:
            path = pending.pop()
            for one in space.candidates(path):
                if one.path not in seen:
                    seen.add(one.path)
                    pending.append(one.path)
        found |= {size_of(path) for path in seen}
    return found


@pytest.mark.parametrize("kept", [(), (1,), (0, 1, 2)])
@pytest.mark.parametrize(
    "moves",
    [
        *("removal", "attention-removal", "mlp-removal", "attention-removal,mlp-removal", "removal,mlp-removal"),
        *("block-repeat:2", "block-repeat:1,mlp-removal", "removal,block-repeat:1", "exchange", "exchange,removal"),
    ],
)
def test_a_budget_is_refused_exactly_where_no_moves_lead_to_it(moves: str, kept: tuple[int, ...]) -> None:
    there = reachable(3, moves, kept, most=9)
    for budget in range(1, 10):
        try:
            Space(3, parse_moves(moves.split(",")), budget, frozenset(kept))
            accepted = True
        except PathError:
            accepted = False
        if budget == 6:
            continue  # the model's own size asks for moves that keep it; there need be no other path of it
        assert accepted == (budget in there), budget


@pytest.mark.parametrize(
    ("moves", "budget", "kept", "told"),
    [
        ("removal", 6, (), "Moves that change the number of layers need another budget than the model's own 3"),
        ("exchange", 4, (), "From 3 layers to 2 it takes removal, attention-removal or mlp-removal; the moves are exchange"),
        ("removal", 8, (), "From 3 layers to 4 it takes block-repeat; the moves are removal"),
        ("removal", 0, (), "leaves half a layer or more of 3; 0 were asked for"),
        ("removal", 3, (), "Half a layer goes by attention-removal or mlp-removal; the budget is 1.5"),
        ("block-repeat", 7, (), "Half a layer goes by attention-removal or mlp-removal; the budget is 3.5"),
        ("removal", 2, (0, 1), "With 2 layers kept, removal can take 1 layers of 3 away; 2 were to go"),
        ("mlp-removal", 2, (), "With 0 layers kept, mlp-removal can take 1.5 layers of 3 away; 2 were to go"),
        ("block-repeat", 8, (0, 1, 2), "All 3 layers are kept"),
        ("removal", 4, (3,), "Layers to keep are within the model's 0-2; got 3"),
    ],
)
def test_what_is_refused_says_why(moves: str, budget: int, kept: tuple[int, ...], told: str) -> None:
    with pytest.raises(PathError, match=told):
        Space(3, parse_moves(moves.split(",")), budget, frozenset(kept))


@pytest.mark.parametrize(
    ("moves", "budget", "steps"),
    [("removal", 4, 4), ("removal,mlp-removal", 4, 8), ("mlp-removal", 8, 4), ("removal,exchange", 8, 6), ("exchange", 12, 4)],
)
def test_a_search_ends_after_as_many_steps_as_it_takes(moves: str, budget: int, steps: int) -> None:
    assert Space(6, parse_moves(moves.split(",")), budget).most_steps == steps


def test_candidates_stay_between_the_sizes() -> None:
    space = Space(4, parse_moves(["removal", "block-repeat:3", "mlp-removal"]), 5)
    sizes = {size_of(one.path) for path in ("0-3", "0,2-3", "0-1,1") for one in space.candidates(LayerPath.parse(path))}
    assert sizes <= set(range(5, 9))
    assert list(itertools.chain(space.towards)) == list(parse_moves(["removal", "mlp-removal"]))
