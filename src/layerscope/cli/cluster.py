"""What commands that run on a cluster share: the options as one demand."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

import typer

from layerscope.errors import DataError

if TYPE_CHECKING:
    from layerscope.workers.on_cluster import Kind
    from layerscope.workers.ray_pool import Demand, Size

CLUSTER = typer.Option(help="auto (a running Ray cluster, otherwise this machine) or ray://host:port (extra 'cluster').")
WORKERS = typer.Option(help="Number of workers on the cluster (default: as many as fit).")
GPUS_PER_WORKER = typer.Option(help="GPUs per worker, all on one node (default: 1 where there are any).")
CPUS_PER_WORKER = typer.Option(help="CPUs per worker (default without GPUs: all CPUs of a node).")


def asked_of_cluster(
    cluster: str | None, *, workers: int | None, gpus: int | None, cpus: int | None, shard: str | None = None
) -> Demand | None:
    """What is asked of a cluster; None where none is asked for.

    Raises:
        DataError: options of a cluster without one, or both a cluster and a part for a scheduler.
    """
    from layerscope.workers.ray_pool import Demand

    if cluster is None:
        given = {"--workers": workers, "--gpus-per-worker": gpus, "--cpus-per-worker": cpus}
        alone = [option for option, value in given.items() if value is not None]
        if alone:
            raise DataError(f"{alone[0]} applies to the workers of a cluster: add --cluster auto, or the cluster's address.")
        return None
    if shard is not None:
        raise DataError("--cluster distributes the work itself, --shard is for schedulers that do not: leave one of them out.")
    return Demand(cluster, workers, gpus, cpus)


def told_size(size: Size) -> str:
    """How many workers there will be, and how large they are."""
    return f"Cluster: {size.workers} worker(s), each with {size.gpus} GPU(s) and {size.cpus} CPU(s)"


@contextmanager
def settled(
    request: Any, demand: Demand | None, kind: Kind[Any, Any], alone: Callable[..., bool], *, force: bool
) -> Iterator[tuple[Any, Callable[..., bool], Size | None]]:
    """A request settled for this process or for a cluster.

    Args:
        request: what is asked for.
        demand: what is asked of a cluster; None for this process.
        kind: of run.
        alone: runs it in this process.
        force: replace whatever the run directory holds.

    Yields:
        What is prepared; what runs it, given the progress to tell of; how large the workers are, None in this process.
    """
    if demand is None:
        prepared = kind.prepare(request)
        yield prepared, partial(alone, prepared, force=force), None
        return
    with kind.settled(request, demand) as shared:
        yield shared.prepared, partial(kind.run, shared, force=force), shared.size
