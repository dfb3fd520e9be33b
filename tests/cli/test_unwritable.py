"""A place that takes no files, and a disk that is full: one sentence in every command that writes, and nothing half-written."""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path

import pytest

from layerscope.cli.main import main
from layerscope.pairs.format import write_pairs
from layerscope.results.digests import SUMS, Digests
from tests.letter_pairs import pairs_of_places
from tests.tiny_runs import TinyRuns


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    *progress, said = capsys.readouterr().err.strip().splitlines()
    assert ended.value.code == 2
    assert said.startswith("layerscope: ")
    assert "Traceback" not in "".join(progress)
    return said


@pytest.mark.parametrize("place", ["under a file", "a folder", "a device"])
@pytest.mark.parametrize(
    "command",
    [
        "sweep --model {checkpoint} --dataset {texts} --output-dir {place}",
        "contrast --model {checkpoint} --reference-dataset {texts} --output-dir {place}",
        "export --model {checkpoint} --path 0,1 --output-dir {place}",
        "pairs make --per-type 1 --subtypes tense -o {place}",
        "pairs import table {table} -o {place}",
        "pairs export {pairs} -o {place}",
        "pairs check {pairs} --tokenizer {checkpoint} -o {place}",
        "pairs judge {pairs} --model {checkpoint} -o {place}",
        "report {nothing} -o {place}.html",
        "words {nothing} --variant removal-1 --output {place}",
    ],
)
def test_a_place_that_takes_no_files(
    command: str, place: str, tiny_checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "texts.txt").write_text("Rain fell on the town.\n", encoding="utf-8")
    (tmp_path / "table.csv").write_text("sentence1,sentence2,type,subtype\nIt is.,It was.,grammar,tense\n", encoding="utf-8")
    (tmp_path / "pairs.jsonl").touch()
    before = sorted(tmp_path.iterdir())
    path = {"under a file": tmp_path / "texts.txt" / "out", "a folder": tmp_path, "a device": Path("/dev/null")}[place]
    is_of_folders = "--output-dir" in command
    if (is_of_folders and place == "a folder") or (place != "under a file" and ".html" in command):
        pytest.skip("that is a place")
    said = refused(
        capsys,
        *(
            part.format(
                checkpoint=tiny_checkpoint, texts=tmp_path / "texts.txt", table=tmp_path / "table.csv", place=path,
                pairs=tmp_path / "pairs.jsonl", nothing=tmp_path / "nothing",
            )
            for part in command.split()
        ),
    )  # fmt: skip
    assert str(path) in said
    assert any(
        words in said for words in ("cannot be written", "is not a folder that can be written", "is a file: name another")
    )
    assert sorted(tmp_path.iterdir()) == before
    assert Path("/dev/null").is_char_device()


def stamps(folder: Path) -> dict[Path, int]:
    """When each file was written, but for lists of digests."""
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file() and path.name != SUMS}


@pytest.mark.parametrize(
    "command",
    [
        "pos {tagged}",
        "words {tagged} --variant removal-1 --output {folder}/words.csv",
        "compare {tagged} {plain} --family removal --anyway --output-dir {folder}/compared",
        "stability {contrast} --k 5 --resamples 3 --positions edit",
        "figures {tagged} --language en --format svg",
        "report {tagged} --output {folder}/page.html",
    ],
    ids=lambda text: text.split()[0],
)
@pytest.mark.slow
def test_a_full_disk(
    command: str, runs: TinyRuns, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    copies = {name: tmp_path / name for name in ("tagged", "plain", "contrast")}
    for name, path in copies.items():
        shutil.copytree(getattr(runs, name), path)
    before = stamps(tmp_path)

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Path, "replace", full)
    said = refused(capsys, *(part.format(folder=tmp_path, **copies) for part in command.split()))
    assert "cannot be written (No space left on device): free some space, or name another place for it." in said
    assert stamps(tmp_path) == before
    monkeypatch.undo()
    for path in (copies["tagged"], copies["contrast"]):  # whose digests may hold a line more, of what did not come about
        assert Digests(path).are_kept()
        assert [name for name in Digests(path).names() if Digests(path).fault(name)] == []


@pytest.mark.parametrize(
    ("command", "file"),
    [
        ("pos {tagged}", "{tagged}/pos.json"),
        ("stability {contrast} --k 5 --resamples 3 --positions edit", "{contrast}/stability_ja.md"),
        ("intervene {contrast} --stable 3 --sets 2 --max-pairs 4 --text-tokens 20", "{contrast}/intervention.json"),
        ("compare {tagged} {plain} --family removal --anyway --output-dir {folder}/two", "{folder}/two/comparison.json"),
        ("compare {tagged} {plain} --family removal --anyway --output-dir {folder}/two", "{folder}/two/fragility.csv"),
    ],
)
def test_a_folder_in_the_place_of_a_file_is_named_before_anything_is_written(
    command: str, file: str, runs: TinyRuns, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copies = {name: tmp_path / name for name in ("tagged", "plain", "contrast")}
    for name, path in copies.items():
        shutil.copytree(getattr(runs, name), path)
    in_its_place = Path(file.format(folder=tmp_path, **copies))
    in_its_place.unlink(missing_ok=True)
    in_its_place.mkdir(parents=True)
    before = stamps(tmp_path)
    said = refused(capsys, *(part.format(folder=tmp_path, **copies) for part in command.split()), "--figures", "none")
    assert f"'{in_its_place}' cannot be written (it is a folder): name a file." in said
    assert stamps(tmp_path) == before


@pytest.mark.parametrize(
    ("command", "file"),
    [
        ("sweep --dataset {texts} --experiment removal --figures none", "layers.parquet"),
        ("contrast --pairs {pairs} --sites resid_post --positions edit --reference-dataset {texts}", "reference.parquet"),
    ],
)
def test_a_run_that_goes_on_names_a_folder_in_the_place_of_a_file(
    command: str, file: str, tiny_checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    texts, pairs, out = (tmp_path / name for name in ("texts.txt", "pairs.jsonl", "out"))
    texts.write_text("\n".join(f"Line {n} of some text that is told here." for n in range(12)), encoding="utf-8")
    write_pairs(pairs_of_places(), pairs)
    name, *options = command.format(texts=texts, pairs=pairs).split()
    words = [name, "--model", str(tiny_checkpoint), *options, "--output-dir", str(out)]
    with pytest.raises(SystemExit) as ended:
        main(words)
    assert not ended.value.code
    (made,) = out.rglob(file)
    made.unlink()
    made.mkdir()
    before = stamps(out)
    assert f"'{made}' cannot be written (it is a folder): name a file." in refused(capsys, *words)
    assert stamps(out) == before
