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
    from layerscope.jobs import SweepRequest, SweepResult, prepare_sweep, run_sweep, sweep
    from layerscope.models import Decoder, LoadOptions, load_decoder

_LAZY = {  # torch takes seconds to import, and paths do not need it
    "Decoder": "layerscope.models",
    "LoadOptions": "layerscope.models",
    "SweepRequest": "layerscope.jobs",
    "SweepResult": "layerscope.jobs",
    "load_decoder": "layerscope.models",
    "load_documents": "layerscope.corpora",
    "prepare_sweep": "layerscope.jobs",
    "run_sweep": "layerscope.jobs",
    "sweep": "layerscope.jobs",
}

__all__ = [
    "Decoder",
    "LayerPath",
    "LoadOptions",
    "SweepRequest",
    "SweepResult",
    "Variant",
    "build_variants",
    "errors",
    "load_decoder",
    "load_documents",
    "plan_sweep",
    "prepare_sweep",
    "run_sweep",
    "sweep",
]


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return getattr(importlib.import_module(_LAZY[name]), name)
    raise AttributeError(f"module 'layerscope' has no attribute '{name}'")
