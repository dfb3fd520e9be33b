"""The fuzzer itself: what it plants it finds, valid files hold, a case is the same case again, and a sample of cases holds."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from random import Random

import pytest

import layerscope.cli.main as command_line
from fuzz.formats import FORMATS
from fuzz.formats_written import COMMANDS
from fuzz.mutation import mutated_bytes, mutated_json
from fuzz.oracle import Fault, Outcome, faults, place_of
from fuzz.running import format_of, made_case, run_case
from fuzz.seeds import make_seeds
from fuzz.workers import run_cases
from layerscope.errors import PairError
from layerscope.pairs.format import read_pairs
from tests.planted_cases import planted_runner, told

ROOT = Path(__file__).parents[1]
HUGE = "9" * 5_000


@pytest.fixture(scope="module")
def seeds(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("seeds")
    make_seeds(folder)
    return folder


@pytest.mark.parametrize("name", FORMATS)
def test_a_valid_file_of_each_format_holds(name: str, seeds: Path, tmp_path: Path) -> None:
    """Else everything would be refused, and refusing would prove nothing."""
    result, outcome = run_case(0, name, Random(f"valid {name}"), seeds, tmp_path / "room", mutates=False)
    assert (result.code, result.faults) == (0, ()), outcome.stderr


def test_every_command_whose_options_are_mutated_holds_before(seeds: Path, tmp_path: Path) -> None:
    states = {}
    for number in range(300):
        folder = tmp_path / f"look-{number}"
        folder.mkdir()
        states[made_case("options", Random(f"whole {number}"), seeds, folder, mutates=False).arguments] = f"whole {number}"
        if len(states) == len(COMMANDS):
            break
    assert len(states) == len(COMMANDS)
    for arguments, state in states.items():
        result, outcome = run_case(0, "options", Random(state), seeds, tmp_path / "room", mutates=False)
        assert (result.code, result.faults) == (0, ()), f"{arguments}: {outcome.stderr}"


def test_a_case_is_the_same_case_again(seeds: Path, tmp_path: Path) -> None:
    for name in FORMATS:
        made = []
        for turn in ("one", "two"):
            folder = tmp_path / name / turn
            folder.mkdir(parents=True)
            case = made_case(name, Random("7"), seeds, folder)
            files = {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
            made.append((case.arguments, files))
        assert made[0] == made[1], name
    assert [format_of(3, n) for n in range(40)] == [format_of(3, n) for n in range(40)]
    assert {format_of(0, number) for number in range(400)} == set(FORMATS), "every format comes"


def test_mutations_change_what_they_are_given() -> None:
    data, value = b'{"text": "a line", "n": 12}\n' * 3, {"a": [1, {"b": "text"}], "c": None}
    assert sum(mutated_bytes(Random(n), data) != data for n in range(300)) > 270
    made = [mutated_json(Random(n), value) for n in range(1_000)]
    assert len(set(made)) > 500  # of so small a value
    for hostile in (b"NaN", b"1e400", HUGE.encode(), b"[" * 1_000, b"\\ud800"):
        assert any(hostile in one for one in made), hostile
    assert value == {"a": [1, {"b": "text"}], "c": None}


PLANTED = {
    "KeyError in": lambda _: {}["missing"],
    "RecursionError in": lambda _: _for_ever(),
    "SystemError in": lambda _: _raise(SystemError("a library's own")),
    "exit code 3": lambda _: sys.exit(3),
    "a traceback was printed": lambda _: _end("Traceback (most recent call last):\n  File\nlayerscope: an error happened."),
    "a refusal of several lines or none": lambda _: sys.exit(2),
    "a message of more than 2,100 characters": lambda _: _end(f"layerscope: A number is short; got {HUGE}."),
    "control characters on standard error": lambda _: _end("layerscope: A name is text; got '\x1b[2J'."),
    "noise of a library": lambda _: _end("/a.py:1: UserWarning: something\nlayerscope: The file is no such file."),
    "changed files although it did not succeed": lambda _: (Path("out.txt").touch(), _end("layerscope: It cannot be read.")),
    "changed what it was not asked to write": lambda _: Path("stray.txt").touch(),
    "left half-written": lambda _: Path(".unfinished-1-2-out.txt").touch(),
    "not whole although it succeeded": lambda _: Path("out.json").write_text("[", encoding="utf-8"),
}


@pytest.mark.parametrize("kind", PLANTED)
def test_a_planted_fault_is_found(kind: str, seeds: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each in a command that otherwise holds: the export of pairs."""
    monkeypatch.setattr(command_line, "main", PLANTED[kind])
    result, _ = run_case(1, "pairs", _that_exports(seeds, tmp_path), seeds, tmp_path / "room", mutates=False)
    assert result.command.startswith("layerscope 'pairs' 'export'")
    assert any(fault.kind.startswith(kind) for fault in result.faults), result.faults


def test_what_holds_has_no_fault(seeds: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(_: object) -> None:
        _end("layerscope: A pair has two sentences; got one: name another file.")

    monkeypatch.setattr(command_line, "main", refused)
    result, outcome = run_case(1, "pairs", _that_exports(seeds, tmp_path), seeds, tmp_path / "room", mutates=False)
    assert (result.code, result.faults, outcome.stdout) == (2, (), "")


def test_a_file_that_is_replaced_by_one_as_long_is_a_change() -> None:
    before, after = {"a": (3, 10), "b": (-1, 0)}, {"a": (3, 11), "b": (-1, 0)}
    refused = Outcome(2, stderr="layerscope: The file cannot be read.\n")
    assert faults(refused, before, before, ()) == []
    assert faults(refused, before, after, ("a",)) == [Fault("changed files although it did not succeed", "a")]
    assert faults(Outcome(0), before, after, ("a",)) == []
    assert faults(Outcome(0), before, after, ("ab",)) == [Fault("changed what it was not asked to write", "a")]


def test_a_fault_is_named_by_the_innermost_place_of_ours(tmp_path: Path) -> None:
    with pytest.raises(PairError) as ours:
        list(read_pairs(tmp_path / "missing.jsonl"))
    assert place_of(ours.value) == "pairs/format.py:read_pairs"
    with pytest.raises(PairError) as elsewhere:
        _raise(PairError("here"))
    assert place_of(elsewhere.value).endswith(":_raise")


def test_hangs_and_crashes_end_one_case_and_no_other(tmp_path: Path) -> None:
    ran = run_cases(0, range(9), tmp_path, tmp_path, processes=1, limit=0.5, report=told, run=planted_runner)
    found = {result.number: [fault.kind for fault in result.faults] for result in ran}
    assert {number for number, kinds in found.items() if not kinds} == {0, 2, 4, 6, 8}
    assert [found[number][0].partition(" in ")[0] for number in (1, 3, 5)] == ["a hang", "a hang", "a crash (-11)"]
    assert found[7] == ["MemoryError"]
    assert [path.read_text(encoding="utf-8") for path in tmp_path.glob("*.told")] == ["7"]


@pytest.mark.slow
def test_a_sample_of_cases_holds(seeds: Path, tmp_path: Path) -> None:
    """In processes of their own, as ``make fuzz`` runs ten thousand: there nothing checks shapes, and memory is bounded."""
    words = ["120", "--seed", "15", "--processes", "1", "--seeds", str(seeds), "--keep", str(tmp_path / "kept")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT / "src"), str(ROOT)])}
    done = subprocess.run(
        [sys.executable, "-m", "fuzz", *words], env=environment, cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr[-2_000:]
    cases, accepted, refused, failures, _ = done.stdout.partition("\nall ")[2].splitlines()[0].split()
    assert (cases, failures) == ("120", "0")
    assert int(accepted) > 20
    assert int(refused) > 20
    assert list((tmp_path / "kept").iterdir()) == []


def _that_exports(seeds: Path, tmp_path: Path) -> Random:
    """A state of chance that makes a case of ``pairs export``."""
    for number in range(200):
        folder = tmp_path / f"look-{number}"
        folder.mkdir()
        if made_case("pairs", Random(f"export {number}"), seeds, folder, mutates=False).arguments[:2] == ("pairs", "export"):
            return Random(f"export {number}")
    raise AssertionError("no case of pairs is an export")


def _end(message: str) -> None:
    sys.stderr.write(f"{message}\n")
    raise SystemExit(2)


def _raise(error: BaseException) -> None:
    raise error


def _for_ever() -> None:
    _for_ever()
