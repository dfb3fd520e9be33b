"""SHA256SUMS: every file of a run has its line, sha256sum agrees, and no moment of a kill leaves a file without one."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from layerscope.atomic import whole_file
from layerscope.results.digests import SUMS, Digests


def write(folder: Path, name: str, text: str) -> None:
    digests = Digests(folder)
    with whole_file(folder / name) as unfinished:
        unfinished.write_text(text)
        digests.note(name, unfinished)
    digests.settle(name)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    Digests(tmp_path).begin()
    for name in ("a.json", "scores/shard-00000.parquet", "scores/shard-00001.parquet", "日本.md"):
        write(tmp_path, name, f"text of {name}")
    return tmp_path


def test_a_line_a_file_as_sha256sum_has_it(folder: Path) -> None:
    write(folder, "a.json", "another text")
    assert sorted(Digests(folder).names()) == ["a.json", "scores/shard-00000.parquet", "scores/shard-00001.parquet", "日本.md"]
    assert len((folder / SUMS).read_text(encoding="utf-8").splitlines()) == 4
    if shutil.which("sha256sum") is not None:
        subprocess.run(["sha256sum", "--check", "--strict", "--quiet", SUMS], cwd=folder, check=True)


def test_what_is_wrong_is_said(folder: Path) -> None:
    digests = Digests(folder)
    assert [digests.fault(name) for name in digests.names()] == [None] * 4
    one, other = (folder / "scores" / f"shard-0000{n}.parquet" for n in range(2))
    one.write_bytes(one.read_bytes()[:-1] + b"T")
    other.unlink()
    (folder / "new").write_text("x")
    assert digests.fault("scores/shard-00000.parquet") == "is not as it was written"
    assert digests.fault("scores/shard-00001.parquet") == "is missing"
    assert digests.fault("new") == f"has no line in {SUMS}"
    write(folder, "scores/shard-00000.parquet", "text again")
    assert digests.fault("scores/shard-00000.parquet") is None, "what another process writes is seen"
    digests.forget("scores/shard-00001.parquet")
    assert "scores/shard-00001.parquet" not in digests.names()


def test_a_kill_between_line_and_move_leaves_either_file_right(folder: Path) -> None:
    digests = Digests(folder)
    (folder / "unfinished").write_text("the new text")
    digests.note("a.json", folder / "unfinished")
    assert digests.fault("a.json") is None
    (folder / "unfinished").replace(folder / "a.json")
    assert digests.fault("a.json") is None
    (folder / "a.json").write_text("neither")
    assert digests.fault("a.json") == "is not as it was written"


def test_a_line_that_a_full_disk_cut_spoils_no_other(folder: Path) -> None:
    with (folder / SUMS).open("ab") as sums:
        sums.write(b"0123456789abcdef")
    write(folder, "b.json", "x")
    assert Digests(folder).fault("b.json") is None


@pytest.mark.parametrize("content", [b"", b"no sums\n", b"\xff\xfe\x00", b"0" * 64 + b"  a.json\n"])
def test_sums_that_are_damaged_vouch_for_nothing(folder: Path, content: bytes) -> None:
    (folder / SUMS).write_bytes(content)
    assert Digests(folder).fault("a.json") is not None


def test_a_run_without_sums_is_not_checked(tmp_path: Path) -> None:
    write(tmp_path, "a.json", "x")
    assert not (tmp_path / SUMS).exists()
    assert Digests(tmp_path).fault("a.json") is None
    assert list(Digests(tmp_path).names()) == []


def test_several_writers_each_have_a_file_until_they_are_gathered(folder: Path) -> None:
    one, other, reader = Digests(folder, "1-of-2"), Digests(folder, "2-of-2"), Digests(folder)

    def write_as(digests: Digests, name: str, text: str) -> None:
        with whole_file(folder / name) as unfinished:
            unfinished.write_text(text)
            digests.note(name, unfinished)
        digests.settle(name)

    write_as(one, "scores/shard-00002.parquet", "third")
    write_as(other, "scores/shard-00003.parquet", "fourth")
    write_as(other, "scores/shard-00002.parquet", "third, done again by another")
    assert len((folder / SUMS).read_text(encoding="utf-8").splitlines()) == 4, "nobody writes what others write"
    for digests in (one, other, reader):
        assert [digests.fault(name) for name in sorted(digests.names())] == [None] * 6
    reader.gather()
    assert sorted(path.name for path in folder.glob(f"{SUMS}*")) == [SUMS]
    assert len((folder / SUMS).read_text(encoding="utf-8").splitlines()) == 6
    if shutil.which("sha256sum") is not None:
        subprocess.run(["sha256sum", "--check", "--strict", "--quiet", SUMS], cwd=folder, check=True)


def test_gathering_vouches_for_no_file_that_nobody_wrote(folder: Path) -> None:
    for writer in ("1-of-2", "2-of-2"):
        digests = Digests(folder, writer)
        (folder / "unfinished").write_text(f"by {writer}")
        digests.note("b.json", folder / "unfinished")
    (folder / "b.json").write_text("by a stranger")
    reader = Digests(folder)
    assert reader.fault("b.json") == "is not as it was written"
    reader.gather()
    assert reader.fault("b.json") == "is not as it was written"
