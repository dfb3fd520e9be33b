"""What a server takes of a request. Each refusal that names a parameter, or the format, gives the terms of the next request.

Servers say what they refuse in many ways: OpenAI's ``param``, FastAPI's ``loc``, a sentence with the name in quotation marks.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from typing import Any

from layerscope.pairs.chat.prompts import Prompt

FORMATS = ("json_schema", "json_object", "text")
"""How an answer is asked for; the next one where a server refuses."""
TOKEN_LIMITS = ("max_completion_tokens", "max_tokens")
"""Two names of one thing: servers take the first, the second, or both."""
_FORMAT = "response_format"
_FIXED = ("model", "messages")
_QUOTES = "'\"`‘’“”"
_DEPTH = 4


@dataclass(frozen=True)
class Terms:
    """What one server takes of a request."""

    format: str = FORMATS[0]
    """How an answer is asked for."""
    left_out: frozenset[str] = frozenset()
    """Parameters that were refused."""
    swapped: bool = False
    """Whether the token limit goes by its other name."""

    def body(self, prompt: Prompt) -> dict[str, Any]:
        """The JSON of a request."""
        body: dict[str, Any] = {"temperature": prompt.temperature}
        if prompt.max_tokens is not None and not set(TOKEN_LIMITS) & set(prompt.options):
            body[TOKEN_LIMITS[0]] = prompt.max_tokens
        if self.format == "json_schema":
            described = {"name": "minimal_pairs", "strict": True, "schema": prompt.schema}
            body[_FORMAT] = {"type": "json_schema", "json_schema": described}
        elif self.format == "json_object":
            body[_FORMAT] = {"type": "json_object"}
        body |= prompt.options
        if self.swapped:
            body = {_other_limit(name) if name in TOKEN_LIMITS else name: value for name, value in body.items()}
        kept = {name: value for name, value in body.items() if value is not None and name not in self.left_out}
        return {"model": prompt.model, "messages": [{"role": "user", "content": prompt.text}]} | kept

    def after_refusal(self, prompt: Prompt, refusal: Any) -> Terms | None:
        """The terms that a refused request leads to; None if it would be the same again.

        Args:
            prompt: what was sent under these terms.
            refusal: the refusal's JSON, or its text.
        """
        sent = self.body(prompt)
        name = refused_name(refusal, sent)
        if name in TOKEN_LIMITS and not self.swapped:
            return replace(self, swapped=True)
        is_our_format = _FORMAT in sent and _FORMAT not in prompt.options
        if is_our_format and name in (None, _FORMAT):
            return replace(self, format=FORMATS[FORMATS.index(self.format) + 1])
        if name is None or name in _FIXED:
            return None
        return replace(self, left_out=self.left_out | {name})


def format_of(body: dict[str, Any]) -> str:
    """How a request asks for its answer."""
    asked = body.get(_FORMAT)
    return str(asked.get("type", "text")) if isinstance(asked, dict) else "text"


def what_changed(before: Terms, after: Terms) -> str:
    """What the next requests do, in words."""
    left_out = after.left_out - before.left_out
    if left_out:
        return f"{', '.join(sorted(left_out))} is left out from here on"
    if after.swapped != before.swapped:
        return "the token limit goes by its other name (max_tokens, max_completion_tokens) from here on"
    return f"answers are asked for as {after.format} in place of {before.format} from here on"


def refused_name(refusal: Any, sent: Collection[str]) -> str | None:
    """The parameter that a refusal is about; None where it names none of those that were sent.

    Args:
        refusal: its JSON, or its text.
        sent: names of the request.
    """
    for place in _places(refusal, _DEPTH):
        for name in sent:
            if re.match(rf"(body\.)?{re.escape(name)}(?!\w)", place):
                return name
    said = words_of(refusal)
    quoted = set(re.findall(rf"[{_QUOTES}]([\w.\-]+)", said))
    for named in (quoted, set(re.findall(r"[\w\-]+", said)) - set(_FIXED)):
        found = [name for name in sent if any(one == name or one.startswith(f"{name}.") for one in named)]
        if found:
            return min(found, key=said.index)
    return None


def words_of(refusal: Any, depth: int = _DEPTH) -> str:
    """The sentences of an error's JSON, whatever it calls them; empty if there are none."""
    if isinstance(refusal, str):
        return refusal
    if not depth:
        return ""
    if isinstance(refusal, list):
        return "; ".join(filter(None, (words_of(one, depth - 1) for one in refusal[:_DEPTH])))
    if isinstance(refusal, dict):
        for name in ("message", "msg", "detail", "error", "errors", "error_description", "title"):
            if words := words_of(refusal.get(name), depth - 1):
                return words
    return ""


def _places(refusal: Any, depth: int) -> Iterator[str]:
    """Where errors say that they lie, as ``body.temperature``."""
    if isinstance(refusal, list) and depth:
        for one in refusal[:_DEPTH]:
            yield from _places(one, depth - 1)
    elif isinstance(refusal, dict) and depth:
        if isinstance(refusal.get("param"), str):
            yield refusal["param"]
        if isinstance(refusal.get("loc"), list):
            yield ".".join(str(part) for part in refusal["loc"])
        for name in ("error", "errors", "detail"):
            yield from _places(refusal.get(name), depth - 1)


def _other_limit(name: str) -> str:
    return TOKEN_LIMITS[1 - TOKEN_LIMITS.index(name)]


def read_refusal(text: str) -> Any:
    """The JSON of a body, or its text: of a page, its title."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        title = re.search(r"<title[^>]{0,200}>([^<]*)", text[:10_000], re.IGNORECASE)
        return title[1] if title else re.sub(r"<[^<>]*>", " ", text[:10_000])
