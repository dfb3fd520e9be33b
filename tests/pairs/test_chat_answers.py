"""Pairs are found in whatever a model writes, and what is none is kept with its reason."""

from __future__ import annotations

import json

import pytest

from layerscope.pairs.chat.answers import read_answer

FIELDS = ("sentence1", "sentence2")
CAT = {"sentence1": "The cat sat.", "sentence2": "The dog sat."}
TEA = {"sentence1": "I like tea.", "sentence2": "I like milk."}
TWO = [("The cat sat.", "The dog sat."), ("I like tea.", "I like milk.")]


def sides(content: str) -> list[tuple[str, str] | None]:
    return [piece.sides for piece in read_answer(content, FIELDS)]


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(json.dumps({"pairs": [CAT, TEA]}), id="as asked for"),
        pytest.param(json.dumps([CAT, TEA], indent=2), id="a list"),
        pytest.param(f"{json.dumps(CAT)}\n{json.dumps(TEA)}", id="an object a line"),
        pytest.param(f'Sure! Here "they are:\n```json\n{json.dumps({"pairs": [CAT, TEA]})}\n```\nMore?', id="in a code fence"),
        pytest.param(f"1. {json.dumps(CAT)} and {{so on}}\n2. {json.dumps(TEA)}.", id="in prose"),
        pytest.param(f'{{"pairs": [{json.dumps(CAT)[:-1]},}},\n {json.dumps(TEA)},\n],}}', id="commas at the end"),
        pytest.param(json.dumps({"result": {"meaning": [CAT], "rest": {"x": TEA}}}), id="deeper than asked for"),
        pytest.param(json.dumps({"note": "two", "pairs": [CAT | {"why": "x"}, TEA]}), id="with more fields"),
        pytest.param(f"<think>{json.dumps(CAT)} no</think>{json.dumps({'pairs': [CAT, TEA]})}", id="after thinking aloud"),
        pytest.param(f'{{"pairs": [{json.dumps(CAT)}, {json.dumps(TEA)}', id="cut off between pairs"),
    ],
)
def test_pairs_are_found_in_every_form_of_answer(content: str):
    assert sides(content) == TWO


def test_an_answer_cut_off_in_a_pair_gives_the_pairs_before_it_and_the_rest():
    content = json.dumps({"pairs": [CAT, TEA, CAT]})
    pieces = read_answer(content[: content.rindex("The dog") + 5], FIELDS)
    assert [piece.sides for piece in pieces] == [*TWO, None]
    assert pieces[-1].text == '{"sentence1": "The cat sat.", "sentence2": "The d'
    assert pieces[-1].reason == "the answer ends in the middle of it"


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ('{"pairs": [{"sentence1": "A b."}]}', "it has not the fields sentence1 and sentence2"),
        ('{"pairs": [{"good": "A b.", "bad": "A c."}]}', "it has not the fields sentence1 and sentence2"),
        ('{"pairs": ["A b."]}', "it has not the fields sentence1 and sentence2"),
        ('{"sentence1": "A b.", "sentence2": 3}', "sentence1 and sentence2 are not both text"),
        ('{"sentence1": "He said "no" to me.", "sentence2": "He said yes."}', "it cannot be read as JSON"),
        ('{"sentence1": "A b.", "sentence1": "A c.", "sentence2": "A d."}', "it says a name twice"),
        ("{'sentence1': 'A b.', 'sentence2': \"A c.\"}", "it cannot be read as JSON"),
        ("The cat sat. The dog sat.", "the answer holds no JSON with pairs"),
        ('{"pairs": []}', "the answer holds no JSON with pairs"),
        ("{" * 5000, "the answer holds no JSON with pairs"),
        ('{"a":' * 3000 + '"', "the answer ends in the middle of it"),
        (" \n", "the answer is empty"),
    ],
)
def test_what_is_no_pair_is_kept_with_its_reason(content: str, reason: str):
    (piece,) = read_answer(content, FIELDS)
    assert (piece.sides, piece.reason) == (None, reason)


def test_a_broken_pair_does_not_hide_its_neighbours():
    content = f'{{"pairs": [{json.dumps(CAT)}, {{"sentence1": "A b." "sentence2": "A c."}}, {json.dumps(TEA)}]}}'
    assert sides(content) == [TWO[0], None, TWO[1]]


def test_half_a_character_can_be_written_down():
    (piece,) = read_answer('{"sentence1": "\\ud83d", "sentence2": 1}', FIELDS)
    assert piece.text.encode("utf-8") == b'{"sentence1": "\\ud83d", "sentence2": 1}'
