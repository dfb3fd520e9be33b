"""Pairs are found in whatever a model writes, and what is none is kept with its reason."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest

from layerscope.pairs.chat import answers
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


def sides_brace_by_brace(text: str) -> list[tuple[str, str]]:
    """Pairs in a text, found by trying to read an object from each brace on that lies in none that was read."""
    text, found, start = answers._without_last_commas(text), [], -1
    while (start := text.find("{", start + 1)) >= 0:
        try:
            value, end = json.JSONDecoder(strict=False).raw_decode(text, start)
        except ValueError:
            continue
        waiting, start = [value], end - 1
        while waiting:
            value = waiting.pop()
            if isinstance(value, dict) and set(FIELDS) <= set(value):
                found.append(tuple(value[name] for name in FIELDS))
            elif isinstance(value, dict | list):
                waiting += reversed(list(value.values()) if isinstance(value, dict) else value)
    return found


def test_broken_answers_give_what_reading_them_brace_by_brace_gives():
    rng = random.Random(0)
    n_pairs = 0
    for _ in range(2000):
        words = [rng.choice(["saw", "{saw}", 'saw "it"']) for _ in range(rng.randint(1, 4))]
        pairs = [{"sentence1": f"We {word} {i} here.", "sentence2": f"We see {i} here."} for i, word in enumerate(words)]
        text = json.dumps(rng.choice([{"pairs": pairs}, pairs, {"a": {"b": pairs}}]), indent=rng.choice([None, 2]))
        text = rng.choice(["", 'Here "they {are}: ', "```json\n"]) + text + rng.choice(["", " and {more}"])
        for _ in range(rng.randint(0, 3)):
            place = rng.randrange(len(text))
            added = rng.choice(["", *'"{}[],:\\ax'])
            text = rng.choice([text[:place] + added + text[place + rng.randint(0, 1) :], text[: place + 1]])
        whole = [found for found in sides(text) if found]
        n_pairs += len(whole)
        assert whole == sides_brace_by_brace(text), text
    assert n_pairs > 2000


class Counted:
    """The decoder, and how many characters it has read."""

    def __init__(self, decoder: json.JSONDecoder) -> None:
        self.decoder = decoder
        self.n_read = 0

    def raw_decode(self, text: str, start: int) -> tuple[Any, int]:
        try:
            value, end = self.decoder.raw_decode(text, start)
        except json.JSONDecodeError as error:
            self.n_read += error.pos - start
            raise
        except RecursionError:
            self.n_read += 1000 * len('{"a":')  # that many levels of the texts below
            raise
        self.n_read += end - start
        return value, end


@pytest.mark.parametrize(
    "text",
    [
        pytest.param('{"a":' * 4000, id="deep"),
        pytest.param('{"a":' * 4000 + "1" + "}" * 4000, id="deep and closed"),
        pytest.param('{"a":[' * 40 + '{"k":1},' * 2000, id="deep, then wide"),
        pytest.param('[{"a":"b{' * 2000, id="braces in strings"),
        pytest.param('{"a":1,"b":{' * 2000, id="objects without an end"),
        pytest.param('{"' * 10_000, id="braces and quotes"),
        pytest.param('{"x' * 7000, id="strings without an end"),
        pytest.param('{"a":"' + '\\"{' * 7000, id="escaped quotes"),
        pytest.param('{"a":"\\x' * 2500, id="escapes that are none"),
        pytest.param("{" * 20_000, id="braces"),
        pytest.param("[" * 20_000, id="brackets"),
        pytest.param('{"a":' + "9" * 20_000 + "}", id="a number of twenty thousand digits"),
        pytest.param('{"' + "k" * 20_000 + '":1}', id="a long name"),
        pytest.param('{"sentence1": NaN, "sentence2": -Infinity}', id="no numbers"),
        pytest.param('{"sentence1": "\\ud83d", "sentence2": "\ud83d"}', id="halves of characters"),
        pytest.param("</think>" * 2000, id="thinking"),
    ],
)
def test_any_text_is_read_a_few_times_at_most(text: str, monkeypatch: pytest.MonkeyPatch):
    counted = Counted(answers._DECODER)
    monkeypatch.setattr(answers, "_DECODER", counted)
    pieces = read_answer(text, FIELDS)
    assert pieces
    assert "".join(piece.text for piece in pieces).encode("utf-8") is not None
    assert counted.n_read <= 5 * len(text)


def test_the_rest_of_an_answer_of_broken_objects_is_one_piece():
    pieces = read_answer('{"x": y} ' * 1500, FIELDS)
    assert len(pieces) == 1001
    assert pieces[-1].text == ('{"x": y} ' * 500)
    assert {piece.reason for piece in pieces} == {"it cannot be read as JSON"}
