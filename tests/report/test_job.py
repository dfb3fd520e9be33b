"""From run directories to the file: names, what is missing, and what is refused."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from layerscope.errors import RunError
from layerscope.report.write import open_drawn_run, write_report
from layerscope.results.digests import SUMS, Digests
from layerscope.sweeps.tables import TOKEN_WORDS
from tests.report.unpack import page_data, table_of
from tests.tiny_runs import CLOSING, MODEL, SITES, TinyRuns


@pytest.fixture(scope="module")
def whole(runs: TinyRuns, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict]:
    path = tmp_path_factory.mktemp("page") / "report.html"
    write_report(runs.all, path)
    return path, page_data(path)[0]


def copied(run: Path, place: Path) -> Path:
    return Path(shutil.copytree(run, place))


def changed(run: Path, **changes: object) -> Path:
    """The run with another manifest, and nothing that vouches for it."""
    (run / SUMS).unlink()
    path = run / "manifest.json"
    manifest = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps({**manifest, **changes}), encoding="utf-8")
    return run


def test_a_page_of_sweeps_and_contrasts(runs: TinyRuns, whole: tuple[Path, dict]) -> None:
    path, data = whole
    assert [sweep["model"] for sweep in data["sweeps"]] == [MODEL, "tiny-three"]
    assert [sweep["layers"] for sweep in data["sweeps"]] == [4, 3]
    assert [sweep["pos"] is None for sweep in data["sweeps"]] == [False, True]
    assert [one["model"] for one in data["contrasts"]] == [MODEL]
    assert (data["contrasts"][0]["layers"], data["contrasts"][0]["width"]) == (4, 32)
    assert set(data["contrasts"][0]["spread"]) == set(SITES)
    folders = [str(one) for one in runs.all]
    assert [one["folder"] for one in data["sweeps"] + data["contrasts"]] == folders
    assert data["version"]
    assert path.stat().st_size < 1_500_000


def test_what_it_says_when_it_is_written(runs: TinyRuns, tmp_path: Path) -> None:
    told: list[tuple[str, int, int]] = []
    report = write_report(runs.all, tmp_path / "a.html", progress=lambda *one: told.append(one))
    assert report.path == tmp_path / "a.html"
    assert report.size == report.path.stat().st_size
    assert told == [("Reading runs", n, 3) for n in range(4)]
    assert report.missing == (f"Parts of speech: layerscope pos {runs.plain}",)


def test_missing_analyses_are_named(runs: TinyRuns, tmp_path: Path) -> None:
    report = write_report([runs.bare], tmp_path / "a.html")
    assert report.missing == (
        f"Rankings and agreement: layerscope stability {runs.bare}",
        f"Does it matter?: layerscope intervene {runs.bare}",
    )
    assert write_report([runs.tagged, runs.contrast], tmp_path / "b.html").missing == ()


def test_one_kind_alone(runs: TinyRuns, tmp_path: Path) -> None:
    write_report([runs.contrast], tmp_path / "a.html")
    data, _ = page_data(tmp_path / "a.html")
    assert (data["sweeps"], len(data["contrasts"])) == ([], 1)
    write_report([runs.plain], tmp_path / "b.html")
    data, _ = page_data(tmp_path / "b.html")
    assert (len(data["sweeps"]), data["contrasts"]) == (1, [])


def test_the_same_runs_give_the_same_page(runs: TinyRuns, whole: tuple[Path, dict], tmp_path: Path) -> None:
    write_report(runs.all, tmp_path / "again.html")
    assert (tmp_path / "again.html").read_bytes() == whole[0].read_bytes()


def test_a_run_given_twice_is_shown_once(runs: TinyRuns, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(runs.plain.parent)
    write_report([runs.plain, Path(runs.plain.name), runs.plain / "figures" / ".."], tmp_path / "a.html")
    assert len(page_data(tmp_path / "a.html")[0]["sweeps"]) == 1


def names_of(path: Path) -> list[str]:
    data, _ = page_data(path)
    return [one["name"] for one in data["sweeps"] + data["contrasts"]]


def test_names_tell_runs_of_one_model_apart(runs: TinyRuns, tmp_path: Path) -> None:
    other = copied(runs.plain, tmp_path / "again" / "other")
    write_report([runs.plain, other, runs.tagged], tmp_path / "a.html")
    assert names_of(tmp_path / "a.html")[:2] == [
        f"tiny-three · japanese · {runs.plain.parent.name}/{runs.plain.name}",
        "tiny-three · japanese · again/other",
    ]
    assert len(set(names_of(tmp_path / "a.html"))) == 3


def test_names_tell_folders_of_one_name_apart(runs: TinyRuns, tmp_path: Path) -> None:
    """As two --output-dir have them."""
    two = [copied(runs.plain, tmp_path / place / runs.plain.parent.name / runs.plain.name) for place in ("first", "second")]
    write_report(two, tmp_path / "a.html")
    assert len(set(names_of(tmp_path / "a.html"))) == 2


def test_a_sweep_and_a_contrast_of_one_model_need_no_folder(whole: tuple[Path, dict]) -> None:
    _, data = whole
    for one in data["sweeps"] + data["contrasts"]:
        assert one["folder"] not in one["name"]


def test_words_of_the_tagger_are_used_where_they_are(runs: TinyRuns, tmp_path: Path) -> None:
    untagged = copied(runs.tagged, tmp_path / "run")
    (untagged / TOKEN_WORDS.name).unlink()
    Digests(untagged).forget(TOKEN_WORDS.name)
    write_report([untagged], tmp_path / "a.html")
    data, packing = page_data(tmp_path / "a.html")
    assert data["sweeps"][0]["text"] is not None
    assert len(table_of(data["sweeps"][0]["variants"], packing.chunks)) == 8


def test_text_of_the_corpus_is_in_the_page_and_no_part_of_it(whole: tuple[Path, dict]) -> None:
    text = whole[0].read_text(encoding="utf-8")
    assert CLOSING not in text
    assert "<img" not in text
    assert text.count("</title>") == text.count("</style>") == 1
    assert text.count("<script") == text.count("</script>")


@pytest.mark.parametrize("language", ["en", "ja"])
def test_the_language_that_it_opens_in(runs: TinyRuns, tmp_path: Path, language: str) -> None:
    write_report([runs.plain], tmp_path / "a.HTM", language=language)
    assert f'<html lang="{language}">' in (tmp_path / "a.HTM").read_text(encoding="utf-8")


# what is refused


def test_a_folder_that_is_no_run(runs: TinyRuns, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for path, lacks in (("empty", "has none"), ("none", "does not exist"), (runs.plain / "manifest.json", "is a file")):
        with pytest.raises(RunError, match=f"A run directory holds manifest.json; '.*' {lacks}: name the folder that"):
            write_report([tmp_path / path], tmp_path / "a.html")
    assert not (tmp_path / "a.html").exists()


def test_a_run_that_is_not_finished(runs: TinyRuns, tmp_path: Path) -> None:
    for number, (run, command) in enumerate(((runs.plain, "sweep"), (runs.bare, "contrast"))):
        running = changed(copied(run, tmp_path / str(number)), status="running")
        with pytest.raises(RunError, match=f"is not finished: give the same 'layerscope {command}' command again"):
            write_report([runs.tagged, running], tmp_path / "a.html")
    assert not (tmp_path / "a.html").exists()


def test_a_manifest_of_another_version(runs: TinyRuns, tmp_path: Path) -> None:
    other = changed(copied(runs.plain, tmp_path / "run"), schema_version=999)
    with pytest.raises(RunError, match="has tables of version 999"):
        open_drawn_run(other)
    (other / "manifest.json").write_text("{", encoding="utf-8")
    with pytest.raises(RunError, match="is damaged and cannot be read"):
        open_drawn_run(other)


def test_a_file_that_is_there_is_kept(runs: TinyRuns, tmp_path: Path) -> None:
    path = tmp_path / "a.html"
    path.write_text("mine", encoding="utf-8")
    with pytest.raises(RunError, match="already exists: name another --output, or use --force to replace it."):
        write_report([runs.plain], path)
    assert path.read_text(encoding="utf-8") == "mine"
    write_report([runs.plain], path, force=True)
    assert "mine" not in path.read_text(encoding="utf-8")[:100]


@pytest.mark.parametrize("name", ["report", "report.pdf", "report.html.gz", ".html"])
def test_another_ending(runs: TinyRuns, tmp_path: Path, name: str) -> None:
    with pytest.raises(RunError, match="A report is a file that ends in .html; got "):
        write_report([runs.plain], tmp_path / name)


def test_a_folder_as_the_output(runs: TinyRuns, tmp_path: Path) -> None:
    (tmp_path / "a.html").mkdir()
    for force in (False, True):
        with pytest.raises(RunError, match=r"a\.html' is"):
            write_report([runs.plain], tmp_path / "a.html", force=force)
    assert list((tmp_path / "a.html").iterdir()) == []


def test_a_folder_is_not_told_to_be_forced(runs: TinyRuns, tmp_path: Path) -> None:
    (tmp_path / "a.html").mkdir()
    with pytest.raises(RunError) as refused:
        write_report([runs.plain], tmp_path / "a.html", force=True)
    assert "--force" not in str(refused.value), "it does not help"


def test_nothing_half_written_is_left(runs: TinyRuns, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.html"
    path.write_text("mine", encoding="utf-8")

    def full(*_: object, **__: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(RunError, match=r"cannot be written \(No space left on device\)"):
        write_report([runs.plain], path, force=True)
    assert [one.name for one in tmp_path.iterdir()] == ["a.html"]
    assert path.read_text(encoding="utf-8") == "mine"


def test_a_full_disk_is_one_sentence_that_fits_every_command(
    runs: TinyRuns, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_text", full)
    message = r"a.html' cannot be written \(No space left on device\): free some space, or name another place for it\."
    with pytest.raises(RunError, match=message):
        write_report([runs.plain], tmp_path / "a.html")
    assert not (tmp_path / "a.html").exists()


def test_a_folder_for_it_is_made(runs: TinyRuns, tmp_path: Path) -> None:
    write_report([runs.plain], tmp_path / "new" / "folder" / "a.html")
    assert (tmp_path / "new" / "folder" / "a.html").is_file()
