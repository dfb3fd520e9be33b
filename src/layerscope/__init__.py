"""layerscope: what each layer of a language model does for next-word prediction.

Examples:
    >>> import layerscope as ls
    >>> result = ls.sweep("smollm2-135m", "The cat sat on the mat.")  # the last line of a notebook's cell shows it
    >>> result.layers.sort_values("delta_nll_nats")["variant"].iloc[-1]  # the layer that is missed most
    'removal-0'
"""

from __future__ import annotations

import importlib
import warnings
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from layerscope import errors
    from layerscope.contrasts.engine.ablation import Units, ablated, ablated_model, replacement_values
    from layerscope.contrasts.engine.reference import measure_reference
    from layerscope.contrasts.finished import FinishedContrast
    from layerscope.contrasts.intervene import intervene
    from layerscope.contrasts.intervened import InterveneRequest
    from layerscope.contrasts.prepare import ContrastRequest, prepare_contrast
    from layerscope.contrasts.reference import ReferenceText
    from layerscope.contrasts.run import run_contrast
    from layerscope.contrasts.stability import StabilityRequest, find_stability
    from layerscope.corpora.catalogue import load_documents
    from layerscope.draw import draw_figures
    from layerscope.evaluations.evaluate import evaluate
    from layerscope.evaluations.finished import FinishedEvaluation
    from layerscope.evaluations.prepare import EvaluationRequest, prepare_evaluation
    from layerscope.evaluations.run import run_evaluation
    from layerscope.models.decoder import Decoder
    from layerscope.models.loading import LoadOptions, load_decoder
    from layerscope.models.sites import SiteMap
    from layerscope.on_cluster import run_on_cluster
    from layerscope.paths.families import build_variants
    from layerscope.paths.path import LayerPath
    from layerscope.paths.plan import plan_sweep
    from layerscope.paths.variants import Variant
    from layerscope.progress import print_progress
    from layerscope.report.write import write_report
    from layerscope.runs import open_run
    from layerscope.searches.finished import FinishedSearch
    from layerscope.searches.prepare import SearchRequest, prepare_search
    from layerscope.searches.run import run_search
    from layerscope.summaries import summarise, write_summary
    from layerscope.sweeps.finished import FinishedRun
    from layerscope.sweeps.in_memory import sweep
    from layerscope.sweeps.parts import gather_sweep, run_sweep_part
    from layerscope.sweeps.preference import find_preference
    from layerscope.sweeps.prepare import SweepRequest, prepare_sweep
    from layerscope.sweeps.result import SweepResult
    from layerscope.sweeps.run import run_sweep
    from layerscope.workers.part import Part
    from layerscope.workers.ray_pool import Demand
    from layerscope.workers.status import RunStatus, read_status

_DEFINED_IN = {  # imported when asked for: torch takes seconds, and most names do not need it
    "ContrastRequest": "contrasts.prepare",
    "Decoder": "models.decoder",
    "Demand": "workers.ray_pool",
    "EvaluationRequest": "evaluations.prepare",
    "FinishedContrast": "contrasts.finished",
    "FinishedEvaluation": "evaluations.finished",
    "FinishedRun": "sweeps.finished",
    "FinishedSearch": "searches.finished",
    "InterveneRequest": "contrasts.intervened",
    "LayerPath": "paths.path",
    "LoadOptions": "models.loading",
    "Part": "workers.part",
    "ReferenceText": "contrasts.reference",
    "RunStatus": "workers.status",
    "SearchRequest": "searches.prepare",
    "SiteMap": "models.sites",
    "StabilityRequest": "contrasts.stability",
    "SweepRequest": "sweeps.prepare",
    "SweepResult": "sweeps.result",
    "Units": "contrasts.engine.ablation",
    "Variant": "paths.variants",
    "ablated": "contrasts.engine.ablation",
    "ablated_model": "contrasts.engine.ablation",
    "build_variants": "paths.families",
    "draw_figures": "draw",
    "evaluate": "evaluations.evaluate",
    "find_preference": "sweeps.preference",
    "find_stability": "contrasts.stability",
    "gather_sweep": "sweeps.parts",
    "intervene": "contrasts.intervene",
    "load_decoder": "models.loading",
    "load_documents": "corpora.catalogue",
    "measure_reference": "contrasts.engine.reference",
    "open_run": "runs",
    "plan_sweep": "paths.plan",
    "prepare_contrast": "contrasts.prepare",
    "prepare_evaluation": "evaluations.prepare",
    "prepare_search": "searches.prepare",
    "prepare_sweep": "sweeps.prepare",
    "print_progress": "progress",
    "read_status": "workers.status",
    "replacement_values": "contrasts.engine.ablation",
    "run_contrast": "contrasts.run",
    "run_evaluation": "evaluations.run",
    "run_on_cluster": "on_cluster",
    "run_search": "searches.run",
    "run_sweep": "sweeps.run",
    "run_sweep_part": "sweeps.parts",
    "summarise": "summaries",
    "sweep": "sweeps.in_memory",
    "write_report": "report.write",
    "write_summary": "summaries",
}

__all__ = [
    "ContrastRequest",
    "Decoder",
    "Demand",
    "EvaluationRequest",
    "FinishedContrast",
    "FinishedEvaluation",
    "FinishedRun",
    "FinishedSearch",
    "InterveneRequest",
    "LayerPath",
    "LoadOptions",
    "Part",
    "ReferenceText",
    "RunStatus",
    "SearchRequest",
    "SiteMap",
    "StabilityRequest",
    "SweepRequest",
    "SweepResult",
    "Units",
    "Variant",
    "ablated",
    "ablated_model",
    "build_variants",
    "draw_figures",
    "errors",
    "evaluate",
    "find_preference",
    "find_stability",
    "gather_sweep",
    "intervene",
    "load_decoder",
    "load_documents",
    "measure_reference",
    "open_run",
    "plan_sweep",
    "prepare_contrast",
    "prepare_evaluation",
    "prepare_search",
    "prepare_sweep",
    "print_progress",
    "read_status",
    "replacement_values",
    "run_contrast",
    "run_evaluation",
    "run_on_cluster",
    "run_search",
    "run_sweep",
    "run_sweep_part",
    "summarise",
    "sweep",
    "write_report",
    "write_summary",
]


def __getattr__(name: str) -> Any:
    if name == "errors":
        return importlib.import_module("layerscope.errors")
    if name in _DEFINED_IN:
        with warnings.catch_warnings():
            # transformers' bars ask for ipywidgets in a notebook, and are text without them
            warnings.filterwarnings("ignore", message="IProgress not found")
            return getattr(importlib.import_module(f"layerscope.{_DEFINED_IN[name]}"), name)
    raise AttributeError(f"module 'layerscope' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted({*__all__, *(name for name in globals() if name.startswith("__"))})  # what is imported here is nobody's
