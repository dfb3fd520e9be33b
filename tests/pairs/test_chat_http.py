"""What goes over the wire, and each way in which it fails, in one sentence with the server's own words."""

from __future__ import annotations

import base64
import dataclasses
import json
import logging
import re
from pathlib import Path

import pytest

from layerscope.errors import ServerError
from layerscope.pairs.chat.client import Patience
from tests.pairs.chat_runs import KEY, REQUEST, Waits, good, make
from tests.pairs.chat_server import ChatServer, Reply, chat_server

ONE = dataclasses.replace(REQUEST, subtypes=("tense",), per_subtype=2)
"""One prompt."""


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "*")


def at(server: ChatServer, rest: str, *, user: str = "", scheme: str = "http") -> dict[str, str]:
    """The environment of somebody whose server has another address."""
    host = server.base_url.removeprefix("http://").removesuffix("/v1")
    return {"OPENAI_BASE_URL": f"{scheme}://{user}{host}{rest}", "OPENAI_API_KEY": KEY}


@pytest.mark.parametrize(
    ("rest", "path"),
    [
        ("/v1", "/v1/chat/completions"),
        ("/v1/", "/v1/chat/completions"),
        ("/v1/chat/completions", "/v1/chat/completions"),
        ("", "/chat/completions"),
        (
            "/openai/deployments/x?api-version=2024-10-21",
            "/openai/deployments/x/chat/completions?api-version=2024-10-21",
        ),
        (
            "/openai/deployments/x/chat/completions?api-version=2024-10-21&a=b",
            "/openai/deployments/x/chat/completions?api-version=2024-10-21&a=b",
        ),
    ],
)
def test_the_path_is_joined_and_the_query_stays_one(tmp_path: Path, rest: str, path: str):
    with chat_server(good) as server:
        assert len(make(server, tmp_path, ONE, environment=at(server, rest)).pairs) == 2
    assert server.paths == [path]
    (headers,) = server.headers
    expected = ("", KEY) if "api-version" in rest else (f"Bearer {KEY}", "")
    assert (headers.get("authorization", ""), headers.get("api-key", "")) == expected


def test_a_user_and_password_are_sent_and_never_shown(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    basic = base64.b64encode(b"user:correct-horse").decode("ascii")
    said = json.dumps({"error": {"message": f"Who is user:correct-horse ({basic})?"}})
    caplog.set_level(logging.DEBUG)
    for name in ("openai", "httpx2", "httpcore2", "httpx", "httpcore"):
        caplog.set_level(logging.DEBUG, logger=name)
    with chat_server(lambda body, number: good(body, number) if number == 0 else Reply(status=400, body=said)) as server:
        environment = at(server, "/v1", user="user:correct-horse@")
        make(server, tmp_path, ONE, environment=environment)
        with pytest.raises(ServerError, match=re.escape("HTTP 400: Who is *** (***)?): see its documentation")) as caught:
            make(server, tmp_path, dataclasses.replace(ONE, seed=1), environment=environment)
    assert server.headers[0]["authorization"] == f"Basic {basic}"
    kept = "".join(path.read_text(encoding="utf-8") for path in (tmp_path / "cache").iterdir())
    for text in (str(caught.value), kept, caplog.text, repr([record.__dict__ for record in caplog.records])):
        assert "correct-horse" not in text
        assert basic not in text


@pytest.mark.parametrize(
    ("reply", "message"),
    [
        (
            Reply(status=401, body='{"error": {"message": "No key \\u001b[31mgiven."}}'),
            "refused the key in OPENAI_API_KEY, or what its account asks for (HTTP 401: No key [31mgiven): set one",
        ),
        (
            Reply(status=403, body='{"error": {"message": "Country not supported."}}'),
            "refused the key in OPENAI_API_KEY, or what its account asks for (HTTP 403: Country not supported): set one",
        ),
        (
            Reply(status=404, body="<html><title>404 Not Found</title></html>"),
            "(HTTP 404: 404 Not Found): check --chat-model and",
        ),
        (Reply(status=404), "(HTTP 404: no message): check --chat-model and OPENAI_BASE_URL"),
        (
            Reply(status=405, body='{"detail": "Method Not Allowed"}'),
            "refused the request (HTTP 405: Method Not Allowed): see its",
        ),
        (
            Reply(status=413, body='{"message": "too large"}'),
            "refused the request (HTTP 413: too large): see its documentation",
        ),
        (
            Reply(status=301, headers={"Location": "https://me:pw@new.example/v1/chat/completions?key=1"}),
            "sends them to 'new.example/v1/chat/completions' (HTTP 301): set OPENAI_BASE_URL to the right address.",
        ),
        (Reply(status=307), "sends them to 'no message' (HTTP 307)"),
        (Reply(status=400, body="x" * 100_000), f"(HTTP 400: {'x' * 200}…): see its documentation"),
        (
            Reply(status=400, body='{"error": {"message": "' + "No.\\n" * 3 + KEY + '"}}'),
            "(HTTP 400: No. No. No. ***): see its documentation",
        ),
    ],
)
def test_a_refusal_is_one_sentence_with_the_servers_words(tmp_path: Path, reply: Reply, message: str):
    with chat_server(lambda *_: reply) as server, pytest.raises(ServerError, match=re.escape(message)) as caught:
        make(server, tmp_path, ONE)
    said = str(caught.value)
    assert said.isprintable()
    assert len(said) < 600
    assert KEY not in said
    assert caught.value.__suppress_context__


@pytest.mark.parametrize(
    ("reply", "message"),
    [
        (
            Reply(body="<html><head><title>Log in</title></head></html>"),
            "a response that is not a chat completion: Log in, 2 times",
        ),
        (
            Reply(body='{"error": {"message": "Rate limited upstream", "code": 429}}'),
            "chat completion: Rate limited upstream, 2",
        ),
        (Reply(body="[" * 50_000), r"chat completion: [[["),
        (Reply(body=""), "a response that is not a chat completion: no message, 2 times over"),
        (Reply(body='{"choices": [{"message": {"content": 5}}]}'), "a response that is not a chat completion: no message"),
        (Reply(status=503, body='{"detail": "Loading model"}'), "HTTP 503 (Loading model), 2 times over"),
        (Reply(body='{"choices"', declared_length=99), "the connection broke ("),
    ],
)
def test_what_passes_says_what_it_was_when_it_does_not(tmp_path: Path, reply: Reply, message: str):
    with chat_server(lambda *_: reply) as server, pytest.raises(ServerError, match=re.escape(message)):
        make(server, tmp_path, ONE, patience=Patience(attempts=2, sleep=Waits()))
    assert len(server.requests) == 2


def test_a_server_without_a_certificate_is_told_at_once(tmp_path: Path):
    with (
        chat_server(good) as server,
        pytest.raises(
            ServerError, match=r"A server with https shows a valid certificate; https://127.0.0.1:\d+/v1 does not \("
        ),
    ):
        make(server, tmp_path, ONE, environment=at(server, "/v1", scheme="https"))


def test_a_name_that_nobody_has_is_told_at_once(tmp_path: Path):
    environment = {"OPENAI_BASE_URL": "http://nobody.invalid/v1", "OPENAI_API_KEY": KEY}
    with pytest.raises(ServerError, match=r"nothing does at http://nobody.invalid/v1 \(.+\). Start it, or set another address"):
        make(ChatServer(""), tmp_path, ONE, environment=environment)


@pytest.mark.parametrize(
    ("name", "value"),
    [("ALL_PROXY", "socks9://localhost:1"), ("HTTPS_PROXY", "http://[::1"), ("SSL_CERT_FILE", "/nowhere/certificates.pem")],
)
def test_a_proxy_or_certificates_that_cannot_be_used_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, value: str
):
    monkeypatch.delenv("NO_PROXY")
    monkeypatch.setenv(name, value)
    with pytest.raises(
        ServerError, match=r"the environment names \(HTTPS_PROXY, ALL_PROXY, SSL_CERT_FILE\), and they cannot be used"
    ):
        make(ChatServer("https://api.example/v1"), tmp_path, ONE)


def test_a_wait_until_a_year_that_no_calendar_has_is_none(tmp_path: Path):
    date = "Fri, 31 Dec 99999999 23:59:59 GMT"
    waits = Waits()
    late = Reply(status=503, headers={"Retry-After": date})
    with chat_server(lambda body, number: good(body, number) if number else late) as server:
        make(server, tmp_path, ONE, patience=Patience(sleep=waits))
    assert waits.seconds[0] <= 1.0
