"""``layerscope``: one subcommand a file."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.metadata import version
from typing import Annotated

import typer
from typer.main import get_command

from layerscope.cli.compare import compare
from layerscope.cli.contrast import contrast
from layerscope.cli.ending import GOES_ON, STARTS_OVER, exit_on_error
from layerscope.cli.evaluate import evaluate
from layerscope.cli.export import export
from layerscope.cli.figures import figures
from layerscope.cli.gather import gather
from layerscope.cli.intervene import intervene
from layerscope.cli.listing import datasets, models
from layerscope.cli.options import checked
from layerscope.cli.pairs import pairs
from layerscope.cli.paths import paths
from layerscope.cli.pos import pos
from layerscope.cli.preference import preference
from layerscope.cli.report import report
from layerscope.cli.search import search
from layerscope.cli.stability import stability
from layerscope.cli.status import status
from layerscope.cli.sweep import sweep
from layerscope.cli.words import words

app = typer.Typer(
    name="layerscope",
    help="What each layer of a language model does for next-word prediction.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
for command in (
    *(sweep, pos, words, preference, compare),
    *(search, evaluate, export),
    *(contrast, stability, intervene),
    *(gather, status),
    *(figures, report),
):
    app.command()(checked(command))
app.add_typer(pairs, name="pairs")
app.add_typer(paths, name="paths")
app.command()(models)
app.command()(datasets)

_STANDS = {
    "sweep": GOES_ON,
    "search": GOES_ON,
    "contrast": GOES_ON,
    "evaluate": GOES_ON,
    "pairs make": "answers of a server are kept, and the same command asks for the others",
}
"""Of a command that was stopped, where more stands than files that are whole."""


def _show_version(asked: bool) -> bool:
    if asked:
        print(f"layerscope {version('layerscope')}")
        raise typer.Exit
    return asked


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=_show_version, help="Print the version and end.")
    ] = False,
) -> None:
    """What each layer of a language model does for next-word prediction."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Entry point of the ``layerscope`` command."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    exit_on_error(lambda: _run(given), stands=_stands(given))


def _stands(given: Sequence[str]) -> str:
    """What is left of a command that a signal stopped, and how to go on."""
    return next((said for name, said in _STANDS.items() if given[: len(name.split())] == name.split()), STARTS_OVER)


def _run(given: list[str]) -> object:
    """Parse and run, signals and broken pipes left to whoever ends the process."""
    command = get_command(app)
    try:
        with command.make_context("layerscope", given) as context:
            return command.invoke(context)
    except typer.Exit as ended:
        return ended.exit_code


if __name__ == "__main__":
    main()
