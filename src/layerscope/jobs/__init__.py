"""A main job from request to finished run directory."""

from layerscope.jobs.broken_words import BrokenWords, WordsRequest, find_broken_words
from layerscope.jobs.compare import CompareRequest, Comparison, compare_runs
from layerscope.jobs.compare_summaries import compare_summaries
from layerscope.jobs.finished import FinishedRun
from layerscope.jobs.in_memory import SweepResult, sweep
from layerscope.jobs.least_needed import path_without_least_needed
from layerscope.jobs.pos import TaggedRun, TagRequest, tag_run
from layerscope.jobs.prepare import PreparedSweep, SweepRequest, check_memory, prepare_sweep
from layerscope.jobs.run import precision_reached, run_sweep, tabulate, unscored_summary

__all__ = [
    "BrokenWords",
    "CompareRequest",
    "Comparison",
    "FinishedRun",
    "PreparedSweep",
    "SweepRequest",
    "SweepResult",
    "TagRequest",
    "TaggedRun",
    "WordsRequest",
    "check_memory",
    "compare_runs",
    "compare_summaries",
    "find_broken_words",
    "path_without_least_needed",
    "precision_reached",
    "prepare_sweep",
    "run_sweep",
    "sweep",
    "tabulate",
    "tag_run",
    "unscored_summary",
]
