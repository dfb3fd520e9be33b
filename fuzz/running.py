"""Running one case in this process: its folder is made, the command is called as the shell would call it, and judged."""

from __future__ import annotations

import functools
import io
import os
import shutil
import sys
import time
import warnings
from collections.abc import Callable
from contextlib import ExitStack, chdir, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from random import Random
from unittest import mock

from fuzz.case import Case, Maker
from fuzz.formats import FORMATS
from fuzz.oracle import Fault, Listing, Outcome, faults, listing

_NESTED = "case/a/b/c"
"""A case runs four folders down, so that a way up by ``..`` stays where it is watched."""


@dataclass(frozen=True)
class Result:
    """What came of a case; goes from process to process."""

    number: int
    """Of the case."""
    format: str
    """Its format."""
    code: int | None
    """Exit code; None where the command did not end by itself."""
    seconds: float
    """Of a processor that it took."""
    faults: tuple[Fault, ...]
    """What is wrong; empty where it holds."""
    command: str = ""
    """The command line, for the report."""


def format_of(seed: int, number: int) -> str:
    """The format of a case."""
    return Random(f"{seed}/{number}").choices(list(FORMATS), [one.weight for one in FORMATS.values()])[0]


def made_case(format_name: str, rng: Random, seeds: Path, folder: Path, *, mutates: bool = True) -> Case:
    """A case with its files in a folder that is empty."""
    return FORMATS[format_name].make(Maker(rng, seeds, folder, mutates))


def run_numbered(seed: int, number: int, seeds: Path, room: Path) -> tuple[Result, Outcome]:
    """Make and run the case of a number; its files stay in the room until the next one."""
    name = format_of(seed, number)
    return run_case(number, name, Random(f"{seed}/{number}/{name}"), seeds, room)


def run_case(number: int, name: str, rng: Random, seeds: Path, room: Path, *, mutates: bool = True) -> tuple[Result, Outcome]:
    """Make and run a case in a folder of its own.

    Args:
        number: for the report.
        name: of the format.
        rng: decides what is mutated.
        seeds: from ``make_seeds``.
        room: a folder that is emptied before.
        mutates: False for valid files.
    """
    shutil.rmtree(room, ignore_errors=True)
    folder = room / _NESTED
    for part in (folder, room / "cache", room / "temporary"):
        part.mkdir(parents=True)
    case = made_case(name, rng, seeds, folder, mutates=mutates)
    before = listing(room)
    outcome = run_command(case, folder, room)
    may_write = tuple(os.path.normpath(f"{_NESTED}/{one}") for one in case.writes)
    found = faults(outcome, before, _without_caches(listing(room), before), may_write)
    if not found and outcome.code == 0 and case.check is not None:
        try:
            case.check(folder)
        except Exception as error:
            found = [Fault(f"not whole although it succeeded: {type(error).__name__}", f"{error}")]
    command = " ".join((case.entry, *map(repr, case.arguments)))
    return Result(number, name, outcome.code, outcome.seconds, tuple(found), command), outcome


def run_command(case: Case, folder: Path, room: Path) -> Outcome:
    """Call the command in its folder, with caches and temporary files in the room and no network."""
    stdout, stderr = (io.TextIOWrapper(io.BytesIO(), "utf-8", how) for how in ("strict", "backslashreplace"))
    code, error = None, None
    environment = {"LAYERSCOPE_CACHE": str(room / "cache"), "TMPDIR": str(room / "temporary"), "COLUMNS": "100"}
    with ExitStack() as stack:
        stack.enter_context(chdir(folder))
        stack.enter_context(mock.patch.dict(os.environ, environment))
        stack.enter_context(mock.patch("socket.getaddrinfo", side_effect=OSError("no network")))
        stack.enter_context(warnings.catch_warnings())
        warnings.resetwarnings()
        for unseen in (DeprecationWarning, PendingDeprecationWarning, ImportWarning, ResourceWarning):
            warnings.simplefilter("ignore", unseen)  # as in a process of its own
        stack.enter_context(redirect_stdout(stdout))
        stack.enter_context(redirect_stderr(stderr))
        started = time.process_time()
        try:
            _call(case, stack)
            code = 0
        except SystemExit as ended:
            code = 0 if ended.code is None else ended.code if isinstance(ended.code, int) else 1
        except BaseException as escaped:  # panics of Rust libraries are no Exception
            error = escaped
        seconds = time.process_time() - started
    texts = []
    for stream in (stdout, stderr):
        stream.flush()
        texts.append(stream.buffer.getvalue().decode("utf-8", "backslashreplace"))
    return Outcome(code, *texts, error, seconds)


def _call(case: Case, stack: ExitStack) -> None:
    if not case.draws:
        for name in ("layerscope.sweeps.drawing.draw_comparison", "layerscope.draw.draw_figures"):
            stack.enter_context(mock.patch(name, return_value=[]))
    if case.entry == "layerscope":
        from layerscope.cli.main import main

        main(case.arguments)
    else:
        from comparison_figures import main as published

        stack.enter_context(mock.patch.object(sys, "argv", ["comparison_figures", *case.arguments]))
        published()


def _without_caches(after: Listing, before: Listing) -> Listing:
    """What is whole in the cache is no fault, whatever came afterwards: a model that was converted and then refused stays."""
    return {name: state for name, state in after.items() if name in before or not name.startswith("cache/") or "/." in name}


@functools.cache
def quicken() -> None:
    """For the rest of this process, what all cases share is made once: the command line's parser, spaCy's pipelines."""
    import spacy

    import layerscope.cli.main as command_line

    command_line.get_command = functools.cache(command_line.get_command)
    spacy.load = _kept(spacy.load)


def _kept(load: Callable[..., object]) -> Callable[..., object]:
    kept: dict[str, object] = {}

    def loaded(name: str, **options: object) -> object:
        key = repr((name, options))
        if key not in kept:
            kept[key] = load(name, **options)
        return kept[key]

    return loaded
