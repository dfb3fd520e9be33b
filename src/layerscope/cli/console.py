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
from rich.table import Table

from layerscope.cli.ending import check_stopped, let_go
from layerscope.cli.fitting import fit
from layerscope.cli.saying import command_line, remember_place, said, table_of
from layerscope.errors import DataError, written_out
from layerscope.progress import Progress

if TYPE_CHECKING:
    from layerscope.bilingual import Language
    from layerscope.finding import Finding

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

    def print(self, *objects: Any, **how: Any) -> None:
        """As rich does, each table made to fit before."""
        for one in objects:
            if isinstance(one, Table):
                fit(one, self.width)
        super().print(*objects, **how)


class _Collector(_Printer):
    """Keeps what is said for the JSON object that is printed when the command ends."""

    def print(self, *objects: Any, **_: Any) -> None:
        """Keep tables as tables and anything else as sentences."""
        for one in objects:
            if isinstance(one, Table):
                said().tables.append(table_of(one))
            else:
                said().sentences.extend(line for line in str(one).splitlines() if line.strip())


_WIDE = 200
"""Characters that a table has where no terminal shows it: room for every column."""


def consoles() -> tuple[Console, Console]:
    """Standard error, for progress and notes, and standard output, for results, in the form that was asked for.

    Names are text on both, never markup. The package's own notes come as plain lines on standard error.
    """
    form = said().form
    errors = _Printer(stderr=True, markup=False, quiet=form == "quiet")
    out = _Collector(markup=False, width=_WIDE) if form == "json" else _Printer(markup=False, quiet=form == "quiet")
    handler = RichHandler(console=errors, show_time=False, show_path=False, show_level=False)
    logger = logging.getLogger("layerscope")
    logger.handlers, logger.propagate = [handler], False
    warnings.filterwarnings("ignore", category=FutureWarning)  # of the libraries; what we have to say is a log line
    return errors, out


def say(console: Console, text: str) -> None:
    """A sentence as it stands: without colours, and wrapped by the terminal alone, so that a path in it can be copied."""
    console.print(text, highlight=False, soft_wrap=True)


def say_run(console: Console, what: str, run: Path, note: str = "") -> None:
    """Where the run directory is that holds what was asked for; with ``--quiet`` this alone is printed."""
    remember_place(run, is_run=True)
    say(console, f"{what}: {run}{note}")


def say_output(console: Console, what: str, path: Path, note: str = "") -> None:
    """Where a file or folder is that was written, other than a run directory."""
    remember_place(path, is_run=False)
    say(console, f"{what}: {path}{note}")


def say_findings(console: Console, found: Sequence[Finding], language: Language = "en") -> None:
    """What a command's results come to, a line each; whole in JSON."""
    if said().form == "json":
        said().findings = [{**finding.said._asdict(), "where": dict(finding.where)} for finding in found]
        return
    for finding in found:
        say(console, f"• {finding.said.of(language)}")


def end_with_findings(console: Console, run: Path, language: Language = "en") -> None:
    """What a run has found by now: written beside its tables, and said."""
    from layerscope.summaries import write_summary

    say_findings(console, write_summary(run), language)


def say_next(console: Console, *commands: Sequence[str | Path], when: str = "Next") -> None:
    """Commands that go on from here, each on its line, to be copied."""
    lines = [command_line(words) for words in commands]
    if said().form == "json":
        said().next.extend(lines)
        return
    for number, line in enumerate(lines):
        say(console, f"{f'{when}:' if number == 0 else '  or:'} {line}")


def say_resuming(console: Console, run: Path) -> None:
    """How much an earlier, stopped run has left in a directory; to be asked before anything is added to it."""
    from layerscope.results.directory import RunDirectory
    from layerscope.workers.status import read_status

    if RunDirectory(run).kind() is None:  # the manifest is written once the model is loaded
        return
    found = read_status(run)
    if found.done:
        say(console, f"Resuming: {found.done:,}{'' if found.total is None else f' of {found.total:,}'} {found.unit} done")


@contextmanager
def progress_bar(console: Console, waiting: str, *, on_start: Callable[[], None] = lambda: None) -> Iterator[Progress]:
    """What a long run shows: a spinner until progress is first reported, then a bar; without a terminal, one line per minute.

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
    """Progress for a log: how much is done, one line per minute."""

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
            rest = f", about {minutes * (total - done) / (done - self._first):.0f} min left"
        say(self._console, f"{what}: {done / total:.0%} after {minutes:.0f} min{rest}")


def one_of(option: str, value: str, allowed: tuple[str, ...], error: type[Exception]) -> Any:
    """The value, if it is one of those that an option allows; else the error, with the rule."""
    if value not in allowed:
        raise error(f"{option} is {', '.join(allowed[:-1])} or {allowed[-1]}; got '{value}'.")
    return value


FIGURES = typer.Option(
    "--figures",
    help="Language of the figures: auto (your locale's, otherwise English), en, ja, both or none; "
    "'layerscope figures' redraws them in other widths.",
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
    """Comma-separated names; none of them empty.

    Examples:
        >>> split_names("removal, exchange,")
        ('removal', 'exchange')
    """
    return tuple(name.strip() for name in (text or "").split(",") if name.strip())
