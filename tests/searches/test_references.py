"""Paths by the name that a search gave them."""

from __future__ import annotations

from pathlib import Path

import pytest

from layerscope.errors import PathError, RunError
from layerscope.paths.path import LayerPath
from layerscope.searches.finished import FinishedSearch
from layerscope.searches.references import names_in, paths_named, run_of, written_paths
from tests.made_up_searches import made_up_search


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made_up_search().write(tmp_path_factory.mktemp("searches") / "a run")


def best(run: Path, way: str) -> dict[float, str]:
    """By size, from the table itself."""
    rows = FinishedSearch.open(run).frontier.to_dict("records")
    return {row["layers"]: row["path"] for row in rows if row["way"] == way and row["is_best"]}


def test_a_written_path_is_itself() -> None:
    assert paths_named(["0-2", " 0,1,2 ", "none"]) == [LayerPath.parse("0-2"), LayerPath.parse("none")]
    assert written_paths([" 0,1,2 ", "0-2"]) == (" 0,1,2 ", "0-2")
    assert run_of("0-2") is None


def test_the_frontier_has_the_best_path_of_each_size(run: Path) -> None:
    assert [str(path) for path in paths_named([f"@{run}/frontier"])] == list(best(run, "search").values())
    assert [str(path) for path in paths_named([f"@{run}/one-shot"])] == list(dict.fromkeys(best(run, "one-shot").values()))
    assert run_of(f"@{run}/frontier") == run


@pytest.mark.parametrize(("name", "way"), [("best", "search"), ("one-shot", "one-shot")])
def test_one_size(run: Path, name: str, way: str) -> None:
    for size, path in best(run, way).items():
        assert written_paths([f"@{run}/{name}-{size:g}"]) == (path,)


def test_random_paths_are_all_there(run: Path) -> None:
    frontier = FinishedSearch.open(run).frontier
    expected = list(dict.fromkeys(frontier[frontier["way"] == "random"]["path"]))
    assert len(expected) > 1
    assert [str(path) for path in paths_named([f"@{run}/random"])] == expected


@pytest.mark.parametrize("name", ["", "best", "best-", "best-x", "best-2.3", "frontier-2", "random-1", "Best-2", "best-²", "."])
def test_other_names_are_told_what_there_is(run: Path, name: str) -> None:
    with pytest.raises((PathError, RunError), match="is written @RUN/frontier|has none"):
        paths_named([f"@{run}/{name}"])


def test_a_size_that_is_not_there_is_told_which_are(run: Path) -> None:
    with pytest.raises(PathError, match=r"it has sizes .*\d"):
        paths_named([f"@{run}/best-1000"])


def test_a_folder_without_a_search(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="manifest"):
        paths_named([f"@{tmp_path}/frontier"])


def test_names_lead_back_to_their_paths(run: Path) -> None:
    names = names_in(run)
    assert names
    for path, name in names.items():
        assert written_paths([f"@{run}/{name}"]) == (path,)
    assert set(names) == {*best(run, "search").values(), *best(run, "one-shot").values()}
    assert all(names[path].startswith("best-") for path in best(run, "search").values()), (
        "the search's own name where both agree"
    )
