"""A finished run, opened for analysis: its tables, its variants, what was asked for. No model."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa

from layerscope.analysis import Resampling, ScoreBlock, score_blocks
from layerscope.corpora import dataset_label
from layerscope.errors import RunError
from layerscope.results import DOCUMENTS, LAYERS, SCORES, TOKENS, RunDirectory


@dataclass(frozen=True)
class OpenedRun:
    """What a run of any kind left, and what was asked of it."""

    directory: RunDirectory
    """Where it is."""
    manifest: dict[str, Any]
    """As the run left it."""

    @property
    def request(self) -> dict[str, Any]:
        """Everything that decided the numbers."""
        request: dict[str, Any] = self.manifest["request"]
        return request

    @property
    def model(self) -> str:
        """The model's short name, for captions."""
        return Path(self.request["model"]).name


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
        return score_blocks(self.directory.shards_of(SCORES), self.layers["variant"].tolist())
