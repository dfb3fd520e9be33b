"""What can go wrong on a cluster beside workers that end: one clear sentence, nothing lost, and the same command goes on."""

from __future__ import annotations

import os
import resource
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import psutil
import pytest
import torch

from layerscope.errors import DeviceError, RunError
from layerscope.sweeps.on_cluster import SweepHand
from layerscope.sweeps.prepare import prepare_sweep
from layerscope.workers.crew import _checked
from layerscope.workers.worker import Made, WorkerProcess, hello_of
from tests.swept_files import contents
from tests.workers.shared_sweeps import command_words, in_one_process, on_cluster, once_written
from tests.workers.two_nodes import two_nodes, worker_processes

pytestmark = pytest.mark.cluster

SOURCE = Path(__file__).parents[2] / "src"


# in one process, as a worker's


@pytest.fixture
def worker(make, tmp_path: Path) -> WorkerProcess:
    request = make("shared")
    prepared = prepare_sweep(request)
    prepared.directory.path.mkdir(parents=True)
    token = tmp_path / "token"
    token.write_text("token")
    made = Made("a", SweepHand, (request, prepared.record, prepared.directory.path), token)
    found = WorkerProcess(made, torch.get_num_threads())
    found.open().given()
    return found


def test_a_device_with_too_little_memory_is_one_sentence(worker: WorkerProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB.\nSee documentation.")

    monkeypatch.setattr(worker._hand._worker, "score", full)
    with pytest.raises(DeviceError) as refused:
        worker.work((0, 1)).given()
    said = str(refused.value)
    assert said.startswith("A worker has too little memory for a batch of ")
    assert "(CUDA out of memory. Tried to allocate 20.00 GiB.): take a smaller --batch-tokens" in said
    assert "(On node " in said
    monkeypatch.undo()
    assert worker.work((0, 1)).given() == 2, "it can go on"
    worker.close().given()


def test_a_worker_that_fails_shows_where(worker: WorkerProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError("of ours")

    monkeypatch.setattr(worker._hand._worker, "score", broken)
    with pytest.raises(RuntimeError, match=r"(?s)A worker failed:.*test_faults.*ZeroDivisionError: of ours"):
        worker.work((0,)).given()


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"token": None}, "does not see what this process wrote beside"),
        ({"token": "of another run"}, "does not see what this process wrote beside"),
        ({"versions": {"torch": "1.0"}}, "has torch 1.0 and this is "),
        ({"versions": {"python": "3.9"}}, "has python 3.9 and this is "),
        ({"code": "0" * 64}, "its files on node far (10.0.0.9) are others than here"),
    ],
)
def test_a_worker_that_would_not_compute_the_same_is_refused(changes: dict[str, Any], said: str, tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("of this run")
    ours = hello_of(token)
    fields = {**vars(ours), "node": "far", "address": "10.0.0.9"}
    assert _checked(type(ours)(**fields), ours, tmp_path) == "far"
    if "versions" in changes:
        changes = {"versions": {**ours.versions, **changes["versions"]}}
    with pytest.raises(RunError) as refused:
        _checked(type(ours)(**{**fields, **changes}), ours, tmp_path)
    assert said in str(refused.value)
    assert "node far (10.0.0.9)" in str(refused.value)


# on a cluster


@pytest.mark.slow
def test_storage_that_is_not_shared_is_refused_before_anything_is_written(make, cluster, tmp_path: Path, monkeypatch) -> None:
    """A path that is another folder for each process."""
    (tmp_path / "mine").mkdir()
    monkeypatch.chdir(tmp_path / "mine")
    request = make("shared", output_dir=Path("/proc/self/cwd/results"))
    with pytest.raises(RunError, match=r"node \S+ \(\S+\) does not see what this process wrote beside"):
        on_cluster(request, cluster)
    assert [path for path in (tmp_path / "mine").rglob("*") if path.is_file() and not path.name.endswith(".lock")] == []


@pytest.mark.slow
@pytest.mark.parametrize("what", ["code", "version"])
def test_a_node_with_other_code_or_versions_is_refused(what: str, make, tmp_path: Path) -> None:
    other = tmp_path / "other"
    shutil.copytree(SOURCE / "layerscope", other / "layerscope")
    if what == "code":
        with (other / "layerscope" / "lock.py").open("a", encoding="utf-8") as file:
            file.write("# changed\n")
        said = r"its files on node \S+ \(\S+\) are others than here: install the same on every node"
    else:
        (other / "matplotlib-0.0.1.dist-info").mkdir()
        (other / "matplotlib-0.0.1.dist-info" / "METADATA").write_text(
            "Metadata-Version: 2.1\nName: matplotlib\nVersion: 0.0.1\n"
        )
        said = r"has matplotlib 0\.0\.1 and this is "
    with two_nodes(n_nodes=1) as cluster:
        cluster.add_node(num_cpus=1, env_vars={"PYTHONPATH": str(other)})
        with pytest.raises(RunError, match=said):
            on_cluster(make("shared"), cluster)


@pytest.mark.slow
def test_a_disk_that_fills_up_is_one_sentence_and_the_run_goes_on_later(make, cluster) -> None:
    whole = in_one_process(make("whole"))
    shared = prepare_sweep(make("shared")).directory.path

    def fill() -> None:
        for process in worker_processes(cluster):
            resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (100, resource.RLIM_INFINITY))

    thread = once_written(shared / "scores", 5, fill)
    with pytest.raises(RunError, match=r"cannot be written \(.*File too large.*\): free some space, .* \(On node "):
        on_cluster(make("shared"), cluster)
    thread.join()
    n_before = len(list((shared / "scores").glob("shard-*")))
    assert 5 <= n_before < len(list((whole / "scores").glob("shard-*")))
    assert on_cluster(make("shared"), cluster) == shared
    assert contents(shared) == contents(whole)
    assert not list(shared.rglob(".unfinished-*"))


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_command_ends_its_workers(number: signal.Signals, make, cluster, tiny_checkpoint, tmp_path) -> None:
    asked = {"experiments": ("removal",), "batch_tokens": 60}  # so many batches that the signal comes amid them
    whole = in_one_process(make("whole", **asked))
    shared = prepare_sweep(make("shared", **asked)).directory.path
    words = [*command_words(tmp_path, tiny_checkpoint, "shared", batch_tokens=60), "--cluster", str(cluster.address)]
    command = subprocess.Popen(
        [sys.executable, "-m", "layerscope.cli.main", *words],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(SOURCE)},
    )
    thread = once_written(shared / "scores", 4, lambda: command.send_signal(number))
    _, err = command.communicate(timeout=200)
    thread.join()
    assert command.returncode == 128 + number, err
    assert "Traceback" not in err
    psutil.wait_procs(worker_processes(cluster), timeout=20)
    assert worker_processes(cluster) == []
    assert 4 <= len(list((shared / "scores").glob("shard-*"))) < len(list((whole / "scores").glob("shard-*")))
    on_cluster(make("shared", **asked), cluster)
    assert contents(shared) == contents(whole)
