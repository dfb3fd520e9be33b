"""A disk that is full or cannot be written: one sentence, nothing lost, and the same command goes on once there is room."""

from __future__ import annotations

import errno
import re
import resource
import shutil
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pandas as pd
import pytest

from layerscope.atomic import whole_file
from layerscope.cli.main import main
from layerscope.errors import RunError
from layerscope.pairs.format import write_pairs
from layerscope.results.digests import Digests
from layerscope.whole_folder import whole_folder
from tests.left_behind import check_same, left_in
from tests.letter_pairs import pairs_of_places
from tests.tiny_runs import TinyRuns


@contextmanager
def files_of_at_most(n_bytes: int) -> Iterator[None]:
    """As on a disk with that much room: the system refuses to write on."""
    before, ignored = resource.getrlimit(resource.RLIMIT_FSIZE), signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, ignored)


def ends(capsys: pytest.CaptureFixture[str], words: list[str]) -> tuple[int, str]:
    """Exit status and last line of a command."""
    with pytest.raises(SystemExit) as ended:
        main(words)
    return int(ended.value.code or 0), ([*capsys.readouterr().err.strip().splitlines(), ""][-2:])[0]


def tables_in(folder: Path) -> dict[str, pd.DataFrame]:
    return {path.relative_to(folder).as_posix(): pd.read_parquet(path) for path in sorted(folder.rglob("*.parquet"))}


MAKE = {
    "sweep": "--dataset {texts} --experiment removal --batch-tokens 90 --figures none --output-dir {out}",
    "contrast": "--pairs {pairs} --sites resid_post --positions edit --reference-dataset {texts} --output-dir {out}",
    "export": "--path 0,2 --output-dir {out}/checkpoint",
}


@pytest.mark.slow
@pytest.mark.parametrize("command", MAKE)
def test_a_command_on_a_full_disk_goes_on_when_there_is_room(
    command: str, tiny_checkpoint: Path, tmp_path: Path, capsys, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LAYERSCOPE_CACHE", str(tmp_path / "cache"))
    texts, pairs, whole, full = (tmp_path / name for name in ("texts.txt", "pairs.jsonl", "whole", "full"))
    texts.write_text("\n".join(f"Line {n} of some text that is told here." for n in range(12)), encoding="utf-8")
    write_pairs(pairs_of_places(), pairs)

    def given(out: Path) -> list[str]:
        options = MAKE[command].format(texts=texts, pairs=pairs, out=out).split()
        return [command, "--model", str(tiny_checkpoint), *options]

    assert ends(capsys, given(whole))[0] == 0
    sizes = sorted(path.stat().st_size for path in whole.rglob("*") if path.is_file())
    for n_bytes in (1, sizes[len(sizes) // 2], sizes[-1] - 1):
        with files_of_at_most(n_bytes):
            status, said = ends(capsys, given(full))
        assert status == 2, said
        assert re.search(r"cannot be written \(.*File too large.*\): free some space, or name another", said), said
        assert not list(full.rglob(".*")), "nothing is left half written"
    assert ends(capsys, given(full))[0] == 0
    assert left_in(full).keys() == left_in(whole).keys()
    check_same(left_in(full), left_in(whole))


def test_commands_that_add_to_a_run_lose_nothing_on_a_full_disk(
    runs: TinyRuns, tmp_path: Path, capsys, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LAYERSCOPE_CACHE", str(tmp_path / "cache"))  # nothing is kept of earlier runs
    run = Path(shutil.copytree(runs.tagged, tmp_path / "run"))
    page = tmp_path / "page.html"
    contrast = Path(shutil.copytree(runs.contrast, tmp_path / "contrast"))
    before, before_contrast = tables_in(run), tables_in(contrast)
    commands = [["pos", str(run), "--figures", "none"], ["report", str(run), "-o", str(page)]]
    commands += [["stability", str(contrast), "--k", "4", "--resamples", "0", "--positions", "edit", "--figures", "none"]]
    small = ["--stable", "3", "--sets", "2", "--max-pairs", "4", "--text-tokens", "20"]
    commands += [["intervene", str(contrast), *small, "--figures", "none"]]
    for words in commands:
        with files_of_at_most(100):
            status, said = ends(capsys, words)
        assert status == 2, said
        assert "cannot be written (File too large): free some space" in said
        assert not list(tmp_path.rglob(".*"))
    assert ends(capsys, ["report", str(run), "-o", str(page)])[0] == 0, "what was there is there and whole"
    for folder, tables in ((run, before), (contrast, before_contrast)):
        assert tables_in(folder).keys() == tables.keys()
        for name, table in tables_in(folder).items():
            pd.testing.assert_frame_equal(table, tables[name], check_exact=True)


WRITERS: dict[str, Callable[[Path], object]] = {
    "file": lambda path: whole_file(path / "file").__enter__().write_text("x"),
    "folder": lambda path: whole_folder(path / "folder").__enter__(),
    "digests": lambda path: Digests(path).begin(),
}


@pytest.mark.parametrize("writer", WRITERS)
@pytest.mark.parametrize("place", ["beneath a file", "read-only"])
def test_a_place_that_cannot_be_written_is_one_sentence(
    writer: str, place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "file" / "deep"
    if place == "beneath a file":
        (tmp_path / "file").write_text("x")
    else:

        def refuse(self: Path, *_: object, **__: object) -> None:
            raise OSError(errno.EROFS, "Read-only file system")

        monkeypatch.setattr(Path, "mkdir", refuse)
    with pytest.raises(
        RunError,
        match=r"cannot be written \((Not a directory|Read-only file system|'.*file' is not a folder that takes files)\): ",
    ):
        WRITERS[writer](folder)
