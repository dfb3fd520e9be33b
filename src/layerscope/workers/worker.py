"""A worker's process: it says who it is, loads, works and tells how far it is. What it works at is a ``Hand``."""

from __future__ import annotations

import hashlib
import os
import platform
import socket
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import layerscope
from layerscope.errors import LayerscopeError
from layerscope.results.environment import package_versions


@runtime_checkable
class Hand(Protocol):
    """What does the work of one kind of run."""

    def open(self) -> Any:
        """Load whatever is needed; what only a process that has it can tell."""

    def work(self, content: Any, tell: Callable[[float], None]) -> Any:
        """Do one unit; ``tell`` is called with the work done since the last call."""

    def close(self) -> None:
        """Say that it ends."""


@dataclass(frozen=True)
class Made:
    """What a worker's process is made with; all of it is small."""

    name: str
    """Of the worker."""
    hand: Callable[..., Hand]
    """Makes the hand."""
    given: tuple[Any, ...]
    """What the hand is made from, its name first."""
    token: Path
    """A file of the driver's, where the run will be."""


@dataclass(frozen=True)
class Hello:
    """What a worker says first."""

    node: str
    """Name of its machine."""
    address: str
    """Of its machine in the cluster."""
    versions: dict[str, str | None]
    """Of Python and of the packages that decide the last bits."""
    code: str
    """Digest of this package's source."""
    device: str
    """Kind of device that it has."""
    token: str | None
    """What it reads where the driver has written; None where it sees nothing."""


@dataclass(frozen=True)
class Answer:
    """What a method came to: a value, or why there is none. Exceptions of ours are told as what they are."""

    value: Any = None
    refusal: LayerscopeError | None = None
    failure: str | None = None

    def given(self) -> Any:
        """The value.

        Raises:
            LayerscopeError: the worker refused.
            RuntimeError: it failed, which is a bug.
        """
        if self.refusal is not None:
            raise self.refusal
        if self.failure is not None:
            raise RuntimeError(f"A worker failed:\n{self.failure}")
        return self.value


def hello_of(token: Path) -> Hello:
    """Of this process."""
    import torch

    return Hello(
        node=socket.gethostname(),
        address=_address(),
        versions={"python": platform.python_version(), **package_versions()},
        code=code_digest(),
        device="cuda" if torch.cuda.is_available() else "cpu",
        token=_read(token),
    )


@cache
def code_digest() -> str:
    """SHA-256 over the source of this package: two copies of one version may differ while it is worked on."""
    root = Path(layerscope.__file__).parent
    digest = hashlib.sha256()
    for path in sorted(root.rglob("*.py")):
        digest.update(f"{path.relative_to(root)}\n".encode() + path.read_bytes())
    return digest.hexdigest()


class WorkerProcess:
    """Runs as an actor; every method answers, whatever happens.

    Args:
        made: what its hand is made from.
        threads: that torch may use where it has no GPU.
    """

    def __init__(self, made: Made, threads: int) -> None:
        import torch

        from layerscope.engine.allocator import keep_freed_memory
        from layerscope.models.quiet import quieten_transformers

        os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
        torch.set_num_threads(threads)
        quieten_transformers()
        keep_freed_memory()
        self._made, self._done = made, 0.0
        self._hand: Hand | None = None

    def hello(self) -> Answer:
        """Who it is and what it sees."""
        return self._answer(lambda: hello_of(self._made.token))

    def open(self) -> Answer:
        """Load."""

        def load() -> Any:
            self._hand = self._made.hand(self._made.name, *self._made.given)
            return self._hand.open()

        return self._answer(load)

    def work(self, content: Any) -> Answer:
        """Do one unit."""

        def do() -> Any:
            assert self._hand is not None, "a worker is opened first"
            self._done = 0.0
            return self._hand.work(content, self._tell)

        return self._answer(do)

    def close(self) -> Answer:
        """End well."""
        return self._answer(lambda: self._hand.close() if self._hand is not None else None)

    def beat(self) -> Answer:
        """How much of the unit is done."""
        return Answer(self._done)

    def _tell(self, done: float) -> None:
        self._done += done

    def _answer(self, do: Callable[[], Any]) -> Answer:
        try:
            return Answer(do())
        except LayerscopeError as error:
            return Answer(refusal=type(error)(f"{error} (On node {socket.gethostname()}, {_address()}.)"))
        except Exception:
            return Answer(failure=traceback.format_exc())


def _address() -> str:
    """Of this node in the cluster, if it is in one."""
    try:
        import ray

        return str(ray.util.get_node_ip_address()) if ray.is_initialized() else "no address"  # type: ignore[no-untyped-call]
    except ModuleNotFoundError:
        return "no address"


def _read(token: Path) -> str | None:
    try:
        return token.read_text(encoding="utf-8")
    except OSError:
        return None
