"""Tasks with their data: how many samples, what the model will be asked, and one digest of it all."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

import datasets

from layerscope.connection import offline_if_unreachable
from layerscope.errors import DataError, HubError, LayerscopeError, first_line
from layerscope.evaluations.harness import build_requests, quiet
from layerscope.evaluations.record import GroupRecord
from layerscope.evaluations.task_names import LIKELIHOODS, AskedTask, AskedTasks
from layerscope.lm_eval import refusal

_BUILDERS = ("json", "csv", "parquet", "text", "arrow")
"""Data sets that are files at hand."""


@dataclass(frozen=True)
class LoadedTask:
    """One task, its data at hand."""

    name: str
    """As the harness names it."""
    task: Any
    """The harness's own object."""
    samples: int
    """That will be scored."""
    requests: int
    """Log-likelihoods asked for."""
    digest: str
    """Of everything that is asked, of what is right, and of the metrics."""


def load_tasks(asked: AskedTasks, limit: int | None) -> tuple[dict[str, LoadedTask], dict[str, GroupRecord]]:
    """Load the data of all tasks and make their requests.

    Returns:
        Tasks by name, and those of each name that stands for several.

    Raises:
        HubError: a data set is on the Hub, which cannot be reached or refuses.
        DataError: a data set cannot be read, has no sample, or a task generates text.
    """
    tasks: dict[str, LoadedTask] = {}
    groups: dict[str, GroupRecord] = {}
    for one in asked.asked:
        with _told(one, asked), quiet():
            found = asked.manager.load(list(one.specs))
        own = {name: _loaded(name, task, limit) for name, task in found["tasks"].items()}
        for name, loaded in own.items():
            if name in tasks and tasks[name].digest != loaded.digest:
                raise DataError(f"Two of the names given have a task '{name}' each, which asks otherwise: evaluate them apart.")
            tasks[name] = loaded
        if one.several:
            groups[one.name] = _group(one, found.get("groups", {}).get(one.name), tuple(own))
    return tasks, groups


def _loaded(name: str, task: Any, limit: int | None) -> LoadedTask:
    if task.OUTPUT_TYPE not in LIKELIHOODS:
        raise DataError(refusal([name]))
    if getattr(task, "MULTIMODAL", False) or getattr(task, "UNSAFE_CODE", False):
        what = "reads more than text" if getattr(task, "MULTIMODAL", False) else "runs code that a model wrote"
        raise DataError(f"Tasks are text and log-likelihoods; '{name}' {what}: give the exported path to lm-eval itself.")
    if task.config is not None and task.get_config("num_fewshot") is None:
        task.set_config(key="num_fewshot", value=0)
    try:
        with quiet():
            build_requests(task, limit)
            targets = [task.doc_to_target(doc) for _, doc in task.doc_iterator(rank=0, limit=limit, world_size=1)]
    except Exception as error:  # templates are run, and may do anything
        raise DataError(f"The task '{name}' cannot make its requests ({type(error).__name__}: {first_line(error)}).") from error
    if any(request.request_type not in LIKELIHOODS for request in task.instances):
        raise DataError(refusal([name]))
    if not task.instances:
        raise DataError(f"A task has one sample or more; '{name}' has none.")
    digest = hashlib.sha256(repr((task.OUTPUT_TYPE, task.VERSION, sorted(task.aggregation()))).encode())
    for request in task.instances:
        digest.update(repr((request.request_type, request.doc_id, request.idx, request.args)).encode())
    digest.update(repr(targets).encode())
    return LoadedTask(name, task, len(targets), len(task.instances), digest.hexdigest())


def _group(one: AskedTask, group: Any, tasks: tuple[str, ...]) -> GroupRecord:
    """As the harness averages it, or else over all samples."""
    averaged = getattr(group, "aggregate_metric_list", None)
    if not averaged:
        return GroupRecord(tasks=tasks, by_size=one.by_size)
    metrics = tuple(dict.fromkeys(str(metric.metric) for metric in averaged))
    return GroupRecord(tasks=tasks, metrics=metrics, by_size=bool(averaged[0].weight_by_size))


@contextmanager
def _told(one: AskedTask, asked: AskedTasks) -> Iterator[None]:
    """Whatever goes wrong while data is fetched, in a sentence."""
    try:
        with offline_if_unreachable() as offline, mock.patch.object(datasets.config, "HF_HUB_OFFLINE", offline):
            yield
    except LayerscopeError:
        raise
    except Exception as error:  # the library raises whatever its transport raises
        entry = asked.manager.task_index.get(one.name)
        source = str(((entry.cfg if entry is not None else None) or {}).get("dataset_path") or "its data set")
        said = f"{type(error).__name__}: {first_line(error)}"
        if source in _BUILDERS or Path(source).exists():
            raise DataError(f"The data of the task '{one.name}' cannot be read ({said}): correct its .yaml file.") from error
        raise HubError(
            f"The task '{one.name}' reads {source} from the Hugging Face Hub, which did not give it ({said}). Connect and try "
            "again, or take tasks whose data is at hand: BLiMP's files with --data-dir, your own with --include-path."
        ) from error
