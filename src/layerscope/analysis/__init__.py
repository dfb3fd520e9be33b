"""From token scores to effect tables; runs again on a run directory without a model."""

from layerscope.analysis.layers import PROXY_NAMES, effect_intervals, layers_table, proxies_table
from layerscope.analysis.summary import ppl_summary
from layerscope.analysis.totals import DocumentTotals, sum_by_document

__all__ = [
    "PROXY_NAMES",
    "DocumentTotals",
    "effect_intervals",
    "layers_table",
    "ppl_summary",
    "proxies_table",
    "sum_by_document",
]
