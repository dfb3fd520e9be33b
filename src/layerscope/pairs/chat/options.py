"""What a user adds to a request or leaves out of it: ``--chat-option name=value``. No network."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from layerscope.errors import PairError

Options = Mapping[str, Any]
"""Names and JSON values of a request's body; None leaves a name out."""
_OURS = ("model", "messages", "stream", "stream_options", "n")
"""What the rest of the program relies on: one model, one prompt, one whole answer."""
_SECRETS = ("apikey", "authorization", "password", "secret", "accesstoken", "authtoken", "bearertoken", "credentials")
"""How names end that hold one, in small letters and without the marks between them."""


def read_options(written: Iterable[str]) -> dict[str, Any]:
    """Options as they are written on a command line: a value is JSON where it can be read as such, else text.

    Raises:
        PairError: no name, no value, or a name twice.

    Examples:
        >>> read_options(["reasoning_effort=low", "top_k=20", "temperature=none"])
        {'reasoning_effort': 'low', 'top_k': 20, 'temperature': None}
    """
    options: dict[str, Any] = {}
    for text in written:
        name, equals, value = text.partition("=")
        if not (name.strip() and equals and value):
            raise PairError(f"--chat-option is written NAME=VALUE, such as reasoning_effort=low; got '{text}'.")
        if name.strip() in options:
            raise PairError(f"--chat-option gives each name once; got '{name.strip()}' twice.")
        options[name.strip()] = _value(value)
    return options


def check_options(options: Options) -> None:
    """Refuse what a request cannot hold.

    Raises:
        PairError: a name that is ours, a secret, or a value that is not valid JSON.
    """
    for name, value in options.items():
        if name in _OURS:
            other = "--chat-model names the model" if name == "model" else "it is what the answers are read by"
            raise PairError(f"A chat option is anything but {', '.join(_OURS)}; got '{name}': leave it out, {other}.")
        try:
            secrets = [one for one in _names({name: value}) if _is_secret(one)]
            json.dumps({name: value}, ensure_ascii=False, allow_nan=False).encode("utf-8")
        except (ValueError, TypeError, RecursionError) as error:
            shown = name.encode("utf-8", "backslashreplace").decode("utf-8")
            raise PairError(
                f"A chat option is text or JSON that can be sent; '{shown}' is not ({type(error).__name__})."
            ) from None
        if secrets:
            raise PairError(
                f"A chat option is stored with the answers and so is no secret; got '{secrets[0]}': set OPENAI_API_KEY instead."
            )


def _value(text: str) -> Any:
    if text.strip().lower() == "none":
        return None
    try:
        return json.loads(text, parse_constant=_refuse)
    except (ValueError, RecursionError):
        return text


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not valid JSON")


def _names(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        for name, inner in value.items():
            yield str(name)
            yield from _names(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _names(inner)


def _is_secret(name: str) -> bool:
    return name.lower().replace("-", "").replace("_", "").endswith(_SECRETS)
