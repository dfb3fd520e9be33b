"""lm-evaluation-harness without its bars, notes and processes, and with the Hub's failures in our words."""

from __future__ import annotations

import io
import logging
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, redirect_stdout
from typing import Any
from unittest import mock

import tqdm.std

from layerscope.errors import DataError

BOOTSTRAPS = 1000
"""Draws for the error of a metric that has no formula; a hundred times fewer than the harness's own default."""
FEWSHOT_SEED = 1234
"""Of the examples before a question, as the harness has it."""
SOFTMAX_DTYPE = "float32"
"""Of log-probabilities and their sums: in half precision sentences tie that the model tells apart, and ties count as right."""
_LOGGERS = ("lm_eval", "datasets", "evaluate")


@contextmanager
def quiet() -> Iterator[None]:
    """Nothing that the harness prints reaches a terminal, and it starts no processes."""
    before = {name: logging.getLogger(name).level for name in _LOGGERS}
    begin = tqdm.std.tqdm.__init__

    def without_bar(self: Any, *args: Any, **kwargs: Any) -> None:
        begin(self, *args, **{**kwargs, "disable": True})

    with ExitStack() as stack:
        stack.enter_context(mock.patch.object(tqdm.std.tqdm, "__init__", without_bar))
        stack.enter_context(mock.patch.dict(os.environ, {"DISABLE_MULTIPROC": "1", "TOKENIZERS_PARALLELISM": "false"}))
        stack.enter_context(redirect_stdout(io.StringIO()))
        try:
            for name in _LOGGERS:
                logging.getLogger(name).setLevel(logging.ERROR)
            yield
        finally:
            for name, level in before.items():
                logging.getLogger(name).setLevel(level)


def build_requests(task: Any, limit: int | None) -> None:
    """What a model is asked, made anew with the same examples each time."""
    task.set_fewshot_seed(seed=FEWSHOT_SEED)
    task.build_all_requests(limit=limit, rank=0, world_size=1)


def run_task(lm: Any, task: Any, limit: int | None) -> Any:
    """One model on one task, as the harness's ``evaluate`` has it.

    Raises:
        DataError: a continuation has no token, or too many.
    """
    from lm_eval.evaluator import evaluate  # after layerscope.lm_eval, which says what is missing

    task.set_fewshot_seed(seed=FEWSHOT_SEED)
    try:
        found = evaluate(lm, {"tasks": {task.task_name: task}}, limit=limit, bootstrap_iters=BOOTSTRAPS)
    except AssertionError as error:
        if not _is_the_harness_s(error):
            raise
        raise DataError(
            f"lm-evaluation-harness cannot score the task '{task.task_name}' with this model: by its tokenizer, some "
            "continuation has no token of its own, or more than the context holds."
        ) from error
    assert found is not None, "there is one process"
    return found


def _is_the_harness_s(error: AssertionError) -> bool:
    """Whether its own code found something, not ours."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return trace is not None and str(trace.tb_frame.f_globals.get("__name__", "")).split(".")[0] == "lm_eval"
