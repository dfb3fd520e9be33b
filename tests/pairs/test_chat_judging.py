"""Each received pair becomes a pair or gets the reason why not."""

from __future__ import annotations

import dataclasses

import pytest

from layerscope.pairs.chat.answers import Received, read_answer
from layerscope.pairs.chat.judging import judge, key_of
from layerscope.pairs.chat.prompts import ASKABLE, ChatRequest, PromptFiles
from layerscope.pairs.pair import MinimalPair
from layerscope.pairs.subtypes import SUBTYPES


def judged(first: str, second: str, subtype: str = "location", seen: set = frozenset(), known: set = frozenset()):
    prompt = PromptFiles().prompt(ChatRequest("m"), subtype, number=0)
    return judge(Received("", (first, second)), prompt, seen=set(seen), known=set(known))


def test_a_pair_is_spaced_and_carries_source_template_and_right_side():
    pair = judged(" We  were tired\nyesterday evening. ", "We are tired yesterday evening.", "tense")
    assert isinstance(pair, MinimalPair)
    assert (pair.sentence1, pair.edit1, pair.edit2) == ("We were tired yesterday evening.", (3, 7), (3, 6))
    assert (pair.type, pair.right, pair.source) == ("grammar", 1, "openai:m")
    assert pair.template == f"openai:m/tense/{PromptFiles().prompt(ChatRequest('m'), 'tense', number=0).key[:8]}"


def test_articles_and_meaning_have_no_right_side():
    assert judged("He has a dog at home.", "He has the dog at home.", "article").right is None
    assert judged("He sat in the park.", "He sat in the car.").right is None


@pytest.mark.parametrize(
    ("first", "second", "subtype", "reason"),
    [
        ("We sat in a park.", "We sat in a park.", "location", "the sentences are the same"),
        ("We sat in a park.", " ", "location", "a sentence is empty"),
        ("We sat in a park.", "We sat in a big park.", "location", "the sentences have 5 and 6 words"),
        ("We sat in a park.", "We lay in a car.", "location", "2 words differ"),
        ("We sat in a park.", "They sat in a park.", "subject", "the first word differs"),
        ("We sat in a park.", "We sat in a Park.", "location", "the words differ in case or punctuation only"),
        ("We sat in a park.", "We sat in a park!", "location", "the words differ in case or punctuation only"),
        ("We sat in a park.", "We sat in a car!", "location", "the punctuation differs, too"),
        ("We sat in a park.", "We sat in one park.", "article", "'a' and 'one' are not both words of the kind article"),
        ("We sat in a park.", "We sat big a park.", "preposition", "'in' and 'big' are not both words of the kind preposition"),
        ("Then he saw us.", "Then it saw us.", "pronoun-gender", "'he' and 'it' are not both words of the kind pronoun-gender"),
        ("We sat in a \ud83d.", "We sat in a car.", "location", "it holds half a character"),
        ("We sat in a p\x1b[31mark.", "We sat in a car.", "location", "it holds a control character"),
        ("We sat in a park\0.", "We sat in a car.", "location", "it holds a control character"),
    ],
)
def test_each_fault_has_its_reason(first: str, second: str, subtype: str, reason: str):
    assert judged(first, second, subtype) == reason


def test_a_pair_turned_round_is_the_same_pair():
    turned = key_of("We sat in a  car.", "we sat in a park.")
    assert judged("We sat in a park.", "We sat in a car.", seen={turned}) == "it was there already"
    assert judged("We sat in a park.", "We sat in a car.", known={turned}) == "it is among the pairs that were given"


@pytest.mark.parametrize("subtype", ASKABLE)
def test_the_example_of_each_prompt_is_a_pair_and_not_a_new_one(subtype: str):
    prompt = PromptFiles().prompt(ChatRequest("m"), subtype, number=0)
    (example,) = read_answer(prompt.text, prompt.fields)
    assert judge(example, prompt, seen=set(), known=set()) == "it is the example of the prompt"
    elsewhere = dataclasses.replace(prompt, text="")
    assert isinstance(judge(example, elsewhere, seen=set(), known=set()), MinimalPair)
    assert all(sentence in prompt.text for sentence in SUBTYPES[subtype].example)


def test_punctuation_is_what_is_before_the_first_and_after_the_last_letter():
    assert judged('We saw "-dogs-"! here.', 'We saw "-ca-ts-"! here.').sentence2 == 'We saw "-ca-ts-"! here.'
    assert judged('We saw "-dogs-"! here.', 'We saw "-cats-!" here.') == "the punctuation differs, too"
    assert judged("We saw -- here.", "We saw cat here.") == "the punctuation differs, too"
    long = "a" + "!" * 30_000 + "b"  # takes minutes where the time is the square of the length
    assert judged(f"We saw {long} here.", f"We saw {long}c here.").sentence2.startswith("We saw a!")
