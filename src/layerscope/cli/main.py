"""``layerscope``: one subcommand a file. Errors that are the user's to mend end as one sentence and exit code 2."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence

import typer
from typer.main import get_command

from layerscope.cli.compare import compare
from layerscope.cli.contrast import contrast
from layerscope.cli.export import export
from layerscope.cli.figures import figures
from layerscope.cli.intervene import intervene
from layerscope.cli.listing import datasets, models
from layerscope.cli.pairs import pairs
from layerscope.cli.pos import pos
from layerscope.cli.report import report
from layerscope.cli.stability import stability
from layerscope.cli.sweep import sweep
from layerscope.cli.words import words
from layerscope.errors import LayerscopeError, printable

app = typer.Typer(
    name="layerscope",
    help="What each layer of a language model does for next-word prediction.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
app.command()(sweep)
app.command()(pos)
app.command()(words)
app.command()(compare)
app.command()(contrast)
app.command()(stability)
app.command()(intervene)
app.command()(figures)
app.command()(report)
app.command()(export)
app.add_typer(pairs, name="pairs")
app.command()(models)
app.command()(datasets)


@app.callback()
def _root() -> None:
    """What each layer of a language model does for next-word prediction."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Entry point of the ``layerscope`` command."""
    command = get_command(app)
    exit_on_error(
        lambda: command.main(list(sys.argv[1:] if arguments is None else arguments), "layerscope", standalone_mode=False)
    )


def exit_on_error(run: Callable[[], object]) -> None:
    """Run a command and end the process as the command line promises: 0, 2 for a user's error, 130 when interrupted."""
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    try:
        outcome = run()
    except LayerscopeError as error:
        _end(str(error))
    except KeyboardInterrupt:
        print("Interrupted; a sweep goes on where it stopped when the same command is given again.", file=sys.stderr)
        raise SystemExit(130) from None
    except BrokenPipeError:
        os._exit(0)
    except Exception as error:
        if type(error).__name__ == "Abort":
            raise SystemExit(130) from None
        if not hasattr(error, "format_message"):  # click's own errors have it; anything else is a bug, shown whole
            raise
        _end(printable(error.format_message()))
    else:
        raise SystemExit(outcome if isinstance(outcome, int) else 0)


def _end(message: str) -> None:
    print(f"layerscope: {message}", file=sys.stderr)
    raise SystemExit(2)


if __name__ == "__main__":
    main()
