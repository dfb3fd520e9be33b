"""``layerscope pos``: a finished run's effects by part of speech."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from layerscope.cli.console import (
    FIGURES,
    consoles,
    draw,
    end_with_findings,
    languages_of,
    say,
    say_next,
    say_run,
    with_figures,
)
from layerscope.cli.runs_below import runs_in

if TYPE_CHECKING:
    import pandas as pd

    from layerscope.bilingual import Language
    from layerscope.sweeps.finished import FinishedRun
    from layerscope.sweeps.parts_of_speech import TaggedRun, TagRequest


def pos(
    run: Annotated[Path, typer.Argument(help="Run directory of 'layerscope sweep', or a folder of them.")],
    language: Annotated[str, typer.Option(help="Language of the texts: en or ja (needs the extra 'ja').")] = "en",
    tagger: Annotated[
        str | None, typer.Option(help="Any installed spaCy pipeline; 'gold' for the tags of the run's own CoNLL-U file.")
    ] = None,
    gold: Annotated[Path | None, typer.Option(help="CoNLL-U file with the run's texts; its tags are used.")] = None,
    figures: Annotated[str, FIGURES] = "auto",
) -> None:
    """Break down a sweep's effects by part of speech; tables and figures go into the run directory."""
    from layerscope.sweeps.parts_of_speech import TagRequest

    request, languages = TagRequest(language, tagger, gold), languages_of("--figures", figures)
    for one in runs_in(run, ("sweep",)):
        show_pos(one, request, languages=languages)


def show_pos(path: Path, request: TagRequest, *, languages: Sequence[Language] | None = None) -> None:
    """Tag and add up a run, and print what breaks most."""
    errors, out = consoles()
    from layerscope.sweeps.finished import FinishedRun
    from layerscope.sweeps.parts_of_speech import tag_run
    from layerscope.sweeps.tables import POS

    with errors.status("Tagging and adding up …"):
        run = FinishedRun.open(path)
        tagged = tag_run(run, request)
    draw(errors, path, languages, of="parts of speech")
    table = run.directory.read_table(POS).to_pandas()
    _show_tags(out, table, run)
    _show_counts(out, tagged)
    end_with_findings(out, path)
    say_run(out, with_figures("Tables", languages), run.directory.path)
    hurting = run.layers.sort_values("delta_nll_nats")["variant"].iloc[-1]
    say_next(out, ("words", path, "--variant", hurting), ("report", path))


def _show_tags(out: Console, pos: pd.DataFrame, run: FinishedRun) -> None:
    """One line per part of speech: where it breaks most and least, by family."""
    words = pos[pos["unit"] == "word"]
    for family in dict.fromkeys(run.layers["family"]):
        rows = words[words["family"] == family]
        if family == "intact" or rows.empty:
            continue
        table = Table(
            title=Text(f"{run.model} on {run.dataset}: {family}"),
            caption="nats per word; hurts most: among those with q < 0.05 (for classes: p < 0.05), in brackets if untested; "
            "differs: variants whose effect on the tag differs from that on other words (q < 0.05)",
            box=box.SIMPLE_HEAD,
        )
        is_wide = out.width >= 100
        table.add_column("tag", no_wrap=True)
        for name in ("words", "NLL", "median ΔNLL", "hurts most", *(("hurts least",) if is_wide else ()), "differs"):
            table.add_column(name, justify="right", no_wrap=True)
        for tag, some in rows.groupby("tag", observed=True, sort=False):
            if some["kind"].iloc[0] == "class" and tag == "open":
                table.add_section()
            ranked = some[some["not_finite"] == 0].sort_values("delta_nll_nats")
            differs = int((some["contrast_q_value"] < 0.05).sum())
            table.add_row(
                f"{tag}{' *' if some['is_few'].iloc[0] else ''}",
                f"{some['items'].iloc[0]:,}",
                f"{some['intact_nll_nats'].iloc[0]:.2f}",
                "–" if ranked.empty else f"{ranked['delta_nll_nats'].median():+.3f}",
                _hurts_most(ranked),
                *(("–" if ranked.empty else _effect(ranked.iloc[0]),) if is_wide else ()),
                f"{differs} / {len(some)}" if some["kind"].iloc[0] == "tag" else "",
            )
        out.print(table)
    if bool(words["is_few"].any()):
        say(out, "*: fewer than 200 words.")
    broken = words.loc[words["not_finite"] > 0, "variant"].unique().tolist()
    if broken:
        say(out, f"Left out where the NLL is not finite: {', '.join(broken[:5])}{', …' if len(broken) > 5 else ''}.")


def _hurts_most(ranked: pd.DataFrame) -> str:
    """The variant with the largest effect, if that can be told from nothing."""
    if ranked.empty:
        return "–"
    is_class = ranked["kind"].iloc[0] == "class"  # pooled from the same words, so no further tests with a q of their own
    tested = ranked["p_value" if is_class else "q_value"]
    if tested.isna().all():
        return f"({_effect(ranked.iloc[-1])})"
    hurting = ranked[(tested < 0.05) & (ranked["delta_nll_nats"] > 0)]
    return "none" if hurting.empty else _effect(hurting.iloc[-1])


def _effect(row: pd.Series[Any]) -> str:
    return f"{row['variant']} {row['delta_nll_nats']:+.2f}"


def _show_counts(out: Console, tagged: TaggedRun) -> None:
    words, counts = tagged.words, tagged.counts
    reasons = (
        (words.without_context, "the first of a text, with nothing before it"),
        (words.without_token, "no token of their own"),
        (words.past_context, "past the model's context"),
        (words.as_context, "scored in an earlier window"),
    )
    others = "; ".join(f"{n:,} {reason}" for n, reason in reasons if n)
    say(
        out,
        f"Tags: {tagged.tagger}. {words.counted:,} of {words.words:,} words counted"
        f"{f' (not counted: {others})' if others else ''}; "
        f"{tagged.aligned:.2%} of the scored tokens aligned, {counts.lost:,} not; {counts.space:,} white space.",
    )
