"""``layerscope``: one subcommand per file."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from importlib.metadata import version
from typing import Annotated, Any, Literal

import typer
from typer._completion_classes import completion_init
from typer.completion import install_callback, show_callback
from typer.main import get_command

from layerscope.cli.command import Command, Group
from layerscope.cli.compare import compare
from layerscope.cli.config import config
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
    cls=Group,
    help="What each layer of a language model does for next-word prediction.",
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    add_completion=False,
)
_SWEPT = "results/removal+exchange/smollm2_135m_lee_n8"
_CONTRASTED = "results/contrast/smollm2_135m_templates_n75"
_COMMANDS: dict[str, dict[Callable[..., None], str]] = {
    "Measure": {
        sweep: "layerscope sweep --model smollm2-135m --dataset lee --max-samples 8",
        search: "layerscope search --model smollm2-135m --dataset lee-openings --drop 4 "
        "--calibration 8 --held-out 16 --dtype bf16",
        contrast: "layerscope contrast --model smollm2-135m --per-subtype 75",
        evaluate: "layerscope evaluate --model smollm2-135m --tasks arc_easy --path 0-9,12-29",
    },
    "Analyse a run": {
        pos: f"layerscope pos {_SWEPT}",
        words: f"layerscope words {_SWEPT} --variant removal-11 --tag VERB",
        preference: f"layerscope preference {_SWEPT}",
        compare: f"layerscope compare {_SWEPT} results/removal+exchange/gemma3_270m_lee_n8",
        stability: f"layerscope stability {_CONTRASTED}",
        intervene: f"layerscope intervene {_CONTRASTED} --stable 50",
    },
    "Pages and figures": {
        report: "layerscope report results --output report.html",
        figures: f"layerscope figures {_SWEPT} --language en --format svg",
    },
    "Models, data and paths": {
        models: "layerscope models",
        datasets: "layerscope datasets",
        export: "layerscope export --model smollm2-135m --path 0-9,12-29 --output-dir smaller",
    },
    "Clusters and settings": {
        status: f"layerscope status {_SWEPT}",
        gather: f"layerscope gather {_SWEPT}",
        config: f"layerscope config {_SWEPT} --output run.yaml",
    },
}
"""By what they are for, each with a command line that runs."""
for _panel, _some in _COMMANDS.items():
    for _command, _example in _some.items():
        app.command(cls=Command, epilog=_example, rich_help_panel=_panel)(checked(_command))
app.add_typer(pairs, name="pairs", rich_help_panel="Minimal pairs")
app.add_typer(paths, name="paths", rich_help_panel="Models, data and paths")

_STANDS = {
    "sweep": GOES_ON,
    "search": GOES_ON,
    "contrast": GOES_ON,
    "evaluate": GOES_ON,
    "pairs make": "answers of the server are kept, and the same command requests the others",
}
"""Of a command that was stopped, where more stands than files that are whole."""


def _show_version(asked: bool) -> bool:
    if asked:
        print(f"layerscope {version('layerscope')}")
        raise typer.Exit
    return asked


_Shell = Literal["bash", "zsh", "fish", "powershell", "pwsh"]
"""Named by the user: the one that runs the command may be another, such as make's."""


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=_show_version, help="Print the version and exit.")
    ] = False,
    install_completion: Annotated[
        _Shell | None,
        typer.Option("--install-completion", is_eager=True, callback=install_callback, help="Install completion for a shell."),
    ] = None,
    show_completion: Annotated[
        _Shell | None,
        typer.Option("--show-completion", is_eager=True, callback=show_callback, help="Print the script of that completion."),
    ] = None,
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
    command: Any = get_command(app)
    completion_init()
    try:
        command._main_shell_completion({}, "layerscope")  # ends the process where a shell asks what may follow
        with command.make_context("layerscope", given) as context:
            return command.invoke(context)
    except typer.Exit as ended:
        return ended.exit_code


if __name__ == "__main__":
    main()
