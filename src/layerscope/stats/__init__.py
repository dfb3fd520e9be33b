"""One statistic a file; pure numpy and scipy."""

from layerscope.stats.bootstrap import N_RESAMPLES, Interval, bootstrap_ratio
from layerscope.stats.false_discovery import benjamini_hochberg
from layerscope.stats.group_bootstrap import GroupIntervals, bootstrap_groups
from layerscope.stats.looks import Looks, plan_looks

__all__ = [
    "N_RESAMPLES",
    "GroupIntervals",
    "Interval",
    "Looks",
    "benjamini_hochberg",
    "bootstrap_groups",
    "bootstrap_ratio",
    "plan_looks",
]
