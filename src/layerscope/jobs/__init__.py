"""A main job from request to finished run directory."""

from layerscope.jobs.sweep import (
    PreparedSweep,
    SweepRequest,
    SweepResult,
    check_memory,
    prepare_sweep,
    run_sweep,
    sweep,
    unscored_summary,
)

__all__ = [
    "PreparedSweep",
    "SweepRequest",
    "SweepResult",
    "check_memory",
    "prepare_sweep",
    "run_sweep",
    "sweep",
    "unscored_summary",
]
