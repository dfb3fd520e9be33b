"""How a command ends: its exit code, the one sentence that it ends with, and streams that take what is printed or are gone.

=====  ============================================================================================
0      done, also where nobody reads standard output any more (``| head``): the work goes on
2      errors the user can fix, in one sentence; also a disk that is full and a file that cannot be opened
130    SIGINT (Ctrl-C), with a sentence that says what stands
143    SIGTERM, likewise
=====  ============================================================================================

Anything else is a bug of ours, shown whole.
"""

from __future__ import annotations

import io
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import IO, NoReturn

from layerscope.errors import LayerscopeError, printable

STARTS_OVER = "no file is left half-written, and the same command starts over"
"""What stands of a command that was stopped, unless it says otherwise."""
GOES_ON = "finished batches are kept, and the same command continues from there"
"""Of a run that is written in parts."""
_SIGNALS = {signal.SIGINT: "Interrupted", signal.SIGTERM: "Terminated"}


class _Stopped(KeyboardInterrupt):
    """A signal came; a subclass of what libraries let pass."""


class _Stop:
    """Whether a signal came, and which."""

    signal: signal.Signals | None = None

    def come(self, number: int, _: FrameType | None) -> None:
        """Remember it, and raise where the program is; what swallows that is told again by ``exit_on_error``."""
        self.signal = signal.Signals(number)
        raise _Stopped


def exit_on_error(run: Callable[[], object], *, stands: str = STARTS_OVER) -> NoReturn:
    """Run a command and end the process as the command line promises.

    Args:
        run: the command; what it returns, if it is a number, is the exit code.
        stands: what is left of a command that a signal stopped, and how to go on.
    """
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    _take_anything()
    stop = _Stop()
    with _on_signals(stop):
        try:
            try:
                outcome = run()
                _flush()
            except BaseException:
                if stop.signal is not None:  # whatever a library made of it
                    raise _Stopped from None
                raise
            code = outcome if isinstance(outcome, int) else 0
        except LayerscopeError as error:
            code = _say(str(error), 2)
        except KeyboardInterrupt:
            came = stop.signal or signal.SIGINT
            code = _say(f"{_SIGNALS[came]}: {stands}.", 128 + came)
        except BrokenPipeError:
            code = 0
        except OSError as error:
            if error.errno is None:
                raise
            code = _say(_of_system(error), 2)
        except Exception as error:
            if not hasattr(error, "format_message"):  # the option parser's errors have it; anything else is a bug, shown whole
                raise
            code = _say(printable(error.format_message()), 2)
        _give_up_full_streams()
    raise SystemExit(code)


def check_stopped() -> None:
    """Raise if a signal came and something swallowed what it raised, as Python does in a finaliser."""
    stop = getattr(signal.getsignal(signal.SIGTERM), "__self__", None) or getattr(
        signal.getsignal(signal.SIGINT), "__self__", None
    )
    if isinstance(stop, _Stop) and stop.signal is not None:
        raise _Stopped


def let_go(stream: IO[str]) -> None:
    """Send what else is written to a stream that is gone nowhere, so that neither the work nor its end stumbles over it."""
    with suppress(OSError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)


def _take_anything() -> None:
    """What a terminal's encoding lacks is written as an escape; a stream that is closed is one that nobody reads."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, Path(os.devnull).open("w", encoding="utf-8"))  # noqa: SIM115 - it stays open
        elif isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


@contextmanager
def _on_signals(stop: _Stop) -> Iterator[None]:
    """SIGINT and SIGTERM raise, unless whoever started the process wants them ignored."""
    before = {}
    for number in _SIGNALS:
        with suppress(ValueError):  # not the main thread
            if signal.getsignal(number) in (signal.SIG_DFL, signal.default_int_handler):
                before[number] = signal.signal(number, stop.come)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        stream.flush()


def _give_up_full_streams() -> None:
    """What cannot be flushed now could not be when the interpreter ends, which would then complain."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            let_go(stream)


def _of_system(error: OSError) -> str:
    reason = error.strerror or str(error)
    if error.filename is None:
        return f"Output cannot be written ({reason}): finished files are kept; free some space, or redirect it elsewhere."
    return f"'{error.filename}' cannot be used ({reason}): free some space, or name another place."


def _say(message: str, code: int) -> int:
    with suppress(OSError):
        print(f"layerscope: {message}", file=sys.stderr, flush=True)
    return code
