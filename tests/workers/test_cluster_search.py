"""A search on a real cluster of two nodes: the same files to the bit as one process writes, whatever ends on the way."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

import pytest

from layerscope.searches.on_cluster import SEARCH
from layerscope.searches.prepare import PreparedSearch
from layerscope.searches.record import SearchRecord
from layerscope.searches.run import run_search
from layerscope.workers.ray_pool import Demand
from tests.searches.runs import prepared_in
from tests.swept_files import tables_but_times
from tests.workers.shared_sweeps import once_written, one_thread
from tests.workers.two_nodes import worker_processes

pytestmark = pytest.mark.cluster

SETTINGS: dict[str, dict[str, object]] = {
    "greedy": {"draws": 2, "batch_tokens": 80},
    "beam until the intervals are narrow enough": {
        "method": "beam:3",
        "moves": ("removal", "exchange", "attention-removal"),
        "until_ci": 0.02,
        "calibration": 24,
    },
    "evolution by divergence": {"method": "evolution:2", "calibration": 16},
}


def in_one_process(folder: Path, model: Path, **changes: object) -> PreparedSearch:
    with one_thread():
        prepared = prepared_in(folder, model, **changes)
        run_search(prepared)
    return prepared


def on_cluster(cluster: Any, prepared: PreparedSearch) -> None:
    with SEARCH.settled(prepared.request, Demand(cluster.address)) as search:
        assert search.prepared.record == prepared.record
        assert SEARCH.run(search)


def record_of(prepared: PreparedSearch) -> SearchRecord:
    found = prepared.directory.record(SearchRecord)
    assert found is not None
    return found


@pytest.mark.slow
@pytest.mark.parametrize("name", list(SETTINGS))
def test_the_same_files_to_the_bit_as_one_process(name: str, cluster, tiny_checkpoint: Path, tmp_path: Path) -> None:
    whole = in_one_process(tmp_path, tiny_checkpoint, **SETTINGS[name])
    shared = prepared_in(tmp_path, tiny_checkpoint, **SETTINGS[name], output_dir=tmp_path / "shared")
    on_cluster(cluster, shared)
    assert tables_but_times(shared.directory.path) == tables_but_times(whole.directory.path)
    record = record_of(shared)
    assert record.status == "finished"
    assert {worker.status for worker in record.workers} == {"finished"}
    n_parts = len(list(shared.directory.path.glob("*_scores/shard-*.parquet")))
    assert sum(worker.shards for worker in record.workers) == n_parts
    assert record.work is not None
    assert record.work.paths_scored == record_of(whole).work.paths_scored


@pytest.mark.slow
def test_workers_that_are_killed_change_no_number(cluster, tiny_checkpoint: Path, tmp_path: Path) -> None:
    whole = in_one_process(tmp_path, tiny_checkpoint, **SETTINGS["greedy"])
    shared = prepared_in(tmp_path, tiny_checkpoint, **SETTINGS["greedy"], output_dir=tmp_path / "shared")

    def kill() -> None:
        for process in worker_processes(cluster):
            process.send_signal(signal.SIGKILL)

    thread = once_written(shared.directory.path / "calibration_scores", 5, kill)
    on_cluster(cluster, shared)
    thread.join()
    assert tables_but_times(shared.directory.path) == tables_but_times(whole.directory.path)
    assert "lost" in {worker.status for worker in record_of(shared).workers}
