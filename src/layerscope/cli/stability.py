"""``layerscope stability``: which dimensions barely change in a finished contrast run, with a summary in words."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

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
    progress_bar,
    say,
    say_next,
    say_run,
    split_names,
    with_figures,
)
from layerscope.errors import DataError

if TYPE_CHECKING:
    from layerscope.bilingual import Language
    from layerscope.contrasts.finished import FinishedContrast
    from layerscope.contrasts.stability import Stability, StabilityRequest

_SHOWN = 10


def stability(
    run: Annotated[Path, typer.Argument(help="Run directory of 'layerscope contrast'.")],
    k: Annotated[int, typer.Option("--k", help="How many dimensions per layer count as those that change least.")] = 50,
    resamples: Annotated[
        int, typer.Option(max=1_000_000, help="Swaps of pairs with their placebos, and bootstrap draws; 0 for values only.")
    ] = 999,
    sites: Annotated[str | None, typer.Option(help="Comma-separated sites of the run (default: all).")] = None,
    positions: Annotated[str | None, typer.Option(help="Comma-separated positions of the run (default: all).")] = None,
    seed: Annotated[int, typer.Option(help="Seed for the resampling.")] = 42,
    language: Annotated[str, typer.Option(help="Language of the printed reading: en or ja; both are stored.")] = "en",
    figures: Annotated[str, FIGURES] = "auto",
) -> None:
    """Rank the dimensions that change least, and compare their agreement over subtypes with chance and placebos."""
    from layerscope.contrasts.stability import StabilityRequest

    request = StabilityRequest(
        k, resamples, None if sites is None else split_names(sites), None if positions is None else split_names(positions), seed
    )
    spoken = one_of("--language", language, ("en", "ja"), DataError)
    show_stability(run, request, spoken, languages=languages_of("--figures", figures))


def show_stability(
    path: Path, request: StabilityRequest, language: Language, *, languages: Sequence[Language] | None = None
) -> None:
    """Analyse a run, and print what changes least and the reading."""
    errors, out = consoles()
    from layerscope.contrasts.finished import FinishedContrast
    from layerscope.contrasts.stability import find_stability

    run = FinishedContrast.open(path)
    with progress_bar(errors, "Reading the run …") as progress:
        found = find_stability(run, request, progress)
    draw(errors, path, languages, of="stability")
    out.print(_ranking(run, found))
    end_with_findings(out, path, language)
    say(out, f"The full reading: {path / f'stability_{language}.md'}")
    say_run(out, with_figures("Tables, reading", languages), run.directory.path)
    say_next(out, ("intervene", path), ("report", path))


def _ranking(run: FinishedContrast, found: Stability) -> Table:
    """The stillest units on the primary scale and on the raw one, side by side."""
    from layerscope.contrasts.tables import RANKING

    ranking = found.frame(RANKING)
    here = ranking[
        (ranking["set"] == "all")
        & (ranking["scope"] == "all")
        & (ranking["site"] == found.site)
        & (ranking["position"] == found.position)
    ]
    primary, raw = (here[here["scale"] == scale].head(_SHOWN).to_dict("records") for scale in ("percentile", "raw"))
    table = Table(
        title=Text(f"{run.model}: what changes least at {found.site}, {found.position}"),
        caption="percentile: share of other words there, with a change of similar size, that change it less; "
        "σ: over ordinary text",
        box=box.SIMPLE_HEAD,
    )
    for name in ("rank", "unit", "percentile", "95% interval", "raw unit", "raw", "σ"):
        table.add_column(name, justify="right", no_wrap=True)
    for number, (first, second) in enumerate(zip(primary, raw, strict=True), start=1):
        table.add_row(
            str(number),
            f"L{first['layer']} · d{first['dim']}",
            f"{first['score']:.3f}",
            f"{first['low']:.3f} {first['high']:.3f}",
            f"L{second['layer']} · d{second['dim']}",
            f"{second['score']:.3g}",
            f"{second['spread']:.3g}",
        )
    return table
