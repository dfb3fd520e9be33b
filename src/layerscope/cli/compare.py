"""``layerscope compare``: several runs shown together."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich import box
from rich.table import Table
from rich.text import Text

from layerscope.cli.console import FIGURES, consoles, languages_of, one_of, say, say_findings, say_output, split_names
from layerscope.errors import DataError

if TYPE_CHECKING:
    import pandas as pd

    from layerscope.bilingual import Language
    from layerscope.sweeps.compare import Comparison


def compare(
    runs: Annotated[list[Path], typer.Argument(help="Two or more run directories of 'layerscope sweep'.")],
    family: Annotated[
        str | None,
        typer.Option(help="Comma-separated families, such as removal,exchange (default: all that every run has)."),
    ] = None,
    measure: Annotated[str, typer.Option(help="delta (ΔNLL, variant − intact) or ppl (perplexity).")] = "delta",
    axis: Annotated[
        str | None,
        typer.Option(help="layer, or depth (0 for the first layer, 1 for the last); layer if all models have equally many."),
    ] = None,
    unit: Annotated[
        str | None, typer.Option(help="nats (per token) or bits (per byte of text); nats if all tokens are the same.")
    ] = None,
    anyway: Annotated[
        bool, typer.Option("--anyway", help="Compare runs even if they are not comparable, and say so in every figure.")
    ] = False,
    output_dir: Annotated[Path, typer.Option(help="Folder for figures and tables.")] = Path("figures/comparisons"),
    figures: Annotated[str, FIGURES] = "auto",
) -> None:
    """Compare runs of several models: overlaid figures, where each model is fragile, and how similarly they rank."""
    from layerscope.sweeps.compare import CompareRequest, compare_runs
    from layerscope.sweeps.drawing import draw_comparison

    request = CompareRequest(
        families=split_names(family),
        measure=one_of("--measure", measure, ("delta", "ppl"), DataError),
        axis=None if axis is None else one_of("--axis", axis, ("layer", "depth"), DataError),
        unit=None if unit is None else one_of("--unit", unit, ("nats", "bits"), DataError),
        anyway=anyway,
        output_dir=output_dir,
    )
    languages = languages_of("--figures", figures)
    errors, _ = consoles()
    with errors.status("Comparing …"):
        comparison = compare_runs(runs, request)
        draw_comparison(comparison, languages)
    show_comparison(comparison, languages=languages)


def show_comparison(comparison: Comparison, *, languages: Sequence[Language] | None = None) -> None:
    """Print where each model is fragile and how alike the models are."""
    _, out = consoles()
    for family in dict.fromkeys(comparison.fragility["family"]):
        out.print(_fragility(comparison, family))
        out.print(_correlation(comparison.correlation, family))
    say_findings(out, comparison.findings())
    for note in comparison.notes:
        say(out, note)
    say_output(out, "Tables" if languages == () else "Figures and tables", comparison.folder)


def _fragility(comparison: Comparison, family: str) -> Table:
    rows = comparison.fragility[(comparison.fragility["family"] == family) & (comparison.fragility["unit"] == "token")]
    in_bits = comparison.view.unit == "bits"
    effect = f"ΔNLL in {'bits per byte' if in_bits else 'nats per token'}"
    if comparison.view.of_text_means:
        effect = "ln(perplexity / perplexity of the intact model)"
    table = Table(
        title=Text(f"{family}: where each model is most and least fragile"),
        caption=f"{effect}, with its relative depth; thirds: share of its size in each third of the layers",
        box=box.SIMPLE_HEAD,
    )
    table.add_column("model", overflow="fold")
    for name in ("layers", "most fragile", "least fragile", "thirds"):
        table.add_column(name, justify="right")
    column = "delta_bits" if in_bits else "delta_nll_nats"
    for row in rows.to_dict("records"):
        thirds = [row[f"share_{part}_third"] for part in ("first", "middle", "last")]
        table.add_row(
            Text(str(row["model"])),
            str(row["layers"]),
            *(
                f"{row[f'{name}_variant']} {row[f'{name}_{column}']:+.3f} at {row[f'{name}_depth']:.2f}"
                for name in ("most", "least")
            ),
            " ".join(f"{share:.0%}" for share in thirds),
        )
    return table


def _correlation(correlation: pd.DataFrame, family: str) -> Table:
    rows = correlation[correlation["family"] == family]
    table = Table(
        title=Text(f"{family}: rank correlation between profiles"),
        caption="Spearman's ρ; tags: lowest and highest over parts of speech",
        box=box.SIMPLE_HEAD,
    )
    table.add_column("models", overflow="fold")
    for name in ("ρ", "layers", "tags"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("", overflow="fold")
    for (one, other), pair in rows.groupby(["model_a", "model_b"], sort=False):
        overall = pair[pair["unit"] == "token"].iloc[0]
        by_tag = pair.loc[pair["unit"] == "word", "spearman"].dropna()
        table.add_row(
            Text(f"{one}\n{other}"),
            _rounded(overall["spearman"]),
            str(overall["layers_compared"]),
            f"{_rounded(by_tag.min())} to {_rounded(by_tag.max())}" if len(by_tag) else "-",
            Text(f"{overall['statement']}; {overall['alignment']}"),
        )
    return table


def _rounded(rho: float | None) -> str:
    return "-" if rho is None or rho != rho else f"{rho:.2f}"
