"""Cases that hang, crash and take all memory, for the fuzzer's processes, which import this module and little else."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

from fuzz.oracle import Fault, Outcome
from fuzz.running import Result


def planted_runner(seed: int, number: int, seeds: Path, room: Path) -> tuple[Result, Outcome]:
    """For processes: one case sleeps, one runs for ever, one crashes, one takes all memory; the others hold."""
    if number == 1:
        time.sleep(600)
    if number == 3:
        while True:
            pass
    if number == 5:
        os.kill(os.getpid(), signal.SIGSEGV)
    if number == 7:
        try:
            bytearray(2**40)
        except MemoryError:
            return Result(number, "text", None, 0.0, (Fault("MemoryError", ""),)), Outcome(None)
    return Result(number, "text", 0, 0.0, ()), Outcome(0)


def told(result: Result, outcome: Outcome, room: Path) -> None:
    """Where a fault is reported, in the process of the case."""
    Path(f"{room}.told").write_text(str(result.number), encoding="utf-8")
