"""Manifests of runs that never ran."""

from __future__ import annotations

from typing import Any

from layerscope.contrasts.record import ContrastRecord
from layerscope.results.schema import SCHEMA_VERSION
from layerscope.searches.record import SearchRecord
from layerscope.sweeps.record import SweepRecord

REQUEST = {
    "model": "made-up", "model_fingerprint": "sha256:0", "dtype": "float32", "quantize": "none", "device": "cpu", "bos": "auto",
    "prefix_ids": [], "seed": 42, "batch_tokens": 1024,
}  # fmt: skip
SWEEP_REQUEST = {
    **REQUEST, "dataset": "lee", "split": "background", "protocol": "lines", "max_samples": None, "texts_sha256": "0",
    "experiments": ["removal"], "paths": [],
}  # fmt: skip
CONTRAST_REQUEST = {
    **REQUEST, "pairs": "templates", "pairs_sha256": "0", "per_subtype": 45, "sites": ["update"], "positions": ["edit"],
    "aligned": False, "prefix": "", "placebos": 1, "values": [], "reference": {"dataset": "lee", "tokens": 123},
}  # fmt: skip
SEARCH_REQUEST = {
    **REQUEST, "dataset": "lee", "split": "background", "protocol": "lines", "texts_sha256": "0", "draws": 1, "calibration": 16,
    "held_out": 32, "moves": ["removal"], "method": "greedy", "objective": "nll", "budget_layers": 2.0, "random_paths": 5,
}  # fmt: skip
MODEL = {"name": "made-up", "family": "llama", "fingerprint": "sha256:0", "dtype": "float32", "layers": 4}
ENVIRONMENT = {"python": "3.11.7", "platform": "Linux", "packages": {"torch": "2.13.0"}}
UNSCORED = {
    "texts_without_a_scored_token": 0, "their_names": [], "first_tokens_without_context": 0,
    "tokens_past_the_context_length": 0, "tokens_of_the_dropped_tail": 0,
}  # fmt: skip
DATA = {"name": "lee", "texts_sha256": "0", "documents": 2, "tokens": 9, "tokens_scored": 7, "unscored": UNSCORED}
PLAN = {"variants": 5, "layer_runs_a_batch": 9, "layer_runs_without_sharing": 16, "shards": 1}


def sweep_manifest(*, request: dict[str, Any] | None = None, **changes: Any) -> dict[str, Any]:
    """As it lies on disk."""
    return {
        "schema_version": SCHEMA_VERSION,
        "kind": "sweep",
        "status": "finished",
        "request": {**SWEEP_REQUEST, **(request or {})},
        "model": {**MODEL, "context_length": 64},
        "data": DATA,
        "plan": PLAN,
        "environment": ENVIRONMENT,
        "seconds": 1.5,
        **changes,
    }


def contrast_manifest(*, request: dict[str, Any] | None = None, **changes: Any) -> dict[str, Any]:
    """As it lies on disk."""
    return {
        "schema_version": SCHEMA_VERSION,
        "kind": "contrast",
        "status": "finished",
        "request": {**CONTRAST_REQUEST, **(request or {})},
        "model": {**MODEL, "width": 32},
        "groups": {"tense": {"role": "grammar", "pairs": 45, "unusable": 0}},
        "reference": {"tokens": 123, "sinks_left_out": 0},
        "environment": ENVIRONMENT,
        "seconds": 1.5,
        **changes,
    }


def search_manifest(*, request: dict[str, Any] | None = None, **changes: Any) -> dict[str, Any]:
    """As it lies on disk."""
    return {
        "schema_version": SCHEMA_VERSION,
        "kind": "search",
        "status": "finished",
        "request": {**SEARCH_REQUEST, **(request or {})},
        "model": dict(MODEL),
        "environment": ENVIRONMENT,
        "seconds": 1.5,
        "work": {"layer_runs": 9, "layer_runs_without_sharing": 16, "paths_scored": 5, "parts_resumed": 0},
        **changes,
    }


def evaluation_manifest(**changes: Any) -> dict[str, Any]:
    """As it lies on disk."""
    return {
        "schema_version": SCHEMA_VERSION,
        "kind": "evaluation",
        "status": "finished",
        "request": {**REQUEST, "lm_eval": "0.4.9"},
        "model": dict(MODEL),
        "environment": ENVIRONMENT,
        "seconds": 1.5,
        **changes,
    }


def sweep_record(**changes: Any) -> SweepRecord:
    """The same as a value."""
    return SweepRecord.model_validate(sweep_manifest(**changes))


def contrast_record(**changes: Any) -> ContrastRecord:
    """The same as a value."""
    return ContrastRecord.model_validate(contrast_manifest(**changes))


def search_record(**changes: Any) -> SearchRecord:
    """The same as a value."""
    return SearchRecord.model_validate(search_manifest(**changes))
