"""A finished contrast run, opened for analysis: its tables and blocks. No model."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

from layerscope.contrasts.analysis.group_scores import GroupScores
from layerscope.contrasts.analysis.place import WITH_BLOCKS, Place
from layerscope.contrasts.blocks import GroupBlocks, group_blocks
from layerscope.contrasts.enough import is_enough
from layerscope.contrasts.record import ContrastRecord
from layerscope.contrasts.tables import BLOCKS, DIFFERENCES, GROUPS, MOVEMENT, PAIRS, PREDICTIONS, REFERENCE
from layerscope.results.opened import OpenedRun, open_finished
from layerscope.results.schema import Table

NOT_COMPARED = ("reference", "bound")
"""Roles of groups that nothing is inferred about."""


@dataclass(frozen=True)
class FinishedContrast(OpenedRun[ContrastRecord]):
    """A contrast run that is complete.

    Examples:
        >>> run = ls.FinishedContrast.open(Path("results/contrast/my_model_pairs_nall"))
        >>> run.groups[["group", "role", "pairs"]].tail(2).to_dict("list")
        {'group': ['tense', 'typo'], 'role': ['grammar', 'grammar'], 'pairs': [52, 48]}
    """

    @classmethod
    def open(cls, path: Path) -> FinishedContrast:
        """Open a run directory.

        Raises:
            RunError: there is no contrast, or it is not finished.
        """
        return cls(*open_finished(path, ContrastRecord))

    @property
    def sites(self) -> tuple[str, ...]:
        """Sites compared."""
        return self.record.request.sites

    @property
    def positions(self) -> tuple[str, ...]:
        """Positions compared."""
        return self.record.request.positions

    @property
    def n_layers(self) -> int:
        """Layers of the model."""
        return self.record.model.layers

    @property
    def width(self) -> int:
        """Dimensions of the residual stream."""
        return self.record.model.width

    @cached_property
    def groups(self) -> pd.DataFrame:
        """One row a group, in the order in which they were run."""
        return with_todays_roles(self.table(GROUPS))

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
        parts = [self.directory.read_part(table, i, **wanted) for i in range(len(self.record.groups))]
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

    def place(self, site: str, position: str) -> Place:
        """One site and position, each of its tables read once."""
        groups: dict[str, list[GroupScores]] = {scale: [] for scale in WITH_BLOCKS}
        spread = self.spread(site)
        for index, row in enumerate(self.groups.to_dict("records")):
            blocks = None if row["role"] in NOT_COMPARED else self.blocks(index, site, position)
            if blocks is None:
                continue
            raw = blocks.z * spread
            by_reference = {
                "percentile": (blocks.percentile1, blocks.percentile2),
                "raw": (raw, raw),
                "z": (blocks.z, blocks.z),
            }
            enough = is_enough(int(blocks.pairs.sum()), len(blocks.pairs))
            for scale, scores in by_reference.items():
                groups[scale].append(GroupScores(str(row["group"]), row["role"], scores, blocks.pairs, enough))
        return Place(site, position, self.cells(site, position), groups, spread)

    def blocks(self, index: int, site: str, position: str) -> GroupBlocks | None:
        """A group's blocks at one place; None if none of its pairs has the position."""
        rows = self.directory.read_part(BLOCKS, index, site=site, position=position)
        return group_blocks(rows, self.n_layers) if rows.num_rows else None


def with_todays_roles(groups: pd.DataFrame) -> pd.DataFrame:
    """The table ``groups`` with roles as they are called now, whichever version wrote it."""
    return groups.assign(role=groups["role"].astype(str).replace("ladder", "bound"))
