"""layerscope: what each layer of a language model does for next-word prediction.

Example:
    >>> import layerscope as ls
    >>> decoder = ls.load_decoder("smollm2-135m")                                    # doctest: +SKIP
    >>> variants = ls.build_variants(["removal", "exchange"], [], decoder.n_layers)  # doctest: +SKIP
    >>> print(ls.sweep(decoder, ["The cat sat on the mat."], variants).layers)       # doctest: +SKIP
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from layerscope import errors
from layerscope.paths import LayerPath, Variant, build_variants, plan_sweep

if TYPE_CHECKING:
    from layerscope.corpora import load_documents
    from layerscope.engine import Units, ablated, ablated_model, measure_reference, replacement_values
    from layerscope.jobs import (
        ContrastRequest,
        FinishedContrast,
        FinishedRun,
        InterveneRequest,
        ReferenceText,
        StabilityRequest,
        SweepRequest,
        SweepResult,
        find_stability,
        intervene,
        prepare_contrast,
        prepare_sweep,
        run_contrast,
        run_sweep,
        sweep,
        write_report,
    )
    from layerscope.models import Decoder, LoadOptions, SiteMap, load_decoder

_LAZY = {  # torch takes seconds to import, and paths do not need it
    "ContrastRequest": "layerscope.jobs",
    "Decoder": "layerscope.models",
    "FinishedContrast": "layerscope.jobs",
    "FinishedRun": "layerscope.jobs",
    "InterveneRequest": "layerscope.jobs",
    "LoadOptions": "layerscope.models",
    "ReferenceText": "layerscope.jobs",
    "SiteMap": "layerscope.models",
    "StabilityRequest": "layerscope.jobs",
    "SweepRequest": "layerscope.jobs",
    "SweepResult": "layerscope.jobs",
    "Units": "layerscope.engine",
    "ablated": "layerscope.engine",
    "ablated_model": "layerscope.engine",
    "find_stability": "layerscope.jobs",
    "intervene": "layerscope.jobs",
    "load_decoder": "layerscope.models",
    "load_documents": "layerscope.corpora",
    "measure_reference": "layerscope.engine",
    "prepare_contrast": "layerscope.jobs",
    "prepare_sweep": "layerscope.jobs",
    "replacement_values": "layerscope.engine",
    "run_contrast": "layerscope.jobs",
    "run_sweep": "layerscope.jobs",
    "sweep": "layerscope.jobs",
    "write_report": "layerscope.jobs",
}

__all__ = [
    "ContrastRequest",
    "Decoder",
    "FinishedContrast",
    "FinishedRun",
    "InterveneRequest",
    "LayerPath",
    "LoadOptions",
    "ReferenceText",
    "SiteMap",
    "StabilityRequest",
    "SweepRequest",
    "SweepResult",
    "Units",
    "Variant",
    "ablated",
    "ablated_model",
    "build_variants",
    "errors",
    "find_stability",
    "intervene",
    "load_decoder",
    "load_documents",
    "measure_reference",
    "plan_sweep",
    "prepare_contrast",
    "prepare_sweep",
    "replacement_values",
    "run_contrast",
    "run_sweep",
    "sweep",
    "write_report",
]


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return getattr(importlib.import_module(_LAZY[name]), name)
    raise AttributeError(f"module 'layerscope' has no attribute '{name}'")
