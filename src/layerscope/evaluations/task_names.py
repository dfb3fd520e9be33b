"""Names of tasks, as users write them: known ones, groups of them, and what cannot be evaluated, all before data is loaded."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from layerscope.errors import DataError, did_you_mean
from layerscope.evaluations.local_tasks import BLIMP, find_local, local_task
from layerscope.lm_eval import refusal

if TYPE_CHECKING:
    from lm_eval.tasks import TaskManager

LIKELIHOODS = ("loglikelihood", "loglikelihood_rolling", "multiple_choice")
"""Kinds of tasks that need no generation."""


@dataclass(frozen=True)
class AskedTask:
    """One name as a user wrote it."""

    name: str
    """As written; a file of ``--data-dir`` by the name of its task."""
    specs: tuple[str | dict[str, Any], ...]
    """What the harness is to load for it."""
    several: bool
    """Whether it stands for several tasks, whose mean is taken, too."""
    by_size: bool = True
    """Of a mean that the harness does not define: whether a task counts for as much as it has samples."""


@dataclass(frozen=True)
class AskedTasks:
    """All names, with the harness's list of tasks."""

    manager: TaskManager
    """It loads them."""
    asked: tuple[AskedTask, ...]
    """In the order given, none twice."""


def find_tasks(names: Sequence[str], *, data_dir: Path | None = None, include_path: Path | None = None) -> AskedTasks:
    """Settle names of tasks; no data set is loaded.

    Args:
        names: of tasks, groups and tags of the harness, patterns such as ``blimp_*``, or, with a folder, BLiMP's paradigms.
        data_dir: folder with BLiMP's files.
        include_path: folder with a user's own tasks in the harness's form.

    Raises:
        DataError: no name, an unknown one (with near names), a folder that is not there, or a task that generates text.
    """
    if not names:
        raise DataError("--tasks names one task or more, such as blimp,arc_easy; got none.")
    if include_path is not None and not include_path.is_dir():
        raise DataError(f"--include-path is a folder with tasks as .yaml files; '{include_path}' is none.")
    local = {} if data_dir is None else find_local(data_dir)
    asked: dict[str, AskedTask] = {}
    others = []
    for name in names:
        found = _local(name, local) if local else None
        if found is None:
            others.append(name)
        else:
            asked[found.name] = found
    manager = _manager(others, include_path)
    for name in others:
        asked[name] = _known(name, manager)
    return AskedTasks(manager, tuple(asked.values()))


def _local(name: str, local: Mapping[str, Path]) -> AskedTask | None:
    """A name of the folder's; None for one that is not BLiMP's."""
    if name == BLIMP:
        return AskedTask(name, tuple(local_task(task, path) for task, path in local.items()), several=True, by_size=False)
    task = next((one for one in (name, f"{BLIMP}_{name}") if one in local), None)
    if task is not None:
        return AskedTask(task, (local_task(task, local[task]),), several=False)
    if name.startswith(f"{BLIMP}_") and "*" not in name:
        raise DataError(f"--data-dir has no file for '{name}'.{did_you_mean(name, local)} It has {', '.join(list(local)[:5])}.")
    if "*" in name and (matching := fnmatch.filter(local, name)):
        specs = tuple(local_task(task, local[task]) for task in matching)
        return AskedTask(name, specs, several=True, by_size=False)
    return None


def _manager(names: Sequence[str], include_path: Path | None) -> TaskManager:
    """The harness's list of tasks; its own ones, which take seconds to read, only where they are needed."""
    from lm_eval.tasks import TaskManager  # after layerscope.lm_eval, which says what is missing

    place = None if include_path is None else str(include_path)
    own = TaskManager(include_path=place, include_defaults=False)
    if all(name in own.task_index and all(kind != "unknown" for _, kind in _leaves(name, own)) for name in names):
        return own
    return TaskManager(include_path=place)


def _known(name: str, manager: TaskManager) -> AskedTask:
    index = manager.task_index
    if "*" in name:
        matching = fnmatch.filter(manager.all_subtasks, name)
        if not matching:
            raise DataError(f"No task of lm-evaluation-harness matches '{name}': 'lm-eval ls tasks' lists them.")
        _refuse_generating(name, [leaf for one in matching for leaf in _leaves(one, manager)])
        return AskedTask(name, tuple(matching), several=True)
    if name not in index:
        raise DataError(
            f"Unknown task '{name}'.{did_you_mean(name, index)} Tasks are those of lm-evaluation-harness ('lm-eval ls tasks' "
            "lists them), of --include-path, or BLiMP's files in --data-dir."
        )
    _refuse_generating(name, list(_leaves(name, manager)))
    return AskedTask(name, (name,), several=index[name].kind.name in ("GROUP", "TAG"))


def _refuse_generating(name: str, leaves: Sequence[tuple[str, str]]) -> None:
    generating = [leaf for leaf, kind in leaves if kind not in (*LIKELIHOODS, "class", "unknown")]
    if generating:
        within = f"'{name}' cannot be evaluated. " if generating != [name] else ""
        raise DataError(within + refusal(generating))


def _leaves(name: str, manager: TaskManager, overrides: Mapping[str, Any] | None = None) -> Iterator[tuple[str, str]]:
    """Each task under a name, with its kind; ``class`` where only its code knows, ``unknown`` where it is not listed."""
    entry = manager.task_index.get(name)
    if entry is None:
        yield name, "unknown"
        return
    settings: Mapping[str, Any] = {**(entry.cfg or {}), **(overrides or {})}
    kind = entry.kind.name
    if kind == "TAG":
        for task in sorted(entry.tags):
            yield from _leaves(task, manager)
    elif kind == "GROUP":
        yield from _members(settings.get("task"), manager)
    elif kind == "PY_TASK":
        yield name, "class"
    else:
        yield name, str(settings.get("output_type", "generate_until"))  # the harness's default


def _members(members: Any, manager: TaskManager) -> Iterator[tuple[str, str]]:
    for member in members if isinstance(members, list) else []:
        if isinstance(member, str):
            yield from _leaves(member, manager)
        elif isinstance(member, dict) and isinstance(member.get("group"), str) and member["group"] not in manager.task_index:
            yield from _members(member.get("task"), manager)
        elif isinstance(member, dict):
            yield from _leaves(str(member.get("task") or member.get("group")), manager, member)
