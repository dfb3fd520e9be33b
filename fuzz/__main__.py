"""``python -m fuzz``: run cases, or one again, and say what came of them."""

from __future__ import annotations

import argparse
import functools
import itertools
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ["LC_ALL"] = "C.UTF-8"
for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL", "LAYERSCOPE_DATA_DIR"):
    os.environ.pop(name, None)

from fuzz.formats import FORMATS  # noqa: E402  (the libraries read the environment when they are imported)
from fuzz.oracle import listing  # noqa: E402
from fuzz.reporting import keep_files, print_faults, print_table  # noqa: E402
from fuzz.running import Result, format_of, run_numbered  # noqa: E402
from fuzz.workers import run_cases  # noqa: E402


def main(arguments: Sequence[str] | None = None) -> int:
    """Run cases and print a table of them; 1 where one has a fault."""
    parser = argparse.ArgumentParser(prog="python -m fuzz", description=__doc__)
    parser.add_argument("cases", type=int, nargs="?", default=10_000, help="how many (10,000)")
    parser.add_argument("--seed", type=int, default=0, help="decides every case (0)")
    parser.add_argument("--only", choices=list(FORMATS), help="cases of this format only, under their own numbers")
    parser.add_argument("--case", type=int, help="run this one in this process, and show all that it says")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1, help="at a time (one a core)")
    parser.add_argument("--limit", type=float, default=30.0, help="seconds of a processor that a case may take (30)")
    parser.add_argument("--seconds", type=float, default=float("inf"), help="begin no case after so long (no end)")
    parser.add_argument("--keep", type=Path, default=Path("build/fuzz"), help="where files of faults go (build/fuzz)")
    parser.add_argument("--seeds", type=Path, help="folder of the valid files; made if it is not there (a temporary one)")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="layerscope-fuzz-") as folder:
        seeds, rooms = (options.seeds or Path(folder) / "seeds").resolve(), Path(folder) / "rooms"
        rooms.mkdir()
        if not seeds.exists():
            from fuzz.seeds import make_seeds

            make_seeds(seeds)
        if options.case is not None:
            return _show(options, seeds, rooms / "room")
        return _run(options, seeds, rooms)


def _run(options: argparse.Namespace, seeds: Path, rooms: Path) -> int:
    shutil.rmtree(options.keep, ignore_errors=True)
    options.keep.mkdir(parents=True)
    numbers = (n for n in itertools.count() if options.only in (None, format_of(options.seed, n)))
    before, started, found = listing(seeds), time.perf_counter(), list[Result]()
    report = functools.partial(keep_files, options.keep.resolve())
    in_time = itertools.takewhile(lambda _: time.perf_counter() - started < options.seconds, numbers)
    for result in run_cases(
        options.seed,
        itertools.islice(in_time, options.cases),
        seeds,
        rooms,
        processes=options.processes,
        limit=options.limit,
        report=report,
    ):
        found.append(result)
        if len(found) % 500 == 0:
            print(f"{len(found):,} cases, {time.perf_counter() - started:.0f} s", file=sys.stderr)
    assert listing(seeds) == before, "a case changed the seeds of the others: the cases after it prove nothing"
    print_faults(found, options.seed)
    print_table(found, time.perf_counter() - started, options.seed)
    return 1 if any(result.faults for result in found) else 0


def _show(options: argparse.Namespace, seeds: Path, room: Path) -> int:
    result, outcome = run_numbered(options.seed, options.case, seeds, room)
    shutil.rmtree(options.keep, ignore_errors=True)
    keep_files(options.keep, result, outcome, room)
    print(f"{result.command}\n{result.format}: ended with {result.code} after {result.seconds:.2f} s; files in {options.keep}")
    print(f"--- standard output\n{outcome.stdout}\n--- standard error\n{outcome.stderr}")
    for fault in result.faults:
        print(f"--- {fault.kind}\n{fault.detail}")
    return 1 if result.faults else 0


if __name__ == "__main__":
    sys.exit(main())
