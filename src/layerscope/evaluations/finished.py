"""A finished evaluation, opened: its tables and what was asked for. No model."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pandas as pd

from layerscope.bilingual import Bilingual
from layerscope.evaluations.reading import differences_finding
from layerscope.evaluations.record import EvaluationRecord
from layerscope.evaluations.tables import TASK_SAMPLES, TASKS
from layerscope.finding import Finding
from layerscope.results.inline import frame_table, framed, paragraphs
from layerscope.results.opened import OpenedRun, open_finished
from layerscope.results.shown import Shown, counted


@dataclass(frozen=True, repr=False)
class FinishedEvaluation(OpenedRun[EvaluationRecord], Shown):
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

    def heading(self) -> Bilingual:
        """What was evaluated, in a sentence."""
        n_paths, n_tasks = self.tasks["path"].nunique(), self.tasks["task"].nunique()
        return Bilingual(
            f"{self.model}: paths: {n_paths}, including the intact model; tasks and groups: {n_tasks}.",
            f"{self.model}：パス {n_paths} 個（元のモデルを含む）、タスクとタスク群 {n_tasks} 個。",
        )

    def findings(self) -> tuple[Finding, ...]:
        """Which differences from the intact model are within noise."""
        found = differences_finding(self.tasks, self.record.intact)
        return () if found is None else (Finding(found),)

    def to_pandas(self) -> pd.DataFrame:
        """tasks.parquet; the intact model first of each task."""
        return self.tasks

    def _repr_html_(self) -> str:
        columns = ("task", "metric", "path", "samples", "value", "delta", "delta_low", "delta_high")
        return framed(paragraphs(self.summary()), frame_table(self.tasks, columns))

    def __repr__(self) -> str:
        n_paths, n_tasks = self.tasks["path"].nunique(), self.tasks["task"].nunique()
        return f"FinishedEvaluation({self.model}: {counted(n_paths, 'path')} on {counted(n_tasks, 'task')})"

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
