"""The options of a run from its manifest: those of the command that the report shows, and what else decides its request."""

from __future__ import annotations

import math
import os
import shlex
from pathlib import Path
from typing import Any

from layerscope.contrasts.record import ContrastRecord
from layerscope.errors import RunError
from layerscope.evaluations.record import EvaluationRecord
from layerscope.reading import whole_number
from layerscope.report.provenance import command_of
from layerscope.results.directory import RunDirectory
from layerscope.results.opened import no_run
from layerscope.searches.record import SearchRecord
from layerscope.sweeps.record import SweepRecord

_SWITCHES = ("aligned", "plain", "word-boundaries")
_LISTS = ("path",)
_TEXTS = ("model", "dataset", "revision", "prefix", "pairs", "tuned-lens", "reference-dataset", "values", "keep", "path")
"""Options whose values stay texts, though they may look like numbers."""


def options_of(run: Path) -> tuple[str, dict[str, Any]]:
    """The command that made a run, and its options by name.

    What no manifest holds is left to its default, such as ``device-map``, ``stream`` and ``trust-remote-code``; where results
    go is told by where the run lies.

    Args:
        run: its directory; it need not be finished.

    Raises:
        RunError: there is no run, or its manifest cannot be read.
    """
    directory = RunDirectory(run)
    kind = directory.kind()
    if kind is None:
        raise no_run(run, "a command printed")
    if kind == "evaluation":
        return "evaluate", _of_evaluation(directory)
    record = _record(directory, kind)
    command, options = _parsed(shlex.split(command_of(record))[1:])
    options["device"] = record.request.device
    if isinstance(record, SweepRecord) and not record.request.compile:
        options["compile"] = "off"
    if isinstance(record, ContrastRecord) and record.pairs_file is not None:
        options["pairs"] = record.pairs_file
    if record.data_dir is not None:
        options["data-dir"] = record.data_dir
    return command, {**options, "output-dir": _output_dir(run)}


def _record(directory: RunDirectory, kind: str) -> SweepRecord | ContrastRecord | SearchRecord:
    record: SweepRecord | ContrastRecord | SearchRecord | None
    if kind == "contrast":
        record = directory.record(ContrastRecord)
    else:
        record = directory.record(SearchRecord) if kind == "search" else directory.record(SweepRecord)
    assert record is not None, "there is a manifest"
    return record


def _parsed(words: list[str]) -> tuple[str, dict[str, Any]]:
    """A command and its options from its words."""
    command, *rest = words
    found: dict[str, Any] = {}
    while rest:
        name = rest.pop(0).removeprefix("--")
        if name in _SWITCHES:
            found[name] = True
        elif name in _LISTS:
            found.setdefault(name, []).append(rest.pop(0))
        else:
            text = rest.pop(0)
            found[name] = text if name in _TEXTS else _number(text)
    return command, found


def _number(text: str) -> Any:
    """A number where it is written as one and nothing is lost by that."""
    whole = whole_number(text)
    if whole is not None:
        return whole if str(whole) == text else text
    try:
        number = float(text)
    except ValueError:
        return text
    return number if math.isfinite(number) and repr(number) == text else text


def _of_evaluation(directory: RunDirectory) -> dict[str, Any]:
    record = directory.record(EvaluationRecord)
    assert record is not None, "there is a manifest"
    request, model = record.request, record.model
    limits = {cell.limit for cell in record.cells}
    if len(limits) > 1:
        raise RunError(
            f"An evaluation is asked for with one --limit; '{directory.path}' holds results of {len(limits)}: write the file "
            "by hand."
        )
    within = {task for group in record.groups.values() for task in group.tasks}
    tasks = [*record.groups, *dict.fromkeys(cell.task for cell in record.cells if cell.task not in within)]
    paths = list(dict.fromkeys(cell.path for cell in record.cells if cell.path != record.intact))
    options: dict[str, Any] = {"model": request.model, "tasks": ",".join(tasks)}
    if paths:
        options["path"] = paths
    limit = next(iter(limits), None)
    given = {
        "limit": limit,
        "batch-size": request.batch_size,
        "revision": model.revision,
        "data-dir": record.data_dir,
        "include-path": record.include_path,
    }
    options |= {name: value for name, value in given.items() if value is not None}
    options |= {"dtype": request.dtype, "device": request.device, "bos": request.bos, "quantize": request.quantize}
    run = directory.path  # an evaluation of a search's paths lies inside the search
    return {**options, "output-dir": _output_dir(run.parent if RunDirectory(run.parent).kind() == "search" else run)}


def _output_dir(run: Path) -> str:
    """Two folders up: a run lies in one of its kind there."""
    return os.path.normpath(run / ".." / "..")
