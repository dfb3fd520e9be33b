"""The groups of a contrast, one after the other: placebos found, activations compared, tables written. What is there stays."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from jaxtyping import Int

from layerscope.contrasts.blocks import N_BLOCKS
from layerscope.contrasts.engine.groups import ContrastPlan, GroupContrast, PairValues, contrast_group
from layerscope.contrasts.engine.local_scale import LocalScale
from layerscope.contrasts.finished import NOT_COMPARED
from layerscope.contrasts.groups import PairGroup
from layerscope.contrasts.placebos import PlaceboMaker
from layerscope.contrasts.prepare import PreparedContrast
from layerscope.contrasts.rows import blocks_table, differences_table, movement_table, predictions_table, values_table
from layerscope.contrasts.tables import BLOCKS, DIFFERENCES, GROUPS, MOVEMENT, PAIRS, PREDICTIONS, VALUES
from layerscope.models.sites import SiteMap
from layerscope.progress import Progress
from layerscope.results.directory import RunDirectory
from layerscope.results.schema import gaps

IN_PARTS = (PAIRS, PREDICTIONS, MOVEMENT, VALUES, BLOCKS, DIFFERENCES, GROUPS)
"""Tables with a part a group, in the order in which they are written: the last one marks the group as finished."""


@dataclass
class _Count:
    """How far a run is, for its progress line."""

    progress: Progress
    done: int
    total: int
    last: str = ""
    """What was compared last."""

    def add(self, what: str, n: int) -> None:
        self.done, self.last = self.done + n, what
        self.progress(f"Comparing pairs: {what}", self.done, self.total)


def run_groups(prepared: PreparedContrast, sites: SiteMap, plan: ContrastPlan, maker: PlaceboMaker, progress: Progress) -> None:
    """Every group that is not there yet, each type with its placebos."""
    directory = prepared.directory
    scales: tuple[LocalScale, ...] = ()
    n_types = sum(len(group.checked) * len(group.placebos) for group in prepared.groups)
    n_more = sum(len(group.checked) for group in prepared.groups if group.role == "reference")
    count = _Count(progress, 0, prepared.n_pairs + n_types + n_more)
    first_pair = 0
    for indices in _together(prepared.groups):
        groups = [prepared.groups[index] for index in indices]
        # the scales that everything is read on are not kept on disk: their pairs run again
        is_reference = groups[0].role == "reference"
        n_told = len(groups[0].checked) * (2 if is_reference else len(groups))  # of neighbours and placebos, all that may come
        written = [
            not is_reference and _is_written(directory, group, index, plan)
            for index, group in zip(indices, groups, strict=True)
        ]
        if all(written):
            first_pair += sum(_n_written(directory, index) for index in indices)
            count.done += n_told
            continue
        if is_reference:
            groups = [maker.with_neighbours(groups[0])]
        elif groups[0].placebos:
            groups = _with_placebos(maker, groups[0], progress)
        start_of_first = first_pair
        for index, group, is_there in zip(indices, groups, written, strict=True):
            pairs = np.arange(first_pair, first_pair + len(group.checked))
            first_pair += len(pairs)
            if is_there:
                count.done += len(pairs)
                continue
            values: list[PairValues] = []

            def advance(n: int, name: str = group.name) -> None:
                count.add(name, n)

            contrast = contrast_group(
                sites,
                group.placed,
                blocks=group.compared_blocks,
                plan=plan,
                scales=() if is_reference else scales,
                keep=values.append if plan.keep_layers else None,
                advance=advance,
            )
            if contrast.sums.reference is not None:
                scales = (*scales, LocalScale.from_bins(contrast.sums.reference))
            of_pairs = None if group.members is None else start_of_first + group.members
            _write_group(prepared, index, group, contrast, pairs=pairs, of_pairs=of_pairs, plan=plan, values=values)
        count.done += n_told - sum(len(group.checked) for group in groups)  # those that have none
    if count.last:
        count.add(count.last, 0)


def _together(groups: Sequence[PairGroup]) -> Iterator[list[int]]:
    """Numbers of groups that run together: each with the placebos of its pairs."""
    index = 0
    while index < len(groups):
        n_here = 1 + len(groups[index].placebos)
        yield list(range(index, index + n_here))
        index += n_here


def _with_placebos(maker: PlaceboMaker, group: PairGroup, progress: Progress) -> list[PairGroup]:
    n_tried = 0

    def advance(n: int) -> None:
        nonlocal n_tried
        n_tried += n
        progress(f"Finding placebos: {group.name}", n_tried, len(group.checked))

    found = maker.beside(group, advance)
    return [found.group, *found.placebos]


def _n_written(directory: RunDirectory, index: int) -> int:
    """Pairs of a group that was finished before."""
    return int(directory.read_part(GROUPS, index)["pairs"][0].as_py())


def _is_written(directory: RunDirectory, group: PairGroup, index: int, plan: ContrastPlan) -> bool:
    """Whether a group was finished before: ``groups``, which is written last, has its part, and what came before is whole."""
    if not directory.has_part(GROUPS, index):
        return False
    absent = [BLOCKS] if group.role in NOT_COMPARED else []
    if not (plan.keep_layers and _n_written(directory, index)):
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
