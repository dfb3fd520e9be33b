"""A cluster of two nodes of one core on this machine, and its workers' processes."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil
import pytest


@contextmanager
def two_nodes(n_nodes: int = 2, *, client_waits: int = 180, **head: Any) -> Iterator[Any]:
    """Real nodes of Ray with a core each, the head with further options; nothing is connected to them.

    Args:
        n_nodes: how many, the head among them.
        client_waits: seconds in which the process of Ray's client must be up; its own 30 are few where other work goes on.
        head: options of the head.
    """
    pytest.importorskip("ray", reason="Ray is not installed: pip install 'layerscope[cluster]'")
    from ray.cluster_utils import Cluster

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        patch.setenv("RAY_memory_monitor_refresh_ms", "0")
        source = str(Path(__file__).parents[2] / "src")  # nodes run what is tested
        patch.setenv("PYTHONPATH", os.pathsep.join([source, os.environ.get("PYTHONPATH", "")]))
        patch.setenv("JAXTYPING_DISABLE", "1")
        patch.setenv("RAY_CLIENT_SERVER_CHECK_CHANNEL_TIMEOUT_S", str(client_waits))
        cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False, **head})
        for _ in range(n_nodes - 1):
            cluster.add_node(num_cpus=1)
        try:
            yield cluster
        finally:
            cluster.shutdown()


def worker_processes(cluster: Any) -> list[psutil.Process]:
    """Of a cluster, those that hold a worker of layerscope."""
    found = []
    for node in cluster.list_all_nodes():
        for raylet in node.all_processes.get("raylet", ()):
            with suppress(psutil.NoSuchProcess):
                found += [one for one in psutil.Process(raylet.process.pid).children(recursive=True) if _is_worker(one)]
    return sorted(found, key=lambda one: one.pid)


def _is_worker(process: psutil.Process) -> bool:
    with suppress(psutil.NoSuchProcess, psutil.ZombieProcess):
        words = process.cmdline()
        return bool(words) and words[0].startswith("ray::WorkerProcess")
    return False
