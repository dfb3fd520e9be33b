"""The layers table as a terminal shows it."""

from __future__ import annotations

import pandas as pd
from rich import box
from rich.table import Table
from rich.text import Text

from layerscope.sweeps.analysis.layer_cells import layer_cells

_WIDE = 100
"""Columns from which on KL and block influence have room."""


def layers_in_terminal(layers: pd.DataFrame, *, model: str, dataset: str, width: int) -> Table:
    """The table, one line per variant.

    Args:
        layers: layers.parquet.
        model: its name.
        dataset: its name.
        width: of the terminal, in columns.
    """
    is_wide, n_texts = width >= _WIDE, int(layers["documents"].iloc[0])
    table = Table(
        title=Text(
            f"{model} on {dataset}: {int(layers['tokens_scored'].iloc[0]):,} tokens of "
            f"{n_texts:,} {'text' if n_texts == 1 else 'texts'}"
        ),
        caption="ΔNLL: variant − intact, nats per token; interval over texts",
        box=box.SIMPLE_HEAD,
    )
    table.add_column("variant", overflow="fold")
    for name in ("perplexity", "ΔNLL", "95% interval", "top-1", "agree", *(("KL", "block influence") if is_wide else ())):
        table.add_column(name, justify="right", no_wrap=True)
    family = layers["family"].iloc[0]
    for row in layers.to_dict("records"):
        if row["family"] != family:
            table.add_section()
            family = row["family"]
        cells = layer_cells(row)
        if is_wide and row["tokens_not_finite"]:
            cells += ["-", "-"]
        elif is_wide:
            cells += [f"{row['kl_nats']:.4f}", "-" if row["family"] == "intact" else f"{row['block_influence']:.3f}"]
        table.add_row(*cells)
    return table
