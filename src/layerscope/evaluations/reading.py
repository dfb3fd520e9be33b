"""What an evaluation's table says, in sentences. No model."""

from __future__ import annotations

import pandas as pd

from layerscope.bilingual import Bilingual


def differences_finding(tasks: pd.DataFrame, intact: str) -> Bilingual | None:
    """Which differences from the intact model are within noise.

    Args:
        tasks: rows of tasks.parquet.
        intact: the intact model's path.

    Returns:
        A sentence; None where no path has an interval.
    """
    rows = tasks[(tasks["path"] != intact) & tasks["tied"].notna()]
    if rows.empty:
        return None
    tied = rows[rows["tied"].astype(bool)]
    named = [f"{row['path']} on {row['task']} ({row['metric']})" for row in tied.head(5).to_dict("records")]
    named_ja = [f"{row['task']}（{row['metric']}）での {row['path']}" for row in tied.head(5).to_dict("records")]
    more, more_ja = (f" and {len(tied) - 5} more", f"ほか {len(tied) - 5} 件") if len(tied) > 5 else ("", "")
    if tied.empty:
        return Bilingual(
            en=f"None of {len(rows)} differences from the intact model is within noise (every 95% interval excludes 0).",
            ja=f"元のモデルとの差 {len(rows)} 件のうち、誤差の範囲に収まるものはない（95% 信頼区間はどれも 0 を含まない）。",
        )
    return Bilingual(
        en=(
            f"{len(tied)} of {len(rows)} differences from the intact model are within noise (the 95% interval includes 0): "
            f"{'; '.join(named)}{more}."
        ),
        ja=(
            f"元のモデルとの差 {len(rows)} 件のうち {len(tied)} 件は誤差の範囲にある（95% 信頼区間が 0 を含む）："
            f"{'、'.join(named_ja)}{more_ja}。"
        ),
    )
