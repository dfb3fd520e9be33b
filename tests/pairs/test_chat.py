"""Pairs from a chat server, held against a server on loopback that fails in every way."""

from __future__ import annotations

import dataclasses
import email.utils
import json
import logging
import os
import random
import re
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from layerscope.errors import PairError, ServerError
from layerscope.pairs.chat.client import Patience
from layerscope.pairs.chat.source import make_pairs_by_chat
from layerscope.pairs.pair import MinimalPair
from tests.pairs.chat_runs import KEY, REQUEST, Waits, first_fails, good, make, pairs_for, same
from tests.pairs.chat_server import Reply, chat_server

REFUSED = json.dumps({"error": {"message": "'response_format' is not supported.", "type": "invalid_request_error"}})


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "*")


# what comes out


def test_pairs_come_by_structured_output_in_the_order_of_the_requests(tmp_path: Path):
    seen: list[tuple[int, int]] = []
    with chat_server(good) as server:
        outcome = make(server, tmp_path, progress=lambda _, done, asked: seen.append((done, asked)))
    assert [pair.subtype for pair in outcome.pairs] == ["location"] * 6 + ["tense"] * 6
    assert [pair.right for pair in outcome.pairs] == [None] * 6 + [1] * 6
    assert {pair.source for pair in outcome.pairs} == {"openai:gpt-test"}
    assert len({pair.template for pair in outcome.pairs}) == 6  # one an answer
    assert (outcome.rejected, outcome.missing, outcome.n_requests, outcome.n_cached) == ((), {}, 6, 0)
    assert not outcome.is_budget_spent
    assert seen == [(n, 6) for n in range(7)]
    assert set(server.keys) == {KEY}
    for body in server.requests:
        assert body["response_format"]["json_schema"]["strict"] is True
        assert (body["model"], body["temperature"], len(body["messages"])) == ("gpt-test", 1.0, 1)
        assert set(body) == {"model", "messages", "temperature", "response_format"}


def test_answers_are_cut_off_where_asked(tmp_path: Path):
    with chat_server(good) as server:
        make(server, tmp_path, dataclasses.replace(REQUEST, max_tokens=300))
    assert {body["max_completion_tokens"] for body in server.requests} == {300}


def test_a_run_again_costs_nothing_and_gives_the_same(tmp_path: Path):
    with chat_server(good) as server:
        first = make(server, tmp_path)
        again = make(server, tmp_path)
        assert len(server.requests) == 6
    assert same(first, again)
    assert (again.n_requests, again.n_cached) == (0, 6)
    # not even a server or a key is needed
    assert same(first, make_pairs_by_chat(REQUEST, cache_dir=tmp_path / "cache", environment={}))


def test_wanting_more_pairs_asks_for_the_rest_only(tmp_path: Path):
    with chat_server(good) as server:
        first = make(server, tmp_path)
        more = make(server, tmp_path, dataclasses.replace(REQUEST, per_subtype=8))
    assert (more.n_requests, more.n_cached) == (2, 6)
    assert more.pairs[:6] == first.pairs[:6]
    assert len(more.pairs) == 16


def test_outcome_does_not_depend_on_which_answer_comes_first(tmp_path: Path):
    delays = random.Random(0)

    def shared_and_late(body: dict[str, Any], number: int) -> Reply:
        # each answer brings a pair that all bring: only the first may keep it
        everywhere = dict(zip(pairs_for(body)[0], ("It is cold out.", "It was cold out."), strict=True))
        return Reply(json.dumps({"pairs": [everywhere, *pairs_for(body)]}), delay_seconds=delays.random() / 40)

    request = dataclasses.replace(REQUEST, per_subtype=8, concurrency=8)
    with chat_server(shared_and_late) as server:
        outcomes = [make(server, tmp_path / str(number), request) for number in range(3)]
        one_by_one = make(server, tmp_path / "one", dataclasses.replace(request, concurrency=1))
    assert all(same(one_by_one, outcome) for outcome in outcomes)
    assert [rejected.reason for rejected in one_by_one.rejected].count("it was there already") == 7


def test_no_more_requests_are_on_their_way_than_allowed(tmp_path: Path):
    with chat_server(lambda body, number: dataclasses.replace(good(body, number), delay_seconds=0.05)) as server:
        make(server, tmp_path, dataclasses.replace(REQUEST, concurrency=3))
    assert server.n_at_once == 3


def test_everything_received_is_a_pair_or_rejected_with_a_reason(tmp_path: Path):
    def mixed(body: dict[str, Any], number: int) -> Reply:
        (pair,) = pairs_for(body, 1)
        turned = dict(zip(pair, reversed(list(pair.values())), strict=True))
        pieces = [pair, turned, {"wrong": "schema"}, dict.fromkeys(pair, "Alike on both sides.")]
        text = json.dumps({"pairs": pieces})
        return Reply(f"Here you are:\n```json\n{text[:-2]}, {json.dumps(pair)[:20]}", finish="length")

    with chat_server(mixed) as server:
        outcome = make(server, tmp_path, dataclasses.replace(REQUEST, subtypes=("tense",), per_subtype=2))
    assert len(outcome.pairs) == 2
    template = outcome.pairs[0].template
    assert [(rejected.where, rejected.reason) for rejected in outcome.rejected[:4]] == [
        (f"{template}#2", "it was there already"),
        (f"{template}#3", "it has not the fields acceptable and unacceptable"),
        (f"{template}#4", "the sentences are the same"),
        (f"{template}#5", "the answer ends in the middle of it"),
    ]
    assert outcome.rejected[1].text == '{"wrong": "schema"}'
    assert len(outcome.rejected) == 8


def test_pairs_beyond_those_asked_for_are_kept_apart(tmp_path: Path):
    with chat_server(good) as server:
        outcome = make(server, tmp_path, dataclasses.replace(REQUEST, per_subtype=5))
    assert [rejected.reason for rejected in outcome.rejected] == ["there are 5 of the subtype, as many as asked for"] * 2


def test_the_example_of_the_prompt_is_no_new_pair(tmp_path: Path):
    def parrot(body: dict[str, Any], number: int) -> Reply:
        return Reply(re.search(r"^\{.*\}$", body["messages"][0]["content"], re.MULTILINE)[0])

    with chat_server(parrot) as server:
        outcome = make(server, tmp_path)
    assert {rejected.reason for rejected in outcome.rejected} == {"it is the example of the prompt"}
    assert outcome.missing == {"location": 6, "tense": 6}


def test_pairs_that_are_there_already_do_not_come_again_nor_end_a_subtype(tmp_path: Path):
    with chat_server(good) as server:
        first = make(server, tmp_path)
        more = make(server, tmp_path, existing=iter(first.pairs))
    assert not {pair.id for pair in more.pairs} & {pair.id for pair in first.pairs}
    assert (len(more.pairs), more.n_cached, more.n_requests) == (12, 6, 6)
    assert [rejected.reason for rejected in more.rejected] == ["it is among the pairs that were given"] * 12


def test_a_subtype_without_anything_new_three_times_is_given_up(tmp_path: Path):
    def one_kind_only(body: dict[str, Any], number: int) -> Reply:
        return Reply("I would rather not.") if '"acceptable"' in body["messages"][0]["content"] else good(body, number)

    with chat_server(one_kind_only) as server:
        outcome = make(server, tmp_path, dataclasses.replace(REQUEST, per_subtype=2))
    assert outcome.missing == {"tense": 2}
    assert [rejected.text for rejected in outcome.rejected] == ["I would rather not."] * 3
    assert outcome.n_requests == 4


# servers that fail for a while


@pytest.mark.parametrize(
    "reply",
    [
        pytest.param(Reply(status=429, body='{"error": {"message": "slow down"}}'), id="429"),
        pytest.param(Reply(status=500, body="oh no"), id="500"),
        pytest.param(Reply(status=503), id="503"),
        pytest.param(Reply(delay_seconds=0.6, content="late"), id="slow"),
        pytest.param(Reply(body='{"choices": [', declared_length=999), id="connection breaks"),
        pytest.param(Reply(body='{"choices": [{"mess'), id="body cut off"),
        pytest.param(Reply(body="<html>a proxy's page</html>"), id="no JSON"),
        pytest.param(Reply(body='{"choices": []}'), id="no choice"),
        pytest.param(Reply(body='{"choices": [{"message": {"content": 5}}]}'), id="no text"),
    ],
)
def test_what_passes_is_tried_again_and_counted(tmp_path: Path, reply: Reply):
    waits = Waits()
    with chat_server(first_fails(reply)) as server:
        request = dataclasses.replace(REQUEST, timeout_seconds=0.4)
        outcome = make(server, tmp_path, request, patience=Patience(sleep=waits))
    assert len(outcome.pairs) == 12
    assert outcome.n_requests == len(server.requests) == 7
    assert len(waits.seconds) == 1


def test_an_answer_in_drops_is_slow_too(tmp_path: Path):
    """Each read is quick; the whole is not."""
    request = dataclasses.replace(REQUEST, timeout_seconds=0.3)
    with (
        chat_server(lambda body, number: dataclasses.replace(good(body, number), pause_seconds=0.02)) as server,
        pytest.raises(ServerError, match=r"this one did not \(no answer in 0.3 s, 2 times over\)"),
    ):
        make(server, tmp_path, request, patience=Patience(attempts=2, sleep=Waits()))


def test_waits_double_with_jitter_and_follow_the_server(tmp_path: Path):
    failing = Reply(status=500)
    waits = Waits()
    with chat_server(first_fails(failing, failing, failing, Reply(status=429, headers={"Retry-After": "17"}))) as server:
        make(server, tmp_path, patience=Patience(sleep=waits, longest_wait_seconds=3.0))
    for waited, longest in zip(waits.seconds[:3], (1.0, 2.0, 3.0), strict=True):
        assert longest / 2 <= waited <= longest
    assert waits.seconds[3] == 17.0


def test_a_wait_may_be_asked_for_by_date(tmp_path: Path):
    waits = Waits()
    date = email.utils.formatdate(time.time() + 30, usegmt=True)
    with chat_server(first_fails(Reply(status=503, headers={"Retry-After": date}))) as server:
        make(server, tmp_path, patience=Patience(sleep=waits))
    assert 25 < waits.seconds[0] <= 30


def test_a_wait_of_hours_ends_the_run(tmp_path: Path):
    with (
        chat_server(first_fails(Reply(status=429, headers={"Retry-After": "7200"}))) as server,
        pytest.raises(ServerError, match="followed up to 300 s; .* asks for 7200 s. Run the same command again then"),
    ):
        make(server, tmp_path)


def test_a_prompt_that_is_never_answered_is_rejected_and_the_rest_goes_on(tmp_path: Path):
    poisoned: list[str] = []

    def script(body: dict[str, Any], number: int) -> Reply:
        if number == 1:
            poisoned.append(body["messages"][0]["content"])
        if body["messages"][0]["content"] in poisoned:
            return Reply(status=500, body=json.dumps({"error": {"message": f"out of\nmemory, {KEY}."}}))
        return good(body, number)

    with chat_server(script) as server:
        outcome = make(server, tmp_path)
    (rejected,) = outcome.rejected
    assert (rejected.text, rejected.reason) == ("", "no answer: HTTP 500 (out of memory, ***), 5 times over")
    assert len(outcome.pairs) == 12
    assert outcome.n_requests == 7 + 4


def test_a_server_that_only_fails_ends_the_run(tmp_path: Path):
    with (
        chat_server(lambda body, number: Reply(status=502)) as server,
        pytest.raises(ServerError, match=r"this one did not \(HTTP 502 \(.*\), 5 times over\). Look after it and run the same"),
    ):
        make(server, tmp_path)
    assert len(server.requests) == 5


def test_a_server_that_fails_from_now_on_ends_the_run_and_answers_stay(tmp_path: Path):
    with (
        chat_server(lambda body, number: good(body, number) if number < 2 else Reply(status=500)) as server,
        pytest.raises(ServerError, match="the answers so far are kept"),
    ):
        make(server, tmp_path, dataclasses.replace(REQUEST, concurrency=1))
    assert len(server.requests) == 2 + 3 * 5
    with chat_server(good) as server:
        assert make(server, tmp_path).n_cached == 2


# servers that cannot do what is asked


@pytest.mark.parametrize("status", [400, 422, 501])
def test_structured_output_that_is_refused_is_given_up_once_a_run(tmp_path: Path, status: int):
    def prose_only(body: dict[str, Any], number: int) -> Reply:
        if "response_format" in body:
            return Reply(status=status, body=REFUSED)
        return Reply("Of course!\n" + "\n".join(f"- {json.dumps(pair)}," for pair in pairs_for(body)))

    with chat_server(prose_only) as server:
        outcome = make(server, tmp_path)
        again = make(server, tmp_path)
    assert len(outcome.pairs) == 12
    assert outcome.n_requests == 6 + 2
    assert [body.get("response_format", {}).get("type") for body in server.requests[:3]] == ["json_schema", "json_object", None]
    assert again.n_requests == 0
    answers = [json.loads(path.read_text(encoding="utf-8"))["answer"] for path in (tmp_path / "cache").iterdir()]
    assert {answer["format"] for answer in answers} == {"text"}


def test_a_server_of_plain_json_gets_no_further_down(tmp_path: Path):
    def no_schema(body: dict[str, Any], number: int) -> Reply:
        return Reply(status=400, body=REFUSED) if body["response_format"]["type"] == "json_schema" else good(body, number)

    with chat_server(no_schema) as server:
        assert make(server, tmp_path).n_requests == 7


def test_a_request_that_is_refused_in_every_format_ends_the_run(tmp_path: Path):
    detail = json.dumps({"detail": f"temperature is fixed; {KEY}"})
    with (
        chat_server(lambda body, number: Reply(status=422, body=detail)) as server,
        pytest.raises(
            ServerError, match=r"refused the request \(HTTP 422: temperature is fixed; \*\*\*\): see its documentation"
        ),
    ):
        make(server, tmp_path)
    # it is named, left out, and named again
    assert [set(body) & {"temperature", "response_format"} for body in server.requests] == [
        {"temperature", "response_format"},
        {"response_format"},
        {"response_format"},
        set(),
    ]


def test_a_model_that_is_not_there_is_named_by_the_server(tmp_path: Path):
    body = json.dumps({"error": {"message": "The model `gpt-test` does not exist.", "code": "model_not_found"}})
    with (
        chat_server(lambda *_: Reply(status=404, body=body)) as server,
        pytest.raises(
            ServerError, match="HTTP 404: The model `gpt-test` does not exist.: check --chat-model and OPENAI_BASE_URL"
        ),
    ):
        make(server, tmp_path)


def test_an_account_without_credit_is_not_tried_again(tmp_path: Path):
    body = json.dumps({"error": {"message": "You exceeded your quota", "code": "insufficient_quota"}})
    with (
        chat_server(lambda *_: Reply(status=429, body=body)) as server,
        pytest.raises(ServerError, match="The account of OPENAI_API_KEY has no credit left .* top it up and run again"),
    ):
        make(server, tmp_path)
    assert len(server.requests) == 1


# the key and the address


@pytest.mark.parametrize("status", [401, 403])
def test_a_refused_key_ends_the_run_after_one_request_and_is_not_shown(tmp_path: Path, status: int):
    said = json.dumps({"error": {"message": f"Incorrect API key provided: {KEY[:5]}...{KEY[-4:]}", "code": "invalid_api_key"}})
    with chat_server(lambda *_: Reply(status=status, body=said)) as server:
        with pytest.raises(ServerError) as caught:
            make(server, tmp_path)
        assert len(server.requests) == 1
    shown = (
        f"{server.base_url} refused the key in OPENAI_API_KEY, or what its account asks for (HTTP {status}: Incorrect API key "
        "provided: ***): set one that is valid there."
    )
    assert str(caught.value) == shown
    assert caught.value.__suppress_context__


def test_no_key_is_told_before_any_request(tmp_path: Path):
    with pytest.raises(
        ServerError, match="Requests to https://api.openai.com/v1 need a key, and OPENAI_API_KEY is not set: set it"
    ):
        make_pairs_by_chat(REQUEST, cache_dir=tmp_path, environment={})


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_a_server_on_this_machine_needs_no_key(tmp_path: Path, host: str):
    with chat_server(good) as server:
        address = server.base_url.replace("127.0.0.1", host)
        assert len(make(server, tmp_path, environment={"OPENAI_BASE_URL": address}).pairs) == 12
    assert set(server.keys) == {"none"}


def test_nobody_at_the_address_is_told_at_once(tmp_path: Path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound, and nobody listens
        address = f"127.0.0.1:{taken.getsockname()[1]}/v1"
        environment = {"OPENAI_BASE_URL": f"http://user:word@{address}?token=5", "OPENAI_API_KEY": KEY}
        with pytest.raises(ServerError) as caught:
            make_pairs_by_chat(REQUEST, cache_dir=tmp_path, environment=environment)
    said = str(caught.value)
    assert re.fullmatch(
        rf"A chat server answers at OPENAI_BASE_URL; nothing does at http://{address} \(.*\). Start it, or set .*",
        said,
    )
    assert "word" not in said


def test_an_address_or_key_that_cannot_be_one_is_refused(tmp_path: Path):
    with pytest.raises(ServerError, match="OPENAI_BASE_URL is an address such as .*; got 'localhost:8000'"):
        make_pairs_by_chat(REQUEST, cache_dir=tmp_path, environment={"OPENAI_BASE_URL": "localhost:8000"})
    with pytest.raises(ServerError, match="OPENAI_API_KEY holds another character: copy it again") as caught:
        make_pairs_by_chat(REQUEST, cache_dir=tmp_path, environment={"OPENAI_API_KEY": f"{KEY}\nX-Other: 1"})
    assert KEY not in str(caught.value)


def test_the_key_is_in_no_file_log_or_value(tmp_path: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture):
    def telltale(body: dict[str, Any], number: int) -> Reply:
        if number in (0, 3):
            return Reply(status=500, body=json.dumps({"error": {"message": f"bad header: Bearer {KEY}"}}))
        return Reply(f"You sent {KEY}. {json.dumps(pairs_for(body))}")

    caplog.set_level(logging.DEBUG)
    for name in ("openai", "httpx", "httpx2", "httpcore", "httpcore2", "asyncio"):
        caplog.set_level(logging.DEBUG, logger=name)
    with chat_server(telltale) as server:
        outcome = make(server, tmp_path)
    assert len(outcome.pairs) == 12
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(files) == 6
    assert not [
        path for path in files if KEY in path.read_text(encoding="utf-8") or server.base_url in path.read_text(encoding="utf-8")
    ]
    assert caplog.text  # the client does log
    for text in (caplog.text, repr([record.__dict__ for record in caplog.records]), "".join(capfd.readouterr()), repr(outcome)):
        assert KEY not in text


# the budget and the cache


def test_the_budget_counts_every_request_and_the_rest_comes_the_next_time(tmp_path: Path):
    request = dataclasses.replace(REQUEST, max_requests=4, concurrency=1)
    with chat_server(first_fails(Reply(status=500))) as server:
        first = make(server, tmp_path, request)
        assert (first.n_requests, first.is_budget_spent, first.missing) == (4, True, {"tense": 6})
        assert len(first.pairs) == 6
        second = make(server, tmp_path, request)
        assert (second.n_requests, second.n_cached, second.is_budget_spent, second.missing) == (3, 3, False, {})
        assert len(server.requests) == 7
    assert second.pairs[:6] == first.pairs


def test_a_budget_of_nothing_takes_what_is_kept(tmp_path: Path):
    nothing = dataclasses.replace(REQUEST, max_requests=0)
    outcome = make_pairs_by_chat(nothing, cache_dir=tmp_path, environment={})
    assert (outcome.pairs, outcome.is_budget_spent, outcome.missing) == ((), True, {"location": 6, "tense": 6})


def test_a_killed_run_goes_on_where_it_was(tmp_path: Path):
    fourth = threading.Event()

    def stuck(body: dict[str, Any], number: int) -> Reply:
        if number == 3:
            fourth.set()
            return dataclasses.replace(good(body, number), delay_seconds=1.0)
        return good(body, number)

    program = (
        "import sys; from pathlib import Path; from layerscope.pairs.chat.prompts import ChatRequest; "
        "from layerscope.pairs.chat.source import make_pairs_by_chat; make_pairs_by_chat(ChatRequest('gpt-test', "
        "('location', 'tense'), 6, pairs_per_request=2, concurrency=1), cache_dir=Path(sys.argv[1]))"
    )
    with chat_server(stuck) as server:
        environment = os.environ | {"OPENAI_BASE_URL": server.base_url}
        with subprocess.Popen([sys.executable, "-c", program, str(tmp_path / "cache")], env=environment) as process:
            assert fourth.wait(timeout=30)
            process.kill()
        outcome = make(server, tmp_path)
        assert (outcome.n_cached, outcome.n_requests) == (3, 3)
        assert same(outcome, make(server, tmp_path / "another"))


def test_an_answer_that_cannot_be_read_is_asked_for_again(tmp_path: Path):
    with chat_server(good) as server:
        first = make(server, tmp_path)
        damaged = sorted((tmp_path / "cache").iterdir())
        damaged[0].write_text(damaged[0].read_text(encoding="utf-8")[:40], encoding="utf-8")
        damaged[1].write_text("[]", encoding="utf-8")
        damaged[2].write_text(damaged[3].read_text(encoding="utf-8"), encoding="utf-8")
        again = make(server, tmp_path)
    assert same(first, again)
    assert (again.n_requests, again.n_cached) == (3, 3)


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path):
    (tmp_path / "cache").write_text("a file", encoding="utf-8")
    with (
        chat_server(good) as server,
        pytest.raises(PairError, match=r"Answers are kept in '.*cache', which cannot be written \("),
    ):
        make(server, tmp_path)


def test_pairs_can_be_written_down(tmp_path: Path):
    with chat_server(good) as server:
        outcome = make(server, tmp_path)
    assert all(isinstance(pair, MinimalPair) and pair.edit1 == (3, 6) for pair in outcome.pairs)
