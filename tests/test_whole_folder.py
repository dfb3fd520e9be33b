"""A folder is whole or not there; what a killed process left of it goes, what belongs to others stays."""

from __future__ import annotations

from pathlib import Path

import pytest

from layerscope.errors import RunError
from layerscope.whole_folder import whole_folder

OF_A_KILL = "999999999-0123abcd"


def test_it_takes_the_place_of_what_was_there(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "out"
    for text in ("one", "two"):
        with whole_folder(folder) as unfinished:
            (unfinished / "file").write_text(text)
        assert (folder / "file").read_text() == text
    assert list(folder.parent.iterdir()) == [folder]


def test_nothing_is_left_when_it_fails(tmp_path: Path) -> None:
    def write_half() -> None:
        with whole_folder(tmp_path / "new" / "deep" / "out") as unfinished:
            (unfinished / "half").write_text("x")
            raise OSError(28, "No space left on device")

    with pytest.raises(RunError, match="cannot be written .No space left on device.: free some space"):
        write_half()
    assert list(tmp_path.iterdir()) == []


def test_leftovers_of_its_own_go_and_others_stay(tmp_path: Path) -> None:
    own = [f".unfinished-{OF_A_KILL}-out", f".replaced-{OF_A_KILL}-out"]
    others = [f".unfinished-{OF_A_KILL}-x-out", f".unfinished-{OF_A_KILL}-out-x", f".unfinished-{OF_A_KILL}-out.jsonl", "mine"]
    for name in (*own, *others, "out"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").write_text(name)
    with whole_folder(tmp_path / "out") as unfinished:
        (unfinished / "file").write_text("new")
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([*others, "out"])
    assert (tmp_path / "out" / "file").read_text() == "new"


def test_a_folder_that_a_kill_left_aside_comes_back(tmp_path: Path) -> None:
    (tmp_path / f".replaced-{OF_A_KILL}-out").mkdir()
    (tmp_path / f".replaced-{OF_A_KILL}-out" / "file").write_text("earlier")
    with pytest.raises(KeyboardInterrupt), whole_folder(tmp_path / "out"):
        raise KeyboardInterrupt
    assert (tmp_path / "out" / "file").read_text() == "earlier"
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_two_at_once(tmp_path: Path) -> None:
    with whole_folder(tmp_path / "out") as unfinished:
        (unfinished / "file").write_text("first")
        with pytest.raises(RunError, match="Only one process at a time"), whole_folder(tmp_path / "out"):
            pytest.fail("two at once")
    assert (tmp_path / "out" / "file").read_text() == "first"
