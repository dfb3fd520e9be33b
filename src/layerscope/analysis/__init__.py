"""From token scores to effect tables; runs again on a run directory without a model."""

from layerscope.analysis.blocks import ScoreBlock, score_blocks
from layerscope.analysis.broken_words import frequency_bands, words_of_variant
from layerscope.analysis.comparison import OVERALL, Axis, ComparedModel, Measure, Unit, View, curves, often_everywhere
from layerscope.analysis.fragility import correlation_table, fragility_table
from layerscope.analysis.layers import PROXY_NAMES, effect_intervals, layers_table, proxies_table
from layerscope.analysis.pos import CLASSES, FEWEST_ITEMS, Resampling, pos_table, transitions_table
from layerscope.analysis.published_summary import PublishedSummary, by_text_means, read_summary
from layerscope.analysis.summary import ppl_summary
from layerscope.analysis.totals import DocumentTotals, sum_by_document
from layerscope.analysis.unit_sums import TokenCounts, Units, UnitSums, corrected, pairs_of_tags, sum_units, words_of_block
from layerscope.analysis.words import ROLES, WordIndex, words_tables

__all__ = [
    "CLASSES",
    "FEWEST_ITEMS",
    "OVERALL",
    "PROXY_NAMES",
    "ROLES",
    "Axis",
    "ComparedModel",
    "DocumentTotals",
    "Measure",
    "PublishedSummary",
    "Resampling",
    "ScoreBlock",
    "TokenCounts",
    "Unit",
    "UnitSums",
    "Units",
    "View",
    "WordIndex",
    "by_text_means",
    "corrected",
    "correlation_table",
    "curves",
    "effect_intervals",
    "fragility_table",
    "frequency_bands",
    "layers_table",
    "often_everywhere",
    "pairs_of_tags",
    "pos_table",
    "ppl_summary",
    "proxies_table",
    "read_summary",
    "score_blocks",
    "sum_by_document",
    "sum_units",
    "transitions_table",
    "words_of_block",
    "words_of_variant",
    "words_tables",
]
