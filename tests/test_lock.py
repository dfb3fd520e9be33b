"""One process at a time: the second is refused at once, a killed one does not block, and nothing is left beside the folder."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import ExitStack
from pathlib import Path

import filelock
import pytest

from layerscope.errors import RunError
from layerscope.lock import alone, held_parts, with_others
from layerscope.lock import is_held as is_whole_held

HOLD = """
import sys, time
from pathlib import Path
from layerscope.lock import alone
with alone(Path(sys.argv[1])):
    Path(sys.argv[2]).touch()
    time.sleep(60)
"""


def holder(folder: Path, sign: Path) -> subprocess.Popen[bytes]:
    """A process that holds a folder."""
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1] / "src")}
    process = subprocess.Popen([sys.executable, "-c", HOLD, str(folder), str(sign)], env=environment)
    while not sign.exists():
        assert process.poll() is None
        time.sleep(0.01)
    return process


def test_the_second_is_refused_and_a_killed_one_does_not_block(tmp_path: Path) -> None:
    folder = tmp_path / "there" / "run"
    process = holder(folder, tmp_path / "held")
    try:
        said = f"Only one process at a time writes to '{folder}', and another one does now: wait until it has ended, and give"
        with pytest.raises(RunError, match=said), alone(folder):
            pytest.fail("two at once")
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert [path.name for path in folder.parent.iterdir()] == [".run.lock"]
    with alone(folder) as is_held:
        assert is_held
        with pytest.raises(RunError, match="Only one process"), alone(folder):
            pytest.fail("two at once in one process")
    assert list(folder.parent.iterdir()) == [], "what the killed one left goes away"


def test_folders_are_held_apart_and_leave_nothing(tmp_path: Path) -> None:
    with alone(tmp_path / "new" / "a") as one, alone(tmp_path / "new" / "b") as other:
        assert one
        assert other
    assert list(tmp_path.iterdir()) == []


def test_a_link_is_held_as_what_it_points_to(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    with alone(tmp_path / "link"), pytest.raises(RunError, match="Only one process"), alone(tmp_path / "real"):
        pytest.fail("two at once")


@pytest.mark.parametrize("error", [OSError(37, "No locks available"), NotImplementedError("no flock here"), OSError(30, "ro")])
def test_where_locks_cannot_be_had_the_work_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    def refuse(self: filelock.FileLock) -> None:
        raise error

    monkeypatch.setattr(filelock.FileLock, "acquire", refuse)
    with alone(tmp_path / "a") as is_held:
        assert not is_held


def test_a_place_that_can_hold_nothing_is_left_to_whoever_writes(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    for folder in (tmp_path / "file" / "a", tmp_path / ("n" * 300) / "a", tmp_path / ("n" * 300)):
        with alone(folder) as is_held:
            assert not is_held


def test_parts_are_held_beside_each_other_and_not_beside_the_whole(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    with with_others(folder, "1-of-2"), with_others(folder, "2-of-2") as is_held:
        assert is_held
        assert held_parts(folder) == {"1-of-2", "2-of-2"}
        with pytest.raises(RunError, match="Part 1-of-2 of .* is written by another process"), with_others(folder, "1-of-2"):
            pytest.fail("a part twice")
        with (
            pytest.raises(RunError, match=r"is written by 2 process\(es\) that hold parts of it \(1-of-2, 2-of-2\)"),
            alone(folder),
        ):
            pytest.fail("the whole beside parts")
    assert list(tmp_path.iterdir()) == []
    with alone(folder), with_others(folder, "w1", is_asked=True):
        assert is_whole_held(folder)
        assert held_parts(folder) == {"w1"}
    assert not is_whole_held(folder)
    assert list(tmp_path.iterdir()) == []


def test_a_part_waits_for_the_whole_only_briefly(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("layerscope.lock._BRIEFLY", 0.2)
    folder = tmp_path / "run"
    with alone(folder), pytest.raises(RunError, match="Only one process at a time"), with_others(folder, "1-of-2"):
        pytest.fail("a part beside the whole")


def test_a_part_of_a_killed_process_blocks_nobody(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    (tmp_path / ".run.lock.1-of-2").touch()
    assert held_parts(folder) == set()
    (tmp_path / ".run.lock.1-of-2").touch()
    with alone(folder) as is_held:
        assert is_held
    assert list(tmp_path.iterdir()) == []


def test_whoever_has_patience_waits_for_parts_that_end(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    stack = ExitStack()
    stack.enter_context(with_others(folder, "w1"))
    timer = threading.Timer(0.5, stack.close)
    timer.start()
    with alone(folder, patience=30.0) as is_held:
        assert is_held
    timer.join()
