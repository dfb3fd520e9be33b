"""A finished contrast run, opened for analysis: its tables and blocks. No model."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

from layerscope.contrasts.analysis.consistency import GroupScores
from layerscope.contrasts.blocks import GroupBlocks, group_blocks
from layerscope.contrasts.enough import is_enough
from layerscope.contrasts.tables import BLOCKS, DIFFERENCES, GROUPS, MOVEMENT, PAIRS, PREDICTIONS, REFERENCE
from layerscope.errors import RunError
from layerscope.results.directory import RunDirectory
from layerscope.results.opened import OpenedRun
from layerscope.results.schema import Table


@dataclass(frozen=True)
class FinishedContrast(OpenedRun):
    """A contrast run that is complete."""

    @classmethod
    def open(cls, path: Path) -> FinishedContrast:
        """Open a run directory.

        Raises:
            RunError: there is no contrast run, or it is not finished.
        """
        directory = RunDirectory(path)
        manifest = directory.manifest()
        if manifest is None or manifest.get("request", {}).get("kind") != "contrast":
            raise RunError(
                f"A contrast run's folder is what 'layerscope contrast' printed; '{path}' is none: name that folder."
            )
        if manifest["status"] != "finished":
            raise RunError(
                f"The run in '{path}' is not finished: give the same 'layerscope contrast' command again, and it goes on."
            )
        return cls(directory, manifest)

    @property
    def sites(self) -> tuple[str, ...]:
        """Sites compared."""
        return tuple(self.request["sites"])

    @property
    def positions(self) -> tuple[str, ...]:
        """Positions compared."""
        return tuple(self.request["positions"])

    @property
    def n_layers(self) -> int:
        """Layers of the model."""
        return int(self.manifest["model"]["layers"])

    @property
    def width(self) -> int:
        """Dimensions of the residual stream."""
        return int(self.manifest["model"]["width"])

    @cached_property
    def groups(self) -> pd.DataFrame:
        """One row a group, in the order in which they were run."""
        return self.table(GROUPS)

    @cached_property
    def pairs(self) -> pd.DataFrame:
        """One row a pair."""
        return self.table(PAIRS)

    @cached_property
    def reference(self) -> pd.DataFrame:
        """Each dimension over ordinary text."""
        reference: pd.DataFrame = self.directory.read_table(REFERENCE).to_pandas()
        return reference

    def spread(self, site: str) -> np.ndarray:
        """σ of a site, ``layer dim``."""
        of_site = self.reference[self.reference["site"] == site]
        return np.asarray(of_site["spread"].to_numpy().reshape(self.n_layers, self.width))

    @cached_property
    def movement(self) -> pd.DataFrame:
        """One row a pair, position and layer."""
        return self.table(MOVEMENT)

    @cached_property
    def predictions(self) -> pd.DataFrame:
        """One row a pair and distance."""
        return self.table(PREDICTIONS)

    def table(self, table: Table, **wanted: str) -> pd.DataFrame:
        """All parts of a table, or those rows whose columns have the values wanted."""
        parts = [self.directory.read_part(table, i, **wanted) for i in range(len(self.manifest["groups"]))]
        found: pd.DataFrame = pa.concat_tables([part.unify_dictionaries() for part in parts]).to_pandas()
        return found

    def differences(self, site: str, position: str) -> pd.DataFrame:
        """Every group's cells at one place."""
        return self.table(DIFFERENCES, site=site, position=position)

    def cells(self, site: str, position: str) -> dict[str, dict[str, np.ndarray]]:
        """Every group's cells at one place: by scale (``median`` beside those) and group, ``layer dim``, float64."""
        frame = self.differences(site, position)
        columns = {"percentile": "percentile", "raw": "mean", "z": "z", "relative": "relative", "median": "q50"}
        found: dict[str, dict[str, np.ndarray]] = {scale: {} for scale in columns}
        for name, rows in frame.groupby("group", observed=True, sort=False):
            if rows["pairs"].iloc[0] == 0:
                continue
            for scale, column in columns.items():
                values = rows[column].to_numpy(dtype=np.float64).reshape(self.n_layers, self.width)
                found[scale][str(name)] = np.nan_to_num(values) if scale == "z" else values
        return found

    def group_scores(self, site: str, position: str, scale: str) -> list[GroupScores]:
        """Blocks of every group that is compared, at one place.

        Args:
            site: of the run.
            position: of the run.
            scale: ``percentile``, ``z`` or ``raw``.
        """
        found = []
        for index, row in enumerate(self.groups.to_dict("records")):
            if row["role"] in ("reference", "ladder"):
                continue
            blocks = self.blocks(index, site, position)
            if blocks is None:
                continue
            scores = (blocks.percentile1, blocks.percentile2) if scale == "percentile" else (blocks.z, blocks.z)
            if scale == "raw":
                raw = blocks.z * self.spread(site)
                scores = (raw, raw)
            enough = is_enough(int(blocks.pairs.sum()), len(blocks.pairs))
            found.append(GroupScores(str(row["group"]), row["role"], scores, blocks.pairs, enough))
        return found

    def blocks(self, index: int, site: str, position: str) -> GroupBlocks | None:
        """A group's blocks at one place; None if none of its pairs has the position."""
        rows = self.directory.read_part(BLOCKS, index, site=site, position=position)
        return group_blocks(rows, self.n_layers) if rows.num_rows else None
