"""One statistic a file; pure numpy and scipy."""

from layerscope.stats.bootstrap import N_RESAMPLES, Interval, bootstrap_ratio

__all__ = ["N_RESAMPLES", "Interval", "bootstrap_ratio"]
