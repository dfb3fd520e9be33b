"""``layerscope words``: which words broke or improved at a variant, in their sentence."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from layerscope.cli.console import consoles, say_output

if TYPE_CHECKING:
    import pandas as pd


def words(
    run: Annotated[
        Path, typer.Argument(help="Run directory of 'layerscope sweep', with parts of speech from 'layerscope pos'.")
    ],
    variant: Annotated[str, typer.Option(help="Variant, such as removal-10; see layers.parquet.")],
    tag: Annotated[str | None, typer.Option(help="Only words of this universal part of speech, such as VERB.")] = None,
    top: Annotated[int, typer.Option(min=0, help="How many words to show.")] = 20,
    improved: Annotated[
        bool, typer.Option("--improved", help="Show words that the variant predicts better instead of worse.")
    ] = False,
    frequency: Annotated[
        str | None, typer.Option(help="Only words that occur this often in the run's texts: '1', '2-7' or '8-'.")
    ] = None,
    output: Annotated[Path | None, typer.Option(help="Write all matching words to this .csv or .parquet file.")] = None,
) -> None:
    """Show the words whose prediction changed most under a variant, with what was predicted before and after."""
    from layerscope.sweeps.broken_words import WordsRequest, find_broken_words
    from layerscope.sweeps.finished import FinishedRun

    errors, out = consoles()
    with errors.status("Reading the scores …"):
        found = find_broken_words(FinishedRun.open(run), WordsRequest(variant, tag, frequency, improved), output=output)
    _show_words(out, found.words.head(top), found.title)
    _show_bands(out, found.bands)
    if output is not None:
        say_output(out, f"{len(found.words):,} words", output)


def _show_words(out: Console, words: pd.DataFrame, title: str) -> None:
    table = Table(
        title=Text(title),
        caption="[word] in its sentence; the likeliest token of the intact model → that of the variant; NLL in nats",
        box=box.SIMPLE_HEAD,
    )
    is_wide = out.width >= 100
    context = max(16, out.width - 75) if is_wide else 40  # characters before the word, and half as many after it
    table.add_column("word", overflow="fold")
    if is_wide:
        table.add_column("tag")
        table.add_column("ΔNLL", justify="right", no_wrap=True)
    table.add_column("NLL", justify="right", no_wrap=True)
    table.add_column("predicted", overflow="fold")
    table.add_column("sentence", overflow="fold", ratio=1)
    for row in words.to_dict("records"):
        table.add_row(
            Text(str(row["text"])),
            *((str(row["upos"]), f"{row['delta_nll_nats']:+.2f}") if is_wide else ()),
            f"{row['intact_nll_nats']:.2f} → {row['nll_nats']:.2f}",
            Text(f"{_visible(row['predicted_before'])} → {_visible(row['predicted_after'])}"),
            Text(f"{row['before'][-context:]}[{row['text']}]{row['after'][: context // 2]}".replace("\n", "⏎")),
        )
    out.print(table)


def _show_bands(out: Console, bands: pd.DataFrame) -> None:
    table = Table(title="By how often the word occurs in the run's texts", box=box.SIMPLE_HEAD)
    for name in ("frequency", "words", "NLL", "mean ΔNLL", "median ΔNLL", "lost"):
        table.add_column(name, justify="right", no_wrap=True)
    for row in bands.to_dict("records"):
        table.add_row(
            row["frequency"],
            f"{row['words']:,}",
            f"{row['intact_nll_nats']:.2f}",
            f"{row['delta_nll_nats']:+.3f}",
            f"{row['median_delta_nll_nats']:+.3f}",
            "–" if math.isnan(row["broke"]) else f"{row['broke']:.0%}",
        )
    table.caption = "lost: of the words that the intact model predicts, the share that the variant does not"
    out.print(table)


def _visible(token: str) -> str:
    """A token with its leading space and line feeds made visible."""
    return token.replace("\n", "⏎").replace(" ", "␣") or "∅"
