"""Layer paths: what a variant is, how it is written, families of them, and the plan that runs them. Pure values; no torch."""

from layerscope.paths.families import FAMILIES, build_variants, check_family
from layerscope.paths.layer_major import LayerMajorPlan, layer_major
from layerscope.paths.path import LayerPath
from layerscope.paths.plan import Instruction, SweepPlan, plan_sweep
from layerscope.paths.steps import LayerStep, ParallelStep, Step
from layerscope.paths.variants import Span, Variant, touched_span

__all__ = [
    "FAMILIES",
    "Instruction",
    "LayerMajorPlan",
    "LayerPath",
    "LayerStep",
    "ParallelStep",
    "Span",
    "Step",
    "SweepPlan",
    "Variant",
    "build_variants",
    "check_family",
    "layer_major",
    "plan_sweep",
    "touched_span",
]
