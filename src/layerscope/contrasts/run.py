"""Running a prepared contrast into its run directory, a group at a time. A run that was killed goes on where it stopped."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from jaxtyping import Int
from torch import Tensor

from layerscope.contrasts.analysis.exact_zeros import ZEROS_TOLD, zero_share
from layerscope.contrasts.engine.difference_sums import Percentiles
from layerscope.contrasts.engine.groups import ContrastPlan, GroupContrast, PairValues, contrast_group
from layerscope.contrasts.engine.pair_batches import can_share
from layerscope.contrasts.engine.reference import Reference
from layerscope.contrasts.finished import NOT_COMPARED, with_todays_roles
from layerscope.contrasts.groups import PairGroup
from layerscope.contrasts.prepare import PreparedContrast
from layerscope.contrasts.record import ContrastedModelRecord, ContrastRecord, GroupRecord, MeasuredTextRecord
from layerscope.contrasts.reference import find_reference
from layerscope.contrasts.rows import (
    blocks_table,
    differences_table,
    movement_table,
    predictions_table,
    reference_table,
    values_table,
)
from layerscope.contrasts.tables import BLOCKS, DIFFERENCES, GROUPS, MOVEMENT, PAIRS, PREDICTIONS, REFERENCE, VALUES
from layerscope.corpora.windows import make_window
from layerscope.engine.batching import make_shards
from layerscope.engine.finite import check_texts
from layerscope.models.decoder import Decoder
from layerscope.models.loading import load_streamed, load_weights
from layerscope.models.sites import SiteMap
from layerscope.progress import Progress, nobody_asks
from layerscope.results.directory import RunDirectory
from layerscope.results.environment import environment, package_versions
from layerscope.results.schema import SCHEMA_VERSION, gaps

log = logging.getLogger(__name__)

_IN_PARTS = (PAIRS, PREDICTIONS, MOVEMENT, VALUES, BLOCKS, DIFFERENCES, GROUPS)
_OWN = tuple(table.name for table in (REFERENCE, *_IN_PARTS))
"""Files and folders that a run writes itself; others are added by commands that read it."""


def run_contrast(prepared: PreparedContrast, *, force: bool = False, progress: Progress = nobody_asks) -> bool:
    """Run what is prepared, or what is left of it.

    Args:
        prepared: what to do.
        force: replace whatever the run directory holds.
        progress: called as work is done.

    Returns:
        False if the run was finished before and nothing was done.

    Raises:
        LayerscopeError: the run cannot start; nothing has been written then.

    Examples:
        >>> request = ls.ContrastRequest(
        ...     "smollm2-135m", per_subtype=2, subtypes=("tense", "subject"), sites=("resid_post",), positions=("edit+1",),
        ...     reference=ls.ReferenceText("lee", 200), output_dir=Path("contrasts"),
        ... )
        >>> ls.run_contrast(ls.prepare_contrast(request))
        True
    """
    with prepared.directory.alone():
        return _run(prepared, force=force, progress=progress)


def _run(prepared: PreparedContrast, *, force: bool, progress: Progress) -> bool:
    directory = prepared.directory
    if not force and directory.check_resumable(ContrastRecord, prepared.record, package_versions(), own=_OWN):
        return False
    if not force:
        directory.check_places(REFERENCE.name)
    load = load_streamed if prepared.request.stream else load_weights
    decoder = load(prepared.source, prepared.config, prepared.encoder, prepared.request.options)
    check_first_pairs(decoder, prepared.groups, batch_tokens=prepared.batch_tokens)
    sites = SiteMap(decoder, prepared.sites)
    if force:
        directory.clear()
    started = time.perf_counter()
    reference = find_reference(
        sites,
        prepared.request.reference,
        fingerprint=prepared.record.model_fingerprint,
        batch_tokens=prepared.batch_tokens,
        progress=progress,
    )
    share = can_share(sites)
    record = _record(prepared, decoder, sites, reference, share=share)
    directory.start(record)
    directory.write_table(REFERENCE, reference_table(reference, unembedding_weight(decoder, sites.width)))
    plan = ContrastPlan(prepared.positions, reference.spread, prepared.batch_tokens, share, prepared.request.values)
    run_groups(prepared, sites, plan, progress)
    directory.finish(record, seconds=round(time.perf_counter() - started, 2))
    _warn_of_zeros(prepared)
    return True


def check_first_pairs(decoder: Decoder, groups: Sequence[PairGroup], *, batch_tokens: int) -> None:
    """Refuse a model that predicts a pair of some group in something else than numbers.

    Raises:
        ModelError: the first layer that does.
    """
    assert decoder.encoder is not None, "pairs are text"
    encoder = decoder.encoder
    firsts = [group.checked[0].pair for group in groups if group.checked]
    sentences = [sentence for pair in firsts for sentence in (pair.sentence1, pair.sentence2)]
    windows = [make_window(sentence, encoder.encode(sentence), encoder.prefix_ids) for sentence in sentences]
    for shard in make_shards(windows, batch_tokens):
        check_texts(decoder, shard)


def unembedding_weight(decoder: Decoder, width: int) -> np.ndarray:
    """Length of each dimension's column in the output matrix; 1 where the model has no plain one."""
    matrix: Any = decoder.model.get_output_embeddings()  # type: ignore[no-untyped-call]
    weight = getattr(matrix, "weight", None)
    if weight is None or weight.ndim != 2 or weight.shape[1] != width:
        return np.ones(width)
    norms: np.ndarray = weight.detach().float().norm(dim=0).cpu().numpy()
    return norms


def run_groups(prepared: PreparedContrast, sites: SiteMap, plan: ContrastPlan, progress: Progress) -> None:
    """Every group that is not there yet."""
    directory = prepared.directory
    references: list[Tensor] = []
    percentiles: Percentiles | None = None
    done = first_pair = 0
    for index, group in enumerate(prepared.groups):
        pairs = np.arange(first_pair, first_pair + len(group.checked))
        first_pair += len(pairs)
        # the scale that everything is read on is not kept on disk: its controls run again
        if group.role != "reference" and _is_written(directory, group, index, plan):
            done += len(pairs)
            continue
        values: list[PairValues] = []

        def advance(n: int, group: PairGroup = group) -> None:
            nonlocal done
            done += n
            progress(f"Comparing pairs: {group.name}", done, prepared.n_pairs)

        contrast = contrast_group(
            sites,
            group.placed,
            blocks=group.blocks,
            plan=plan,
            percentiles=None if group.role == "reference" else percentiles,
            keep=values.append if plan.keep_layers else None,
            advance=advance,
        )
        if group.role == "reference":
            references.append(contrast.sums.histogram)
            percentiles = Percentiles.from_histograms(*references)
        _write_group(prepared, index, contrast, pairs=pairs, plan=plan, values=values)


def _is_written(directory: RunDirectory, group: PairGroup, index: int, plan: ContrastPlan) -> bool:
    """Whether a group was finished before: ``groups``, which is written last, has its part, and what came before is whole."""
    absent = [BLOCKS] if group.role in NOT_COMPARED else []
    if not (plan.keep_layers and group.checked):
        absent.append(VALUES)
    return all(directory.has_part(table, index) for table in reversed(_IN_PARTS) if table not in absent)


def _write_group(
    prepared: PreparedContrast,
    index: int,
    contrast: GroupContrast,
    *,
    pairs: Int[np.ndarray, " pair"],
    plan: ContrastPlan,
    values: list[PairValues],
) -> None:
    directory, group = prepared.directory, prepared.groups[index]
    axes = {"sites": prepared.sites, "positions": prepared.positions}
    spread = np.stack([plan.spread[site] for site in prepared.sites])
    directory.write_part(PAIRS, index, _pairs_table(group, contrast, pairs))
    directory.write_part(PREDICTIONS, index, predictions_table(contrast, pairs))
    directory.write_part(MOVEMENT, index, movement_table(contrast, pairs, positions=prepared.positions))
    if values:
        directory.write_part(VALUES, index, values_table(values, pairs, positions=prepared.positions))
    if group.role not in NOT_COMPARED:
        rows = group.n_blocks * contrast.sums.mean.shape[2]
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


def _pairs_table(group: PairGroup, contrast: GroupContrast, pairs: Int[np.ndarray, " pair"]) -> pa.Table:
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


def _warn_of_zeros(prepared: PreparedContrast) -> None:
    """Say it where half precision makes differences vanish."""
    if prepared.record.dtype == "float32":
        return
    groups = with_todays_roles(pa.concat_tables(prepared.directory.parts(GROUPS)).to_pandas())
    share = zero_share(groups)
    if share is not None and share > ZEROS_TOLD:
        log.warning(
            "In %s %.1f %% of the differences after the edit are exactly 0: they are too small for it, and dimensions that "
            "change least cannot be told apart there; take --dtype float32.",
            prepared.record.dtype,
            100 * share,
        )


def _record(
    prepared: PreparedContrast, decoder: Decoder, sites: SiteMap, reference: Reference, *, share: bool
) -> ContrastRecord:
    return ContrastRecord(
        schema_version=SCHEMA_VERSION,
        status="running",
        request=prepared.record,
        model=ContrastedModelRecord(
            name=prepared.source.name,
            family=prepared.config.model_type,
            revision=prepared.source.revision,
            fingerprint=prepared.record.model_fingerprint,
            dtype=prepared.record.dtype,
            layers=sites.n_layers,
            width=sites.width,
        ),
        groups={
            group.name: GroupRecord(role=group.role, pairs=len(group.checked), unusable=group.n_unusable)
            for group in prepared.groups
        },
        reference=MeasuredTextRecord(tokens=reference.n_tokens, sinks_left_out=reference.n_sinks),
        shared_prefix_runs_once=share,
        environment=environment(decoder),
    )
