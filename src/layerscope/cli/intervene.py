"""``layerscope intervene``: ablate what barely changes, against matched random sets, and say in a sentence if it matters."""

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
    with_figures,
)
from layerscope.cli.model_options import DEVICE, DEVICE_MAP, TRUST_REMOTE_CODE
from layerscope.errors import DataError

if TYPE_CHECKING:
    from layerscope.bilingual import Language
    from layerscope.contrasts.finished import FinishedContrast
    from layerscope.contrasts.intervened import InterveneRequest, Intervention


def intervene(
    run: Annotated[Path, typer.Argument(help="Run directory of 'layerscope contrast'.")],
    stable: Annotated[int, typer.Option(help="How many of the units that change least to ablate.")] = 50,
    site: Annotated[str | None, typer.Option(help="resid_post, attn_out or mlp_out (default: the run's main site).")] = None,
    position: Annotated[str | None, typer.Option(help="Position of the run at which the units are chosen.")] = None,
    layer: Annotated[int | None, typer.Option(help="Choose units in this layer only.")] = None,
    types: Annotated[str, typer.Option(help="Pairs by which units are chosen: all, meaning or grammar.")] = "all",
    sets: Annotated[
        int, typer.Option(max=100_000, help="Random sets to compare with, matched on spread, mean size and unembedding weight.")
    ] = 200,
    max_pairs: Annotated[int, typer.Option(help="Pairs with a wrong side to score, and half as many meaning pairs.")] = 60,
    text_tokens: Annotated[int, typer.Option(help="Tokens of neutral text to score.")] = 1000,
    patch: Annotated[
        bool,
        typer.Option(
            "--patch", help="Also patch the wrong side with the right one, layer by layer, to see where the error is."
        ),
    ] = False,
    damage_margin: Annotated[
        float,
        typer.Option(help="Nats per token: damage to neutral text beyond that of random sets must be shown to be below this."),
    ] = 0.02,
    seed: Annotated[int, typer.Option(help="Seed for the halves, the sets and all other draws.")] = 42,
    device: Annotated[str, DEVICE] = "auto",
    dtype: Annotated[
        str | None, typer.Option(help="float32, bfloat16 or float16 (fp32, bf16, fp16); default: the run's.")
    ] = None,
    device_map: Annotated[str | None, DEVICE_MAP] = None,
    trust_remote_code: Annotated[bool, TRUST_REMOTE_CODE] = False,
    data_dir: Annotated[
        Path | None,
        typer.Option(envvar="LAYERSCOPE_DATA_DIR", help="Folder with the reference data set; the Hub is then not contacted."),
    ] = None,
    language: Annotated[str, typer.Option(help="Language of the printed verdict: en or ja; both are stored.")] = "en",
    figures: Annotated[str, FIGURES] = "auto",
) -> None:
    """Ablate the units that change least, chosen on half of the pairs, and test on the other half whether it matters."""
    from layerscope.contrasts.intervened import InterveneRequest

    request = InterveneRequest(
        stable=stable,
        site=site,
        position=position,
        layer=layer,
        members=one_of("--types", types, ("all", "meaning", "grammar"), DataError),
        n_sets=sets,
        max_pairs=max_pairs,
        text_tokens=text_tokens,
        patch=patch,
        damage_margin=damage_margin,
        seed=seed,
        device=device,
        dtype=dtype,
        device_map=device_map,
        trust_remote_code=trust_remote_code,
        data_dir=data_dir,
    )
    spoken = one_of("--language", language, ("en", "ja"), DataError)
    show_intervention(run, request, spoken, languages=languages_of("--figures", figures))


def show_intervention(
    path: Path, request: InterveneRequest, language: Language, *, languages: Sequence[Language] | None = None
) -> None:
    """Run an intervention, and print its effects and the verdict."""
    errors, out = consoles()
    from layerscope.contrasts.analysis.intervention_verdict import read_apart
    from layerscope.contrasts.finished import FinishedContrast
    from layerscope.contrasts.intervene import intervene
    from layerscope.models.quiet import quieten_transformers

    quieten_transformers()
    run = FinishedContrast.open(path)
    with progress_bar(errors, "Reading the run …") as progress:
        found = intervene(run, request, progress)
    draw(errors, path, languages, of="intervention")
    out.print(_effects(run, found, width=out.width))
    balance = ", ".join(f"{name} {value:+.2f}" for name, value in found.balance.items())
    say(
        out,
        f"Random sets: each unit is drawn from {found.n_alike + 1} similar ones; the stable set differs by (SD): {balance}.",
    )
    for replace, verdict in found.verdicts.items():
        say(out, f"{replace}: {verdict.of(language)}")
    if found.beside_placebos is not None:
        say(out, read_apart(found.beside_placebos, found.apart).of(language))
    for statement in found.restored:
        say(out, statement.of(language))
    end_with_findings(out, path, language)
    say_run(out, with_figures("Table", languages), run.directory.path)
    say_next(out, ("report", path))


def _effects(run: FinishedContrast, found: Intervention, *, width: int) -> Table:
    names = {
        "did": "wrong − right, nats",
        "accuracy": "accuracy",
        "damage": "neutral text, nats",
        "change": "all pairs, nats",
    }
    table = Table(
        title=Text(f"{run.model}: {len(found.layer)} units in {len(set(found.layer.tolist()))} layer(s) ablated"),
        caption="ablated − intact; p: random sets with an effect at least as large (for accuracy: as small)",
        box=box.SIMPLE_HEAD,
    )
    table.add_column("outcome", no_wrap=True)
    is_wide = width >= 100
    for name in ("replaced by", "stable", *(("95% interval",) if is_wide else ()), "random", "z", "p"):
        table.add_column(name, justify="right", no_wrap=True)
    for attribute, shown in names.items():
        for replace, effects in found.effects.items():
            placed = getattr(effects, attribute)
            p_value = placed.p_less if attribute == "accuracy" else placed.p_greater
            table.add_row(
                shown,
                replace,
                f"{placed.effect:+.3f}",
                *(((f"{placed.low:+.3f} {placed.high:+.3f}") if placed.low == placed.low else "-",) if is_wide else ()),
                f"{placed.random_mean:+.3f}",
                f"{placed.z:+.1f}" if placed.z == placed.z else "-",
                f"{p_value:.3f}" if p_value == p_value else "-",
            )
    return table
