"""A main job from request to finished run directory."""

from layerscope.jobs.broken_words import BrokenWords, WordsRequest, find_broken_words
from layerscope.jobs.compare import CompareRequest, Comparison, compare_runs
from layerscope.jobs.compare_summaries import compare_summaries
from layerscope.jobs.contrast_groups import PairGroup
from layerscope.jobs.finished import FinishedRun
from layerscope.jobs.finished_contrast import FinishedContrast
from layerscope.jobs.in_memory import SweepResult, sweep
from layerscope.jobs.intervene import InterveneRequest, Intervention, intervene
from layerscope.jobs.judging import JudgedPair, judge_pairs, sentence_nll
from layerscope.jobs.least_needed import path_without_least_needed
from layerscope.jobs.making import MadePairs, make_from_chat, make_from_templates, subtypes_of_templates
from layerscope.jobs.pairs import CheckCounts, check_file, judge_file, only_usable, tokenizer_of, write_published
from layerscope.jobs.pos import TaggedRun, TagRequest, tag_run
from layerscope.jobs.prepare import PreparedSweep, SweepRequest, check_memory, prepare_sweep
from layerscope.jobs.prepare_contrast import ContrastRequest, PreparedContrast, prepare_contrast
from layerscope.jobs.reference import ReferenceText
from layerscope.jobs.report import Report, write_report
from layerscope.jobs.run import precision_reached, run_sweep, tabulate, unscored_summary
from layerscope.jobs.run_contrast import run_contrast
from layerscope.jobs.stability import Stability, StabilityRequest, find_stability

__all__ = [
    "BrokenWords",
    "CheckCounts",
    "CompareRequest",
    "Comparison",
    "ContrastRequest",
    "FinishedContrast",
    "FinishedRun",
    "InterveneRequest",
    "Intervention",
    "JudgedPair",
    "MadePairs",
    "PairGroup",
    "PreparedContrast",
    "PreparedSweep",
    "ReferenceText",
    "Report",
    "Stability",
    "StabilityRequest",
    "SweepRequest",
    "SweepResult",
    "TagRequest",
    "TaggedRun",
    "WordsRequest",
    "check_file",
    "check_memory",
    "compare_runs",
    "compare_summaries",
    "find_broken_words",
    "find_stability",
    "intervene",
    "judge_file",
    "judge_pairs",
    "make_from_chat",
    "make_from_templates",
    "only_usable",
    "path_without_least_needed",
    "precision_reached",
    "prepare_contrast",
    "prepare_sweep",
    "run_contrast",
    "run_sweep",
    "sentence_nll",
    "subtypes_of_templates",
    "sweep",
    "tabulate",
    "tag_run",
    "tokenizer_of",
    "unscored_summary",
    "write_published",
    "write_report",
]
