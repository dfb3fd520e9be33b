"""What a sweep in memory gives: its tables, shown like a finished run's, and saved as a run directory when asked for."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import pandas as pd
import pyarrow as pa

from layerscope.bilingual import Bilingual
from layerscope.errors import RunError
from layerscope.finding import Finding
from layerscope.paths.families import DEPTHS
from layerscope.results.directory import RunDirectory
from layerscope.sweeps.analysis.headlines import sweep_findings, sweep_heading
from layerscope.sweeps.analysis.prediction_depth import prediction_depth_table
from layerscope.sweeps.analysis.score_arrays import ScoreArrays, score_arrays, scores_frame
from layerscope.sweeps.analysis.summary import ppl_summary
from layerscope.sweeps.record import SweepRecord
from layerscope.sweeps.tables import DOCUMENTS, LAYERS, PREDICTION_DEPTH, PROXIES, SCORES, SPANS, TOKENS, VOCABULARY
from layerscope.sweeps.tabulating import SUMMARY
from layerscope.sweeps.view import ShownSweep, SweepView, sweep_extent


@dataclass(frozen=True)
class SweepTables:
    """The tables of a sweep, as they would lie in its run directory."""

    documents: pa.Table
    """documents.parquet."""
    tokens: pa.Table
    """tokens.parquet."""
    vocabulary: pa.Table
    """vocabulary.parquet."""
    layers: pa.Table
    """layers.parquet."""
    proxies: pa.Table
    """proxies.parquet."""
    scores: tuple[pa.Table, ...]
    """Shards of scores."""
    spans: tuple[pa.Table, ...]
    """Shards of spans."""


@dataclass(frozen=True, repr=False)
class SweepResult(ShownSweep):
    """What ``sweep`` returns. The last line of a notebook's cell shows it: sentences, chart and coloured text.

    Examples:
        >>> decoder = ls.load_decoder("smollm2-135m")
        >>> result = ls.sweep(decoder, ["The cat sat on the mat."], ls.build_variants([], ["0-9,12-29"], decoder.n_layers))
        >>> len(result.scores)  # two variants on six tokens
        12
        >>> result
        SweepResult(smollm2-135m: 1 variant on 1 text, 6 tokens scored)
        >>> result.save("mine").name, ls.open_run("mine").layers.equals(result.layers)
        ('mine', True)
    """

    tables: SweepTables = field(repr=False)
    """As they would lie in a run directory."""
    record: SweepRecord
    """What a manifest would say."""

    @property
    def model(self) -> str:
        """The model's short name."""
        return Path(self.record.model.name).name

    @cached_property
    def layers(self) -> pd.DataFrame:
        """One row per variant; columns as in layers.parquet."""
        layers: pd.DataFrame = self.tables.layers.to_pandas()
        return layers

    @cached_property
    def proxies(self) -> pd.DataFrame:
        """Rank correlation of each proxy with the effect, one row per family and proxy."""
        proxies: pd.DataFrame = self.tables.proxies.to_pandas()
        return proxies

    @cached_property
    def scores(self) -> pd.DataFrame:
        """One row per variant and scored token."""
        return scores_frame(self.tables.scores)

    @cached_property
    def _depths(self) -> pa.Table | None:
        families = self.layers["family"].tolist()
        return prediction_depth_table(self._shards(), families) if set(families) & set(DEPTHS) else None

    def heading(self) -> Bilingual:
        """What was measured, in a sentence."""
        return sweep_heading(self.layers, model=self.model, dataset=self.record.request.dataset)

    def findings(self) -> tuple[Finding, ...]:
        """What was found: five sentences at most, the most important first."""
        if len(self.layers) == 1:
            return ()  # the intact model alone: its loss stands in the heading
        return sweep_findings(self.layers, self.record.request.dtype)

    def view(self) -> SweepView:
        """What is shown of it."""
        return SweepView(
            layers=self.layers,
            proxies=self.proxies,
            documents=self.tables.documents.to_pandas(),
            tokens=self.tables.tokens.to_pandas(),
            shards=self._shards,
            model=self.model,
            dataset=self.record.request.dataset,
            dtype=self.record.request.dtype,
            depths=None if self._depths is None else self._depths.to_pandas(),
        )

    def save(self, path: str | Path) -> Path:
        """Write a run directory, which ``open_run`` and every command that reads a run opens.

        Args:
            path: a folder that does not exist yet, or is empty.

        Returns:
            The folder.

        Raises:
            RunError: it cannot be written, or something is there.
        """
        directory = RunDirectory(Path(path).expanduser())
        directory.check_writable()
        if directory.path.is_dir() and any(directory.path.iterdir()):
            raise RunError(f"A result is saved into a folder of its own; '{path}' holds something: name another.")
        with directory.alone():
            directory.start(self.record)
            for index, (scores, spans) in enumerate(zip(self.tables.scores, self.tables.spans, strict=True)):
                directory.write_part(SPANS, index, spans)
                directory.write_part(SCORES, index, scores)
            for table, data in (
                (DOCUMENTS, self.tables.documents),
                (TOKENS, self.tables.tokens),
                (VOCABULARY, self.tables.vocabulary),
                (LAYERS, self.tables.layers),
                (PROXIES, self.tables.proxies),
                (PREDICTION_DEPTH, self._depths),
            ):
                if data is not None:
                    directory.write_table(table, data)
            request = self.record.request
            summary = ppl_summary(self.layers, model_name=request.model, dataset=request.dataset, protocol=request.protocol)
            directory.write_json(SUMMARY, summary)
            directory.finish(self.record)
        return directory.path

    def __repr__(self) -> str:
        return f"SweepResult({self.model}: {sweep_extent(self.layers)})"

    def _shards(self) -> Iterator[ScoreArrays]:
        return score_arrays(self.tables.scores, self.layers["variant"].tolist())
