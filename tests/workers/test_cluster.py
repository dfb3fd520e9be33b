"""A sweep on a real cluster of two nodes: the same files to the bit as one process writes, whatever ends on the way."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import pytest

from layerscope.errors import DeviceError, RunError
from layerscope.pairs.format import write_pairs
from layerscope.summaries import write_summary
from layerscope.sweeps.on_cluster import SWEEP
from layerscope.sweeps.prepare import prepare_sweep
from layerscope.workers.ray_pool import Demand
from layerscope.workers.schedule import Patience
from tests.letter_pairs import pairs_of_names
from tests.ports import free_port, listens
from tests.swept_files import contents
from tests.workers.shared_sweeps import command_words, in_one_process, on_cluster, once_written, record_of
from tests.workers.two_nodes import two_nodes, worker_processes

pytestmark = pytest.mark.cluster


@pytest.mark.parametrize(
    "kind", ["texts", *(pytest.param(kind, marks=pytest.mark.slow) for kind in ("pairs and depth", "until-ci"))]
)
def test_the_same_files_to_the_bit_as_one_process(make, cluster, tmp_path: Path, kind: str) -> None:
    pairs = tmp_path / "pairs.jsonl"
    write_pairs([pair for pair in pairs_of_names() if pair.right is not None], pairs)
    changes: dict[str, Any] = {
        "texts": {"batch_tokens": 1500},
        "pairs and depth": {"pairs": pairs, "experiments": ("depth",), "max_samples": 60},
        "until-ci": {"until_ci": 0.05, "experiments": ("removal",)},
    }[kind]
    whole = in_one_process(make("whole", **changes))
    shared = on_cluster(make("shared", **changes), cluster)
    assert contents(shared) == contents(whole)
    workers = record_of(shared).workers
    assert sum(worker.shards for worker in workers) >= record_of(shared).plan.shards if kind == "texts" else workers
    assert {worker.status for worker in workers} == {"finished"}
    checked = subprocess.run(["sha256sum", "--check", "--quiet", "SHA256SUMS"], cwd=shared, check=False, capture_output=True)
    assert checked.returncode == 0, checked.stderr


def kill_one(cluster: Any, seed: int) -> None:
    """The one that has worked most, or all of them."""
    processes = sorted(worker_processes(cluster), key=lambda one: -one.cpu_times().user)
    for process in processes[: 1 if seed % 3 else None]:
        process.send_signal(signal.SIGKILL)


def suspend_all(cluster: Any) -> None:
    for process in worker_processes(cluster):
        process.suspend()


KILLS = int(os.environ.get("LAYERSCOPE_CLUSTER_KILLS", "3"))


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(KILLS))
def test_a_worker_that_is_killed_changes_no_number(make, cluster, seed: int) -> None:
    whole = in_one_process(make("whole"))
    shared = prepare_sweep(make("shared")).directory.path
    n_shards = record_of(whole).plan.shards
    thread = once_written(shared / "scores", random.Random(seed).randrange(1, n_shards - 4), lambda: kill_one(cluster, seed))
    on_cluster(make("shared"), cluster)
    thread.join()
    assert contents(shared) == contents(whole)
    workers = record_of(shared).workers
    assert {worker.status for worker in workers} == {"lost", "finished"}
    assert len(workers) >= 2


@pytest.mark.slow
def test_a_worker_that_hangs_is_replaced(make, cluster) -> None:
    whole = in_one_process(make("whole"))
    shared = prepare_sweep(make("shared")).directory.path
    thread = once_written(shared / "scores", 3, lambda: suspend_all(cluster))
    on_cluster(make("shared"), cluster, patience=Patience(work=10.0, beat=1.0))
    thread.join()
    assert contents(shared) == contents(whole)
    assert "lost" in {worker.status for worker in record_of(shared).workers}


@pytest.mark.slow
def test_a_node_that_is_lost_changes_no_number(make, cluster) -> None:
    whole = in_one_process(make("whole"))
    node = cluster.add_node(num_cpus=1)
    shared = prepare_sweep(make("shared")).directory.path
    thread = once_written(shared / "scores", 5, lambda: cluster.remove_node(node, allow_graceful=False))
    on_cluster(make("shared"), cluster)
    thread.join()
    assert contents(shared) == contents(whole)


@pytest.mark.slow
def test_a_driver_that_is_killed_goes_on(make, cluster, tiny_checkpoint: Path, tmp_path: Path) -> None:
    whole = in_one_process(make("whole", experiments=("removal",)))
    write_summary(whole)  # as a command does
    words = [*command_words(tmp_path, tiny_checkpoint, "shared"), "--cluster", str(cluster.address)]
    shared = prepare_sweep(make("shared", experiments=("removal",))).directory.path

    def start() -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "layerscope.cli.main", *words], text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )

    killed = start()
    thread = once_written(shared / "scores", 5, lambda: killed.send_signal(signal.SIGKILL))
    killed.communicate()
    thread.join()
    n_before = len(list((shared / "scores").glob("shard-*")))
    assert 5 <= n_before < record_of(whole).plan.shards
    again = start()
    out, err = again.communicate(timeout=240)
    assert again.returncode == 0, err
    assert "Cluster: 2 worker(s), each with 0 GPU(s) and 1 CPU(s)" in out
    assert contents(shared) == contents(whole)
    assert (record_of(shared).shards_resumed or 0) >= n_before


@pytest.mark.slow
def test_what_a_cluster_cannot_do_is_said(make, cluster) -> None:
    with pytest.raises(DeviceError, match=r"A worker takes 0 GPU\(s\) and 9 CPU\(s\) of one node; no node of the cluster"):
        on_cluster(make("shared"), cluster, cpus=9)
    with pytest.raises(DeviceError, match=r"A worker takes 2 GPU\(s\)"):
        on_cluster(make("shared"), cluster, gpus=2)
    on_cluster(make("shared"), cluster)
    with pytest.raises(RunError, match="holds another run"):
        on_cluster(make("shared", batch_tokens=300), cluster)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # the log of its server is never closed
def test_through_rays_client_from_a_machine_that_is_no_node(make) -> None:
    pytest.importorskip("grpc", reason="Ray's client is not installed: pip install 'layerscope[cluster]'")
    whole = in_one_process(make("whole"))
    port = free_port()
    with two_nodes(ray_client_server_port=port) as nodes:
        request = make("shared")
        shared = prepare_sweep(request).directory.path
        thread = once_written(shared / "scores", 5, lambda: kill_one(nodes, 0))
        with SWEEP.settled(request, Demand(f"ray://127.0.0.1:{port}")) as sweep:
            SWEEP.run(sweep)
        thread.join()
    assert contents(shared) == contents(whole)
    assert {worker.status for worker in record_of(shared).workers} == {"lost", "finished"}


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # the log of its server is never closed
def test_a_client_that_is_refused_leaves_nothing_behind(make, cluster) -> None:
    pytest.importorskip("grpc", reason="Ray's client is not installed: pip install 'layerscope[cluster]'")
    port = free_port()
    with two_nodes(1, client_waits=0, ray_client_server_port=port):  # no process is up as fast
        until = time.monotonic() + 120
        while not listens(port) and time.monotonic() < until:
            time.sleep(0.2)
        with (
            pytest.raises(DeviceError, match="cannot be reached"),
            SWEEP.settled(make("shared"), Demand(f"ray://127.0.0.1:{port}")),
        ):
            pytest.fail("its server does not start")
    assert contents(on_cluster(make("shared"), cluster)) == contents(in_one_process(make("whole")))


def test_no_cluster_at_the_address(make) -> None:
    with pytest.raises(DeviceError, match="cannot be reached"), SWEEP.settled(make("shared"), Demand("127.0.0.1:1")):
        pytest.fail("there is none")


def test_nothing_of_layerscope_runs_after_a_run(cluster) -> None:
    psutil.wait_procs(worker_processes(cluster), timeout=20)
    assert worker_processes(cluster) == []
