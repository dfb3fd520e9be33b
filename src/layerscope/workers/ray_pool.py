"""Workers as actors of a Ray cluster. Ray carries requests and counts; what is computed goes through shared storage."""

from __future__ import annotations

import logging
import os
import re
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from layerscope.errors import DataError, DeviceError
from layerscope.workers.schedule import WorkerLostError
from layerscope.workers.worker import Answer, Made, WorkerProcess

_AT_ONCE = 2
"""Methods of a worker: one that works, one that tells how far it is. Ray Client knows no groups of methods."""
_HOST_AND_PORT = re.compile(r"(?:ray://)?(?P<host>[^/:\s]+):(?P<port>\d{1,5})", re.ASCII)
_REACHED_IN = 10.0
"""Seconds."""


@dataclass(frozen=True)
class Demand:
    """What is asked of a cluster.

    Examples:
        >>> ls.Demand("auto", workers=4, gpus=1).address
        'auto'
    """

    address: str
    """``auto``, ``ray://host:port`` or ``host:port``."""
    workers: int | None = None
    """Number of workers; as many as fit if None."""
    gpus: int | None = None
    """GPUs per worker, all on one node; if None, 1 if the cluster has any, otherwise 0."""
    cpus: int | None = None
    """CPUs per worker; if None, 1 with GPUs, otherwise all of the smallest node."""

    def __post_init__(self) -> None:
        if self.address != "auto" and _HOST_AND_PORT.fullmatch(self.address) is None:
            raise DataError(f"--cluster is auto, ray://HOST:PORT or HOST:PORT; got '{self.address}'.")
        for option, value, least in (
            ("--workers", self.workers, 1),
            ("--gpus-per-worker", self.gpus, 0),
            ("--cpus-per-worker", self.cpus, 1),
        ):
            if value is not None and value < least:
                raise DataError(f"{option} is {least} or more; got {value}.")


@contextmanager
def connected(address: str) -> Iterator[None]:
    """A connection to a cluster that runs (``auto``: the one of RAY_ADDRESS or of this machine, else one that is started here).

    Raises:
        DataError: Ray is not installed.
        DeviceError: there is no cluster at the address.
    """
    ray = _ray()
    if ray.is_initialized():  # by whoever calls from Python
        yield
        return
    _check_reachable(os.environ.get("RAY_ADDRESS", "") if address == "auto" else address)
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        try:
            ray.init(
                address=None if address == "auto" else address,
                logging_level=logging.ERROR,
                log_to_driver=False,
                configure_logging=False,
                **({"include_dashboard": False} if address == "auto" else {}),
            )
        except (ConnectionError, ValueError, RuntimeError) as error:
            raise DeviceError(_unreachable(address, str(error))) from error
        finally:
            if threading.current_thread() is threading.main_thread():  # Ray puts its own in their place
                for number, handler in before.items():
                    signal.signal(number, handler)
        yield
    finally:
        ray.shutdown()  # a client that found no server leaves Ray believing that there is one


def _check_reachable(address: str) -> None:
    """Refuse at once an address where nobody listens: Ray itself tries for minutes.

    Raises:
        DeviceError: nobody does.
    """
    found = _HOST_AND_PORT.fullmatch(address)
    if found is None:
        return
    try:
        socket.create_connection((found["host"], int(found["port"])), timeout=_REACHED_IN).close()
    except (OSError, OverflowError) as error:
        raise DeviceError(_unreachable(address, str(error))) from error


def _unreachable(address: str, reason: str) -> str:
    return (
        f"--cluster is auto, or the address of a Ray cluster that runs, such as ray://head:10001 or head:6379; '{address}' "
        f"cannot be reached ({reason})."
    )


@dataclass(frozen=True)
class Size:
    """How many workers there will be, and how large each of them is."""

    workers: int
    gpus: int
    cpus: int


def measure(demand: Demand) -> Size:
    """What a demand comes to on the connected cluster.

    Raises:
        DeviceError: no node has room for one worker.
    """
    nodes = [node["Resources"] for node in _ray().nodes() if node["Alive"]]
    has_gpus = any(node.get("GPU", 0) for node in nodes)
    gpus = demand.gpus if demand.gpus is not None else int(has_gpus)
    smallest = min((int(node["CPU"]) for node in nodes if node.get("CPU", 0) >= 1), default=1)
    cpus = demand.cpus if demand.cpus is not None else 1 if gpus else smallest
    room = sum(_room(node, gpus, cpus) for node in nodes)
    if not room:
        raise DeviceError(
            f"A worker takes {gpus} GPU(s) and {cpus} CPU(s) of one node; no node of the cluster has as many "
            f"({'; '.join(_told(node) for node in nodes) or 'it has no nodes'}): take a smaller --gpus-per-worker or "
            "--cpus-per-worker."
        )
    return Size(room if demand.workers is None else demand.workers, gpus, cpus)


class RayPool:
    """Starts actors, one per group of GPUs or of processor cores.

    Args:
        size: how many and how large.
        made: gets the running number of a worker; what its process is made with.
    """

    def __init__(self, size: Size, made: Callable[[int], Made]) -> None:
        self._ray, self._size, self._made, self._n_started = _ray(), size, made, 0

    def start(self) -> Any:
        """An actor, which is started when there is room."""
        # Ray leaves a process without GPUs of its own those that it finds
        hidden = {} if self._size.gpus else {"runtime_env": {"env_vars": {"CUDA_VISIBLE_DEVICES": ""}}}
        actor = self._ray.remote(
            num_cpus=self._size.cpus, num_gpus=self._size.gpus, max_restarts=0, max_concurrency=_AT_ONCE, **hidden
        )(WorkerProcess)
        self._n_started += 1
        return actor.remote(self._made(self._n_started - 1), self._size.cpus)

    def ask(self, worker: Any, what: str, *given: Any) -> Any:
        """Call a method of the actor."""
        return getattr(worker, what).remote(*given)

    def answered(self, questions: Sequence[Any], timeout: float) -> list[Any]:
        """As ``ray.wait``."""
        if not questions:
            return []
        first, rest = self._ray.wait(list(questions), num_returns=1, timeout=timeout)
        more = self._ray.wait(rest, num_returns=len(rest), timeout=0)[0] if rest and first else []
        answered = {*first, *more}
        return [question for question in questions if question in answered]

    def answer(self, question: Any) -> Any:
        """What the actor said."""
        try:
            answer: Answer = self._ray.get(question)
        except self._ray.exceptions.RayActorError as error:
            raise WorkerLostError(str(error).strip().splitlines()[0]) from error
        return answer.given()

    def kill(self, worker: Any) -> None:
        """End the actor's process."""
        self._ray.kill(worker, no_restart=True)

    def now(self) -> float:
        """Seconds."""
        return time.monotonic()


def _ray() -> Any:
    try:
        import ray
    except ModuleNotFoundError:
        raise DataError("--cluster needs Ray: pip install 'layerscope[cluster]', or give --shard I/N to a scheduler.") from None
    return ray


def _room(node: dict[str, float], gpus: int, cpus: int) -> int:
    """Workers that a node has room for."""
    by_cpus = int(node.get("CPU", 0)) // cpus
    return min(by_cpus, int(node.get("GPU", 0)) // gpus) if gpus else by_cpus


def _told(node: dict[str, float]) -> str:
    return f"{int(node.get('GPU', 0))} GPU(s) and {int(node.get('CPU', 0))} CPU(s)"
