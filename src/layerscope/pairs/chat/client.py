"""One prompt to one answer: retries, the budget, and what a server cannot do. No cache, no pairs.

What a server says is shown in its own words, in a line; no message, log or value that is kept holds a secret.
"""

from __future__ import annotations

import asyncio
import email.utils
import logging
import random
import ssl
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any

import httpx2
import openai

from layerscope.errors import ServerError
from layerscope.pairs.chat.cache import Answer
from layerscope.pairs.chat.prompts import Prompt
from layerscope.pairs.chat.server import Server, in_a_line
from layerscope.pairs.chat.terms import Terms, format_of, read_refusal, what_changed, words_of

_NO_KEY = "none"
_REFUSED_KEY = (401, 403)
_REFUSED_TERMS = (400, 422, 501)
_TRANSIENT = (408, 409, 425, 429)
_REDIRECTED = range(300, 400)

log = logging.getLogger(__name__)


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


class _TermsRefusedError(Exception):
    """The server takes other terms; the text is what it said."""

    def __init__(self, said: str, terms: Terms) -> None:
        super().__init__(said)
        self.terms = terms


class ChatClient:
    """Asks one server, within a budget. Use as an async context."""

    def __init__(self, server: Server, *, max_requests: int, timeout_seconds: float, patience: Patience) -> None:
        self._server = server
        self._left = max_requests
        self._timeout_seconds = timeout_seconds
        self._patience = patience
        self._terms = Terms()
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
            terms = self._terms
            try:
                answer = await self._send(prompt, terms)
            except _TermsRefusedError as error:
                if self._terms == terms:  # no other request has found out meanwhile
                    self._terms = error.terms
                    log.warning("%s refused a request (%s): %s.", self._server.shown, error, what_changed(terms, error.terms))
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

    async def _send(self, prompt: Prompt, terms: Terms) -> Answer:
        """One HTTP request."""
        if self._left == 0:
            raise BudgetSpentError
        client = self._connected()
        self._left -= 1
        self.n_requests += 1
        body = terms.body(prompt)
        try:
            async with asyncio.timeout(self._timeout_seconds):
                response = await client.chat.completions.with_raw_response.create(
                    model=body["model"],
                    messages=body["messages"],
                    extra_headers={"Authorization": openai.omit, **headers} if (headers := self._server.headers) else None,
                    extra_body={name: value for name, value in body.items() if name not in ("model", "messages")},
                )
                text = response.text
        except openai.APIStatusError as error:
            raise self._refusal(error.response, prompt, terms) from None  # the cause's text could hold the key
        except (openai.APITimeoutError, TimeoutError):
            raise _TransientError(f"no answer in {self._timeout_seconds:g} s") from None
        except openai.APIConnectionError as error:
            raise self._no_connection(error) from None
        content, finish = self._read(text)
        return Answer(self._server.hide(content), finish, format_of(body), tuple(sorted(terms.left_out)))

    def _connected(self) -> openai.AsyncOpenAI:
        """The client, made for the first request.

        Raises:
            ServerError: a key is needed, and there is none; or a proxy that cannot be used.
        """
        if self._client is None:
            server = self._server
            if not server.headers and not server.is_loopback:
                raise ServerError(
                    f"Requests to {server.shown} need a key, and OPENAI_API_KEY is not set: set it, or name a server on "
                    "this machine with OPENAI_BASE_URL."
                )
            try:
                transport = openai.DefaultAsyncHttpxClient(follow_redirects=False)  # not with the key to wherever it leads
            except (httpx2.InvalidURL, ImportError, OSError, ValueError) as error:
                raise ServerError(
                    "Proxy and certificates are those that the environment names (HTTPS_PROXY, ALL_PROXY, SSL_CERT_FILE), and "
                    f"they cannot be used ({self._said(str(error))}): correct them, or name {server.shown} in NO_PROXY."
                ) from None
            self._client = openai.AsyncOpenAI(
                api_key=server.key or _NO_KEY,
                base_url=server.base_url,
                default_query=server.query,
                max_retries=0,  # we retry, so that the budget counts every request
                timeout=self._timeout_seconds,
                http_client=transport,
            )
        return self._client

    def _no_connection(self, error: openai.APIConnectionError) -> Exception:
        causes = list(_causes(error))
        said = next((str(cause) for cause in reversed(causes) if str(cause)), "")
        said = self._said(said) if said else "no message"
        if any(isinstance(cause, ssl.SSLError) for cause in causes):
            return ServerError(
                f"A server with https shows a valid certificate; {self._server.shown} does not ({said}): check "
                "OPENAI_BASE_URL, or let SSL_CERT_FILE name the certificate of a proxy that you trust."
            )
        if isinstance(error.__cause__, httpx2.ConnectError) and not self.has_answered:
            return ServerError(
                f"A chat server answers at OPENAI_BASE_URL; nothing does at {self._server.shown} ({said}). Start it, or set "
                "another address."
            )
        return _TransientError(f"the connection broke ({said})")

    def _refusal(self, response: httpx2.Response, prompt: Prompt, terms: Terms) -> Exception:
        status, server = response.status_code, self._server
        refusal = read_refusal(response.text)
        said = self._said(words_of(refusal))
        if status in _REFUSED_KEY:
            return ServerError(
                f"{server.shown} refused the key in OPENAI_API_KEY, or what its account asks for (HTTP {status}: "
                f"{server.hide_parts(said)}): set one that is valid there."
            )
        if status in _REDIRECTED:
            return ServerError(
                f"Requests with a key are not sent on; {server.shown} sends them to "
                f"'{self._said(response.headers.get('location', '').partition('?')[0].rpartition('@')[2])}' (HTTP {status}): "
                "set OPENAI_BASE_URL to the right address."
            )
        other = terms.after_refusal(prompt, refusal) if status in _REFUSED_TERMS else None
        if other is not None:
            return _TermsRefusedError(f"HTTP {status}: {said}", other)
        if isinstance(refusal, dict) and "insufficient_quota" in (refusal.get("code"), _inner(refusal).get("code")):
            return ServerError(
                f"The account of OPENAI_API_KEY has no credit left at {server.shown} ({said}): top it up and run again."
            )
        if status in _TRANSIENT or (status >= 500 and status != 501):
            return _TransientError(f"HTTP {status} ({said})", wait_seconds=_asked_wait(response.headers))
        if status == 404:
            return ServerError(
                f"The model or address is not known to {server.shown} (HTTP 404: {said}): check --chat-model and "
                "OPENAI_BASE_URL."
            )
        return ServerError(
            f"{server.shown} refused the request (HTTP {status}: {said}): see its documentation for what it takes, and leave "
            "out what it does not with --chat-option NAME=none."
        )

    def _said(self, words: str) -> str:
        """The server's own words, in one line."""
        return in_a_line(self._server.hide(words)).rstrip(".") or "no message"

    def _read(self, text: str) -> tuple[str, str]:
        """What was written, and why it ended; what is not a chat completion is worth another attempt."""
        response: Any = read_refusal(text)
        try:
            choice = response["choices"][0]
            message = choice["message"]
            content = _text(message.get("content"))
            finish = choice.get("finish_reason") or ""
            if not content.strip() and message.get("refusal"):
                content, finish = str(message["refusal"]), "refusal"
            elif not content.strip() and message.get("tool_calls"):
                finish = "tool_calls"
        except (LookupError, TypeError, AttributeError, ValueError):
            raise _TransientError(f"a response that is not a chat completion: {self._said(words_of(response))}") from None
        return content, finish if isinstance(finish, str) else ""


def _text(content: Any) -> str:
    """The text of a message, which some servers send in parts."""
    if content is None:
        return ""
    if isinstance(content, list):
        return "".join(_text(part.get("text")) for part in content if part.get("type", "text") == "text")
    if not isinstance(content, str):
        raise ValueError("no text")
    return content


def _inner(refusal: dict[str, Any]) -> dict[str, Any]:
    error = refusal.get("error")
    return error if isinstance(error, dict) else {}


def _causes(error: BaseException) -> Iterator[BaseException]:
    """What led to an error, the nearest first."""
    cause = error.__cause__ or error.__context__
    while cause is not None:
        yield cause
        cause = cause.__cause__ or cause.__context__


def _asked_wait(headers: Mapping[str, str]) -> float:
    """Seconds that a response asks to wait (``Retry-After``, in seconds or as a date); 0 if it does not."""
    asked = headers.get("retry-after", "")
    try:
        seconds = float(asked)
    except ValueError:
        date = email.utils.parsedate_tz(asked)
        try:
            seconds = email.utils.mktime_tz(date) - time.time() if date else 0.0
        except (ValueError, OverflowError):  # a year that no calendar has
            seconds = 0.0
    return seconds if seconds > 0 else 0.0
