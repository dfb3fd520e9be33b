"""Options as they are written, and what is refused."""

from __future__ import annotations

import re
from typing import Any

import pytest

from layerscope.errors import PairError
from layerscope.pairs.chat.options import check_options, read_options
from layerscope.pairs.chat.prompts import ChatRequest, PromptFiles


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("20", 20),
        ("0.5", 0.5),
        ("true", True),
        ("low", "low"),
        ('"none"', "none"),
        ("none", None),
        ("None", None),
        ("null", None),
        ('{"type": "disabled"}', {"type": "disabled"}),
        ('["a"]', ["a"]),
        ("a=b", "a=b"),
        ("NaN", "NaN"),
        ("{broken", "{broken"),
        ("[" * 100_000, "[" * 100_000),
        ("9" * 10_000, "9" * 10_000),
    ],
)
def test_a_value_is_json_or_text(written: str, value: Any):
    assert read_options([f"name={written}"]) == {"name": value}


@pytest.mark.parametrize(
    ("written", "message"),
    [
        (["top_k"], "--chat-option is written NAME=VALUE, such as reasoning_effort=low; got 'top_k'."),
        (["top_k="], "got 'top_k='."),
        (["=5"], "got '=5'."),
        (["top_k=1", "top_k=2"], "--chat-option gives each name once; got 'top_k' twice."),
    ],
)
def test_what_is_no_option_is_refused(written: list[str], message: str):
    with pytest.raises(PairError, match=re.escape(message)):
        read_options(written)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"model": "x"}, "got 'model': leave it out, --chat-model names the model"),
        ({"messages": []}, "got 'messages': leave it out, it is what the answers are read by"),
        ({"stream": True}, "got 'stream'"),
        ({"n": 2}, "got 'n'"),
        ({"api_key": "abc"}, "stored with the answers and so is no secret; got 'api_key': set OPENAI_API_KEY"),
        ({"extra": [{"X-Api-Key": "abc"}]}, "got 'X-Api-Key'"),
        ({"Authorization": "abc"}, "got 'Authorization'"),
        ({"x": float("nan")}, "'x' is not (ValueError)"),
        ({"x": float("inf")}, "'x' is not (ValueError)"),
        ({"x": {1, 2}}, "'x' is not (TypeError)"),
        ({"x": "\udcff"}, "'x' is not (UnicodeEncodeError)"),
        ({"\udcff": 1}, r"'\udcff' is not (UnicodeEncodeError)"),
    ],
)
def test_what_a_request_cannot_hold_is_refused(options: dict[str, Any], message: str):
    with pytest.raises(PairError, match=re.escape(message)):
        ChatRequest("m", options=options)


def test_names_that_only_sound_like_secrets_are_allowed():
    check_options({"max_tokens": 5, "prompt_cache_key": "pairs", "logit_bias": {"50256": -100}})


def test_options_change_the_key_and_are_told_by_the_source():
    def prompt(**given: Any):
        return PromptFiles().prompt(ChatRequest("m", **given), "tense", number=0)

    plain, other = prompt(), prompt(options={"top_k": 20, "reasoning_effort": "low", "temperature": None})
    assert plain.key == prompt(options={}).key != other.key
    assert plain.source() == "openai:m"
    assert other.source() == "openai:m reasoning_effort=low temperature=none top_k=20"
    assert other.source(["top_k"]) == "openai:m reasoning_effort=low temperature=none top_k=none"
    assert "top_k" not in other.template


def test_the_key_of_a_request_without_options_is_the_one_of_before_there_were_options():
    """Answers that were kept then are found."""
    prompt = PromptFiles().prompt(ChatRequest("m"), "tense", number=0)
    import hashlib
    import json

    fields = ("model", "subtype", "text", "fields", "temperature", "max_tokens", "seed", "number")
    content = json.dumps({name: getattr(prompt, name) for name in fields})
    assert prompt.key == hashlib.sha256(content.encode("utf-8")).hexdigest()
