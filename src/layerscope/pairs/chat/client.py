"""One prompt to one answer: address and key, retries, the budget, and what a server cannot do. No cache, no pairs.

The key is read from the environment and handed to the ``openai`` client; no message, log or value that is kept holds it.
"""

from __future__ import annotations

import asyncio
import email.utils
import ipaddress
import json
import random
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Literal
from urllib.parse import urlsplit

import openai

from layerscope.errors import ServerError
from layerscope.pairs.chat.cache import Answer
from layerscope.pairs.chat.prompts import Prompt

OPENAI = "https://api.openai.com/v1"
Format = Literal["json_schema", "json_object", "text"]
FORMATS: tuple[Format, ...] = ("json_schema", "json_object", "text")
"""How an answer is asked for; the next one where a server refuses."""
_SECRET_LENGTH = 8
_NO_KEY = "none"
_REFUSED_KEY = (401, 403)
_REFUSED_FORMAT = (400, 422, 501)
_TRANSIENT = (408, 409, 425, 429)


@dataclass(frozen=True)
class Server:
    """Where requests go, and in whose name."""

    base_url: str
    """Address up to and without ``/chat/completions``."""
    key: str = field(default="", repr=False)
    """The account's key; empty if there is none."""

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Server:
        """What ``OPENAI_BASE_URL`` and ``OPENAI_API_KEY`` say.

        Raises:
            ServerError: the address is none, or the key cannot be one.
        """
        server = cls(environment.get("OPENAI_BASE_URL", "").strip() or OPENAI, environment.get("OPENAI_API_KEY", "").strip())
        if urlsplit(server.base_url).scheme not in ("http", "https") or not urlsplit(server.base_url).hostname:
            raise ServerError(
                f"OPENAI_BASE_URL is an address such as {OPENAI} or http://localhost:8000/v1; got "
                f"'{server.hide(server.base_url)}'."
            )
        if not (server.key.isascii() and server.key.isprintable()):
            raise ServerError(
                "A key is of plain letters, digits and signs; OPENAI_API_KEY holds another character: copy it again."
            )
        return server

    @property
    def shown(self) -> str:
        """The address for messages: no user, password or query."""
        address = urlsplit(self.base_url)
        return self.hide(f"{address.scheme}://{address.netloc.rpartition('@')[2]}{address.path}")

    @property
    def is_loopback(self) -> bool:
        """Whether the server is on this machine."""
        host = urlsplit(self.base_url).hostname or ""
        try:
            return ipaddress.ip_address(host).is_loopback
        except ValueError:
            return host == "localhost"

    def hide(self, text: str) -> str:
        """The text without the key. Words of fewer than eight characters, such as ``EMPTY`` at home, are no secrets."""
        return text.replace(self.key, "***") if len(self.key) >= _SECRET_LENGTH else text


@dataclass(frozen=True)
class Patience:
    """How often and how long to wait for a server that has no answer yet."""

    attempts: int = 5
    """Times that one prompt is sent at most."""
    first_wait_seconds: float = 1.0
    """Before the second attempt; twice as long before each one after it, less a random part of up to a half."""
    longest_wait_seconds: float = 60.0
    """Where the doubling ends."""
    longest_asked_seconds: float = 300.0
    """A server that asks (``Retry-After``) to wait for longer than this ends the run."""
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    """How to wait."""


class BudgetSpentError(Exception):
    """No request is left."""


class NoAnswerError(Exception):
    """Every attempt failed; the text says how the last one did."""


class _TransientError(Exception):
    """Worth another attempt."""

    def __init__(self, what: str, *, wait_seconds: float = 0.0) -> None:
        super().__init__(what)
        self.wait_seconds = wait_seconds


class _FormatRefusedError(Exception):
    """The server does not answer in this format."""


class ChatClient:
    """Asks one server, within a budget. Use as an async context."""

    def __init__(self, server: Server, *, max_requests: int, timeout_seconds: float, patience: Patience) -> None:
        self._server = server
        self._left = max_requests
        self._timeout_seconds = timeout_seconds
        self._patience = patience
        self._format: Format = FORMATS[0]
        self._client: openai.AsyncOpenAI | None = None
        self._jitter = random.Random()  # no result depends on how long a wait was
        self.n_requests = 0
        """HTTP requests made."""
        self.has_answered = False
        """Whether any answer came; the server is known to be there."""

    async def __aenter__(self) -> ChatClient:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._client is not None:
            await self._client.close()

    async def ask(self, prompt: Prompt) -> Answer:
        """Send a prompt until it is answered.

        Raises:
            ServerError: no key, a key or request that is refused, or nobody at the address: nothing else would fare better.
            NoAnswerError: this prompt was not answered in all its attempts.
            BudgetSpentError: there is no request left for it.
        """
        n_attempts = 0
        while True:
            form = self._format
            try:
                answer = await self._send(prompt, form)
            except _FormatRefusedError:
                if self._format == form:  # no other request has found out meanwhile
                    self._format = FORMATS[FORMATS.index(form) + 1]
            except _TransientError as error:
                n_attempts += 1
                if n_attempts == self._patience.attempts:
                    raise NoAnswerError(f"{error}, {n_attempts} times over") from None
                await self._wait(n_attempts, error.wait_seconds)
            else:
                self.has_answered = True
                return answer

    async def _wait(self, n_attempts: int, asked_seconds: float) -> None:
        patience = self._patience
        if asked_seconds > patience.longest_asked_seconds:
            raise ServerError(
                f"A server's wish to wait is followed up to {patience.longest_asked_seconds:.0f} s; {self._server.shown} asks "
                f"for {asked_seconds:.0f} s. Run the same command again then: the answers so far are kept."
            )
        longest = min(patience.first_wait_seconds * 2 ** (n_attempts - 1), patience.longest_wait_seconds)
        await patience.sleep(max(longest * self._jitter.uniform(0.5, 1.0), asked_seconds))

    async def _send(self, prompt: Prompt, form: Format) -> Answer:
        """One HTTP request."""
        if self._left == 0:
            raise BudgetSpentError
        client = self._connected()
        self._left -= 1
        self.n_requests += 1
        try:
            async with asyncio.timeout(self._timeout_seconds):
                response = await client.chat.completions.with_raw_response.create(**_body(prompt, form))
                body = response.text
        except openai.APIStatusError as error:
            raise self._refusal(error, form) from None  # the cause's text could hold the key
        except (openai.APITimeoutError, TimeoutError):
            raise _TransientError(f"no answer in {self._timeout_seconds:g} s") from None
        except openai.APIConnectionError as error:
            if type(error.__cause__).__name__ == "ConnectError" and not self.has_answered:
                raise ServerError(
                    f"A chat server answers at OPENAI_BASE_URL; nothing does at {self._server.shown}. Start it, or set "
                    "another address."
                ) from None
            raise _TransientError("the connection broke") from None
        return self._answer(body, form)

    def _connected(self) -> openai.AsyncOpenAI:
        """The client, made for the first request.

        Raises:
            ServerError: a key is needed, and there is none.
        """
        if self._client is None:
            if not self._server.key and not self._server.is_loopback:
                raise ServerError(
                    f"Requests to {self._server.shown} need a key, and OPENAI_API_KEY is not set: set it, or name a server on "
                    "this machine with OPENAI_BASE_URL."
                )
            self._client = openai.AsyncOpenAI(
                api_key=self._server.key or _NO_KEY,
                base_url=self._server.base_url,
                max_retries=0,  # we retry, so that the budget counts every request
                timeout=self._timeout_seconds,
            )
        return self._client

    def _refusal(self, error: openai.APIStatusError, form: Format) -> Exception:
        status = error.status_code
        if status in _REFUSED_KEY:  # the server's own words may quote the key
            return ServerError(
                f"{self._server.shown} refused the key in OPENAI_API_KEY (HTTP {status}): set one that is valid there."
            )
        if status in _REFUSED_FORMAT and form != FORMATS[-1]:
            return _FormatRefusedError()
        said = self._said(error)
        if error.code == "insufficient_quota":
            return ServerError(
                f"The account of OPENAI_API_KEY has no credit left at {self._server.shown} ({said}): top it up and run again."
            )
        if status in _TRANSIENT or (status >= 500 and status != 501):
            return _TransientError(f"HTTP {status} ({said})", wait_seconds=_asked_wait(error.response.headers))
        if status == 404:
            return ServerError(
                f"The model or address is not known to {self._server.shown} (HTTP 404: {said}): check --chat-model and "
                "OPENAI_BASE_URL."
            )
        return ServerError(
            f"{self._server.shown} refused the request (HTTP {status}: {said}): see its documentation for what it takes."
        )

    def _said(self, error: openai.APIStatusError) -> str:
        """The server's own words, in one line."""
        said = error.message
        if isinstance(error.body, dict):
            said = next((str(error.body[name]) for name in ("message", "detail") if error.body.get(name)), said)
        return " ".join(self._server.hide(said).split())[:200].rstrip(".") or "no message"

    def _answer(self, body: str, form: Format) -> Answer:
        """The answer in a response's body; what is no chat completion is worth another attempt."""
        try:
            choice: Any = json.loads(body)["choices"][0]
            message = choice["message"]
            content = message.get("content") or message.get("refusal") or ""
            finish = choice.get("finish_reason") or ""
        except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
            raise _TransientError("a response that is no chat completion") from None
        if not isinstance(content, str) or not isinstance(finish, str):
            raise _TransientError("a response that is no chat completion")
        return Answer(self._server.hide(content), finish, form)


def _body(prompt: Prompt, form: Format) -> dict[str, Any]:
    body: dict[str, Any] = {
        "model": prompt.model,
        "messages": [{"role": "user", "content": prompt.text}],
        "temperature": prompt.temperature,
    }
    if prompt.max_tokens is not None:
        body["max_completion_tokens"] = prompt.max_tokens
    if form == "json_schema":
        described = {"name": "minimal_pairs", "strict": True, "schema": prompt.schema}
        body["response_format"] = {"type": "json_schema", "json_schema": described}
    elif form == "json_object":
        body["response_format"] = {"type": "json_object"}
    return body


def _asked_wait(headers: Mapping[str, str]) -> float:
    """Seconds that a response asks to wait (``Retry-After``, in seconds or as a date); 0 if it does not."""
    asked = headers.get("retry-after", "")
    try:
        seconds = float(asked)
    except ValueError:
        date = email.utils.parsedate_tz(asked)
        seconds = email.utils.mktime_tz(date) - time.time() if date else 0.0
    return seconds if seconds > 0 else 0.0
