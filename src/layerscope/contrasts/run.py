"""Running a prepared contrast into its run directory, a group at a time. A run that was killed goes on where it stopped."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from typing import Any, cast

import numpy as np
import pyarrow as pa

from layerscope.contrasts.analysis.exact_zeros import ZEROS_TOLD, zero_share
from layerscope.contrasts.analysis.place import main_place
from layerscope.contrasts.engine.groups import ContrastPlan
from layerscope.contrasts.engine.pair_batches import can_share
from layerscope.contrasts.engine.placebo_search import MatchedAt
from layerscope.contrasts.engine.reference import Reference
from layerscope.contrasts.group_runs import IN_PARTS, run_groups
from layerscope.contrasts.groups import PairGroup
from layerscope.contrasts.placebos import PlaceboMaker
from layerscope.contrasts.prepare import PreparedContrast
from layerscope.contrasts.record import ContrastedModelRecord, ContrastRecord, GroupRecord, MeasuredTextRecord
from layerscope.contrasts.reference import find_reference
from layerscope.contrasts.rows import reference_table
from layerscope.contrasts.tables import GROUPS, REFERENCE
from layerscope.corpora.windows import make_window
from layerscope.engine.batching import make_shards
from layerscope.engine.finite import check_texts
from layerscope.models.decoder import Decoder
from layerscope.models.loading import load_streamed, load_weights
from layerscope.models.sites import Site, SiteMap
from layerscope.pairs.positions import DETECTION
from layerscope.progress import Progress, nobody_asks
from layerscope.results.environment import environment, package_versions
from layerscope.results.schema import SCHEMA_VERSION

log = logging.getLogger(__name__)

_OWN = tuple(table.name for table in (REFERENCE, *IN_PARTS))
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
    run_groups(prepared, sites, plan, placebo_maker(prepared, sites, reference, share=share), progress)
    directory.finish(record, seconds=round(time.perf_counter() - started, 2))
    _warn_of_zeros(prepared)
    return True


def placebo_maker(prepared: PreparedContrast, sites: SiteMap, reference: Reference, *, share: bool) -> PlaceboMaker:
    """Finds the placebos of a run, matched in size at the place that figures and reading are of."""
    site, position = _matched_at(prepared)
    return PlaceboMaker(
        sites,
        prepared.encoder,
        MatchedAt(site, position, reference.spread[site]),
        wanted=prepared.request.placebos,
        seed=prepared.request.seed,
        token_budget=prepared.batch_tokens,
        share=share,
    )


def _matched_at(prepared: PreparedContrast) -> tuple[Site, str]:
    """Site and position where sizes are compared; of a run that compares detection points only, the token after the edit."""
    site, position = main_place(prepared.sites, prepared.positions)
    return cast(Site, site), "edit+1" if position == DETECTION else position


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


def _warn_of_zeros(prepared: PreparedContrast) -> None:
    """Say it where half precision makes differences vanish."""
    if prepared.record.dtype == "float32":
        return
    groups = pa.concat_tables(prepared.directory.parts(GROUPS)).to_pandas()
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
            group.name: GroupRecord(
                role=group.role,
                pairs=None if group.role in ("placebo", "reference") else len(group.checked),
                unusable=group.n_unusable,
            )
            for group in prepared.groups
        },
        reference=MeasuredTextRecord(tokens=reference.n_tokens, sinks_left_out=reference.n_sinks),
        placebos_matched_at="/".join(_matched_at(prepared)),
        shared_prefix_runs_once=share,
        environment=environment(decoder),
    )
