"""Cases in processes of their own: one that hangs tells where it was, and one that crashes takes no other along."""

from __future__ import annotations

import faulthandler
import math
import multiprocessing
import os
import re
import resource
import signal
import time
from collections.abc import Callable, Iterable, Iterator
from multiprocessing.connection import Connection, wait
from pathlib import Path

from fuzz.oracle import Fault, Outcome
from fuzz.running import Result, format_of, quicken, run_numbered

MEMORY = 3 * 2**30
"""Bytes of address space that a case may take beyond what the libraries have."""
LARGEST_FILE = 2**28
"""Bytes of a file that a case may write."""
CASES_A_PROCESS = 2_000
"""After which a process makes room for a fresh one."""
_IMPORTS = 120.0
"""Seconds more for the first case of a process, which imports the libraries."""
_WAITING = 10
"""Seconds that may pass for each that a case may take of a processor: other programs have theirs."""

Reporter = Callable[[Result, Outcome, Path], None]
"""Called in the process of the case while its files are still there."""
Runner = Callable[[int, int, Path, Path], tuple[Result, Outcome]]
"""From the seed of the run, the number of a case, the folder of seeds and a room for files to what came of the case."""


def run_quickly(seed: int, number: int, seeds: Path, room: Path) -> tuple[Result, Outcome]:
    """``run_numbered`` for a process that runs many."""
    quicken()
    return run_numbered(seed, number, seeds, room)


def run_cases(
    seed: int,
    numbers: Iterable[int],
    seeds: Path,
    rooms: Path,
    *,
    processes: int,
    limit: float,
    report: Reporter,
    run: Runner = run_quickly,
) -> Iterator[Result]:
    """Results as they come.

    Args:
        seed: of the run.
        numbers: of the cases.
        seeds: from ``make_seeds``.
        rooms: a folder in which each process has a room.
        processes: at a time.
        limit: seconds of a processor that a case may take.
        report: told of each case that has a fault, in its process.
        run: a case, in its process.
    """
    waiting, working, made = iter(numbers), list[_Worker](), 0
    number = next(waiting, None)
    while number is not None or working:
        while number is not None and len(working) < processes:
            working.append(_Worker(seed, (seeds, rooms / f"process-{made}", limit, report, run)))
            made += 1
        for worker in working:
            if worker.number is None and number is not None and not worker.is_worn:
                worker.give(number)
                number = next(waiting, None)
        for worker in [one for one in working if one.number is None]:
            worker.end()
            working.remove(worker)
        if not working:
            continue
        ready = set(wait([worker.pipe for worker in working]))
        for worker in [one for one in working if one.pipe in ready]:
            try:
                yield worker.take()
            except (EOFError, ConnectionResetError):
                working.remove(worker)
                if worker.number is None:
                    raise RuntimeError(f"a process of the fuzzer did not start: see {worker.room}.log") from None
                yield worker.died()


class _Worker:
    """A process and the case that it has."""

    def __init__(self, seed: int, work: tuple[Path, Path, float, Reporter, Runner]) -> None:
        self.room, self.number, self._seed, self._n_given = work[1], None, seed, 0
        context = multiprocessing.get_context("spawn")
        self.pipe, theirs = context.Pipe()
        self._process = context.Process(target=_work, args=(theirs, seed, *work), daemon=True)
        self._process.start()
        theirs.close()
        self._started = time.perf_counter()

    number: int | None
    """Of the case that it has; None where it waits."""

    @property
    def is_worn(self) -> bool:
        return self._n_given >= CASES_A_PROCESS

    def give(self, number: int) -> None:
        self.number, self._started = number, time.perf_counter()
        self._n_given += 1
        self.pipe.send(number)

    def take(self) -> Result:
        result: Result = self.pipe.recv()
        self.number = None
        return result

    def end(self) -> None:
        self.pipe.send(None)
        self._process.join()

    def died(self) -> Result:
        """What its log tells of the case that ended it."""
        self._process.join()
        assert self.number is not None, "it had a case"
        log = _end_of(Path(f"{self.room}.log"))
        where = next(iter(re.findall(r'File "[^"]*/layerscope/([^"]*)", line \d+ in (\w+)', log)), ("a library", "unknown"))
        is_hang = "Timeout (" in log or self._process.exitcode == -signal.SIGXCPU
        kind = "a hang" if is_hang else f"a crash ({self._process.exitcode})"
        fault = Fault(f"{kind} in {':'.join(where)}", log)
        return Result(self.number, format_of(self._seed, self.number), None, time.perf_counter() - self._started, (fault,))


def _end_of(log: Path) -> str:
    return log.read_bytes()[-6_000:].decode("utf-8", "replace") if log.exists() else ""


def _work(pipe: Connection, seed: int, seeds: Path, room: Path, limit: float, report: Reporter, run: Runner) -> None:
    """The life of a process."""
    with Path(f"{room}.log").open("w", encoding="utf-8") as log:
        os.dup2(log.fileno(), 1)  # what libraries that are no Python say
        os.dup2(log.fileno(), 2)
        faulthandler.enable(log)
        faulthandler.register(signal.SIGXCPU, log, chain=True)
        is_limited = False
        while (number := pipe.recv()) is not None:
            log.truncate(0)
            allowed = limit if is_limited else limit + _IMPORTS
            limit_processor(allowed)
            faulthandler.dump_traceback_later(allowed * _WAITING, exit=True, file=log)
            result, outcome = run(seed, number, seeds, room)
            faulthandler.cancel_dump_traceback_later()
            if result.faults:
                report(result, outcome, room)
            pipe.send(result)
            if not is_limited:
                limit_memory()
                is_limited = True


def limit_processor(seconds: float) -> None:
    """Have this process end when it has taken so much more of a processor."""
    _, most = resource.getrlimit(resource.RLIMIT_CPU)
    resource.setrlimit(resource.RLIMIT_CPU, (math.ceil(time.process_time() + seconds), most))


def limit_memory() -> None:
    """Bound what this process may take from here on."""
    pages = int(Path("/proc/self/statm").read_text().split()[0]) if Path("/proc/self/statm").exists() else 0
    most = pages * resource.getpagesize() + MEMORY
    resource.setrlimit(resource.RLIMIT_AS, (most, most))
    resource.setrlimit(resource.RLIMIT_FSIZE, (LARGEST_FILE, LARGEST_FILE))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
