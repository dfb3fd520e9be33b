"""Units of work to workers that may be slow to start, hang or die: longest first, each to whoever is free.

What a worker is, and how it is asked, is a ``Pool``'s business: Ray's in ``workers.ray_pool``, an imagined one in the
simulation. Nothing here knows what is computed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

from layerscope.errors import RunError
from layerscope.workers.part import longest_first

ATTEMPTS = 3
"""Workers that a unit may end before it is believed to be the unit."""


class WorkerLostError(Exception):
    """A worker has ended without an answer."""


@dataclass(frozen=True)
class Unit:
    """Some work that one worker does in one go."""

    cost: float
    """In whatever the work is measured in."""
    content: Any
    """Handed to the worker."""
    at: Any = None
    """What a worker has at hand that did this before; any other can do it, too."""


@runtime_checkable
class Pool(Protocol):
    """Processes that can be started, asked and killed. A worker and a question are whatever the pool makes them."""

    def start(self) -> Any:
        """Ask for a worker; it need not be there yet."""

    def ask(self, worker: Any, what: str, *given: Any) -> Any:
        """Ask a worker for something, without waiting."""

    def answered(self, questions: Sequence[Any], timeout: float) -> list[Any]:
        """Those that are answered, as soon as there is one, or after a while; also those whose worker is lost."""

    def answer(self, question: Any) -> Any:
        """What was answered.

        Raises:
            WorkerLostError: the worker has ended.
            LayerscopeError: what the worker was asked for cannot be done.
        """

    def kill(self, worker: Any) -> None:
        """End a worker, whatever it does."""

    def now(self) -> float:
        """Seconds."""


@dataclass(frozen=True)
class Patience:
    """How long, in seconds, is too long."""

    start: float = 300.0
    """Without any worker, until the first is there."""
    open: float = 3600.0
    """For a worker to load the model."""
    work: float = 900.0
    """Without a sign of progress inside a unit."""
    close: float = 30.0
    """For a worker to end well."""
    beat: float = 5.0
    """Between two questions for progress."""


@dataclass(eq=False)
class _Worker:
    """One worker, and what it does now."""

    handle: Any
    question: Any
    doing: str
    """hello, waiting, open, idle, work; back if it is idle and must say that it lives."""
    since: float
    node: str = ""
    unit: int | None = None
    done: float = 0.0
    """Of the unit, at the last beat."""
    beat: Any = None
    """A question for progress that is not answered yet."""
    asked: float = 0.0
    """When it was last asked for progress, or given something to do."""


@dataclass
class Schedule:
    """Keeps a number of workers at work, and replaces those that are lost."""

    pool: Pool
    """Where workers come from."""
    size: int
    """Workers that there are to be."""
    check: Callable[[Any], str]
    """Gets what a worker said first; its node. Raises to refuse it."""
    patience: Patience = field(default_factory=Patience)
    """How long is too long."""
    lost: list[str] = field(default_factory=list, init=False)
    """Why workers were lost."""
    _workers: list[_Worker] = field(default_factory=list, init=False)
    _opened: list[Any] = field(default_factory=list, init=False)
    _lost_opening: int = field(default=0, init=False)
    _units: Sequence[Unit] = field(default=(), init=False)
    _tell: Callable[[int, float], None] = field(default=lambda _number, _done: None, init=False)
    _queue: list[int] = field(default_factory=list, init=False)
    _attempts: list[int] = field(default_factory=list, init=False)
    _answers: dict[int, Any] = field(default_factory=dict, init=False)
    _had_by: dict[Any, _Worker] = field(default_factory=dict, init=False)

    def open(self) -> Any:
        """Start workers until the first has opened; the others go on by themselves while there is work.

        Returns:
            What it answered.
        """
        while not self._opened:
            self._turn(self.patience.beat)
        return self._opened[0]

    def run(self, units: Sequence[Unit], tell: Callable[[int, float], None]) -> list[Any]:
        """Have every unit done.

        Args:
            units: in any order.
            tell: called with a unit's number and how much more of its cost is done; less than 0 where a worker was lost.

        Returns:
            What workers answered, a unit each.

        Raises:
            RunError: a unit has ended ``ATTEMPTS`` workers, or there are no workers.
            LayerscopeError: a worker has refused.
        """
        self._units, self._tell = units, tell
        self._queue = longest_first([unit.cost for unit in units])
        self._attempts = [0] * len(units)
        self._answers: dict[int, Any] = {}
        while len(self._answers) < len(units):
            self._turn(self.patience.beat)
        return [self._answers[number] for number in range(len(units))]

    def close(self) -> None:
        """Have those that are idle end well, and end all."""
        asked = [self.pool.ask(worker.handle, "close") for worker in self._workers if worker.doing == "idle"]
        until = self.pool.now() + self.patience.close
        while asked and (left := until - self.pool.now()) > 0:
            answered = self.pool.answered(asked, left)
            asked = [question for question in asked if question not in answered]
        self.stop()

    def stop(self) -> None:
        """End all workers, whatever they do."""
        for worker in self._workers:
            self.pool.kill(worker.handle)
        self._workers.clear()

    def _turn(self, timeout: float) -> None:
        """Give out what can be given out, then wait for an answer."""
        now = self.pool.now()
        while len(self._workers) < self.size:
            handle = self.pool.start()
            self._workers.append(_Worker(handle, self.pool.ask(handle, "hello"), "hello", now))
        self._open_some(now)
        for worker in self._workers:
            if worker.doing == "idle" and self._queue:
                self._give(worker, self._queue.pop(self._choose(worker)), now)
        self._ask_beats()
        asked = {id(question): worker for worker in self._workers for question in (worker.question, worker.beat) if question}
        questions = [question for worker in self._workers for question in (worker.question, worker.beat) if question]
        for question in self.pool.answered(questions, timeout):
            worker = asked[id(question)]
            if worker not in self._workers:
                continue
            try:
                answer = self.pool.answer(question)
            except WorkerLostError as error:
                self._lose(worker, str(error))
                continue
            if question is worker.beat:
                self._hear(worker, answer)
            else:
                self._take(worker, answer)
        self._lose_patience()

    def _open_some(self, now: float) -> None:
        """One at a time on a node, and one anywhere until the first has opened: copies at once may not fit the memory."""
        opening = [worker for worker in self._workers if worker.doing == "open"]
        for worker in self._workers:
            if worker.doing != "waiting":
                continue
            if any(other.node == worker.node for other in opening) or (opening and not self._opened):
                continue
            worker.doing, worker.since, worker.question = "open", now, self.pool.ask(worker.handle, "open")
            opening.append(worker)

    def _choose(self, worker: _Worker) -> int:
        """Place in the queue of what the worker has at hand, else of what nobody has, else of the first."""
        if not self._had_by:
            return 0
        had_by = [self._had_by.get(self._units[unit].at) for unit in self._queue]
        return next((place for wanted in (worker, None) for place, had in enumerate(had_by) if had is wanted), 0)

    def _give(self, worker: _Worker, unit: int, now: float) -> None:
        if self._units[unit].at is not None:
            self._had_by[self._units[unit].at] = worker
        worker.doing, worker.since, worker.asked, worker.unit, worker.done = "work", now, now, unit, 0.0
        worker.question = self.pool.ask(worker.handle, "work", self._units[unit].content)

    def _ask_beats(self) -> None:
        for worker in self._workers:
            if worker.doing == "work" and worker.beat is None and self.pool.now() - worker.asked >= self.patience.beat:
                worker.beat, worker.asked = self.pool.ask(worker.handle, "beat"), self.pool.now()

    def _hear(self, worker: _Worker, done: float) -> None:
        worker.beat = None
        if worker.doing == "work" and worker.unit is not None and done > worker.done:
            self._tell(worker.unit, done - worker.done)
            worker.done, worker.since = done, self.pool.now()

    def _take(self, worker: _Worker, answer: Any) -> None:
        doing, worker.question = worker.doing, None
        if doing == "hello":
            worker.node, worker.doing = self.check(answer), "waiting"
        elif doing == "back":
            worker.doing = "idle"
        elif doing == "open":
            worker.doing, self._lost_opening = "idle", 0
            self._opened.append(answer)
        else:
            assert worker.unit is not None, "it worked at something"
            self._tell(worker.unit, self._units[worker.unit].cost - worker.done)
            self._answers[worker.unit] = answer
            worker.doing, worker.unit = "idle", None

    def _lose(self, worker: _Worker, why: str) -> None:
        self._workers.remove(worker)
        self._had_by = {what: other for what, other in self._had_by.items() if other is not worker}
        self.lost.append(f"{worker.node or 'a worker'}: {why}")
        if worker.doing in ("hello", "open"):
            self._lose_opening()
        for other in self._workers:
            if other.doing == "idle" and other.node == worker.node:  # it may have gone with the node
                other.doing, other.question = "back", self.pool.ask(other.handle, "hello")
        if worker.unit is None:
            return
        self._tell(worker.unit, -worker.done)
        self._attempts[worker.unit] += 1
        if self._attempts[worker.unit] >= ATTEMPTS:
            raise RunError(
                f"{ATTEMPTS} workers ended at the same batch (the last one, {self.lost[-1]}): take a smaller --batch-tokens, "
                "or see the logs of Ray. What is done is kept."
            )
        self._queue.insert(0, worker.unit)

    def _lose_opening(self) -> None:
        """End where none ever opens; where others have, do without one that does not."""
        self._lost_opening += 1
        if self._lost_opening < ATTEMPTS:
            return
        self.size -= 1
        if not self._opened or not self.size:
            raise RunError(
                f"{self._lost_opening} workers one after the other ended before they had loaded the model (the last one, "
                f"{self.lost[-1]}): see that the model fits a worker's memory, and the logs of Ray. What is done is kept."
            )

    def _lose_patience(self) -> None:
        """Kill who shows no progress; end where nobody ever came."""
        now = self.pool.now()
        limits = {"open": self.patience.open, "work": self.patience.work}
        for worker in list(self._workers):
            limit = limits.get(worker.doing)
            if limit is not None and now - worker.since > limit:
                self.pool.kill(worker.handle)
                self._lose(worker, f"no progress in {limit:.0f} s")
        waited = [now - worker.since for worker in self._workers if worker.doing == "hello"]
        if waited and len(waited) == len(self._workers) and min(waited) > self.patience.start:
            raise RunError(
                f"No worker could be started within {self.patience.start:.0f} s: the cluster has no room for one "
                "(--workers, --gpus-per-worker and --cpus-per-worker say what is asked for). What is done is kept."
            )
