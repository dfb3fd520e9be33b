"""``--store``, ``gather`` and ``status`` of an address, as they are typed."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from layerscope.cli.main import main
from tests.s3_server import s3_server
from tests.swept_files import contents, write_texts


@pytest.fixture
def words(tiny_checkpoint: Path, tmp_path: Path) -> list[str]:
    texts = write_texts(tmp_path / "texts.jsonl", [f"Text {n} of some length." for n in range(12)])
    some = ["sweep", "--model", str(tiny_checkpoint), "--dataset", str(texts), "--experiment", "removal"]
    return [*some, "--batch-tokens", "90", "--figures", "none"]


def ends(words: list[str], capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    with pytest.raises(SystemExit) as ended:
        main(words)
    said = capsys.readouterr()
    return int(ended.value.code or 0), " ".join((said.out + said.err).split())


def test_two_machines_and_a_third_that_gathers(
    words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each has a disk of its own; the command that is printed is the one to give."""
    with s3_server() as server:
        store = server.bucket("of-commands")
        for part in ("2/2", "1/2"):
            code, said = ends([*words, "--shard", part, "--store", store, "--output-dir", str(tmp_path / part[0])], capsys)
            assert code == 0, said
            gather = shlex.split(said.rpartition("layerscope ")[2])[:2]
            command, run = gather
            assert command == "gather"
            assert run.startswith("s3://of-commands/runs/removal/tiny")
            if part == "2/2":
                code, said = ends([*gather, "--output-dir", str(tmp_path / "all")], capsys)
                assert (code, "--shard 1/2" in said) == (2, True), said
                code, said = ends(["status", run], capsys)
                assert (code, "sweep, not complete" in said, "2-of-2" in said, "finished" in said) == (0, True, True, True)
        code, said = ends(["status", run], capsys)
        assert (code, "sweep, complete" in said) == (0, True)
        monkeypatch.chdir(tmp_path)
        code, said = ends([*gather, "--figures", "none"], capsys)
        assert code == 0, said
        (gathered,) = (tmp_path / "results" / "removal").iterdir()
        assert "removal-3" in said
        assert f"Gathered: results/removal/{gathered.name}" in said
        assert "of-tests" not in said
    assert ends([*words, "--output-dir", str(tmp_path / "whole")], capsys)[0] == 0
    (whole,) = (tmp_path / "whole" / "removal").iterdir()
    assert contents(gathered) == contents(whole)


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        (["--store", "s3://bucket/runs"], "--store is only for the parts of a run: add --shard I/N"),
        (["--shard", "1/2", "--store", "ftp://host/runs"], "got 'ftp://host/runs'"),
        (["--shard", "1/2", "--store", "s3://key:hidden@bucket/runs"], "holds no key and no password"),
        (["--shard", "1/2", "--store", "s3://bucket/runs?secret=hidden"], "got 'secret': leave it out"),
    ],
)
def test_refusals(words: list[str], more: list[str], expected: str, tmp_path: Path, capsys) -> None:
    code, said = ends([*words, *more, "--output-dir", str(tmp_path / "out")], capsys)
    assert (code, expected in said) == (2, True), said
    assert "hidden" not in said
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("command", ["gather", "status"])
def test_an_address_without_a_run(command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, said = ends([command, f"file://{tmp_path}/nothing"], capsys)
    assert (code, f"'file://{tmp_path}/nothing' holds none: give the address that they printed" in said) == (2, True), said


def test_a_place_for_what_is_here_already(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, said = ends(["gather", str(tmp_path), "--output-dir", str(tmp_path)], capsys)
    assert (code, "is on this machine: leave it out" in said) == (2, True), said
