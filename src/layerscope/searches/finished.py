"""A finished search, opened: its tables, and the paths that it found. No model."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pandas as pd

from layerscope.bilingual import Bilingual
from layerscope.corpora.catalogue import dataset_label
from layerscope.finding import MOST, Finding
from layerscope.results.inline import frame_table, framed, paragraphs
from layerscope.results.opened import OpenedRun, open_finished
from layerscope.results.schema import Table
from layerscope.results.shown import Shown, counted
from layerscope.searches.analysis.finding import held_out_warning, search_findings
from layerscope.searches.analysis.wording import size_name
from layerscope.searches.record import SearchRecord
from layerscope.searches.tables import CANDIDATES, FRONTIER, GAINS, LEFT_OUT, SPEED


@dataclass(frozen=True, repr=False)
class FinishedSearch(OpenedRun[SearchRecord], Shown):
    """A search's run directory whose run is complete; ``ls.run_search`` has an example.

    Examples:
        >>> ls.FinishedSearch.open(Path("results/nowhere"))
        Traceback (most recent call last):
        ...
        layerscope.errors.RunError: A run directory holds manifest.json; 'results/nowhere' does not exist: name the folder
        that 'layerscope search' printed.
    """

    @classmethod
    def open(cls, path: Path) -> FinishedSearch:
        """Open a run directory.

        Raises:
            RunError: there is no search, or it is not finished.
        """
        return cls(*open_finished(path, SearchRecord))

    @property
    def dataset(self) -> str:
        """The data set's name, for captions."""
        return dataset_label(self.record.request.dataset)

    @cached_property
    def frontier(self) -> pd.DataFrame:
        """frontier.parquet; the intact model first."""
        return self._read(FRONTIER)

    @cached_property
    def gains(self) -> pd.DataFrame:
        """gains.parquet."""
        return self._read(GAINS)

    @cached_property
    def candidates(self) -> pd.DataFrame:
        """candidates.parquet."""
        return self._read(CANDIDATES)

    @cached_property
    def left_out(self) -> pd.DataFrame:
        """left_out.parquet."""
        return self._read(LEFT_OUT)

    @cached_property
    def speed(self) -> pd.DataFrame:
        """speed.parquet."""
        return self._read(SPEED)

    def heading(self) -> Bilingual:
        """What was searched, in a sentence."""
        request, n_layers = self.record.request, self.record.model.layers
        return Bilingual(
            f"{self.model} on {self.dataset}: from {n_layers} to {size_name(request.budget_layers)} layers, measured on "
            f"{request.held_out:,} held-out texts.",
            f"{self.model}、{self.dataset}：{n_layers} 層から {size_name(request.budget_layers)} 層へ、評価用テキスト "
            f"{request.held_out:,} 本で測定。",
        )

    def findings(self) -> tuple[Finding, ...]:
        """What was found: five sentences at most, the most important first."""
        found = search_findings(self.frontier, self.gains, self.left_out, self.candidates)
        warning = held_out_warning(self.record.request.held_out)
        warnings = () if warning is None else (Finding(warning, is_warning=True),)
        return (*(Finding(said) for said in found[: MOST - len(warnings)]), *warnings)

    def to_pandas(self) -> pd.DataFrame:
        """frontier.parquet; the intact model first."""
        return self.frontier

    def _repr_html_(self) -> str:
        best = self.frontier[self.frontier["is_best"] | (self.frontier.index == 0)]
        columns = ("layers", "way", "path", "nll_nats", "delta_nll_nats", "delta_nll_low_nats", "delta_nll_high_nats")
        return framed(paragraphs(self.summary()), frame_table(best, columns))

    def __repr__(self) -> str:
        size = size_name(self.record.request.budget_layers)
        n_texts = counted(self.record.request.held_out, "held-out text")
        return f"FinishedSearch({self.model}: from {self.record.model.layers} to {size} layers on {n_texts})"

    def _read(self, table: Table) -> pd.DataFrame:
        frame: pd.DataFrame = self.directory.read_table(table).to_pandas()
        names = [column.name for column in table.columns if isinstance(frame[column.name].dtype, pd.CategoricalDtype)]
        return frame.astype(dict.fromkeys(names, str))
