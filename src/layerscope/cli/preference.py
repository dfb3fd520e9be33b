"""``layerscope preference``: which layers carry the preference for the right side of pairs, beyond their damage."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich import box
from rich.table import Table
from rich.text import Text

from layerscope.cli.console import (
    FIGURES,
    consoles,
    draw,
    end_with_findings,
    languages_of,
    one_of,
    say,
    say_next,
    say_run,
    with_figures,
)
from layerscope.errors import DataError

if TYPE_CHECKING:
    import pandas as pd

    from layerscope.bilingual import Language
    from layerscope.sweeps.finished import FinishedRun
    from layerscope.sweeps.preference import Preference


def preference(
    run: Annotated[Path, typer.Argument(help="Run directory of 'layerscope sweep --pairs'.")],
    unit: Annotated[
        str, typer.Option(help="What NLLs are summed over: edit, continuation (what follows the edit) or sentence.")
    ] = "sentence",
    seed: Annotated[int, typer.Option(help="Seed for permutations and for what is left out together.")] = 42,
    language: Annotated[str, typer.Option(help="Language of the printed reading: en or ja; both are stored.")] = "en",
    figures: Annotated[str, FIGURES] = "auto",
) -> None:
    """Find which layers carry the preference for the right sentence, beyond the general damage of losing them."""
    spoken = one_of("--language", language, ("en", "ja"), DataError)
    show_preference(run, unit, seed, spoken, languages=languages_of("--figures", figures))


def show_preference(
    path: Path, unit: str, seed: int, language: Language, *, languages: Sequence[Language] | None = None
) -> None:
    """Analyse a run, and print its variants and the reading."""
    errors, out = consoles()
    from layerscope.sweeps.finished import FinishedRun
    from layerscope.sweeps.preference import find_preference

    with errors.status("Reading the run …"):
        run = FinishedRun.open(path)
        found = find_preference(run, unit=unit, seed=seed)
    draw(errors, path, languages, of="preference")
    families = [family for family in dict.fromkeys(run.layers["family"].astype(str)) if family != "intact"]
    in_summary = next(iter(found.findings), None)
    for family in families:
        out.print(_variants(run, found, family))
        if family in found.findings and family != in_summary:
            say(out, found.findings[family].of(language))
    end_with_findings(out, path, language)
    say_run(out, with_figures("Tables, reading", languages), run.directory.path)
    say_next(out, ("report", path))


def _variants(run: FinishedRun, found: Preference, family: str) -> Table:
    """One line per variant, over all pairs."""
    rows = _all_pairs(found.table, family)
    beyond = _all_pairs(found.beyond[found.beyond["measure"].astype(str) == "margin"], family).set_index("variant")
    n_pairs = int(rows["pairs"].iloc[0])
    table = Table(
        title=Text(f"{run.model}, {family}: {n_pairs:,} pairs, by {found.unit}"),
        caption="damage: ΔNLL of neutral text, nats per token; Δ margin: change of wrong − right, nats per pair, 95% interval; "
        "beyond: how far outside what damage allows (*: q < 0.05; ?: no bound there)",
        box=box.SIMPLE_HEAD,
    )
    table.add_column("variant", overflow="fold")
    for name in ("damage", "accuracy", "Δ margin", "95% interval", "beyond"):
        table.add_column(name, justify="right", no_wrap=True)
    for row in rows.to_dict("records"):
        outside = beyond.loc[row["variant"]] if row["variant"] in beyond.index else None
        table.add_row(
            str(row["variant"]),
            f"{row['damage_nats']:+.3f}",
            f"{row['accuracy']:.3f}",
            f"{row['delta_margin_nats']:+.3f}",
            _interval(row["delta_margin_low_nats"], row["delta_margin_high_nats"]),
            "-" if outside is None else _beyond(outside),
        )
    return table


def _all_pairs(rows: pd.DataFrame, family: str) -> pd.DataFrame:
    return rows[(rows["family"].astype(str) == family) & (rows["kind"].astype(str) == "all")].astype({"variant": str})


def _interval(low: float, high: float) -> str:
    return f"{low:+.3f} {high:+.3f}" if math.isfinite(low) else "-"


def _beyond(row: pd.Series[Any]) -> str:
    if row["beyond"] == 0.0:
        bound = row["expected_high" if row["effect"] > 0.0 else "expected_low"]
        return "·" if math.isfinite(bound) else "?"
    return f"{row['beyond']:+.3f}{'*' if row['q_value'] < 0.05 else ''}"
