"""One statistic a file; pure numpy and scipy."""

from layerscope.stats.bootstrap import N_RESAMPLES, Interval, bootstrap_ratio, draw_documents
from layerscope.stats.effect_size import cliffs_delta, log_ratio_of_medians
from layerscope.stats.false_discovery import benjamini_hochberg
from layerscope.stats.group_bootstrap import FEWEST_DOCUMENTS, GroupIntervals, bootstrap_groups
from layerscope.stats.looks import Looks, plan_looks
from layerscope.stats.matching import covariate_balance, matched_sets
from layerscope.stats.permutation import permutation_p, permute_labels
from layerscope.stats.rank_agreement import (
    chance_rbo,
    kendall_w,
    place_weights,
    rank_biased_overlap,
    rbo_matrix,
    spearman_matrix,
)
from layerscope.stats.split_half import halves, spearman_brown
from layerscope.stats.top_sets import OverlapExcess, chance_jaccard, expected_jaccard, jaccard, overlap_excess, smallest

__all__ = [
    "FEWEST_DOCUMENTS",
    "N_RESAMPLES",
    "GroupIntervals",
    "Interval",
    "Looks",
    "OverlapExcess",
    "benjamini_hochberg",
    "bootstrap_groups",
    "bootstrap_ratio",
    "chance_jaccard",
    "chance_rbo",
    "cliffs_delta",
    "covariate_balance",
    "draw_documents",
    "expected_jaccard",
    "halves",
    "jaccard",
    "kendall_w",
    "log_ratio_of_medians",
    "matched_sets",
    "overlap_excess",
    "permutation_p",
    "permute_labels",
    "place_weights",
    "plan_looks",
    "rank_biased_overlap",
    "rbo_matrix",
    "smallest",
    "spearman_brown",
    "spearman_matrix",
]
