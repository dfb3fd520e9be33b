"""A finished run, opened for analysis: its tables, its variants, what was asked for. No model."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pandas as pd
import pyarrow as pa

from layerscope.corpora.catalogue import dataset_label
from layerscope.errors import RunError
from layerscope.results.directory import RunDirectory
from layerscope.results.opened import OpenedRun
from layerscope.sweeps.analysis.blocks import ScoreBlock, score_blocks
from layerscope.sweeps.analysis.parts_of_speech import Resampling
from layerscope.sweeps.tables import DOCUMENTS, LAYERS, SCORES, TOKENS


@dataclass(frozen=True)
class FinishedRun(OpenedRun):
    """A sweep's run directory whose run is complete."""

    @classmethod
    def open(cls, path: Path) -> FinishedRun:
        """Open a run directory.

        Raises:
            RunError: there is no run, or it is not finished.
        """
        directory = RunDirectory(path)
        manifest = directory.manifest()
        if manifest is None:
            raise RunError(
                f"A run directory holds manifest.json; '{path}' has none: name the folder that 'layerscope sweep' printed."
            )
        if manifest["request"].get("kind") == "contrast":
            raise RunError(f"This command reads sweeps; '{path}' is a contrast: 'layerscope stability' and 'report' read it.")
        if manifest["status"] != "finished":
            raise RunError(
                f"The run in '{path}' is not finished: give the same 'layerscope sweep' command again, and it goes on."
            )
        return cls(directory, manifest)

    @property
    def dataset(self) -> str:
        """The data set's name, for captions."""
        return dataset_label(self.request["dataset"])

    @cached_property
    def layers(self) -> pd.DataFrame:
        """layers.parquet; the intact model first."""
        layers: pd.DataFrame = self.directory.read_table(LAYERS).to_pandas()
        return layers

    @cached_property
    def documents(self) -> pa.Table:
        """documents.parquet."""
        return self.directory.read_table(DOCUMENTS)

    @cached_property
    def tokens(self) -> pa.Table:
        """tokens.parquet."""
        return self.directory.read_table(TOKENS)

    @property
    def resampling(self) -> Resampling:
        """How this run makes intervals."""
        precision = self.manifest.get("precision") or {}
        return Resampling(int(self.request["seed"]), precision.get("level_of_each_look", 0.95))

    def blocks(self) -> Iterator[ScoreBlock]:
        """The scores, shard by shard, variants in the order of ``layers``."""
        return score_blocks(self.directory.parts(SCORES), self.layers["variant"].tolist())
