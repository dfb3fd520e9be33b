"""``layerscope pairs``: make, import, check and judge minimal pairs."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from layerscope.cli.command import Command, Group
from layerscope.cli.console import consoles, one_of, progress_bar, say, say_output, split_names
from layerscope.cli.model_options import BOS, DEVICE, DTYPE, load_options
from layerscope.cli.options import checked
from layerscope.errors import PairError

if TYPE_CHECKING:
    from layerscope.judging import JudgedFile, JudgedPair
    from layerscope.pairs.files import CheckCounts
    from layerscope.pairs.making import MadePairs
    from layerscope.pairs.pair import MinimalPair

pairs = typer.Typer(help="Minimal pairs: make, import, check and judge them.", cls=Group, rich_markup_mode=None)

_OUTPUT = typer.Option("-o", "--output", help="JSON Lines file to write.")
_TOKENIZER = typer.Option(help="Model whose tokenizer is used: built-in name, directory, .gguf file or Hub id.")


@pairs.command(cls=Command, epilog="layerscope pairs make --per-type 50 --output pairs.jsonl")
@checked
def make(
    output: Annotated[Path, _OUTPUT],
    source: Annotated[str, typer.Option(help="templates (no network) or openai (any compatible server).")] = "templates",
    per_type: Annotated[int, typer.Option(max=1_000_000, help="Pairs per subtype.")] = 200,
    subtypes: Annotated[
        str | None,
        typer.Option(help="Comma-separated subtypes (default: all for templates, the six published ones for openai)."),
    ] = None,
    seed: Annotated[int, typer.Option(help="The same seed gives the same pairs.")] = 0,
    tokenizer: Annotated[
        str | None, typer.Option(help="Keep only pairs that differ in one token of this model's tokenizer.")
    ] = None,
    chat_model: Annotated[str, typer.Option(help="Name of the model on the server.")] = "gpt-4o-mini",
    max_requests: Annotated[int, typer.Option(help="Maximum number of requests to the server, including retries.")] = 200,
    prompts: Annotated[Path | None, typer.Option(help="Folder with prompt files to use instead of the built-in ones.")] = None,
    temperature: Annotated[float, typer.Option(help="Sampling temperature of the server.")] = 1.0,
    chat_option: Annotated[
        list[str] | None,
        typer.Option(
            help="NAME=VALUE to set in each request, such as reasoning_effort=low, in place of what is sent otherwise; "
            "NAME=none leaves a name out; repeatable."
        ),
    ] = None,
) -> None:
    """Make pairs. A server's key is read from OPENAI_API_KEY, its address from OPENAI_BASE_URL; its answers are kept."""
    errors, out = consoles()
    one_of("--source", source, ("templates", "openai"), PairError)
    if per_type < 1 or seed < 0:
        raise PairError(f"--per-type is 1 or more and --seed 0 or more; got {per_type} and {seed}.")
    from layerscope.models.kept import cache_folder
    from layerscope.models.pair_tokenizer import load_pair_tokenizer
    from layerscope.models.quiet import quieten_transformers
    from layerscope.pairs.chat.options import read_options
    from layerscope.pairs.chat.prompts import ChatRequest
    from layerscope.pairs.making import make_from_chat, make_from_templates, subtypes_of_templates
    from layerscope.pairs.subtypes import PUBLISHED_SUBTYPES

    asked = split_names(subtypes)
    request = None
    if source == "openai":  # refused before a tokenizer is loaded
        request = ChatRequest(
            chat_model,
            subtypes=asked or PUBLISHED_SUBTYPES,
            per_subtype=per_type,
            seed=seed,
            max_requests=max_requests,
            prompt_dir=prompts,
            temperature=temperature,
            options=read_options(chat_option or []),
        )
    quieten_transformers()
    with progress_bar(errors, "Making pairs …") as progress:
        decides = None if tokenizer is None else load_pair_tokenizer(tokenizer)
        if request is None:
            names = asked or subtypes_of_templates()
            made = make_from_templates(output, per_subtype=per_type, subtypes=names, seed=seed, tokenizer=decides)
        else:
            made = make_from_chat(
                output,
                request,
                cache_dir=cache_folder() / "chat",
                tokenizer=decides,
                tokenizer_name=tokenizer or "",
                progress=progress,
            )
    _show_made(out, made, output)


@pairs.command(
    "import",
    cls=Command,
    epilog="layerscope pairs import table mine.csv --column sentence1=good --column sentence2=bad "
    "--set type=grammar --set subtype=tense --set right=1 --output mine.jsonl",
)
@checked
def import_(
    kind: Annotated[
        str, typer.Argument(help="blimp (a file or folder), table (.csv, .tsv, .json, .jsonl) or published (JSON).")
    ],
    path: Annotated[Path, typer.Argument(help="The file or folder to import.")],
    output: Annotated[Path, _OUTPUT],
    column: Annotated[
        list[str] | None, typer.Option(help="For a table: FIELD=COLUMN, such as sentence1=good; repeatable.")
    ] = None,
    set_: Annotated[
        list[str] | None, typer.Option("--set", help="For a table: FIELD=VALUE for all rows, such as type=grammar; repeatable.")
    ] = None,
) -> None:
    """Convert pairs from other sources into layerscope's format."""
    from layerscope.pairs.format import write_pairs
    from layerscope.pairs.importing import import_blimp, import_published, import_table

    one_of("KIND", kind, ("blimp", "table", "published"), PairError)
    if kind == "table":
        found = import_table(path, _assignments("--column", column), _assignments("--set", set_))
    else:
        found = import_blimp(path) if kind == "blimp" else import_published(path)
    counts: dict[tuple[str, str], int] = {}
    undecided: dict[tuple[str, str], int] = {}
    n_written = write_pairs(_counted(found, counts, undecided), output)
    _, out = consoles()
    _show_counts(out, counts)
    if without := sum(n for (type_, _), n in undecided.items() if type_ == "grammar"):
        say(
            out,
            f"{without:,} pairs of type grammar do not say which side is right, so no preference can be read: --set right=1.",
        )
    say_output(out, f"{n_written:,} pairs", output)


@pairs.command(cls=Command, epilog="layerscope pairs export pairs.jsonl --output published.json")
@checked
def export(
    path: Annotated[Path, typer.Argument(help="JSON Lines file of pairs.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="JSON file to write.")],
) -> None:
    """Write pairs in the published JSON layout."""
    from layerscope.pairs.files import write_published

    n_written = write_published(path, output)
    _, out = consoles()
    say_output(out, f"{n_written:,} pairs", output)


@pairs.command(cls=Command, epilog="layerscope pairs check pairs.jsonl --tokenizer smollm2-135m")
@checked
def check(
    path: Annotated[Path, typer.Argument(help="JSON Lines file of pairs.")],
    tokenizer: Annotated[str, _TOKENIZER],
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="Write the pairs that are kept, with their verdicts.")
    ] = None,
    keep: Annotated[
        str, typer.Option(help="usable; aligned: also pairs of unequal length, aligned from both ends and marked; or all.")
    ] = "usable",
) -> None:
    """Say which pairs are usable with a tokenizer, and why the others are not."""
    errors, out = consoles()
    os.environ["TOKENIZERS_PARALLELISM"] = "true"  # nothing is forked here
    kept: Any = one_of("--keep", keep, ("usable", "aligned", "all"), PairError)
    from layerscope.models.pair_tokenizer import load_pair_tokenizer
    from layerscope.models.quiet import quieten_transformers
    from layerscope.pairs.files import CheckCounts, check_file

    quieten_transformers()
    with errors.status("Checking …"):
        counts = CheckCounts(tokenizer)
        n_kept = check_file(path, load_pair_tokenizer(tokenizer), counts, keep=kept, output=output)
    _show_check(out, counts)
    if output is not None:
        say_output(out, f"{n_kept:,} pairs kept", output)


@pairs.command(cls=Command, epilog="layerscope pairs judge pairs.jsonl --model smollm2-135m")
@checked
def judge(
    path: Annotated[
        Path, typer.Argument(help="JSON Lines file of pairs (layerscope's or BLiMP's), or a folder of such files.")
    ],
    model: Annotated[str, typer.Option(help="The judge: built-in name, directory, .gguf file or Hub id.")],
    protocol: Annotated[
        str,
        typer.Option(
            help="plain: sentences as they are; lm-eval: as lm-evaluation-harness presents BLiMP's, after BOS and a space."
        ),
    ] = "plain",
    output: Annotated[Path | None, typer.Option("-o", "--output", help="Write all pairs with both NLLs.")] = None,
    bos: Annotated[str, BOS] = "auto",
    dtype: Annotated[str, DTYPE] = "auto",
    device: Annotated[str, DEVICE] = "auto",
    show: Annotated[
        int, typer.Option(help="How many pairs to print whose wrong side the judge prefers, and how many ties.")
    ] = 5,
) -> None:
    """Ask a model which sentence of each pair is likelier, and flag pairs whose wrong side it prefers."""
    errors, out = consoles()
    from layerscope.pairs.judging_protocol import JudgingProtocol

    asked = JudgingProtocol.parse(protocol)
    options = load_options(dtype=dtype, device=device, device_map=None, quantize="none", bos=bos, trust_remote_code=False)
    from layerscope.judging import judge_file
    from layerscope.models.quiet import quieten_transformers

    quieten_transformers()
    with errors.status("Judging …"):
        judged = judge_file(path, model, options, protocol=asked, output=output)
    _show_judgement(out, judged, show)
    if output is not None:
        say_output(out, f"{len(judged.pairs):,} pairs", output)


def _show_made(out: Console, made: MadePairs, output: Path) -> None:
    _show_counts(out, made.counts)
    if made.chat is not None:
        budget = ", all that --max-requests allows" if made.chat.is_budget_spent else ""
        say(out, f"{made.chat.n_requests:,} requests, {made.chat.n_cached:,} answers kept from before{budget}.")
        if made.chat.n_useless:
            say(
                out,
                f"{made.chat.n_useless:,} answers contained no pair; they are not kept and will be requested again next time.",
            )
        for subtype, count in made.chat.missing.items():
            say(out, f"{subtype}: {count:,} fewer than requested.")
    for reason, count in sorted(made.rejected.items(), key=lambda item: -item[1]):
        say(out, f"rejected {count:,}: {reason}")
    if made.rejected_path is not None:
        say(out, f"Rejected: {made.rejected_path}")
    say_output(out, f"{sum(made.counts.values()):,} pairs", output)


def _assignments(option: str, written: list[str] | None) -> dict[str, str]:
    split = [text.partition("=") for text in written or []]
    for name, equals, value in split:
        if not (name and equals and value):
            raise PairError(f"{option} is written FIELD=NAME; got '{name}{equals}{value}'.")
    return {name: value for name, _, value in split}


def _counted(
    pairs: Iterable[MinimalPair], counts: dict[tuple[str, str], int], undecided: dict[tuple[str, str], int] | None = None
) -> Iterator[MinimalPair]:
    """The pairs as they come, counted by type and subtype; those without a right side once more."""
    for pair in pairs:
        key = (pair.type, pair.subtype)
        counts[key] = counts.get(key, 0) + 1
        if undecided is not None and pair.right is None:
            undecided[key] = undecided.get(key, 0) + 1
        yield pair


def _show_counts(out: Console, counts: dict[tuple[str, str], int]) -> None:
    table = Table(box=box.SIMPLE_HEAD)
    table.add_column("type")
    table.add_column("subtype")
    table.add_column("pairs", justify="right")
    for (type_name, subtype), count in counts.items():
        table.add_row(type_name, subtype, f"{count:,}")
    out.print(table)


def _show_check(out: Console, counts: CheckCounts) -> None:
    verdicts = sorted({verdict for found in counts.verdicts.values() for verdict in found}, key=_by_usefulness)
    table = Table(title=Text(f"With the tokenizer of {counts.tokenizer}"), box=box.SIMPLE_HEAD)
    table.add_column("type")
    table.add_column("subtype")
    for name in ("pairs", *verdicts):
        table.add_column(name, justify="right")
    for (type_name, subtype), found in counts.verdicts.items():
        cells = [f"{found[verdict]:,}" if found[verdict] else "" for verdict in verdicts]
        table.add_row(type_name, subtype, f"{found.total():,}", *cells)
    out.print(table)
    for verdict, pair in counts.examples.items():
        say(out, f"{verdict}: “{pair.sentence1}” / “{pair.sentence2}”")


def _by_usefulness(verdict: str) -> tuple[int, str]:
    from layerscope.pairs.checking import USABLE

    names: tuple[str, ...] = USABLE
    return (names.index(verdict) if verdict in names else len(names), verdict)


def _show_judgement(out: Console, judged: JudgedFile, show: int) -> None:
    table = Table(
        title=Text(f"Judged by {judged.model}, protocol {judged.protocol.name}"),
        caption="agrees: the likelier sentence is the right one; gap: NLL of the second sentence − NLL of the first, nats",
        box=box.SIMPLE_HEAD,
    )
    groups: dict[tuple[str, str, str], list[JudgedPair]] = {}
    for one in judged.pairs:
        groups.setdefault((one.pair.type, one.pair.subtype, one.pair.term), []).append(one)
    n_names = 3 if any(term for _, _, term in groups) else 2
    for name in ("type", "subtype", "term")[:n_names]:
        table.add_column(name, overflow="fold")
    for name in ("pairs", "judged", "agrees", "ties", "median gap"):
        table.add_column(name, justify="right")
    accuracies = []
    for names, some in groups.items():
        opinions = [one.agrees for one in some if one.agrees is not None]
        gaps = sorted(gap for one in some if math.isfinite(gap := one.nll_nats[1] - one.nll_nats[0]))
        ties, n_judged = sum(one.is_tie for one in some), sum(one.is_judged for one in some)
        if opinions:
            accuracies.append(sum(opinions) / len(opinions))
        share = f"{accuracies[-1]:.1%}" if opinions else "-"
        middle = f"{gaps[len(gaps) // 2]:+.2f}" if gaps else "-"
        table.add_row(*names[:n_names], f"{len(some):,}", f"{n_judged:,}", share, f"{ties:,}", middle)
    out.print(table)
    if accuracies:
        mean = sum(accuracies) / len(accuracies)
        of = "" if len(accuracies) == 1 else f", mean over {len(accuracies)} groups"
        say(out, f"Agrees in {mean:.1%}{of}. {_how(judged)}")
    _show_some(out, [one for one in judged.pairs if one.agrees is False], "pairs whose wrong side is likelier", show)
    _show_some(out, [one for one in judged.pairs if one.is_tie], "ties, with both sides exactly equally likely", show)


def _show_some(out: Console, some: list[JudgedPair], what: str, show: int) -> None:
    if some:
        say(out, f"{len(some):,} {what}" + (", such as:" if show else "."))
    for one in some[:show]:
        first, second = one.nll_nats
        say(out, f"  {first:.1f} “{one.pair.sentence1}” / {second:.1f} “{one.pair.sentence2}”")


def _how(judged: JudgedFile) -> str:
    """The protocol in words: what a number must be shown with to be compared."""
    before = [*judged.start, *(["a space"] if judged.protocol.before else [])]
    put = f"{' and '.join(before)} before each sentence" if before else "nothing before a sentence"
    tie = "a tie counts as right" if judged.protocol.is_tie_right else "a tie counts as neither right nor wrong"
    return f"Protocol {judged.protocol.name}: {put}; {tie}."
