"""A sweep in parts: the same tables to the bit as one process gives, whatever the number and the order; refusals."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from layerscope.errors import DataError, RunError
from layerscope.pairs.format import write_pairs
from layerscope.sweeps.parts import REQUEST, gather_sweep, run_sweep_part
from layerscope.sweeps.prepare import SweepRequest, prepare_sweep
from layerscope.sweeps.record import SweepRecord
from layerscope.sweeps.run import run_sweep
from layerscope.workers.part import Part
from tests.letter_pairs import pairs_of_names
from tests.swept_files import contents, write_texts

TEXTS = [f"Number {n} of the dogs saw {n + 3} old cats near the river." + " And more." * (n % 5) for n in range(24)]


@pytest.fixture
def make(tiny_checkpoint: Path, tmp_path: Path):
    texts = write_texts(tmp_path / "texts.jsonl", TEXTS)

    def request(folder: str, **changes) -> SweepRequest:
        given = {"model": str(tiny_checkpoint), "dataset": str(texts), "output_dir": tmp_path / folder, "batch_tokens": 200}
        return SweepRequest(**{**given, **changes})

    return request


@pytest.fixture
def whole(make, tmp_path: Path) -> dict[str, str]:
    prepared = prepare_sweep(make("whole"))
    run_sweep(prepared)
    return contents(prepared.directory.path)


@pytest.mark.parametrize("n_parts", [1, 2, 5, 40])
def test_any_number_of_parts_in_any_order_gives_the_same_files(make, whole, n_parts: int) -> None:
    order = random.Random(n_parts).sample(range(1, n_parts + 1), n_parts)
    prepared = prepare_sweep(make("parts"))
    done = [run_sweep_part(prepared, Part(number, n_parts)) for number in order]
    assert sum(done) == len(prepared.shards) > 5
    path = prepared.directory.path
    gather_sweep(path)
    assert contents(path) == whole
    record = prepared.directory.record(SweepRecord)
    assert record is not None
    assert record.status == "finished"
    assert sum(worker.shards for worker in record.workers) == len(prepared.shards)
    assert {worker.status for worker in record.workers} == {"finished"}
    checked = subprocess.run(["sha256sum", "--check", "--quiet", "SHA256SUMS"], cwd=path, check=False, capture_output=True)
    assert checked.returncode == 0, checked.stderr
    assert run_sweep(prepared) is False, "finished"


def test_pairs_are_done_in_parts_too(make, tmp_path: Path) -> None:
    file = tmp_path / "pairs.jsonl"
    write_pairs([one for one in pairs_of_names() if one.right is not None][:40], file)
    runs = []
    for folder in ("whole", "parts"):
        prepared = prepare_sweep(make(folder, pairs=file))
        runs.append(prepared.directory.path)
        if folder == "whole":
            run_sweep(prepared)
            continue
        for number in (2, 3, 1):
            run_sweep_part(prepared, Part(number, 3))
        gather_sweep(prepared.directory.path)
    assert contents(runs[0]) == contents(runs[1])


def test_what_is_missing_is_said_and_done_by_its_part(make, whole) -> None:
    prepared = prepare_sweep(make("parts"))
    path = prepared.directory.path
    with pytest.raises(RunError, match="holds none"):
        gather_sweep(path)
    run_sweep_part(prepared, Part(1, 3))
    run_sweep_part(prepared, Part(3, 3))
    with pytest.raises(RunError, match=rf"\d of {len(prepared.shards)} are not: .+ \(--shard 2/3\)"):
        gather_sweep(path)
    assert (path / REQUEST).is_file()
    run_sweep_part(prepared, Part(2, 3))
    assert run_sweep_part(prepared, Part(2, 3)) == 0
    gather_sweep(path)
    assert contents(path) == whole


def test_a_run_begun_in_parts_goes_on_in_one_process(make, whole) -> None:
    prepared = prepare_sweep(make("parts"))
    n_done = run_sweep_part(prepared, Part(1, 3))
    assert run_sweep(prepare_sweep(make("parts"))) is True
    record = prepared.directory.record(SweepRecord)
    assert record is not None
    assert record.shards_resumed == n_done
    assert {name: content for name, content in contents(prepared.directory.path).items() if name in whole} == whole


def test_refusals(make, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"--shard is I/N, part I of N, from 1/N to N/N; got '4/3'"):
        Part.parse("4/3")
    with pytest.raises(DataError, match="--until-ci looks at the texts of all parts"):
        run_sweep_part(prepare_sweep(make("parts", until_ci=0.1)), Part(1, 2))
    prepared = prepare_sweep(make("parts"))
    run_sweep_part(prepared, Part(1, 2))
    with pytest.raises(RunError, match="holds another run"):
        run_sweep_part(prepare_sweep(make("parts", batch_tokens=100)), Part(2, 2))
    write_texts(tmp_path / "texts.jsonl", ["Quite another text, of some length."])
    with pytest.raises(RunError, match=r"was begun otherwise \(texts_sha256 was"):
        gather_sweep(prepared.directory.path)


RUN = """
import sys
from pathlib import Path
from layerscope.sweeps.parts import run_sweep_part
from layerscope.sweeps.prepare import SweepRequest, prepare_sweep
from layerscope.workers.part import Part
request = SweepRequest(sys.argv[1], sys.argv[2], output_dir=Path(sys.argv[3]), batch_tokens=200)
run_sweep_part(prepare_sweep(request), Part.parse(sys.argv[4]))
"""


@pytest.mark.slow
def test_parts_at_once_one_of_them_killed(make, whole, tiny_checkpoint: Path, tmp_path: Path) -> None:
    prepared = prepare_sweep(make("parts"))
    source = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2] / "src"), "OMP_NUM_THREADS": "1"}

    def start(part: str) -> subprocess.Popen[bytes]:
        arguments = [str(tiny_checkpoint), str(tmp_path / "texts.jsonl"), str(tmp_path / "parts"), part]
        return subprocess.Popen([sys.executable, "-c", RUN, *arguments], env=source)

    processes = [start(f"{number}/3") for number in (1, 2, 3)]
    while not list(prepared.directory.path.glob("workers/*.json")) and processes[0].poll() is None:
        time.sleep(0.01)
    processes[0].send_signal(signal.SIGKILL)
    for process in processes:
        process.wait()
    assert [process.returncode for process in processes[1:]] == [0, 0]
    assert start("1/3").wait() == 0
    gather_sweep(prepared.directory.path)
    assert contents(prepared.directory.path) == whole
