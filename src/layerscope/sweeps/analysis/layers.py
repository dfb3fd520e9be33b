"""The main table of a sweep: one row per variant, with its effect on next-word prediction and the proxies beside the truth."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd
import pyarrow as pa
from scipy import stats

from layerscope.paths.families import DEPTHS, is_of_heads
from layerscope.paths.variants import Variant, touched_span
from layerscope.results.schema import gaps
from layerscope.stats.looks import p_value_of_looks
from layerscope.stats.ratio import Interval, ratio_interval
from layerscope.sweeps.analysis.q_values import q_values
from layerscope.sweeps.analysis.totals import DocumentTotals
from layerscope.sweeps.tables import LAYERS, PROXIES

PROXY_NAMES = ("block_influence", "angular_distance")


def layers_table(
    totals: DocumentTotals,
    spans: Iterable[pa.Table],
    variants: Sequence[Variant],
    n_layers: int,
    *,
    level: float = 0.95,
) -> pa.Table:
    """Perplexity, effect, interval and proxies of every variant.

    Effects are paired: variant − intact, token by token in the same batches. Corpus perplexity is exp(Σ NLL / Σ tokens) over
    all documents, so that two corpora together give the token-weighted result.

    Args:
        totals: sums by document; the intact model is row 0.
        spans: tables of proxy sums, one per shard.
        variants: in the order of ``totals``.
        n_layers: number of layers of the model.
        level: of the interval; above 0.95 where it was one of several looks, and p-values are raised to match.
    """
    n_tokens = int(totals.tokens.sum())
    nll = totals.sums["nll_nats"]
    delta = nll - nll[0]
    interval = effect_intervals(totals, level=level)
    proxies = _proxies_by_span(spans)
    touched = [touched_span(variant.path, n_layers) for variant in variants]
    measured = [None if span is None else proxies.get((span.first, span.last)) for span in touched]
    is_intact = np.array([variant.family == "intact" for variant in variants])
    p_values = np.where(is_intact, np.nan, p_value_of_looks(interval.p_value, level))
    with np.errstate(over="ignore", invalid="ignore"):  # a perplexity past the range of doubles is infinite, and shown so
        mean_nll = nll.sum(axis=1) / n_tokens
        text_mean = np.exp(nll / totals.tokens).mean(axis=1)
        corpus = np.exp(mean_nll)
    return LAYERS.build(
        {
            "variant": [variant.name for variant in variants],
            "family": [variant.family for variant in variants],
            "path": [str(variant.path) for variant in variants],
            "span_first": [None if span is None else span.first for span in touched],
            "span_last": [None if span is None else span.last for span in touched],
            "documents": np.full(len(variants), len(totals.documents)),
            "tokens_scored": np.full(len(variants), n_tokens),
            "nll_nats": mean_nll,
            "ppl": corpus,
            "ppl_text_mean": text_mean,
            "bits_per_byte": nll.sum(axis=1) / math.log(2.0) / max(int(totals.bytes_scored.sum()), 1),
            "delta_nll_nats": delta.sum(axis=1) / n_tokens,
            "delta_nll_low_nats": gaps(interval.low),
            "delta_nll_high_nats": gaps(interval.high),
            "p_value": gaps(p_values),
            "q_value": gaps(q_values(p_values, [variant.family for variant in variants])),
            "top1_accuracy": totals.sums["is_top1"].sum(axis=1) / n_tokens,
            "agreement": totals.sums["agrees_with_intact"].sum(axis=1) / n_tokens,
            "kl_nats": totals.sums["kl_nats"].sum(axis=1) / n_tokens,
            "block_influence": [None if m is None else m[0] for m in measured],
            "angular_distance": [None if m is None else m[1] for m in measured],
            "tokens_not_finite": totals.sums["not_finite"].sum(axis=1).astype(np.int64),
        }
    )


def effect_intervals(totals: DocumentTotals, *, level: float = 0.95) -> Interval:
    """Intervals of every variant's ΔNLL, by documents; the arguments are those of ``layers_table``."""
    nll = totals.sums["nll_nats"]
    with np.errstate(invalid="ignore"):  # infinite in both: no number, and no interval
        return ratio_interval(nll - nll[0], totals.tokens, level=level)


def proxies_table(layers: pd.DataFrame) -> pa.Table:
    """How well each proxy ranks the variants of each family, by Spearman's correlation with the measured effect.

    Of the families of depths there is none: what their variants leave out lies within what the one before leaves out. Nor is
    there of single heads: a proxy is of a layer, and the same for all its heads.

    Args:
        layers: layers.parquet as a data frame.
    """
    rows: list[tuple[str, str, int, float | None]] = []
    for family in dict.fromkeys(layers["family"]):
        if family in ("intact", *DEPTHS) or is_of_heads(family):
            continue
        members = layers[layers["family"] == family]
        for proxy in PROXY_NAMES:
            usable = members[[proxy, "delta_nll_nats"]].dropna()
            distinct = len(usable) >= 3 and usable[proxy].nunique() > 1 and usable["delta_nll_nats"].nunique() > 1
            rho = float(stats.spearmanr(usable[proxy], usable["delta_nll_nats"]).statistic) if distinct else None
            rows.append((family, proxy, len(usable), rho))
    columns = list(zip(*rows, strict=True)) if rows else [(), (), (), ()]
    return PROXIES.build(dict(zip(("family", "proxy", "variants", "spearman"), map(list, columns), strict=True)))


def _proxies_by_span(spans: Iterable[pa.Table]) -> dict[tuple[int, int], tuple[float, float]]:
    """(block influence, angular distance) of each span, over all tokens of the run."""
    frame = pa.concat_tables(spans).to_pandas()
    if frame.empty:
        return {}
    sums = frame.sort_values("document", kind="stable").groupby(["span_first", "span_last"])[
        ["tokens", "cosine_sum", "angle_sum"]
    ]
    return {
        (int(first), int(last)): (1.0 - row.cosine_sum / row.tokens, row.angle_sum / row.tokens)
        for (first, last), row in sums.sum().iterrows()
    }
