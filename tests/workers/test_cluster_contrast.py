"""A contrast on a real cluster of two nodes: the same files to the bit as one process writes, whatever ends on the way."""

from __future__ import annotations

import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from layerscope.contrasts.finished import FinishedContrast
from layerscope.contrasts.on_cluster import CONTRAST, ContrastHand
from layerscope.contrasts.prepare import ContrastRequest, prepare_contrast
from layerscope.contrasts.record import ContrastRecord
from layerscope.contrasts.reference import ReferenceText
from layerscope.contrasts.run import run_contrast
from layerscope.contrasts.stability import StabilityRequest, find_stability
from layerscope.errors import RunError
from layerscope.pairs.format import write_pairs
from layerscope.workers.ray_pool import Demand
from layerscope.workers.schedule import Patience
from tests.letter_pairs import PLACES, pairs_of_names
from tests.swept_files import contents
from tests.workers.shared_sweeps import once_written, one_thread
from tests.workers.two_nodes import worker_processes

pytestmark = pytest.mark.cluster


@pytest.fixture
def make(cluster, tiny_checkpoint: Path, tmp_path: Path) -> Callable[..., ContrastRequest]:
    pairs, texts = tmp_path / "pairs.jsonl", tmp_path / "reference.txt"
    write_pairs(pairs_of_names(), pairs)
    texts.write_text("\n".join(f"Line {n} tells of a {place}." for n, place in enumerate(PLACES * 4)), encoding="utf-8")

    def request(folder: str, **changes: Any) -> ContrastRequest:
        given = {
            "model": str(tiny_checkpoint),
            "pairs": pairs,
            "sites": ("resid_post", "mlp_out"),
            "positions": ("edit", "edit+1", "last"),
            "reference": ReferenceText(str(texts), 300),
            "batch_tokens": 500,
            "output_dir": tmp_path / folder,
        }
        return ContrastRequest(**{**given, **changes})

    return request


def in_one_process(request: ContrastRequest) -> Path:
    with one_thread():
        prepared = prepare_contrast(request)
        run_contrast(prepared)
    return prepared.directory.path


def on_cluster(request: ContrastRequest, cluster: Any, *, patience: Patience | None = None, **demand: Any) -> Path:
    with CONTRAST.settled(request, Demand(cluster.address, **demand)) as contrast:
        CONTRAST.run(contrast, patience=patience)
        return contrast.prepared.directory.path


def record_of(path: Path) -> ContrastRecord:
    return ContrastRecord.model_validate_json((path / "manifest.json").read_bytes())


@pytest.mark.slow
@pytest.mark.parametrize("changes", [{}, {"placebos": 2, "values": (1, 3)}])
def test_the_same_files_to_the_bit_as_one_process(make, cluster, changes: dict[str, Any]) -> None:
    whole = in_one_process(make("whole", **changes))
    said: list[tuple[str, int, int]] = []
    with CONTRAST.settled(make("shared", **changes), Demand(cluster.address)) as contrast:
        CONTRAST.run(contrast, progress=lambda *one: said.append(one))
        shared = contrast.prepared.directory.path
        assert CONTRAST.run(contrast) is False, "it is finished"
    assert contents(shared) == contents(whole)
    record = record_of(shared)
    assert (len(record.workers), {worker.status for worker in record.workers}) == (2, {"finished"})
    units = sum(group.role != "placebo" for group in record.groups.values())
    assert sum(worker.shards for worker in record.workers) == units
    assert record.reference == record_of(whole).reference
    assert said[-1][1] == said[-1][2] > 0
    assert find_stability(FinishedContrast.open(shared), StabilityRequest(k=4, n_resamples=99)).frames


def test_a_worker_that_measured_other_spreads_is_refused(make, tmp_path: Path) -> None:
    request = make("shared")
    prepared = prepare_contrast(request)
    hand = ContrastHand("a", request, prepared.record, prepared.directory.path)
    opened = hand.open()
    assert opened.reference.tokens >= 300
    with pytest.raises(RunError, match="this one measured others over the same text"):
        hand.work((0, "0" * 64), lambda _: None)
    assert not prepared.directory.path.exists(), "nothing is written"


@pytest.mark.slow
def test_workers_that_are_killed_change_no_number(make, cluster) -> None:
    whole = in_one_process(make("whole"))
    shared = prepare_contrast(make("shared")).directory.path

    def kill() -> None:
        for process in worker_processes(cluster):
            process.send_signal(signal.SIGKILL)

    thread = once_written(shared / "groups", 3, kill)
    on_cluster(make("shared"), cluster)
    thread.join()
    assert contents(shared) == contents(whole)
    assert "lost" in {worker.status for worker in record_of(shared).workers}
