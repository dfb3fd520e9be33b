"""What a server refuses is read from its words, whatever form they have."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from layerscope.pairs.chat.prompts import ChatRequest, PromptFiles
from layerscope.pairs.chat.terms import FORMATS, Terms, format_of, read_refusal, refused_name, what_changed, words_of

SENT = ("model", "messages", "temperature", "max_completion_tokens", "response_format", "seed", "top_p", "top")


def openai(message: str, param: str | None = None) -> dict[str, Any]:
    return {"error": {"message": message, "param": param, "type": "invalid_request_error", "code": None}}


@pytest.mark.parametrize(
    ("refusal", "name"),
    [
        (openai("Unsupported value: 'temperature' does not support 0.7 with this model.", "temperature"), "temperature"),
        (openai("Unsupported.", "response_format.json_schema"), "response_format"),
        (openai("Only the default (1) value is supported for 'temperature'."), "temperature"),
        (openai("Unsupported parameter: 'max_completion_tokens'. Use 'max_tokens' instead."), "max_completion_tokens"),
        (openai("Unrecognized request argument supplied: seed"), "seed"),
        (openai("`top_p` and `temperature` cannot both be given."), "top_p"),
        (openai("Invalid 'messages': too long for this model.", "messages"), "messages"),
        ({"error": "temperature is not supported"}, "temperature"),
        ({"detail": [{"loc": ["body", "seed"], "msg": "Extra inputs are not permitted", "type": "extra_forbidden"}]}, "seed"),
        ({"detail": "response_format is not allowed"}, "response_format"),
        ({"object": "error", "message": "temperature must be 1", "param": None, "code": 400}, "temperature"),
        ([{"error": {"code": 400, "message": 'Unknown name "seed": Cannot find field.'}}], "seed"),
        ("Bad request: unknown field `seed`", "seed"),
        (openai("The temperatures of topical seeds are responsive."), None),
        (openai("This model does not take your messages."), None),
        ({"error": {"error": {"error": {"error": {"error": {"message": "temperature"}}}}}}, None),
        ({}, None),
        (None, None),
        (5, None),
    ],
)
def test_the_refused_parameter_is_read(refusal: Any, name: str | None):
    assert refused_name(refusal, SENT) == name


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ('{"error": {"message": "No."}}', "No."),
        ('{"detail": [{"msg": "one", "loc": []}, {"msg": "two"}]}', "one; two"),
        ('{"errors": [{"title": "no"}]}', "no"),
        ("<html><head><title>502 Bad Gateway</title></head><body>nginx</body>", "502 Bad Gateway"),
        ("<p>Please <b>log in</b></p>", " Please  log in  "),
        ("[" * 100_000, "[" * 10_000),
        ("", ""),
        ("{}", ""),
    ],
)
def test_words_are_found_in_any_body(body: str, words: str):
    assert words_of(read_refusal(body)) == words


def prompt_of(**given: Any):
    return PromptFiles().prompt(ChatRequest("m", **given), "tense", number=0)


def test_options_stand_over_what_is_sent_and_none_leaves_out():
    prompt = prompt_of(max_tokens=9, options={"temperature": None, "max_tokens": 5, "top_k": 3, "response_format": None})
    body = Terms().body(prompt)
    assert {name: value for name, value in body.items() if name != "messages"} == {"model": "m", "max_tokens": 5, "top_k": 3}
    assert format_of(body) == "text"


def test_each_refusal_leads_on_and_the_last_ends():
    prompt = prompt_of(max_tokens=9, options={"seed": 4})
    refused: list[str | None] = ["seed", "max_completion_tokens", None, "response_format", "max_tokens", "temperature"]
    terms = Terms()
    for name in refused:
        after = terms.after_refusal(prompt, openai("no", name))
        assert after is not None
        assert what_changed(terms, after)
        terms = after
    assert terms == Terms("text", frozenset({"seed", "max_tokens", "temperature"}), swapped=True)
    assert set(terms.body(prompt)) == {"model", "messages"}
    assert terms.after_refusal(prompt, openai("no")) is None
    assert Terms().after_refusal(prompt, openai("no", "model")) is None


def test_a_format_that_the_user_gave_is_left_out_only_where_it_is_named():
    prompt = prompt_of(options={"response_format": {"type": "json_object"}})
    assert Terms().after_refusal(prompt, openai("no")) is None
    after = Terms().after_refusal(prompt, openai("no", "response_format"))
    assert after == dataclasses.replace(Terms(), left_out=frozenset({"response_format"}))
    assert format_of(after.body(prompt)) == "text"


def test_what_changed_is_said():
    assert what_changed(Terms(), Terms(left_out=frozenset({"seed"}))) == "seed is left out from here on"
    assert (
        what_changed(Terms(), Terms(FORMATS[1])) == "answers are asked for as json_object in place of json_schema from here on"
    )
    assert "max_completion_tokens" in what_changed(Terms(), Terms(swapped=True))
