"""From token scores to effect tables; runs again on a run directory without a model."""

from layerscope.analysis.agreement import MEASURES, Agreement
from layerscope.analysis.blocks import ScoreBlock, score_blocks
from layerscope.analysis.broken_words import frequency_bands, words_of_variant
from layerscope.analysis.comparison import (
    OVERALL,
    Axis,
    ComparedModel,
    Measure,
    Unit,
    View,
    curves,
    often_everywhere,
    relative_depth,
)
from layerscope.analysis.consistency import Consistency, GroupScores, PairAgreement, SetAgreement, consistency
from layerscope.analysis.contraction import (
    FEWEST_PAIRS,
    Divergence,
    LayerEffect,
    Moves,
    divergences,
    layer_effects,
    moves,
    pair_sets,
)
from layerscope.analysis.exact_zeros import ZEROS_TOLD, zero_share
from layerscope.analysis.fragility import correlation_table, fragility_table
from layerscope.analysis.intervention import (
    InterventionEffects,
    Measured,
    Placed,
    conclusion,
    intervention_effects,
    verdict,
    verdict_ja,
)
from layerscope.analysis.layers import PROXY_NAMES, effect_intervals, layers_table, proxies_table
from layerscope.analysis.pos import CLASSES, FEWEST_ITEMS, Resampling, pos_table, transitions_table
from layerscope.analysis.published_summary import PublishedSummary, by_text_means, read_summary
from layerscope.analysis.specificity import LayerShares, TypeSpecificity, layer_shares, type_specificity
from layerscope.analysis.stability_reading import read_stability
from layerscope.analysis.stability_rows import (
    consistency_rows,
    effect_rows,
    layer_agreement_rows,
    layer_share_rows,
    ranking_rows,
    with_q,
)
from layerscope.analysis.stillest import SCALES, intervals, rank_units, spread_explains, standing_out
from layerscope.analysis.summary import ppl_summary
from layerscope.analysis.totals import DocumentTotals, sum_by_document
from layerscope.analysis.unit_sums import TokenCounts, Units, UnitSums, corrected, pairs_of_tags, sum_units, words_of_block
from layerscope.analysis.words import ROLES, WordIndex, words_tables

__all__ = [
    "CLASSES",
    "FEWEST_ITEMS",
    "FEWEST_PAIRS",
    "MEASURES",
    "OVERALL",
    "PROXY_NAMES",
    "ROLES",
    "SCALES",
    "ZEROS_TOLD",
    "Agreement",
    "Axis",
    "ComparedModel",
    "Consistency",
    "Divergence",
    "DocumentTotals",
    "GroupScores",
    "InterventionEffects",
    "LayerEffect",
    "LayerShares",
    "Measure",
    "Measured",
    "Moves",
    "PairAgreement",
    "Placed",
    "PublishedSummary",
    "Resampling",
    "ScoreBlock",
    "SetAgreement",
    "TokenCounts",
    "TypeSpecificity",
    "Unit",
    "UnitSums",
    "Units",
    "View",
    "WordIndex",
    "by_text_means",
    "conclusion",
    "consistency",
    "consistency_rows",
    "corrected",
    "correlation_table",
    "curves",
    "divergences",
    "effect_intervals",
    "effect_rows",
    "fragility_table",
    "frequency_bands",
    "intervals",
    "intervention_effects",
    "layer_agreement_rows",
    "layer_effects",
    "layer_share_rows",
    "layer_shares",
    "layers_table",
    "moves",
    "often_everywhere",
    "pair_sets",
    "pairs_of_tags",
    "pos_table",
    "ppl_summary",
    "proxies_table",
    "rank_units",
    "ranking_rows",
    "read_stability",
    "read_summary",
    "relative_depth",
    "score_blocks",
    "spread_explains",
    "standing_out",
    "sum_by_document",
    "sum_units",
    "transitions_table",
    "type_specificity",
    "verdict",
    "verdict_ja",
    "with_q",
    "words_of_block",
    "words_of_variant",
    "words_tables",
    "zero_share",
]
