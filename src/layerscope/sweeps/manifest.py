"""The manifest of a sweep that begins: what was settled, and the model that was loaded for it."""

from __future__ import annotations

from pathlib import Path

from layerscope.models.decoder import context_length
from layerscope.models.origin import find_origin
from layerscope.results.record import EnvironmentRecord
from layerscope.results.schema import SCHEMA_VERSION
from layerscope.sweeps.prepare import PreparedSweep
from layerscope.sweeps.record import OriginRecord, PairsRecord, PlanRecord, SweepRecord, SweptModelRecord, TunedLensRecord
from layerscope.sweeps.tabulating import data_record


def sweep_record(prepared: PreparedSweep, environment: EnvironmentRecord, lens: TunedLensRecord | None) -> SweepRecord:
    """What stands in the manifest while the run goes on.

    Args:
        prepared: the run.
        environment: with what its first process runs.
        lens: the tuned lens, if it has one, as it was attached.
    """
    config, plan = prepared.config, prepared.plan
    return SweepRecord(
        schema_version=SCHEMA_VERSION,
        status="running",
        request=prepared.record,
        model=SweptModelRecord(
            name=prepared.source.name,
            family=config.model_type,
            revision=prepared.source.revision,
            fingerprint=prepared.record.model_fingerprint,
            dtype=prepared.record.dtype,
            layers=plan.n_layers,
            context_length=context_length(config),
            origin=_origin(prepared),
        ),
        data=data_record(prepared),
        plan=PlanRecord(
            variants=len(plan.variants),
            layer_runs_a_batch=plan.layer_runs,
            layer_runs_without_sharing=plan.layer_runs_without_sharing,
            shards=len(prepared.shards),
        ),
        pairs=_pairs(prepared),
        tuned_lens=lens,
        environment=environment,
        data_dir=None if prepared.request.data_dir is None else str(prepared.request.data_dir),
    )


def _origin(prepared: PreparedSweep) -> OriginRecord | None:
    if not prepared.source.is_local:
        return None
    found = find_origin(Path(prepared.source.location), prepared.plan.n_layers)
    return None if found is None else OriginRecord(model=found.model, layers=found.layers, path=found.path)


def _pairs(prepared: PreparedSweep) -> PairsRecord | None:
    if prepared.pairs is None:
        return None
    first = prepared.pairs.pairs[0].sides[0]
    return PairsRecord(
        file=str(prepared.request.pairs),
        protocol=prepared.pairs.protocol.name,
        start=tuple(prepared.encoder.token_name(int(token_id)) for token_id in first.ids[: first.n_prefix]),
        pairs=len(prepared.pairs.pairs),
        left_out=prepared.pairs.left_out,
    )
