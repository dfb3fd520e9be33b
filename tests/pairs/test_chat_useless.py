"""Answers without a pair are not kept, and a run that has none says why; what a server refuses to be sent is left out."""

from __future__ import annotations

import dataclasses
import json
import logging
from pathlib import Path
from typing import Any

import pytest

from layerscope.cli.main import main
from layerscope.errors import PairError, ServerError
from layerscope.pairs.chat.prompts import ChatRequest
from layerscope.pairs.format import read_pairs
from layerscope.pairs.making import make_from_chat
from tests.pairs.chat_runs import KEY, REQUEST, first_fails, good, make, pairs_for, same
from tests.pairs.chat_server import Reply, chat_server

CALL = {"tool_calls": [{"id": "1", "type": "function", "function": {"name": "f", "arguments": "{}"}}]}
USELESS = {
    "cut off while reasoning": (Reply("", finish="length"), "the answer is empty: the token limit cut it off"),
    "cut off in the first pair": (
        Reply('{"pairs": [{"acc', finish="length"),
        "the token limit cut it off (finish_reason 'length'",
    ),
    "filtered": (Reply("", finish="content_filter"), "the server's filter held it back (finish_reason 'content_filter')"),
    "tools": (Reply("", finish="tool_calls", message=CALL), "it calls tools in place of text"),
    "tools, said to stop": (Reply("", message={"content": None} | CALL), "it calls tools in place of text"),
    "refused": (Reply("", message={"content": None, "refusal": "I cannot."}), "the model refused"),
    "empty": (Reply(""), "the answer is empty (finish_reason 'stop')"),
    "white space": (Reply(" \n\t "), "the answer is empty"),
    "prose": (Reply("Let us talk of something else."), "the answer holds no JSON with pairs"),
    "no pairs": (Reply('{"pairs": []}'), "the answer holds no JSON with pairs"),
    "other fields": (Reply('{"pairs": [{"good": "A b c.", "bad": "A d c."}]}'), "it has not the fields"),
    "pairs that are none": (
        Reply(
            '[{"acceptable": "A b c.", "unacceptable": "A b c."}, {"sentence1": "A b c.", "sentence2": "A b c."}]',
        ),
        "the sentences are the same",
    ),
}


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "*")


def kept(tmp_path: Path) -> list[Path]:
    return list((tmp_path / "cache").glob("*"))


@pytest.mark.parametrize(("reply", "reason"), USELESS.values(), ids=USELESS)
def test_an_answer_without_a_pair_is_not_kept_and_asked_for_again(tmp_path: Path, reply: Reply, reason: str):
    with chat_server(lambda *_: reply) as server:
        useless = make(server, tmp_path)
    assert useless.pairs == ()
    assert useless.n_useless == useless.n_requests >= 3
    assert any(reason in rejected.reason for rejected in useless.rejected)
    assert not kept(tmp_path)
    with chat_server(good) as server:
        outcome = make(server, tmp_path)
        assert (len(outcome.pairs), outcome.n_requests) == (12, 6)
        assert same(outcome, make(server, tmp_path / "other"))


@pytest.mark.parametrize("name", ["cut off while reasoning", "filtered", "tools", "empty"])
def test_three_first_answers_without_a_text_end_the_run(tmp_path: Path, name: str):
    with chat_server(lambda *_: USELESS[name][0]) as server:
        outcome = make(server, tmp_path, dataclasses.replace(REQUEST, concurrency=1))
    assert outcome.n_requests == 3
    assert not outcome.is_budget_spent


def test_answers_without_a_pair_that_were_kept_once_are_asked_for_again(tmp_path: Path):
    with chat_server(good) as server:
        first = make(server, tmp_path)
        for path, content in zip(sorted(kept(tmp_path)), ("", "prose", '{"pairs": []}'), strict=False):
            record = json.loads(path.read_text(encoding="utf-8"))
            record["answer"] = {"content": content, "finish": "length", "format": "json_schema"}
            path.write_text(json.dumps(record), encoding="utf-8")
        again = make(server, tmp_path)
    assert same(first, again)
    assert (again.n_cached, again.n_requests) == (3, 3)


def test_a_finished_run_costs_nothing_whatever_it_asked_for_in_vain(tmp_path: Path):
    with chat_server(first_fails(Reply("As you wish."), Reply("", finish="length"))) as server:
        first = make(server, tmp_path)
        again = make(server, tmp_path)
    assert (len(first.pairs), first.n_requests, first.n_useless) == (12, 8, 2)
    assert (again.pairs, again.n_requests) == (first.pairs, 0)


def test_a_round_in_vain_does_not_hide_the_kept_answers_after_it(tmp_path: Path):
    request = dataclasses.replace(REQUEST, subtypes=("tense",), per_subtype=4)
    with chat_server(first_fails(Reply("Well."), Reply("Well, well."))) as server:
        first = make(server, tmp_path, request)
        again = make(server, tmp_path, request)
    assert (len(first.pairs), first.n_requests, again.pairs, again.n_requests) == (4, 4, first.pairs, 0)


def test_a_cut_off_answer_gives_its_pairs_and_the_rest_comes_from_other_answers(tmp_path: Path):
    def short(body: dict[str, Any], number: int) -> Reply:
        text = json.dumps({"pairs": pairs_for(body)})
        return Reply(text[: text.rindex("today")], finish="length")

    request = dataclasses.replace(REQUEST, subtypes=("tense",), max_requests=3)
    with chat_server(short) as server:
        first = make(server, tmp_path, request)
    assert (len(first.pairs), first.missing, len(kept(tmp_path))) == (3, {"tense": 3}, 3)
    with chat_server(good) as server:
        second = make(server, tmp_path, request)
    assert second.pairs[:3] == first.pairs
    assert (len(second.pairs), second.n_cached, second.n_requests) == (6, 3, 2)


def test_text_in_parts_is_read(tmp_path: Path):
    def parts(body: dict[str, Any], number: int) -> Reply:
        text = json.dumps(pairs_for(body))
        content = [
            {"type": "thinking", "thinking": "…"},
            {"type": "text", "text": text[:9]},
            {"type": "text", "text": text[9:]},
        ]
        return Reply("", message={"content": content})

    with chat_server(parts) as server:
        assert len(make(server, tmp_path).pairs) == 12


def test_half_a_character_in_an_answer_can_be_written_down(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def halves(body: dict[str, Any], number: int) -> Reply:
        text = json.dumps(pairs_for(body))
        return Reply(
            body=json.dumps({"choices": [{"message": {"content": f"\ud83d {text} {{'\"\ud83d"}, "finish_reason": "stop"}]})
        )

    with chat_server(halves) as server:
        monkeypatch.setenv("OPENAI_BASE_URL", server.base_url)
        made = make_from_chat(tmp_path / "pairs.jsonl", REQUEST, cache_dir=tmp_path / "cache", tokenizer=None)
    assert sum(made.counts.values()) == 12
    assert "\\ud83d" in made.rejected_path.read_text(encoding="utf-8")


# the command


def run(*arguments: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main(["pairs", "make", "--source", "openai", "--chat-model", "gpt-test", "--subtypes", "tense", *arguments])
    return int(ended.value.code or 0)


@pytest.fixture
def at_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("layerscope.models.kept.cache_folder", lambda: tmp_path / "home")
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("COLUMNS", "400")
    return tmp_path / "pairs.jsonl"


@pytest.mark.parametrize(
    ("name", "said"),
    [
        (
            "cut off while reasoning",
            "finish_reason 'length'): raise the limit with --chat-option max_completion_tokens=8000, or",
        ),
        ("cut off in the first pair", "raise the limit with --chat-option max_completion_tokens=8000, or"),
        ("filtered", "filter held it back (finish_reason 'content_filter'): take another model, or other topics"),
        ("tools", "switch tools off with --chat-option 'tool_choice=\"none\"'"),
        (
            "refused",
            "the model refused (finish_reason 'refusal'): take another model, or other prompts (--prompts); what came is in",
        ),
        ("prose", "the answer holds no JSON with pairs: take another model, or other prompts"),
    ],
)
def test_a_run_without_a_pair_fails_and_says_why(
    at_home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str, said: str
):
    with chat_server(lambda *_: USELESS[name][0]) as server:
        monkeypatch.setenv("OPENAI_BASE_URL", server.base_url)
        assert run("--per-type", "2", "-o", str(at_home)) == 2
    shown = capsys.readouterr()
    assert "A file of pairs holds one or more, and no answer had any, 3 times because" in shown.err
    assert USELESS[name][1] in shown.err
    assert said in shown.err
    assert not at_home.exists()
    assert at_home.with_name("pairs.jsonl.rejected.jsonl").exists()
    with chat_server(good) as server:
        monkeypatch.setenv("OPENAI_BASE_URL", server.base_url)
        assert run("--per-type", "2", "-o", str(at_home)) == 0
    assert len(list(read_pairs(at_home))) == 2


def test_a_budget_of_nothing_without_kept_answers_fails(at_home: Path, capsys: pytest.CaptureFixture[str]):
    assert run("--max-requests", "0", "-o", str(at_home)) == 2
    assert "the budget of requests (--max-requests) was spent before there was one: raise it" in capsys.readouterr().err


def test_options_are_sent_and_told(at_home: Path, monkeypatch: pytest.MonkeyPatch):
    words = ["--chat-option", "reasoning_effort=low", "--chat-option", "temperature=none", "--chat-option", "top_k=20"]
    with chat_server(good) as server:
        monkeypatch.setenv("OPENAI_BASE_URL", server.base_url)
        assert run("--per-type", "2", *words, "-o", str(at_home)) == 0
    (body,) = {json.dumps({**body, "messages": 0, "response_format": 0}) for body in server.requests}
    assert json.loads(body) == {
        "model": "gpt-test",
        "messages": 0,
        "response_format": 0,
        "reasoning_effort": "low",
        "top_k": 20,
    }
    assert {pair.source for pair in read_pairs(at_home)} == {"openai:gpt-test reasoning_effort=low temperature=none top_k=20"}


@pytest.mark.parametrize(
    ("option", "said"), [("stream=true", "got 'stream'"), ("api_key=x", "is no secret"), ("x", "NAME=VALUE")]
)
def test_an_option_that_is_none_is_refused_before_any_request(
    at_home: Path, capsys: pytest.CaptureFixture[str], option: str, said: str
):
    assert run("--chat-option", option, "-o", str(at_home)) == 2
    assert said in capsys.readouterr().err


# parameters that a server refuses


@pytest.mark.parametrize("name", ["temperature", "seed", "top_k", "response_format"])
def test_a_refused_parameter_is_left_out_once_and_said(tmp_path: Path, caplog: pytest.LogCaptureFixture, name: str):
    def fussy(body: dict[str, Any], number: int) -> Reply:
        if name in body:
            error = {"message": f"Unsupported value: '{name}' \x1b[31mis not for {KEY}.", "param": name}
            return Reply(status=400, body=json.dumps({"error": error}))
        return good(body, number)

    request = dataclasses.replace(REQUEST, options={"seed": 5, "top_k": 9})
    with caplog.at_level(logging.WARNING, logger="layerscope"), chat_server(fussy) as server:
        outcome = make(server, tmp_path, request)
    assert len(outcome.pairs) == 12
    n_refused = 2 if name == "response_format" else 1
    assert outcome.n_requests == 6 + n_refused
    assert [record.getMessage() for record in caplog.records][:1] == [
        f"{server.base_url} refused a request (HTTP 400: Unsupported value: '{name}' [31mis not for ***): "
        + (
            f"{name} is left out from here on."
            if n_refused == 1
            else "answers are asked for as json_object in place of json_schema from here on."
        )
    ]
    assert len(caplog.records) == n_refused
    left_out = {tuple(json.loads(path.read_text(encoding="utf-8"))["answer"]["left_out"]) for path in kept(tmp_path)}
    if n_refused == 1:
        assert left_out == {(name,)}
        assert all(f" {name}=none" in pair.source for pair in outcome.pairs)


@pytest.mark.parametrize("taken", ["max_tokens", "max_completion_tokens"])
def test_the_token_limit_goes_by_the_name_that_a_server_takes(tmp_path: Path, taken: str):
    def fussy(body: dict[str, Any], number: int) -> Reply:
        (given,) = {"max_tokens", "max_completion_tokens"} & set(body)
        if given != taken:
            detail = [{"type": "extra_forbidden", "loc": ["body", given], "msg": "Extra inputs are not permitted"}]
            return Reply(status=422, body=json.dumps({"detail": detail}))
        assert body[given] == 300
        return good(body, number)

    for place, given in enumerate(
        ({"max_tokens": 300}, {"options": {"max_tokens": 300}}, {"options": {"max_completion_tokens": 300}})
    ):
        with chat_server(fussy) as server:
            assert len(make(server, tmp_path / str(place), dataclasses.replace(REQUEST, **given)).pairs) == 12


def test_a_prompt_that_is_too_long_is_told_at_once(tmp_path: Path):
    error = {
        "message": "This model's maximum context length is 10 tokens.",
        "param": "messages",
        "code": "context_length_exceeded",
    }
    with (
        chat_server(lambda *_: Reply(status=400, body=json.dumps({"error": error}))) as server,
        pytest.raises(ServerError, match="HTTP 400: This model's maximum context length is 10 tokens"),
    ):
        make(server, tmp_path)
    assert len(server.requests) == 1


def test_a_subtype_without_a_prompt_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    from layerscope.pairs.chat import prompts
    from layerscope.pairs.subtypes import SUBTYPES

    new = dataclasses.replace(SUBTYPES["tense"], name="aspect")
    monkeypatch.setitem(SUBTYPES, "aspect", new)
    monkeypatch.setattr(prompts, "ASKABLE", (*prompts.ASKABLE, "aspect"))
    with chat_server(good) as server, pytest.raises(PairError, match=r"write '.*subtypes/aspect.md', which is missing"):
        make(server, tmp_path, ChatRequest("m", subtypes=("aspect",)))
