"""A finished evaluation, opened: its tables and what was asked for. No model."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pandas as pd

from layerscope.evaluations.record import EvaluationRecord
from layerscope.evaluations.tables import TASK_SAMPLES, TASKS
from layerscope.results.opened import OpenedRun, open_finished


@dataclass(frozen=True)
class FinishedEvaluation(OpenedRun[EvaluationRecord]):
    """An evaluation's run directory whose run is complete.

    Examples:
        >>> request = ls.EvaluationRequest("smollm2-135m", ("blimp",), ("0-9,12-29",), data_dir=Path("blimp"), limit=2)
        >>> found = ls.evaluate(request, force=True)
        >>> found.tasks.query("kind == 'group'")["path"].tolist()
        ['0-29', '0-9,12-29']
    """

    @classmethod
    def open(cls, path: Path) -> FinishedEvaluation:
        """Open a run directory.

        Raises:
            RunError: there is no evaluation, or it is not finished.
        """
        return cls(*open_finished(path, EvaluationRecord))

    @cached_property
    def tasks(self) -> pd.DataFrame:
        """tasks.parquet; the intact model first of each task."""
        tasks: pd.DataFrame = self.directory.read_table(TASKS).to_pandas()
        return tasks

    def samples(self, path: str, task: str, limit: int | None = None) -> pd.DataFrame:
        """The samples of one path on one task.

        Raises:
            KeyError: it was not evaluated.
        """
        for cell in self.record.cells:
            if (cell.path, cell.task, cell.limit) == (path, task, limit):
                samples: pd.DataFrame = self.directory.read_part(TASK_SAMPLES, cell.part).to_pandas()
                return samples
        raise KeyError((path, task, limit))
