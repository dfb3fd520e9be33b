"""Prompts are files; a request is the same text every time, and another where anything about it is another."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from layerscope.errors import PairError
from layerscope.pairs.chat.prompts import OUR_PROMPTS, ChatRequest, PromptFiles


def prompt_of(request: ChatRequest, subtype: str = "tense", number: int = 0):
    return PromptFiles(request.prompt_dir).prompt(request, subtype, number=number)


def test_a_prompt_is_the_same_every_time_and_holds_count_definition_and_topics():
    request = ChatRequest("m", pairs_per_request=7)
    prompt = prompt_of(request)
    assert prompt == prompt_of(request)
    assert prompt.key == prompt_of(request).key
    assert "Write 7 new minimal pairs" in prompt.text
    assert "the tense of one verb" in prompt.text
    asked = re.search(r"for variety: (.*)\.", prompt.text)[1].split(", ")
    assert len(set(asked)) == 7
    assert set(asked) <= set((OUR_PROMPTS / "topics.md").read_text(encoding="utf-8").splitlines())


def test_key_depends_on_all_that_an_answer_depends_on_and_on_nothing_else():
    first = prompt_of(ChatRequest("m"))
    others = [
        prompt_of(ChatRequest("other")),
        prompt_of(ChatRequest("m", seed=1)),
        prompt_of(ChatRequest("m", temperature=0.5)),
        prompt_of(ChatRequest("m", pairs_per_request=9)),
        prompt_of(ChatRequest("m", max_tokens=9)),
        prompt_of(ChatRequest("m"), "typo"),
        prompt_of(ChatRequest("m"), number=1),
    ]
    assert len({first.key, *(other.key for other in others)}) == 8
    same = ChatRequest("m", subtypes=("tense",), per_subtype=3, max_requests=9, concurrency=1, timeout_seconds=1.0)
    assert prompt_of(same).key == first.key


def test_a_folder_stands_in_for_files_of_the_same_name(tmp_path: Path):
    (tmp_path / "one-wrong.md").write_text("Give $count for 1 $$ on $topics.\n$kind", encoding="utf-8")
    (tmp_path / "topics.md").write_text("bees\n\n", encoding="utf-8")
    request = ChatRequest("m", pairs_per_request=2, prompt_dir=tmp_path)
    assert prompt_of(request).text.startswith("Give 2 for 1 $ on bees.\nWhat differs: the tense")
    assert prompt_of(request, "subject").text.startswith("Write 2 new")
    # one topic makes equal texts; they are two draws all the same
    assert prompt_of(request).text == prompt_of(request, number=1).text
    assert prompt_of(request).key != prompt_of(request, number=1).key


@pytest.mark.parametrize("form", ["Write $number pairs.", "It costs $ 5."])
def test_a_placeholder_that_is_none_is_refused(tmp_path: Path, form: str):
    (tmp_path / "one-wrong.md").write_text(form, encoding="utf-8")
    with pytest.raises(
        PairError, match=r"placeholders of a prompt are \$count, \$kind and \$topics.*one-wrong.md' has another"
    ):
        prompt_of(ChatRequest("m", prompt_dir=tmp_path))


def test_prompt_files_that_cannot_be_used_are_named(tmp_path: Path):
    with pytest.raises(PairError, match="there is none at '.*nowhere'. Ours are at"):
        prompt_of(ChatRequest("m", prompt_dir=tmp_path / "nowhere"))
    (tmp_path / "topics.md").write_text("\n", encoding="utf-8")
    with pytest.raises(PairError, match=r"Topics are lines of '.*topics.md'; it has none\."):
        prompt_of(ChatRequest("m", prompt_dir=tmp_path))
    (tmp_path / "topics.md").write_bytes(b"ab\xff")
    with pytest.raises(PairError, match=r"topics.md' is not \(byte 2\)"):
        prompt_of(ChatRequest("m", prompt_dir=tmp_path))


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"chat_model": " "}, "such as gpt-4o-mini; got ' '."),
        ({"subtypes": ("tens",)}, "got 'tens'. Did you mean tense?"),
        ({"subtypes": ("identical",)}, "got 'identical'"),
        ({"subtypes": ()}, "one or more names, each once; got ''"),
        ({"subtypes": ("tense", "tense")}, "each once; got 'tense, tense'"),
        ({"per_subtype": 0}, "per_subtype is 1 or more; got 0."),
        ({"max_tokens": 0}, "max_tokens is 1 or more, or none; got 0."),
        ({"max_requests": -1}, "max_requests is 0 or more; got -1."),
        ({"timeout_seconds": 0.0}, "timeout_seconds is more than 0; got 0."),
        ({"temperature": 2.5}, "temperature is 0 to 2; got 2.5."),
    ],
)
def test_a_request_that_makes_no_sense_is_refused(fields: dict, message: str):
    with pytest.raises(PairError, match=re.escape(message)):
        ChatRequest(**{"chat_model": "m"} | fields)
