"""A main job from request to finished run directory."""

from layerscope.jobs.in_memory import SweepResult, sweep
from layerscope.jobs.prepare import PreparedSweep, SweepRequest, check_memory, prepare_sweep
from layerscope.jobs.run import precision_reached, run_sweep, tabulate, unscored_summary

__all__ = [
    "PreparedSweep",
    "SweepRequest",
    "SweepResult",
    "check_memory",
    "precision_reached",
    "prepare_sweep",
    "run_sweep",
    "sweep",
    "tabulate",
    "unscored_summary",
]
