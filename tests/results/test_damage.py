"""Every file of a finished run, damaged in every way: what reads it says so in one sentence, or shows undisturbed values."""

from __future__ import annotations

import itertools
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from layerscope.cli.main import main
from layerscope.contrasts import tables as contrast_tables
from layerscope.errors import LayerscopeError, RunError
from layerscope.report.write import write_report
from layerscope.results.digests import SUMS
from layerscope.results.directory import RunDirectory
from layerscope.results.schema import Table
from layerscope.runs import open_drawn_run
from layerscope.searches import tables as search_tables
from layerscope.sweeps import pair_tables
from layerscope.sweeps import tables as sweep_tables
from tests.tiny_runs import TinyRuns

TABLES = {
    found.name: found
    for module in (sweep_tables, pair_tables, search_tables, contrast_tables)
    for found in vars(module).values()
    if isinstance(found, Table)
}


def flip(path: Path, _: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def cut(path: Path, _: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def replace_by_folder(path: Path, _: Path) -> None:
    path.unlink()
    path.mkdir()


DAMAGES: dict[str, Callable[[Path, Path], object]] = {
    "empty": lambda path, _: path.write_bytes(b""),
    "cut": cut,
    "flipped": flip,
    "swapped": lambda path, sibling: path.write_bytes(sibling.read_bytes()),
    "deleted": lambda path, _: path.unlink(),
    "a folder": replace_by_folder,
    "text": lambda path, _: path.write_text('{"request": {}, "schema_version": 2}', encoding="utf-8"),
}


def files_of(run: Path) -> list[Path]:
    """Each file of the run, of a table in parts its first and its last."""
    files = [path for path in sorted(run.iterdir()) if path.is_file()]
    for folder in sorted(path for path in run.iterdir() if path.is_dir() and path.name != "figures"):
        parts = sorted(folder.iterdir())
        files += dict.fromkeys([parts[0], parts[-1]])
    return files


def sibling_of(path: Path, run: Path) -> Path:
    """Another file of the same kind: another part of the table, or another table."""
    alike = sorted(one for one in path.parent.iterdir() if one.is_file() and one.suffix == path.suffix)
    if len(alike) == 1:
        alike = [path, *sorted(run.rglob("*.parquet"))]
    return alike[alike.index(path) - 1]


@contextmanager
def damaged(path: Path, how: str, run: Path) -> Iterator[None]:
    """A file as it is not; afterwards as it was."""
    before, sibling = path.read_bytes(), sibling_of(path, run)
    DAMAGES[how](path, sibling)
    try:
        yield
    finally:
        if path.is_dir():
            path.rmdir()
        path.write_bytes(before)


@pytest.fixture(scope="module")
def copies(runs: TinyRuns, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Runs that may be damaged, and one as version 0.1 left it."""
    folder = tmp_path_factory.mktemp("damaged")
    found = {name: Path(shutil.copytree(getattr(runs, name), folder / name)) for name in ("tagged", "plain", "contrast")}
    for name in ("tagged", "contrast"):
        found[f"old {name}"] = Path(shutil.copytree(found[name], folder / f"old-{name}"))
        (found[f"old {name}"] / SUMS).unlink()
    return found


def page_of(run: Path) -> str:
    output = run.parent / "page.html"
    write_report([run], output, force=True)
    return output.read_text(encoding="utf-8")


def read(path: Path, run: Path) -> object:
    """A file by the run directory's own reader."""
    directory = RunDirectory(run)
    if path.name == "manifest.json":
        return open_drawn_run(run).record
    if path.suffix == ".json":
        return directory.read_json(path.name, made_by="layerscope pos")
    table = TABLES[path.parent.name if path.parent != run else path.name]
    if path.parent == run:
        return directory.read_table(table).to_pydict()
    return directory.read_part(table, int(path.stem.removeprefix("shard-"))).to_pydict()


@pytest.mark.parametrize("how", DAMAGES)
@pytest.mark.parametrize("kind", ["tagged", "contrast"])
def test_no_reader_takes_a_file_that_is_not_as_it_was_written(copies: dict[str, Path], kind: str, how: str) -> None:
    run = copies[kind]
    for path in files_of(run):
        if path.suffix in (".json", ".parquet"):
            with damaged(path, how, run), pytest.raises(RunError) as caught:
                read(path, run)
            assert "\n" not in str(caught.value)
            assert f"'{path}'" in str(caught.value) or (path.name == "manifest.json" and f"'{run}'" in str(caught.value))
            read(path, run)


def outcome(run: Path) -> str:
    """The page, or the one sentence in its place."""
    try:
        return page_of(run)
    except LayerscopeError as error:
        return str(error)


@pytest.mark.parametrize("kind", ["tagged", "contrast"])
def test_a_page_shows_undisturbed_values_or_none(copies: dict[str, Path], kind: str) -> None:
    """Some of the files, each in one of the ways; the readers are tried with all of both."""
    run, n_refused = copies[kind], 0
    undisturbed = page_of(run)
    for path, how in zip(files_of(run)[::3], itertools.cycle(DAMAGES), strict=False):
        with damaged(path, how, run):
            found = outcome(run)
        if found != undisturbed:
            n_refused += 1
            assert "\n" not in found, (path, how)
            assert str(run) in found
    assert n_refused >= {"tagged": 3, "contrast": 7}[kind], "files that the page is made from"
    assert page_of(run) == undisturbed


@pytest.mark.parametrize("kind", ["old tagged", "old contrast"])
def test_a_run_without_digests_ends_in_a_sentence_too(copies: dict[str, Path], kind: str) -> None:
    """Rows of the right columns cannot be told from others there, and are believed."""
    run = copies[kind]
    undisturbed = page_of(run)
    ways = itertools.cycle(["empty", "cut", "deleted", "a folder", "text"])
    found = {}
    for path, how in zip(files_of(run)[::2], ways, strict=False):
        with damaged(path, how, run):
            found[path, how] = outcome(run)
    refused = {key: said for key, said in found.items() if not said.startswith("<!")}
    assert all("\n" not in said for said in refused.values())
    assert len(refused) >= {"old tagged": 3, "old contrast": 6}[kind]
    with damaged(run / LAYERS_OR_REFERENCE[kind], "swapped", run):
        assert outcome(run).endswith("holds another table: give the command that made the run again with --force.")
    assert page_of(run) == undisturbed


LAYERS_OR_REFERENCE = {"old tagged": "layers.parquet", "old contrast": "reference.parquet"}


COMMANDS = {
    "words": (["words", "{tagged}", "--variant", "removal-1"], "tagged", ("scores", "words.parquet", "vocabulary.parquet")),
    "pos": (["pos", "{tagged}", "--figures", "none"], "tagged", ("scores", "tokens.parquet", "manifest.json")),
    "compare": (["compare", "{tagged}", "{plain}", "--anyway"], "tagged", ("layers.parquet", "pos.json", "documents.parquet")),
    "figures": (["figures", "{contrast}"], "contrast", ("differences", "stability.json", "ranking.parquet")),
    "stability": (["stability", "{contrast}", "--k", "5"], "contrast", ("blocks", "reference.parquet")),
    "export": (["export", "--model", "x", "--run", "{tagged}", "--output-dir", "x"], "tagged", ("layers.parquet",)),
    "intervene": (["intervene", "{contrast}", "--stable", "5"], "contrast", ("groups", "blocks", "manifest.json")),
}


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_names_the_file_and_the_next_step(
    copies: dict[str, Path], command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    monkeypatch.chdir(tmp_path)
    words, kind, names = COMMANDS[command]
    arguments, run = [word.format(**copies) for word in words], copies[kind]
    for name, how in zip(names, ("flipped", "deleted") * 2, strict=False):
        path = run / name
        path = sorted(path.iterdir())[-1] if path.is_dir() else path
        with damaged(path, how, run), pytest.raises(SystemExit) as ended:
            main(arguments)
        said = capsys.readouterr().err.strip().splitlines()[-1]  # above it, how far the command came
        assert ended.value.code == 2, said
        wrong = "is not as it was written" if how == "flipped" else "is missing"
        assert f"'{path}' {wrong}: " in said or name == "manifest.json", said
        assert "makes it again" in said or "--force" in said, said
    assert list(tmp_path.iterdir()) == []
