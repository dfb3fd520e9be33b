"""Killed at any moment and started again, a command leaves what it leaves undisturbed, value by value, and nothing else.

A few kills in the suite; ``make kills`` runs fifty and prints a table. Half of them hit before a chosen change of the disk, the
others after a chosen share of the time that the command takes.
"""

from __future__ import annotations

import multiprocessing
import os
import shutil
import signal
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from layerscope.pairs.format import write_pairs
from tests.evaluations.own_tasks import write_blimp
from tests.left_behind import check_same, left_in
from tests.letter_pairs import PLACES, pairs_of_places

pytestmark = pytest.mark.slow

KILLS = int(os.environ.get("LAYERSCOPE_KILLS", "8"))
CHANGES = ("open", "os.rename", "os.remove", "os.mkdir", "os.rmdir", "shutil.rmtree")
NAMES = ("sweep", "contrast", "pairs make", "export", "sweep --force", "export --force", "evaluate", "search")
CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload(
    [
        "layerscope.cli.main",
        "layerscope.sweeps.run",
        "layerscope.contrasts.run",
        "layerscope.models.export",
        "layerscope.evaluations.run",
        "layerscope.searches.run",
    ]
)


@dataclass(frozen=True)
class Job:
    """A command and where it writes."""

    words: tuple[str, ...]
    """Of the command; ``{out}`` is the folder that it may write to."""
    before: tuple[str, ...] | None = None
    """A command whose result lies there already."""
    once: str | None = None
    """What it makes, if it refuses to make it twice."""


def run(words: list[str], out: str, kill_before: int | None, count: Any) -> None:
    """In a process of its own: a command, ended by the system before one of its changes of a folder."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    os.dup2(os.open(f"{out}.log", os.O_WRONLY | os.O_CREAT | os.O_TRUNC), 2)

    def watch(event: str, arguments: tuple[object, ...]) -> None:
        if event in CHANGES and str(arguments[0]).startswith(out + os.sep):
            count.value += 1
            if count.value == kill_before:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(watch)
    from layerscope.cli.main import main

    main(words)


def start(words: tuple[str, ...], out: Path, kill_before: int | None = None) -> tuple[Any, Any]:
    count = CONTEXT.Value("i", 0)
    process = CONTEXT.Process(target=run, args=([word.format(out=out) for word in words], str(out), kill_before, count))
    process.start()
    return process, count


def finish(words: tuple[str, ...], out: Path, *, status: int = 0) -> tuple[float, int]:
    """Run it to its end: the seconds that it took, and how often it changed the folder."""
    started = time.monotonic()
    process, count = start(words, out)
    process.join()
    assert process.exitcode == status, Path(f"{out}.log").read_text(encoding="utf-8")
    return time.monotonic() - started, count.value


@pytest.fixture(scope="module")
def jobs(tiny_checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Job]:
    warm = CONTEXT.Process(target=time.sleep, args=(0.0,))  # what the server imports once is not part of a job's time
    warm.start()
    warm.join()
    folder = tmp_path_factory.mktemp("jobs")
    texts, pairs = folder / "texts.txt", folder / "pairs.jsonl"
    lines = [f"Line {n} tells of a {place} and what was found there." for n, place in enumerate(PLACES * 2)]
    texts.write_text("\n".join(lines[:16]), encoding="utf-8")
    (folder / "reference.txt").write_text("\n".join(lines), encoding="utf-8")
    write_pairs(pairs_of_places(), pairs)
    model = ("--model", str(tiny_checkpoint))
    sweep = ("sweep", *model, "--dataset", str(texts), "--experiment", "removal", "--batch-tokens", "120", "--figures", "none")
    sweep += ("--output-dir", "{out}")
    contrast = ("contrast", *model, "--pairs", str(pairs), "--sites", "resid_post", "--positions", "edit,last")
    contrast += ("--reference-dataset", str(folder / "reference.txt"), "--reference-tokens", "200", "--output-dir", "{out}")
    export = ("export", *model, "--path", "0,2-3", "--output-dir", "{out}/smaller")
    evaluate = ("evaluate", *model, "--data-dir", str(write_blimp(folder / "blimp")), "--tasks", "blimp", "--path", "0,2-3")
    search = ("search", *model, "--dataset", str(texts), "--drop", "2", "--method", "beam:2", "--draws", "2")
    search += ("--calibration", "5", "--held-out", "4", "--random-paths", "2", "--batch-tokens", "40", "--figures", "none")
    return {
        "search": Job((*search, "--output-dir", "{out}")),
        "evaluate": Job((*evaluate, "--output-dir", "{out}")),
        "sweep": Job(sweep),
        "contrast": Job(contrast),
        "pairs make": Job(("pairs", "make", "--per-type", "60", "-o", "{out}/pairs.jsonl")),
        "export": Job(export, once="smaller"),
        "sweep --force": Job((*sweep, "--force"), before=(*sweep, "--seed", "7")),
        "export --force": Job((*export, "--force"), before=(*export[:3], "--path", "0-1", *export[5:])),
    }


@pytest.mark.parametrize("name", NAMES)
def test_a_killed_command_that_is_given_again_ends_the_same(
    name: str, jobs: dict[str, Job], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    monkeypatch.setenv("LAYERSCOPE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    job, place = jobs[name], NAMES.index(name)
    n_kills = len(range(place, KILLS, len(NAMES)))
    generator = np.random.default_rng([20, place])
    begin(job, tmp_path / "whole")
    seconds, changes = finish(job.words, tmp_path / "whole")
    expected = left_in(tmp_path / "whole")
    at_the_end = 0
    for number in range(n_kills):
        out = tmp_path / f"killed{number}"
        kill(job, out, generator, by_change=number % 2 == 0, seconds=seconds, changes=changes)
        is_made = job.once is not None and (out / job.once).exists()
        at_the_end += is_made
        finish(job.words, out, status=2 if is_made else 0)
        check_same(left_in(out), expected)
        shutil.rmtree(out)
    told = f"{name:15} {n_kills} kills, {at_the_end} when all was done; {changes} changes of the disk, {seconds:.1f} s"
    if KILLS > 8:
        with capsys.disabled():
            sys.stdout.write(f"\n{told}\n")


def begin(job: Job, out: Path) -> None:
    out.mkdir(parents=True, exist_ok=True)
    if job.before is not None:
        finish(job.before, out)


def kill(job: Job, out: Path, generator: np.random.Generator, *, by_change: bool, seconds: float, changes: int) -> None:
    """End it while it runs; one that was too fast is started again, and killed sooner."""
    latest = seconds
    while True:
        begin(job, out)
        process, _ = start(job.words, out, int(generator.integers(1, changes + 1)) if by_change else None)
        if not by_change:
            time.sleep(float(generator.uniform(0.0, latest)))
            process.kill()
        process.join()
        if process.exitcode == -signal.SIGKILL:
            return
        assert process.exitcode == 0, Path(f"{out}.log").read_text(encoding="utf-8")
        latest /= 2
        shutil.rmtree(out)
