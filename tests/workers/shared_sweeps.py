"""Sweeps of a tiny model, by one process with one thread and by the workers of a cluster."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from layerscope.sweeps.on_cluster import SWEEP
from layerscope.sweeps.prepare import SweepRequest, prepare_sweep
from layerscope.sweeps.record import SweepRecord
from layerscope.sweeps.run import run_sweep
from layerscope.workers.ray_pool import Demand
from layerscope.workers.schedule import Patience
from tests.swept_files import write_texts

TEXTS = [f"Number {n} of the dogs saw {n % 7} old cats near the river." + " And more." * (n % 5) for n in range(160)]


def requests_in(folder: Path, model: Path) -> Callable[..., SweepRequest]:
    """Makes requests by the name of their output directory."""
    texts = write_texts(folder / "texts.jsonl", TEXTS)

    def request(name: str, **changes: Any) -> SweepRequest:
        given = {"model": str(model), "dataset": str(texts), "output_dir": folder / name, "batch_tokens": 400}
        return SweepRequest(**{**given, **changes})

    return request


def command_words(folder: Path, model: Path, name: str, *, batch_tokens: int = 400) -> list[str]:
    """The same request with removals only, as words of the command."""
    return [
        *("sweep", "--model", str(model), "--dataset", str(folder / "texts.jsonl"), "--experiment", "removal"),
        *("--batch-tokens", str(batch_tokens), "--figures", "none", "--output-dir", str(folder / name)),
    ]


@contextmanager
def one_thread() -> Iterator[None]:
    """As each worker of a core has."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def in_one_process(request: SweepRequest) -> Path:
    """The run directory."""
    with one_thread():
        prepared = prepare_sweep(request)
        run_sweep(prepared)
    return prepared.directory.path


def on_cluster(request: SweepRequest, cluster: Any, *, patience: Patience | None = None, **demand: Any) -> Path:
    """The run directory."""
    with SWEEP.settled(request, Demand(cluster.address, **demand)) as sweep:
        SWEEP.run(sweep, patience=patience)
        return sweep.prepared.directory.path


def record_of(path: Path) -> SweepRecord:
    """Its manifest."""
    return SweepRecord.model_validate_json((path / "manifest.json").read_bytes())


def once_written(parts: Path, n_parts: int, do: Callable[[], None]) -> threading.Thread:
    """Do something once some parts of a table are written."""

    def wait() -> None:
        until = time.monotonic() + 120
        while len(list(parts.glob("shard-*"))) < n_parts and time.monotonic() < until:
            time.sleep(0.005)
        do()

    thread = threading.Thread(target=wait)
    thread.start()
    return thread
