"""How commands end: streams that cannot take what is printed, readers that leave, signals. Each in a process of its own."""

from __future__ import annotations

import logging
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from rich.table import Table
from rich.text import Text

from layerscope.cli.console import consoles, say
from layerscope.cli.ending import GOES_ON, STARTS_OVER, check_stopped, exit_on_error
from layerscope.cli.main import main
from layerscope.errors import DataError

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
LAYERSCOPE = [sys.executable, "-m", "layerscope.cli.main"]
JAPANESE = "東京の“雨”は Δ−1 — naïve 🙂"


@pytest.fixture(autouse=True)
def _signals_are_heard() -> Iterator[None]:
    """As in a terminal; a shell starts what runs in its background with SIGINT ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def environment(**more: str) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": f"{ROOT / 'src'}:{ROOT}", "COLUMNS": "120", **more}


def shell(command: str, **more: str) -> subprocess.CompletedProcess[bytes]:
    line = " ".join(f"'{part}'" for part in LAYERSCOPE)
    text = command.replace("LAYERSCOPE", line)
    return subprocess.run(["bash", "-o", "pipefail", "-c", text], env=environment(**more), capture_output=True, check=False)


@pytest.fixture(scope="module")
def pairs_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("pairs") / "table.jsonl"
    path.write_text(f'{{"sentence1": "{JAPANESE} a", "sentence2": "{JAPANESE} b", "type": "meaning", "subtype": "日本"}}\n' * 3)
    return path


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "latin-1", "cp932"])
def test_what_a_terminal_cannot_show_is_escaped(encoding: str, pairs_file: Path, tmp_path: Path) -> None:
    output = tmp_path / "雨" / f"{encoding}.jsonl"
    done = shell(f"LAYERSCOPE pairs import table '{pairs_file}' -o '{output}' | cat", PYTHONIOENCODING=encoding)
    assert done.returncode == 0, done.stderr
    printed = done.stdout.decode(encoding)
    assert output.is_file()
    escaped = "日本".encode(encoding, "backslashreplace").decode(encoding)
    assert re.search(rf"meaning[ |]+{re.escape(escaped)}[ |]+3", printed)
    assert "雨".encode(encoding, "backslashreplace").decode(encoding) in printed.splitlines()[-1]


def test_what_would_move_a_terminal_is_written_out(capsys: pytest.CaptureFixture[str]) -> None:
    errors, out = consoles()
    names = ("a\x1b[2Jb", "c\x7f\x85d", "e\u202ef", "g\x9b1mh")
    table = Table(title=Text(names[0]))
    table.add_column(names[1], no_wrap=True, min_width=40)
    table.add_row(Text(names[2]))
    out.print(table)
    for name in names:
        say(out, name)
        say(errors, name)
    logging.getLogger("layerscope").warning("%s", names[3])
    shown = capsys.readouterr()
    for text in (shown.out, shown.err):
        assert all(one.isprintable() for one in text.replace("\n", "")), text
        for name in names:
            assert repr(name)[1:-1] in text
    say(out, "雨\u3000が\u00a0降る")
    assert capsys.readouterr().out == "雨\u3000が\u00a0降る\n", "spaces of any width are text"


@pytest.mark.parametrize("command", ["datasets", "--help"])
def test_a_reader_that_leaves_is_no_error(command: str) -> None:
    done = shell(f"LAYERSCOPE {command} | true")
    assert (done.returncode, done.stderr) == (0, b"")


def test_the_work_is_done_though_nobody_reads_what_is_printed(pairs_file: Path, tmp_path: Path) -> None:
    for number, redirected in enumerate((">&- 2>&-", "2>&1 | true")):
        done = shell(f"LAYERSCOPE pairs import table '{pairs_file}' -o '{tmp_path}/{number}.jsonl' {redirected}")
        assert (done.returncode, done.stderr) == (0, b""), redirected
        assert len((tmp_path / f"{number}.jsonl").read_text(encoding="utf-8").splitlines()) == 3
    done = shell("LAYERSCOPE pairs import nothing 'x' -o y 2>&-")
    assert done.returncode == 2


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
@pytest.mark.parametrize("command", ["datasets", "--help"])
def test_a_full_disk_behind_standard_output_is_one_sentence(command: str) -> None:
    done = shell(f"LAYERSCOPE {command} > /dev/full")
    assert done.returncode == 2
    (line,) = done.stderr.decode().splitlines()
    assert line.startswith("layerscope: Output cannot be written (No space left on device): ")


@pytest.mark.parametrize(("number", "word", "code"), [(signal.SIGINT, "Interrupted", 130), (signal.SIGTERM, "Terminated", 143)])
def test_a_signal_ends_with_what_stands(
    number: signal.Signals, word: str, code: int, tiny_checkpoint: Path, tmp_path: Path
) -> None:
    """A sweep is stopped when its first batches are there, and the same command ends it with all of them."""
    (tmp_path / "texts.txt").write_text("Rain fell on the town for days.\n" * 1200, encoding="utf-8")
    arguments = [
        "sweep",
        "--model",
        str(tiny_checkpoint),
        "--dataset",
        "texts.txt",
        "--max-samples",
        "all",
        "--figures",
        "none",
    ]
    arguments += ["--experiment", "removal", "--batch-tokens", "2000", "--compile", "off"]
    with subprocess.Popen(
        [*LAYERSCOPE, *arguments], cwd=tmp_path, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as sweep:
        while sweep.poll() is None and not list(tmp_path.glob("results/*/*/scores/shard-00001.parquet")):
            time.sleep(0.02)
        sweep.send_signal(number)
        _, errors = sweep.communicate(timeout=120)
    assert sweep.returncode == code, errors
    assert errors.splitlines()[-1] == f"layerscope: {word}: {GOES_ON}."
    assert "Traceback" not in errors
    assert not list(tmp_path.rglob(".unfinished-*"))
    (scores,) = tmp_path.glob("results/*/*/scores")
    n_there = len(list(scores.iterdir()))
    assert n_there >= 2
    before = {path: path.stat().st_mtime_ns for path in scores.iterdir()}
    assert not (scores.parent / "layers.parquet").exists()
    again = subprocess.run([*LAYERSCOPE, *arguments], cwd=tmp_path, env=environment(), capture_output=True, check=False)
    assert again.returncode == 0, again.stderr
    assert (scores.parent / "layers.parquet").is_file()
    assert {path: path.stat().st_mtime_ns for path in before} == before  # what stood was not made again


def ended(run, capsys: pytest.CaptureFixture[str], **stands: str) -> tuple[object, str]:
    with pytest.raises(SystemExit) as end:
        exit_on_error(run, **stands)
    return end.value.code, capsys.readouterr().err.strip()


def stop(number: signal.Signals) -> None:
    os.kill(os.getpid(), number)
    time.sleep(1.0)


@pytest.mark.parametrize(("number", "word", "code"), [(signal.SIGINT, "Interrupted", 130), (signal.SIGTERM, "Terminated", 143)])
def test_a_signal_is_told_whatever_a_library_makes_of_it(
    number: signal.Signals, word: str, code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    before = signal.getsignal(number)

    def made_an_error_of() -> None:
        try:
            stop(number)
        except BaseException as error:
            raise ImportError("cannot be imported") from error

    def swallowed_until_progress_is_told() -> None:
        with suppress(BaseException):
            stop(number)
        check_stopped()
        raise AssertionError("went on")

    for run in (lambda: stop(number), made_an_error_of, swallowed_until_progress_is_told):
        assert ended(run, capsys) == (code, f"layerscope: {word}: {STARTS_OVER}.")
        assert signal.getsignal(number) is before
    check_stopped()


def test_a_signal_that_is_to_be_ignored_is(capsys: pytest.CaptureFixture[str]) -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        assert ended(lambda: os.kill(os.getpid(), signal.SIGINT), capsys) == (0, "")
    finally:
        signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize(
    ("arguments", "stands"),
    [
        (["sweep", "--model", "m", "--dataset", "d"], GOES_ON),
        (["pairs", "import", "table", "x", "-o", "y"], STARTS_OVER),
        (["report", "x"], STARTS_OVER),
    ],
)
def test_each_command_says_what_stands_of_it(
    arguments: list[str], stands: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("layerscope.cli.main._run", interrupted)
    with pytest.raises(SystemExit) as end:
        main(arguments)
    assert end.value.code == 130
    assert capsys.readouterr().err == f"layerscope: Interrupted: {stands}.\n"


def test_errors_of_the_system_are_sentences_and_bugs_are_not(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    def refused() -> None:
        raise DataError("A rule.")

    assert ended(refused, capsys) == (2, "layerscope: A rule.")
    code, said = ended(lambda: (tmp_path / ("x" * 300)).exists(), capsys)
    assert code == 2
    assert re.fullmatch(
        r"layerscope: '.*x{300}' cannot be used \(File name too long\): free some space, or name another place\.", said
    )
    with pytest.raises(OSError, match="no errno"):
        exit_on_error(lambda: (_ for _ in ()).throw(OSError("no errno")))
