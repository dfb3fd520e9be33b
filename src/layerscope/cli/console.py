"""What the commands share: where they print, how they show progress, and the forms that options are written in."""

from __future__ import annotations

import logging
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer
from rich.console import Console, ConsoleOptions, RenderableType
from rich.logging import RichHandler
from rich.progress import BarColumn, TaskProgressColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.progress import Progress as Bar
from rich.segment import Segment

from layerscope.cli.ending import check_stopped, let_go
from layerscope.errors import DataError, written_out
from layerscope.progress import Progress

if TYPE_CHECKING:
    from layerscope.bilingual import Language

_LINE_EVERY = 60.0
"""Seconds between two lines of progress, where they go to a log."""


class _Printer(Console):
    """A console that shows text as text: control characters in names are written out, wherever they are printed.

    Its reader may leave: the work goes on, and what else is printed goes nowhere.
    """

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterator[Segment]:
        """As rich does; everything that is printed comes through here, and what moves the cursor says so of itself."""
        for segment in super().render(renderable, options):
            yield segment if segment.control else segment._replace(text=written_out(segment.text))

    def on_broken_pipe(self) -> None:
        """In place of rich's own, which ends the process."""
        let_go(self.file)


def consoles() -> tuple[Console, Console]:
    """Standard error, for progress and notes, and standard output, for results.

    Names are text on both, never markup. The package's own notes come as plain lines on standard error.
    """
    errors, out = _Printer(stderr=True, markup=False), _Printer(markup=False)
    handler = RichHandler(console=errors, show_time=False, show_path=False, show_level=False)
    logger = logging.getLogger("layerscope")
    logger.handlers, logger.propagate = [handler], False
    warnings.filterwarnings("ignore", category=FutureWarning)  # of the libraries; what we have to say is a log line
    return errors, out


def say(console: Console, text: str) -> None:
    """A sentence as it stands: without colours, and wrapped by the terminal alone, so that a path in it can be copied."""
    console.print(text, highlight=False, soft_wrap=True)


@contextmanager
def progress_bar(console: Console, waiting: str, *, on_start: Callable[[], None] = lambda: None) -> Iterator[Progress]:
    """What a long run shows: a spinner until it first tells of its progress, then a bar; a line a minute where no terminal is.

    Args:
        console: standard error.
        waiting: what the spinner says.
        on_start: called before the bar appears, when nothing can be refused any more.

    Yields:
        To be handed to the job.
    """
    with ExitStack() as stack:
        status = stack.enter_context(console.status(waiting))
        columns = (TaskProgressColumn(), TimeElapsedColumn(), TextColumn("left:"), TimeRemainingColumn())
        bar = Bar(TextColumn("{task.description}"), BarColumn(), *columns, console=console)
        task = bar.add_task("", total=None)
        lines = _Lines(console)

        def show(what: str, done: int, total: int) -> None:
            check_stopped()
            if not bar.live.is_started:
                status.stop()
                on_start()
                stack.enter_context(bar)
            bar.update(task, description=what, completed=done, total=total)
            if not console.is_terminal:
                lines.show(what, done, total)

        yield show


class _Lines:
    """Progress for a log: how much is done, a line a minute."""

    def __init__(self, console: Console) -> None:
        self._console, self._started = console, time.monotonic()
        self._next = self._started + _LINE_EVERY
        self._first: int | None = None
        """Work that was done before: what an earlier run left says nothing of the rate."""

    def show(self, what: str, done: int, total: int) -> None:
        now = time.monotonic()
        if self._first is None:
            self._first = done
        if now < self._next or not total:
            return
        self._next = now + _LINE_EVERY
        minutes, rest = (now - self._started) / 60, ""
        if done > self._first:
            rest = f", about {minutes * (total - done) / (done - self._first):.0f} left"
        say(self._console, f"{what}: {done / total:.0%} after {minutes:.0f} min{rest}")


def one_of(option: str, value: str, allowed: tuple[str, ...], error: type[Exception]) -> Any:
    """The value, if it is one of those that an option allows; else the error, with the rule."""
    if value not in allowed:
        raise error(f"{option} is {', '.join(allowed[:-1])} or {allowed[-1]}; got '{value}'.")
    return value


FIGURES = typer.Option(
    "--figures",
    help="Language of the figures: auto (your locale's, else English), en, ja, both or none; "
    "for other widths, 'layerscope figures' draws them again.",
)


def languages_of(option: str, value: str) -> tuple[Language, ...]:
    """The languages that figures shall be drawn in."""
    from layerscope.figures.files import own_language

    chosen: dict[str, tuple[Language, ...]] = {"en": ("en",), "ja": ("ja",), "both": ("en", "ja"), "none": ()}
    return (own_language(),) if value == "auto" else chosen[one_of(option, value, ("auto", *chosen), DataError)]


def draw(console: Console, run: Path, languages: Sequence[Language] | None, *, of: str) -> None:
    """Draw what a job has just written tables of: in the locale's language if None, not at all in none."""
    if languages is not None and not languages:
        return
    from layerscope.draw import draw_figures

    with console.status("Drawing …"):
        draw_figures(run, languages=languages, of=(of,))


def draw_missing(console: Console, run: Path, languages: Sequence[Language] | None, *, of: str) -> None:
    """Draw a finished run in those languages in which it has no figure, as one that was killed while drawing."""
    from layerscope.figures.files import own_language

    wanted = (own_language(),) if languages is None else languages
    draw(console, run, [one for one in wanted if not any((run / "figures").glob(f"*_{one}.*"))], of=of)


def with_figures(what: str, languages: Sequence[Language] | None) -> str:
    """``Tables and figures``, or ``Tables`` where none was drawn."""
    return what if languages is not None and not languages else f"{what} and figures"


def split_names(text: str | None) -> tuple[str, ...]:
    """Names joined by commas; none of them empty.

    Examples:
        >>> split_names("removal, exchange,")
        ('removal', 'exchange')
    """
    return tuple(name.strip() for name in (text or "").split(",") if name.strip())
