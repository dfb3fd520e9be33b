"""Workers of which only the times are real: a pool that moves a clock instead of computing, for the schedule's own code."""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from layerscope.workers.schedule import WorkerLostError

GREETING = 1.0
"""Seconds for a worker to come up."""


@dataclass(eq=False)
class Question:
    """What a worker was asked, and when it will answer."""

    worker: int
    what: str
    at: float
    lost: bool = False


class ImaginedPool:
    """Workers of some nodes, with given times to open and to work; some of them are lost, with everything on them.

    Args:
        seconds: of each unit, whose content is its number.
        opening: seconds to load the model.
        per_node: workers of a node.
        lost_at: by running number of a worker, when it ends.
        hangs: running numbers of workers that never answer work.
    """

    def __init__(
        self,
        seconds: Sequence[float],
        *,
        opening: float = 60.0,
        per_node: int = 8,
        lost_at: dict[int, float] | None = None,
        hangs: Sequence[int] = (),
    ) -> None:
        self._seconds, self._opening, self._per_node = seconds, opening, per_node
        self._lost_at, self._hangs = dict(lost_at or {}), set(hangs)
        self._clock, self._n = 0.0, 0
        self.opened: list[tuple[float, float]] = []
        """When each worker began to open, and was ready."""
        self._ready: dict[int, float] = {}
        self.times_done = np.zeros(len(seconds), dtype=int)

    def start(self) -> int:
        """A worker by its running number."""
        self._n += 1
        return self._n - 1

    def node(self, worker: int) -> str:
        """Where it runs."""
        return f"node-{worker // self._per_node}"

    def ask(self, worker: int, what: str, *given: int) -> Question:
        """It will answer after the time that this takes, unless it ends before."""
        takes = {"hello": GREETING, "open": self._opening, "beat": 0.0, "close": 0.0}
        seconds = takes[what] if what in takes else self._seconds[given[0]]
        if what == "work" and worker in self._hangs:
            seconds = np.inf
        at, end = self._clock + seconds, self._lost_at.get(worker, np.inf)
        if end < at:
            return Question(worker, what, max(end, self._clock), lost=True)
        if what == "open":
            self.opened.append((self._clock, at))
            self._ready[worker] = at
        if what == "work":
            self.times_done[given[0]] += 1
        return Question(worker, what, at)

    def answered(self, questions: Sequence[Question], timeout: float) -> list[Question]:
        """Move the clock to the first answer, or past the timeout."""
        first = heapq.nsmallest(1, (question.at for question in questions))
        self._clock = max(self._clock, min([*first, self._clock + timeout]))
        return [question for question in questions if question.at <= self._clock]

    def answer(self, question: Question) -> object:
        """Whatever the schedule needs of it."""
        if question.lost:
            raise WorkerLostError("the worker died")
        return {"hello": self.node(question.worker), "beat": 0.0}.get(question.what)

    def kill(self, worker: int) -> None:
        """It answers nothing any more."""
        self._lost_at[worker] = self._clock

    @property
    def spans(self) -> list[tuple[float, float]]:
        """Of each worker that opened, when it was ready and when it was lost."""
        return [(at, self._lost_at.get(worker, np.inf)) for worker, at in self._ready.items()]

    def now(self) -> float:
        """The clock."""
        return self._clock


def least_makespan(seconds: Sequence[float], spans: Sequence[tuple[float, float]]) -> float:
    """When work that could be cut anywhere would be done; no schedule is faster.

    Args:
        seconds: of each unit.
        spans: of each worker, when it is ready and when it is lost (infinite if it is not).
    """
    total, done, at, n_there = float(np.sum(seconds)), 0.0, 0.0, 0
    changes = [(ready, 1) for ready, end in spans if ready < end] + [(end, -1) for ready, end in spans if ready < end < np.inf]
    for time, change in sorted(changes):
        if done + n_there * (time - at) >= total:
            break
        done, at, n_there = done + n_there * (time - at), time, n_there + change
    return max(at + (total - done) / n_there, min(ready for ready, _ in spans) + max(seconds))
