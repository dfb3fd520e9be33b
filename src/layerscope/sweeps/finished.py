"""A finished run, opened for analysis: its tables, its variants, what was asked for. No model."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pandas as pd
import pyarrow as pa

from layerscope.bilingual import Bilingual
from layerscope.corpora.catalogue import dataset_label
from layerscope.finding import Finding
from layerscope.results.opened import OpenedRun, open_finished
from layerscope.sweeps.analysis.headlines import sweep_findings, sweep_heading
from layerscope.sweeps.analysis.score_arrays import ScoreArrays, score_arrays, scores_frame
from layerscope.sweeps.record import SweepRecord
from layerscope.sweeps.tables import DOCUMENTS, LAYERS, POS, PREDICTION_DEPTH, PROXIES, SCORES, TOKENS
from layerscope.sweeps.view import ShownSweep, SweepView, sweep_extent


@dataclass(frozen=True, repr=False)
class FinishedRun(OpenedRun[SweepRecord], ShownSweep):
    """A sweep's run directory whose run is complete.

    Examples:
        >>> run = ls.FinishedRun.open(Path("results/removal/my_model_texts_nall"))
        >>> run.layers["variant"].tolist()[:3], run.record.data.documents
        (['intact', 'removal-0', 'removal-1'], 12)
    """

    @classmethod
    def open(cls, path: Path) -> FinishedRun:
        """Open a run directory.

        Raises:
            RunError: there is no sweep, or it is not finished.
        """
        return cls(*open_finished(path, SweepRecord))

    @property
    def dataset(self) -> str:
        """The data set's name, for captions."""
        request = self.record.request
        return request.dataset if request.in_memory else dataset_label(request.dataset)

    @cached_property
    def layers(self) -> pd.DataFrame:
        """layers.parquet; the intact model first."""
        layers: pd.DataFrame = self.directory.read_table(LAYERS).to_pandas()
        return layers

    @cached_property
    def proxies(self) -> pd.DataFrame:
        """Rank correlation of each proxy with the effect, one row per family and proxy."""
        proxies: pd.DataFrame = self.directory.read_table(PROXIES).to_pandas()
        return proxies

    @cached_property
    def scores(self) -> pd.DataFrame:
        """One row per variant and scored token: 31 variants on a million tokens are 31 million rows, about 1 GB of memory."""
        return scores_frame(self.directory.parts(SCORES))

    @cached_property
    def documents(self) -> pa.Table:
        """documents.parquet."""
        return self.directory.read_table(DOCUMENTS)

    @cached_property
    def tokens(self) -> pa.Table:
        """tokens.parquet."""
        return self.directory.read_table(TOKENS)

    @property
    def level(self) -> float:
        """Coverage of this run's intervals; above 0.95 where it looked at them before it stopped."""
        return 0.95 if self.record.precision is None else self.record.precision.level_of_each_look

    def heading(self) -> Bilingual:
        """What was measured, in a sentence."""
        return sweep_heading(self.layers, model=self.model, dataset=self.dataset)

    def findings(self) -> tuple[Finding, ...]:
        """What was found, as far as the tables go, parts of speech and preference among them if they were analysed."""
        if len(self.layers) == 1:
            return ()  # the intact model alone: its loss stands in the heading
        pos = self.directory.read_table(POS).to_pandas() if self.directory.has_table(POS) else None
        preference = self.directory.read_json("preference.json", made_by="layerscope preference") or {}
        return sweep_findings(self.layers, self.record.request.dtype, pos, preference.get("findings"))

    def view(self) -> SweepView:
        """What is shown of it."""
        has_depths = self.directory.has_table(PREDICTION_DEPTH)
        return SweepView(
            layers=self.layers,
            proxies=self.proxies,
            documents=self.documents.to_pandas(),
            tokens=self.tokens.to_pandas(),
            shards=self.score_shards,
            model=self.model,
            dataset=self.dataset,
            dtype=self.record.request.dtype,
            depths=self.directory.read_table(PREDICTION_DEPTH).to_pandas() if has_depths else None,
        )

    def score_shards(self) -> Iterator[ScoreArrays]:
        """The scores, shard by shard, variants in the order of ``layers``."""
        return score_arrays(self.directory.parts(SCORES), self.layers["variant"].tolist())

    def __repr__(self) -> str:
        return f"FinishedRun({self.model}: {sweep_extent(self.layers)})"
