"""What a sweep comes to, in sentences: what was measured, a finding for each family, and which variants overflowed."""

from __future__ import annotations

import math

import pandas as pd

from layerscope.bilingual import Bilingual
from layerscope.sweeps.analysis.few_texts import few_texts
from layerscope.sweeps.analysis.findings import family_finding

_FEWEST = 3
"""Variants of a family from which on it has a finding."""
_NAMED = 5


def sweep_sentences(layers: pd.DataFrame, proxies: pd.DataFrame, dtype: str) -> list[Bilingual]:
    """A line a family, and one of the variants that overflowed; the warning of few texts is none of them.

    Args:
        layers: layers.parquet.
        proxies: proxies.parquet.
        dtype: of the model.
    """
    lines = []
    for family in dict.fromkeys(layers["family"]):
        rows = layers[layers["family"] == family]
        if family == "intact" or len(rows) < _FEWEST:
            continue
        rho = proxies.loc[(proxies["family"] == family) & (proxies["proxy"] == "block_influence"), "spearman"].max()
        found = family_finding(rows)
        note = Bilingual("", "")
        if not math.isnan(rho):
            note = Bilingual(
                f" Block influence ranks them with ρ = {rho:.2f}.", f"ブロック影響度による順位との相関は ρ = {rho:.2f}。"
            )
        lines.append(Bilingual(f"{family}: {found.en}{note.en}", f"{family}：{found.ja}{note.ja}"))
    broken = layers[layers["tokens_not_finite"] > 0]
    return lines if broken.empty else [*lines, _overflowed(broken, dtype)]


def whole_summary(layers: pd.DataFrame, proxies: pd.DataFrame, dtype: str, *, model: str, dataset: str) -> list[Bilingual]:
    """What was measured, the findings, and the warning of few texts.

    Args:
        layers: layers.parquet, the intact model first.
        proxies: proxies.parquet.
        dtype: of the model.
        model: its name.
        dataset: its name.
    """
    intact = layers.to_dict("records")[0]
    n_texts, n_tokens = int(intact["documents"]), int(intact["tokens_scored"])
    value = f"{intact['nll_nats']:.3f}"
    head = Bilingual(
        f"{model} on {dataset}: {n_tokens:,} scored tokens of {n_texts:,} {'text' if n_texts == 1 else 'texts'}; NLL of the "
        f"intact model {value} nats per token (perplexity {intact['ppl']:,.4g}).",
        f"{model}、{dataset}：テキスト {n_texts:,} 本、評価対象 {n_tokens:,} トークン。元のモデルの NLL は 1 トークンあたり "
        f"{value} nat（パープレキシティ {intact['ppl']:,.4g}）。",
    )
    warning = few_texts(n_texts)
    return [head, *sweep_sentences(layers, proxies, dtype), *(() if warning is None else (warning,))]


def _overflowed(broken: pd.DataFrame, dtype: str) -> Bilingual:
    n_tokens, rows = int(broken["tokens_scored"].iloc[0]), broken.head(_NAMED).to_dict("records")
    rest = len(broken) - len(rows)
    named = ", ".join(f"{row['variant']} ({row['tokens_not_finite']:,} of {n_tokens:,} tokens)" for row in rows)
    named_ja = "、".join(f"{row['variant']}（{n_tokens:,} トークン中 {row['tokens_not_finite']:,}）" for row in rows)
    return Bilingual(
        f"Not finite in {dtype}: {named}{f' and {rest} more' if rest else ''}; a wider --dtype may have numbers for them.",
        f"{dtype} で有限でない：{named_ja}{f'、ほか {rest} 件' if rest else ''}。より広い --dtype なら値が得られることがある。",
    )
