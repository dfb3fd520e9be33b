"""The groups of a contrast, in any order: placebos found, activations compared, tables written. What is there stays."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from jaxtyping import Int

from layerscope.contrasts.blocks import N_BLOCKS
from layerscope.contrasts.engine.groups import ContrastPlan, GroupContrast, PairValues, contrast_group
from layerscope.contrasts.engine.local_scale import LocalScale
from layerscope.contrasts.finished import NOT_COMPARED
from layerscope.contrasts.groups import PairGroup, first_numbers
from layerscope.contrasts.placebos import PlaceboMaker
from layerscope.contrasts.prepare import PreparedContrast
from layerscope.contrasts.rows import blocks_table, differences_table, movement_table, predictions_table, values_table
from layerscope.contrasts.tables import BLOCKS, DIFFERENCES, GROUPS, MOVEMENT, PAIRS, PREDICTIONS, VALUES
from layerscope.models.sites import SiteMap
from layerscope.results.schema import gaps

IN_PARTS = (PAIRS, PREDICTIONS, MOVEMENT, VALUES, BLOCKS, DIFFERENCES, GROUPS)
"""Tables with one part per group, in the order in which they are written: the last one marks the group as finished."""

Tell = Callable[[str, int], None]
"""Called with what is being done, and for how many pairs more it is done."""


class GroupRunner:
    """Compares groups of a prepared contrast and writes their tables, in any order.

    Args:
        prepared: the run; its directory says who writes.
        sites: of the decoder.
        plan: how groups are compared.
        maker: finds placebos, and neighbours for references.
    """

    def __init__(self, prepared: PreparedContrast, sites: SiteMap, plan: ContrastPlan, maker: PlaceboMaker) -> None:
        self._prepared, self._sites, self._plan, self._maker = prepared, sites, plan, maker
        self._numbers = first_numbers(prepared.groups)
        self._scales: dict[int, LocalScale] = {}

    def compare(self, unit: int, advance: Tell) -> None:
        """A group and the placebos of its pairs, as far as they are not there yet.

        Args:
            unit: number of the group.
            advance: called with what is being done, and for how many pairs more it is done.
        """
        group, number = self._prepared.groups[unit], self._numbers[unit]
        if group.role == "reference":
            self._compare_reference(unit, advance)
            return
        scales = self._read_on(advance)
        groups = self._with_placebos(group, advance) if group.placebos else [group]
        for index, one in enumerate(groups, start=unit):
            if _is_written(self._prepared, index):
                continue
            of_pairs = None if one.members is None else number + one.members
            members = np.arange(len(one.checked)) if one.members is None else one.members
            self._write(index, one, self._numbers[index] + members, of_pairs, self._contrast(one, scales, advance))

    def _compare_reference(self, unit: int, advance: Tell) -> None:
        group = self._maker.with_neighbours(self._prepared.groups[unit])
        found = self._contrast(group, (), advance)
        self._keep_scale(unit, found.contrast)
        self._write(unit, group, self._numbers[unit] + np.arange(len(group.checked)), None, found)

    def _read_on(self, advance: Tell) -> tuple[LocalScale, ...]:
        """The scales, which are kept in memory alone: the pairs of those that were written elsewhere or before run again."""
        references = [index for index, group in enumerate(self._prepared.groups) if group.role == "reference"]
        for index in references:
            if index not in self._scales:
                group = self._maker.with_neighbours(self._prepared.groups[index])
                self._keep_scale(index, self._contrast(group, (), lambda what, _: advance(what, 0)).contrast)
        return tuple(self._scales[index] for index in references)

    def _keep_scale(self, index: int, contrast: GroupContrast) -> None:
        assert contrast.sums.reference is not None, "its pairs were read on no scale"
        self._scales[index] = LocalScale.from_bins(contrast.sums.reference)

    def _with_placebos(self, group: PairGroup, advance: Tell) -> list[PairGroup]:
        advance(f"Finding placebos: {group.name}", 0)
        found = self._maker.beside(group, lambda n: advance(f"Finding placebos: {group.name}", n))
        return [found.group, *found.placebos]

    def _contrast(self, group: PairGroup, scales: tuple[LocalScale, ...], advance: Tell) -> _Found:
        values: list[PairValues] = []
        contrast = contrast_group(
            self._sites,
            group.placed,
            blocks=group.compared_blocks,
            plan=self._plan,
            scales=scales,
            keep=values.append if self._plan.keep_layers else None,
            advance=lambda n: advance(f"Comparing pairs: {group.name}", n),
        )
        return _Found(contrast, values)

    def _write(
        self,
        index: int,
        group: PairGroup,
        pairs: Int[np.ndarray, " pair"],
        of_pairs: Int[np.ndarray, " pair"] | None,
        found: _Found,
    ) -> None:
        _write_group(
            self._prepared,
            index,
            group,
            found.contrast,
            pairs=pairs,
            of_pairs=of_pairs,
            plan=self._plan,
            values=found.values,
        )


@dataclass(frozen=True)
class _Found:
    """What comparing a group came to."""

    contrast: GroupContrast
    values: list[PairValues]


def is_compared(prepared: PreparedContrast, unit: int) -> bool:
    """Whether a group was finished before, and the placebos of its pairs."""
    return all(_is_written(prepared, unit + member) for member in range(1 + len(prepared.groups[unit].placebos)))


def _is_written(prepared: PreparedContrast, index: int) -> bool:
    """Whether a group was finished before: ``groups``, which is written last, has its part, and what came before is whole."""
    directory = prepared.directory
    if not directory.has_part(GROUPS, index):
        return False
    absent = [BLOCKS] if prepared.groups[index].role in NOT_COMPARED else []
    if not (prepared.request.values and int(directory.read_part(GROUPS, index)["pairs"][0].as_py())):
        absent.append(VALUES)
    return all(directory.has_part(table, index) for table in reversed(IN_PARTS) if table not in absent)


def _write_group(
    prepared: PreparedContrast,
    index: int,
    group: PairGroup,
    contrast: GroupContrast,
    *,
    pairs: Int[np.ndarray, " pair"],
    of_pairs: Int[np.ndarray, " pair"] | None,
    plan: ContrastPlan,
    values: list[PairValues],
) -> None:
    directory = prepared.directory
    axes = {"sites": prepared.sites, "positions": prepared.positions}
    spread = np.stack([plan.spread[site] for site in prepared.sites])
    directory.write_part(PAIRS, index, _pairs_table(group, contrast, pairs, of_pairs))
    directory.write_part(PREDICTIONS, index, predictions_table(contrast, pairs))
    directory.write_part(MOVEMENT, index, movement_table(contrast, pairs, positions=prepared.positions))
    if values:
        directory.write_part(VALUES, index, values_table(values, pairs, positions=prepared.positions))
    if group.role not in NOT_COMPARED:
        rows = max(1, int((contrast.sums.block_pairs[:N_BLOCKS].sum(axis=1) > 0).sum())) * contrast.sums.mean.shape[2]
        directory.write_part(BLOCKS, index, blocks_table(group.name, contrast, spread=spread, **axes), rows_together=rows)
    cells = differences_table(group.name, contrast, spread=spread, **axes)
    directory.write_part(DIFFERENCES, index, cells, rows_together=contrast.sums.mean[0, 0].size)
    directory.write_part(GROUPS, index, _group_table(prepared, group, contrast))  # last: it marks the group as finished


def _group_table(prepared: PreparedContrast, group: PairGroup, contrast: GroupContrast) -> pa.Table:
    shares = zero_shares(contrast, prepared.positions)
    return GROUPS.build(
        {
            "group": pa.array([group.name]).dictionary_encode(),
            "role": [group.role],
            "placebo_of": [group.placebo_of],
            "without_placebo": [None if group.has_placebo is None else int((~group.has_placebo).sum())],
            "pairs": [len(group.checked)],
            "templates": [group.n_templates],
            "blocks": [group.n_blocks],
            "blocks_of": [group.blocks_of],
            "unusable": [group.n_unusable],
            "before_edit": [contrast.largest_before_edit],
            "zero_share": [shares],
        }
    )


def zero_shares(contrast: GroupContrast, positions: Sequence[str]) -> float:
    """Share of differences that are exactly 0 where they should not be: after the edit."""
    later = [number for number, name in enumerate(positions) if name != "edit"]
    n_values = int(contrast.sums.pairs[later].sum()) * contrast.sums.zeros[:, 0].size
    return float(contrast.sums.zeros[:, later].sum(dtype=np.int64)) / n_values if n_values else 0.0


def _pairs_table(
    group: PairGroup,
    contrast: GroupContrast,
    pairs: Int[np.ndarray, " pair"],
    of_pairs: Int[np.ndarray, " pair"] | None,
) -> pa.Table:
    measures = contrast.measures
    checked = [one.pair for one in group.checked]
    rest = np.nansum(measures.nll_nats, axis=2)
    whole = measures.edit_nll_nats + rest
    prefers = [None if np.isnan(a + b) else 1 if a < b else 2 if b < a else None for a, b in whole.T]

    def names(values: list[str]) -> pa.Array:
        return pa.array(values, pa.string()).dictionary_encode()

    return PAIRS.build(
        {
            "pair": pairs,
            "id": [pair.id for pair in checked],
            "group": names([group.name] * len(checked)),
            "block": group.blocks,
            "placebo_of": [None] * len(checked) if of_pairs is None else of_pairs,
            "type": names([pair.type for pair in checked]),
            "subtype": names([pair.subtype for pair in checked]),
            "template": names([pair.template for pair in checked]),
            "source": names([pair.source for pair in checked]),
            "right": [pair.right for pair in checked],
            "sentence1": [pair.sentence1 for pair in checked],
            "sentence2": [pair.sentence2 for pair in checked],
            "tokens": [len(placed.ids[0]) for placed in group.placed],
            "edit": [placed.n_before for placed in group.placed],
            "detection": [None if found < 0 else int(found) for found in measures.detection],
            "edit_nll1_nats": gaps(measures.edit_nll_nats[0].tolist()),
            "edit_nll2_nats": gaps(measures.edit_nll_nats[1].tolist()),
            "rest_nll1_nats": rest[0],
            "rest_nll2_nats": rest[1],
            "prefers": prefers,
        }
    )
