"""A finished contrast run, opened for analysis: its tables and blocks. No model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from layerscope.bilingual import Bilingual
from layerscope.contrasts.analysis.group_scores import GroupScores, MatchedScores, Role
from layerscope.contrasts.analysis.place import WITH_BLOCKS, Place
from layerscope.contrasts.blocks import GroupBlocks, group_blocks
from layerscope.contrasts.enough import placebos_found, refusal
from layerscope.contrasts.record import ContrastRecord
from layerscope.contrasts.tables import BLOCKS, DIFFERENCES, GROUPS, MOVEMENT, PAIRS, PREDICTIONS, REFERENCE
from layerscope.finding import MOST, Finding
from layerscope.results.inline import frame_table, framed, paragraphs
from layerscope.results.opened import OpenedRun, open_finished
from layerscope.results.schema import Table
from layerscope.results.shown import Shown, counted

NOT_COMPARED = ("reference", "bound", "control")
"""Roles of groups that nothing is inferred about."""


@dataclass(frozen=True, repr=False)
class FinishedContrast(OpenedRun[ContrastRecord], Shown):
    """A contrast run that is complete.

    Examples:
        >>> run = ls.FinishedContrast.open(Path("results/contrast/my_model_pairs_nall"))
        >>> run.groups[["group", "role", "pairs"]][run.groups["role"] == "grammar"].to_dict("list")
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
        """One row per group, in the order in which they were run."""
        return self.table(GROUPS)

    @cached_property
    def pairs(self) -> pd.DataFrame:
        """One row per pair."""
        return self.table(PAIRS)

    @cached_property
    def reference(self) -> pd.DataFrame:
        """Each dimension over ordinary text."""
        reference: pd.DataFrame = self.directory.read_table(REFERENCE).to_pandas()
        return reference

    @property
    def _n_pairs(self) -> int:
        """Pairs of meaning and grammar."""
        return int(self.groups["pairs"][self.groups["role"].isin(("meaning", "grammar"))].sum())

    def heading(self) -> Bilingual:
        """What was compared, in a sentence."""
        n_pairs = self._n_pairs
        return Bilingual(
            f"{self.model}: {n_pairs:,} pairs of meaning and grammar, at {', '.join(self.sites)}; {', '.join(self.positions)}.",
            f"{self.model}：意味と文法の {n_pairs:,} ペア、観測箇所 {'、'.join(self.sites)}、"
            f"位置 {'、'.join(self.positions)}。",
        )

    def findings(self) -> tuple[Finding, ...]:
        """What was found, the verdict of an intervention first; before any analysis, for how many pairs there is a placebo."""
        found = []
        intervention = self.directory.read_json("intervention.json", made_by="layerscope intervene")
        if intervention is not None:
            verdicts = intervention["verdict"]
            found.append(_said(verdicts["both"] if "both" in verdicts else next(iter(verdicts.values()))))
        stability = self.directory.read_json("stability.json", made_by="layerscope stability")
        if stability is not None:
            where = {"site": str(stability["site"]), "position": str(stability["position"])}
            found += [_said(one, where) for one in stability.get("findings", ())]
        if not found:
            rows = [part.to_pylist()[0] for part in self.directory.parts(GROUPS)]
            found = [Finding(placebos_found(rows))]
        return tuple(found[:MOST])

    def to_pandas(self) -> pd.DataFrame:
        """One row per group, in the order in which they were run."""
        return self.groups

    def _repr_html_(self) -> str:
        columns = ("group", "role", "pairs", "templates", "without_placebo", "unusable")
        return framed(paragraphs(self.summary()), frame_table(self.groups, columns))

    def __repr__(self) -> str:
        return f"FinishedContrast({self.model}: {counted(self._n_pairs, 'pair')} in {counted(len(self.groups), 'group')})"

    def spread(self, site: str) -> np.ndarray:
        """σ of a site, ``layer dim``."""
        of_site = self.reference[self.reference["site"] == site]
        return np.asarray(of_site["spread"].to_numpy().reshape(self.n_layers, self.width))

    @cached_property
    def movement(self) -> pd.DataFrame:
        """One row per pair, position and layer."""
        return self.table(MOVEMENT)

    @cached_property
    def predictions(self) -> pd.DataFrame:
        """One row per pair and distance."""
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
        spread = self.spread(site)
        rows = self.groups.to_dict("records")
        blocks = {
            str(row["group"]): found
            for index, row in enumerate(rows)
            if row["role"] not in NOT_COMPARED and (found := self.blocks(index, site, position)) is not None
        }
        cells = self.cells(site, position)
        if any(row["role"] == "reference" and str(row["group"]) not in cells["raw"] for row in rows):
            blocks = {}  # no scale to read them on: sentences of a reference end before
            cells = {scale: {} for scale in cells}
        types: dict[str, list[GroupScores]] = {scale: [] for scale in WITH_BLOCKS}
        matched: dict[str, list[MatchedScores]] = {scale: [] for scale in WITH_BLOCKS}
        checks: dict[str, list[MatchedScores]] = {scale: [] for scale in WITH_BLOCKS}
        for row in rows:
            name, role = str(row["group"]), row["role"]
            if role not in ("meaning", "grammar") or name not in blocks:
                continue
            placebos = [str(other["group"]) for other in rows if other["placebo_of"] == name and other["group"] in blocks]
            beside = [name, *placebos]
            for scale in WITH_BLOCKS:
                types[scale].append(group_scores(name, role, blocks[name], scale, spread))
                for kept, first, second in zip((matched, checks), beside, beside[1:], strict=False):
                    pair = (blocks[first], blocks[second])
                    kept[scale].append(beside_placebos(first, second, role, pair, scale, spread))
        return Place(site, position, cells, types, matched, checks, spread)

    def blocks(self, index: int, site: str, position: str) -> GroupBlocks | None:
        """A group's blocks at one place; None if none of its pairs has the position."""
        rows = self.directory.read_part(BLOCKS, index, site=site, position=position)
        return group_blocks(rows, self.n_layers) if rows.num_rows else None


def _said(one: Mapping[str, Any], where: Mapping[str, str] | None = None) -> Finding:
    """A sentence that an analysis wrote, and where on the page it is shown."""
    return Finding(Bilingual(str(one["en"]), str(one["ja"])), where or {})


def group_scores(
    name: str, role: Role, blocks: GroupBlocks, scale: str, spread: np.ndarray, numbers: np.ndarray | None = None
) -> GroupScores:
    """A group's blocks on a scale, or some of them."""
    chosen = slice(None) if numbers is None else np.searchsorted(blocks.number, numbers)
    if scale == "percentile":
        return GroupScores(name, role, (blocks.percentile1[chosen], blocks.percentile2[chosen]), blocks.pairs[chosen])
    values = blocks.z[chosen] * spread if scale == "raw" else blocks.z[chosen]
    return GroupScores(name, role, (values, values), blocks.pairs[chosen])


def beside_placebos(
    first: str, second: str, role: Role, blocks: tuple[GroupBlocks, GroupBlocks], scale: str, spread: np.ndarray
) -> MatchedScores:
    """Two groups over the blocks that both have."""
    numbers = np.intersect1d(blocks[0].number, blocks[1].number)
    own, placebo = (
        group_scores(name, one, some, scale, spread, numbers)
        for name, one, some in zip((first, second), (role, "placebo"), blocks, strict=True)
    )
    sizes = (
        [
            np.average(some.log_size[np.searchsorted(some.number, numbers)], axis=0, weights=scores.pairs)
            for some, scores in zip(blocks, (own, placebo), strict=True)
        ]
        if len(numbers)
        else [np.zeros(1), np.zeros(1)]
    )
    log_ratio = float(np.mean(sizes[1] - sizes[0]))
    n_pairs = int(min(own.pairs.sum(), placebo.pairs.sum()))
    return MatchedScores(own, placebo, log_ratio, refusal(first, n_pairs, len(numbers), log_ratio))
