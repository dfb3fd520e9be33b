"""What an evaluation's table says, in sentences. No model."""

from __future__ import annotations

import pandas as pd

from layerscope.bilingual import Bilingual

_NAMED = 5


def differences_finding(tasks: pd.DataFrame, intact: str) -> Bilingual | None:
    """Which differences from the intact model are established, the largest first, and how many are within noise.

    Args:
        tasks: rows of tasks.parquet; what was evaluated on several numbers of samples counts once, with the most.
        intact: the intact model's path.

    Returns:
        A sentence; None where no path has an interval.
    """
    rows = tasks[(tasks["path"] != intact) & tasks["tied"].notna()].sort_values("samples", kind="stable")
    rows = rows.drop_duplicates(["path", "task", "metric"], keep="last")
    if rows.empty:
        return None
    counts = rows["samples"].astype(int)
    over = f"{counts.min():,}" if counts.min() == counts.max() else f"{counts.min():,} to {counts.max():,}"
    over_ja = f"{counts.min():,}" if counts.min() == counts.max() else f"{counts.min():,}〜{counts.max():,}"
    told = rows[~rows["tied"].astype(bool)].sort_values("delta", key=abs, ascending=False, kind="stable")
    n_tied, n_all = len(rows) - len(told), len(rows)
    noise = Bilingual(
        f"{'The other ' if len(told) else ''}{n_tied} of {n_all} differences from the intact model "
        f"{'is' if n_tied == 1 else 'are'} within noise (the 95% interval includes 0; {over} samples, the most that each was "
        "evaluated on).",
        f"元のモデルとの差 {n_all} 件のうち{'残りの ' if len(told) else ' '}{n_tied} 件は誤差の範囲にある"
        f"（95% 信頼区間が 0 を含む。サンプル数 {over_ja}、それぞれ最も多い評価による）。",
    )
    if told.empty:
        return noise
    named = [
        f"{row['path']} on {row['task']} ({row['metric']}) {row['delta']:+.3g} [{row['delta_low']:+.3g}, "
        f"{row['delta_high']:+.3g}] over {row['samples']:,} samples"
        for row in told.head(_NAMED).to_dict("records")
    ]
    named_ja = [
        f"{row['task']}（{row['metric']}）での {row['path']} は {row['delta']:+.3g} [{row['delta_low']:+.3g}, "
        f"{row['delta_high']:+.3g}]（{row['samples']:,} サンプル）"
        for row in told.head(_NAMED).to_dict("records")
    ]
    rest = len(told) - _NAMED
    more, more_ja = (f"; and {rest} more", f"、ほか {rest} 件") if rest > 0 else ("", "")
    return Bilingual(
        f"Changed by more than noise against the intact model: {'; '.join(named)}{more}.{f' {noise.en}' if n_tied else ''}",
        f"元のモデルとの差が誤差を超えるもの：{'、'.join(named_ja)}{more_ja}。{noise.ja if n_tied else ''}",
    )
