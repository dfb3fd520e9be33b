"""What a command did, and what is wrong with it. Pure values; nothing is run here."""

from __future__ import annotations

import re
import traceback
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

LONGEST_MESSAGE = 2_100
"""Characters of the sentence that a refused command ends with: those of the longest text of an error, and what goes before."""
_UNFINISHED = re.compile(r"(^|/)\.(unfinished|converting)-|\.tmp|\.part(ial)?$|\.incomplete$")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
"""What moves a terminal's cursor or sets its modes; the line feed and the tab apart."""
_LINE_ENDS = re.compile(r"[\n\r\x85\u2028\u2029]")
_BAR = re.compile(r"\r[^\r\n]*\d+/\d+ \[[^\r\n]*\]")
"""A library's bar that draws itself again, of a conversion that takes its time."""


@dataclass(frozen=True)
class Outcome:
    """How a command ended."""

    code: int | None
    """Its exit code; None where an exception escaped."""
    stdout: str = ""
    """What it printed."""
    stderr: str = ""
    """What it said on standard error."""
    error: BaseException | None = None
    """The exception that escaped."""
    seconds: float = 0.0
    """Of a processor that it took."""


@dataclass(frozen=True)
class Fault:
    """Something that must not be."""

    kind: str
    """By which faults are grouped."""
    detail: str
    """What was seen."""


Listing = Mapping[str, tuple[int, int]]
"""Files and folders below a place: size, and time of the last change in nanoseconds; folders with size −1."""


def listing(folder: Path) -> dict[str, tuple[int, int]]:
    """What lies below a folder."""
    found = {}
    for path in folder.rglob("*"):
        state = path.lstat()
        found[str(path.relative_to(folder))] = (-1, 0) if path.is_dir() else (state.st_size, state.st_mtime_ns)
    return found


def faults(outcome: Outcome, before: Listing, after: Listing, may_write: tuple[str, ...]) -> list[Fault]:
    """Everything that is wrong with how a command ended and with what it left.

    Args:
        outcome: how it ended.
        before: what lay in its folder.
        after: what lies there now.
        may_write: names below which a success may make or change files; the empty name is the folder itself.
    """
    found = [*_of_ending(outcome), *_of_words(outcome)]
    changed = sorted(name for name in {**before, **after} if before.get(name) != after.get(name))
    for name in changed:
        if _UNFINISHED.search(name):
            found.append(Fault("left half-written", name))
        elif outcome.code != 0:
            found.append(Fault("changed files although it did not succeed", name))
        elif not any(place == "" or name == place or name.startswith(f"{place}/") for place in may_write):
            found.append(Fault("changed what it was not asked to write", name))
    return found[:4]


def _of_ending(outcome: Outcome) -> list[Fault]:
    if outcome.error is not None:
        kind = f"{type(outcome.error).__name__} in {place_of(outcome.error)}"
        return [Fault(kind, "".join(traceback.format_exception(outcome.error)))]
    if outcome.code not in (0, 2):
        return [Fault(f"exit code {outcome.code}", outcome.stderr)]
    if "Traceback (most recent call last)" in outcome.stderr + outcome.stdout:
        return [Fault("a traceback was printed", outcome.stderr)]
    return []


def _of_words(outcome: Outcome) -> list[Fault]:
    found = []
    outcome = replace(outcome, stderr=_BAR.sub("", outcome.stderr))
    for name, text in (("standard error", outcome.stderr), ("standard output", outcome.stdout)):
        control = _CONTROL.search(text)
        if control is not None:
            start = max(0, control.start() - 60)
            found.append(Fault(f"control characters on {name}", f"{control[0]!r} in …{text[start : control.end() + 60]!r}"))
    if outcome.code == 2:
        lines = _LINE_ENDS.split(outcome.stderr.strip("\n"))
        if lines[0].startswith("Usage: ") and not outcome.stdout:  # of a group of commands, where none of them was named
            pass
        elif not lines[-1].startswith(("layerscope: ", "comparison_figures: ")):
            found.append(Fault("a refusal of several lines or none", outcome.stderr[-1_500:]))
        elif len(lines[-1]) > LONGEST_MESSAGE:
            found.append(Fault(f"a message of more than {LONGEST_MESSAGE:,} characters", lines[-1][:500]))
        elif len(lines[-1].removeprefix("layerscope: ")) < 8:
            found.append(Fault("a message without words", outcome.stderr))
    noise = re.search(r"^.*(Warning: |thread '.*' panicked at).*$", outcome.stderr, re.MULTILINE)
    if noise is not None:
        found.append(Fault(f"noise of a library: {noise[0].split('Warning: ')[-1][:60]}", noise[0]))
    return found


def place_of(error: BaseException) -> str:
    """Module and function of the innermost frame of the package's own; of the innermost at all where there is none."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if "/layerscope/" in frame.filename or "comparison_figures" in frame.filename] or frames
    if not own:
        return "nowhere"
    return f"{own[-1].filename.rpartition('/layerscope/')[2]}:{own[-1].name}"
