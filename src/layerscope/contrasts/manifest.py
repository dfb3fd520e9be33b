"""The manifest of a contrast that begins: what was settled, and the model that was loaded for it."""

from __future__ import annotations

from layerscope.contrasts.prepare import PreparedContrast
from layerscope.contrasts.record import ContrastedModelRecord, ContrastRecord, GroupRecord
from layerscope.contrasts.worker import OpenedContrast, matched_at
from layerscope.results.schema import SCHEMA_VERSION


def contrast_record(prepared: PreparedContrast, opened: OpenedContrast) -> ContrastRecord:
    """What stands in the manifest while the run goes on."""
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
            layers=opened.n_layers,
            width=opened.width,
        ),
        groups={
            group.name: GroupRecord(
                role=group.role,
                pairs=None if group.role in ("placebo", "reference") else len(group.checked),
                unusable=group.n_unusable,
            )
            for group in prepared.groups
        },
        pairs_file=None if prepared.request.pairs is None else str(prepared.request.pairs),
        reference=opened.reference,
        placebos_matched_at="/".join(matched_at(prepared)),
        shared_prefix_runs_once=opened.share,
        environment=opened.environment,
        data_dir=None if prepared.request.reference.data_dir is None else str(prepared.request.reference.data_dir),
    )
