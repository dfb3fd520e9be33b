"""One statistic a file; pure numpy and scipy."""

from layerscope.stats.bootstrap import N_RESAMPLES, Interval, bootstrap_ratio
from layerscope.stats.looks import Looks, plan_looks

__all__ = ["N_RESAMPLES", "Interval", "Looks", "bootstrap_ratio", "plan_looks"]
