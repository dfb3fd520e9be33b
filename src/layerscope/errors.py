"""Every error a user can encounter.

Each message states the rule, the value received and the next step, in one sentence or two. The command line prints it on
standard error and ends with exit code 2; no half-written files are left behind.
"""

from __future__ import annotations

import difflib
import reprlib
from collections.abc import Iterable
from unicodedata import category

_LONGEST_MESSAGE = 2000
"""Characters; a rule, a value and a next step take some 300, and a list of what would have been right some more."""


class LayerscopeError(Exception):
    """Base of all errors that the user can fix; anything else is a bug in layerscope.

    Args:
        message: the rule, the value received and the next step. Values are a stranger's, so that what a terminal would obey is
            written out and what is longer than a page is shortened.
    """

    def __init__(self, message: str) -> None:
        super().__init__(printable(message))


class PathError(LayerscopeError):
    """A layer path or family that cannot be read, or that does not fit the model."""


class ModelError(LayerscopeError):
    """A model that cannot be found, loaded or trusted to give true numbers."""


class DataError(LayerscopeError):
    """A data set or file that cannot be found, read or scored."""


class HubError(LayerscopeError):
    """The Hugging Face Hub could not be reached, or refused what was asked."""


class DeviceError(LayerscopeError):
    """A device that is not there, or that is too small for the plan."""


class PairError(LayerscopeError):
    """A minimal pair, or a file of them, that does not hold together."""


class ServerError(LayerscopeError):
    """A chat server that cannot be reached, refuses the key or the request, or gives no answer."""


class RunError(LayerscopeError):
    """A run directory that cannot be written, or that holds another run."""


class StoreError(RunError):
    """An object store that cannot be reached, or that refuses what was asked."""


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """A sentence with the nearest known names, or an empty string.

    Args:
        name: what the user wrote.
        known: every name that would have been right.
    """
    near = difflib.get_close_matches(name.lower(), list(known), n=3, cutoff=0.5)
    return f" Did you mean {' or '.join(near)}?" if near else ""


def check_text(value: object, what: str, known: Iterable[str], kind: type[LayerscopeError]) -> None:
    """Refuse a name that is no text, such as the number of a layer.

    Args:
        value: what the user gave.
        what: it names, as the subject of a sentence.
        known: names that would have been right; one of them is the example.
        kind: of the error.

    Raises:
        LayerscopeError: of that kind.

    Examples:
        >>> check_text(11, "A variant", ["removal-1", "removal-11"], PathError)
        Traceback (most recent call last):
        ...
        layerscope.errors.PathError: A variant is named by a string; got 11 (int): write its name, such as 'removal-11'.
    """
    if isinstance(value, str):
        return
    names = list(known)
    example = next((name for name in names if name.rpartition("-")[2] == str(value)), *names[:1])
    raise kind(
        f"{what} is named by a string; got {reprlib.repr(value)} ({type(value).__name__}): write its name, such as '{example}'."
    )


def printable(text: str) -> str:
    r"""A text that any terminal shows as it is: control characters written out, and the middle left out of a very long one.

    Examples:
        >>> printable("a name with \x1b[31m")
        'a name with \\x1b[31m'
    """
    text = "\\n".join(map(written_out, text.split("\n")))
    if len(text) > _LONGEST_MESSAGE:
        half = _LONGEST_MESSAGE // 2
        text = f"{text[:half]} … ({len(text) - 2 * half:,} characters) … {text[-half:]}"
    return text


def written_out(text: str) -> str:
    r"""Lines with their control characters written out; spaces of any width stay.

    Examples:
        >>> written_out("a name with \x1b[31m")
        'a name with \\x1b[31m'
    """
    if text.isprintable():
        return text
    return "".join(one if one.isprintable() or one == "\n" or category(one) == "Zs" else repr(one)[1:-1] for one in text)


def first_line(error: BaseException) -> str:
    """What an error of another library says, on one line and without a full stop; its kind, if it says nothing."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return lines[0].strip()[:240].rstrip(".")
