"""Addresses as people have them, and what of them may be shown."""

from __future__ import annotations

import pytest

from layerscope.errors import ServerError
from layerscope.pairs.chat.server import Server, in_a_line

KEY = "sk-secret-0123456789abcdef"


@pytest.mark.parametrize(
    ("address", "base_url", "query"),
    [
        ("https://h.com/v1", "https://h.com/v1", {}),
        ("https://h.com/v1/", "https://h.com/v1", {}),
        ("https://h.com", "https://h.com/", {}),
        ("https://h.com/v1/chat/completions", "https://h.com/v1", {}),
        ("https://h.com/v1/chat/completions/", "https://h.com/v1", {}),
        ("https://h.com:8443/a%2Fb/v1#part", "https://h.com:8443/a%2Fb/v1", {}),
        (
            "https://r.openai.azure.com/openai/deployments/x?api-version=2024-10-21",
            "https://r.openai.azure.com/openai/deployments/x",
            {"api-version": "2024-10-21"},
        ),
        (
            "https://r.openai.azure.com/openai/deployments/x/chat/completions?api-version=2024-10-21&a=b%20c",
            "https://r.openai.azure.com/openai/deployments/x",
            {"api-version": "2024-10-21", "a": "b c"},
        ),
        ("http://user:pass%40word@[::1]:80/v1?token=0123456789", "http://[::1]/v1", {"token": "0123456789"}),
    ],
)
def test_an_address_is_taken_as_people_have_it(address: str, base_url: str, query: dict[str, str]):
    server = Server(address)
    assert (server.base_url, server.query) == (base_url, query)
    assert server.shown == base_url.rstrip("/")


@pytest.mark.parametrize(
    "address",
    [
        "localhost:8000",
        "http://[::1",
        "http://h:99999/v1",
        "http://h:0/v1",
        "http://h:port/v1",
        "http://",
        "ftp://h/v1",
        "http://a host/v1",
        "http://h\x1b[31m/v1",
        "http://\ud800/v1",
        "http://user:password@h:99999/v1?token=0123456789",
        f"http://h/{'a' * 100_000}\n",
    ],
)
def test_an_address_that_is_none_is_refused_in_a_short_sentence_without_its_secrets(address: str):
    with pytest.raises(
        ServerError, match="OPENAI_BASE_URL is an address such as https://api.openai.com/v1 or .*; got '"
    ) as caught:
        Server.from_environment({"OPENAI_BASE_URL": address})
    said = str(caught.value)
    assert said.isprintable()
    assert len(said) < 400
    assert "password" not in said
    assert "0123456789" not in said


@pytest.mark.parametrize(
    ("address", "key", "headers"),
    [
        ("https://h.com/v1", KEY, {"Authorization": f"Bearer {KEY}"}),
        ("https://h.com/v1", "", {}),
        ("https://r.openai.azure.com/openai/v1", KEY, {"api-key": KEY}),
        ("https://r.services.ai.azure.com/openai/v1", KEY, {"api-key": KEY}),
        ("https://gateway.example/openai/deployments/x?api-version=2024-10-21", KEY, {"api-key": KEY}),
        ("https://r.openai.azure.com/openai/v1", "eyJ0eXAi.x.y", {"Authorization": "Bearer eyJ0eXAi.x.y"}),
        ("https://notazure.com.example/v1", KEY, {"Authorization": f"Bearer {KEY}"}),
        ("https://user:w%40rd@h.com/v1", KEY, {"Authorization": "Basic dXNlcjp3QHJk"}),
    ],
)
def test_a_key_goes_where_its_server_reads_it(address: str, key: str, headers: dict[str, str]):
    assert Server(address, key).headers == headers


def test_no_secret_is_shown():
    server = Server("https://user:correct%20horse@h.com/v1?api-version=2024-10-21&sig=0123456789&deployment=location", KEY)
    said = f"{KEY} correct horse user:correct%20horse dXNlcjpjb3JyZWN0IGhvcnNl 0123456789 2024-10-21 location"
    assert server.hide(said) == "*** *** *** *** *** 2024-10-21 location"
    assert server.hide_parts("Incorrect key sk-s...cdef. Get another.") == "Incorrect key *** Get another."
    assert KEY not in repr(server)
    assert "horse" not in repr(server)
    assert Server("http://localhost/v1", "EMPTY").hide("EMPTY handed") == "EMPTY handed"


def test_words_of_others_fit_a_line():
    assert in_a_line("a\x1b[31m\x00b\r\n c\u2028d") == "a [31m b c d"
    assert in_a_line("x" * 1_000_000) == "x" * 200 + "…"
