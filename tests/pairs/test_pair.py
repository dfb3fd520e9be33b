"""What a pair is: its edit, its identity, its file; and what is refused."""

from __future__ import annotations

import json
import tracemalloc
from itertools import islice
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from layerscope.errors import DataError, PairError
from layerscope.pairs.format import from_record, read_pairs, to_line, write_pairs
from layerscope.pairs.pair import MinimalPair, find_edit
from layerscope.pairs.subtypes import SUBTYPES


def pair_of(sentence1: str, sentence2: str, **fields) -> MinimalPair:
    options = {"type": "meaning", "subtype": "subject", "right": None, "template": "t", "source": "test"}
    return MinimalPair.from_sentences(sentence1, sentence2, **{**options, **fields})


@pytest.mark.parametrize(
    ("sentence1", "sentence2", "edit1", "edit2"),
    [
        ("She is tired.", "She was tired.", "is", "was"),
        ("The keys are here.", "The keys is here.", "are", "is"),
        ("The house is big.", "The hause is big.", "house", "hause"),
        ("I saw these books.", "I saw this books.", "these", "this"),
        ("They don't go.", "They do go.", "don't", "do"),
        ("It is good.", "It is good!", ".", "!"),
        ("A cat sat", "A cat that sat", "", "that "),
        ("“Yes,” she said.", "“No,” she said.", "Yes", "No"),
        ("猫が好き", "犬が好き", "猫が好き", "犬が好き"),  # no spaces: the whole run of letters is a word
        ("same", "same", "", ""),
        ("ends with a space ", "ends with the space ", "a", "the"),
    ],
)
def test_the_edit_is_whole_words(sentence1: str, sentence2: str, edit1: str, edit2: str) -> None:
    (start1, end1), (start2, end2) = find_edit(sentence1, sentence2)
    assert (sentence1[start1:end1], sentence2[start2:end2]) == (edit1, edit2)
    assert sentence1[:start1] == sentence2[:start2]
    assert sentence1[end1:] == sentence2[end2:]


@given(st.text(alphabet="ab 'é.", max_size=9), st.text(alphabet="ab 'é.", max_size=9))
def test_what_surrounds_an_edit_is_the_same(sentence1: str, sentence2: str) -> None:
    (start1, end1), (start2, end2) = find_edit(sentence1, sentence2)
    assert sentence1[:start1] == sentence2[:start2]
    assert sentence1[end1:] == sentence2[end2:]
    assert start1 <= end1
    assert start2 <= end2


def test_every_example_is_a_pair_of_its_subtype() -> None:
    published = {"subject", "location", "adjective", "tense", "article", "preposition"}
    assert published <= set(SUBTYPES)
    for subtype in SUBTYPES.values():
        if subtype.name != "unrelated":
            pair = pair_of(*subtype.example, type=subtype.type, subtype=subtype.name)
            assert from_record(json.loads(to_line(pair))) == pair


def test_the_id_depends_on_content_alone() -> None:
    first = pair_of("She ran.", "He ran.")
    assert first.id == pair_of("She ran.", "He ran.", template="other", source="elsewhere").id
    assert first.id != pair_of("He ran.", "She ran.").id
    assert len(first.id) == 12


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"type": "style"}, "The type of a pair is meaning, grammar, control; got 'style'"),
        ({"subtype": "two words"}, "A subtype is a word of letters, digits and hyphens; got 'two words'"),
        ({"right": 3}, "The right side of a pair is 1, 2 or none; got 3"),
        ({"sentence2": "  "}, "sentence2 is '  '"),
        ({"edit1": [0, 99]}, "An edit lies in its sentence; got 0-99 in sentence1"),
        ({"edit1": [4, 6], "edit2": [5, 6]}, "The sentences of a pair are the same before the edit"),
        ({"edit1": [0]}, "'edit1' is two whole numbers"),
        ({"sentence1": 5}, "'sentence1' is a string; got 5"),
        ({"term": {"value": ""}}, "'term' is a string; got {'value': ''}"),
        ({"term": None}, "'term' is a string; got None"),
        ({"right": True}, "The right side of a pair is 1, 2 or none; got True"),
        ({"schema": "layerscope-pair/9"}, "'schema' is 'layerscope-pair/1'; got 'layerscope-pair/9'"),
    ],
)
def test_what_is_no_pair_is_refused_with_its_line(fields: dict, message: str, tmp_path: Path) -> None:
    good = to_line(pair_of("She is tired.", "She was tired."))
    bad = json.dumps({**json.loads(good), **fields})
    path = tmp_path / "pairs.jsonl"
    path.write_text(f"{good}\n\n{bad}\n", encoding="utf-8")
    pairs = read_pairs(path)
    next(pairs)
    with pytest.raises(PairError, match=f"Line 3 of '.*pairs.jsonl' is not a pair: .*{message}".replace("  ", " +")):
        next(pairs)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (b"{", "Line 1 of '.*' is not valid JSON"),
        (b"[]", "Line 1 of '.*' is not a pair: a line is a JSON object; this is list"),
        (b"a\xff", "A text file is UTF-8; '.*' is not, at byte 1"),
        (b"[" * 1000 + b"]" * 1000, "Line 1 of '.*' is nested more than 100 deep"),
        (b'{"edit1": [0, ' + b"9" * 5000 + b"]}", "Line 1 of '.*' has a number that no float holds"),
        (b'{"sentence1": "\\ud800"}', "Line 1 of '.*' holds half of a surrogate pair"),
    ],
)
def test_a_broken_line_is_named(line: bytes, message: str, tmp_path: Path) -> None:
    path = tmp_path / "pairs.jsonl"
    path.write_bytes(line + b"\n")
    with pytest.raises((PairError, DataError), match=message):
        list(read_pairs(path))
    with pytest.raises(PairError, match="there is none at"):
        list(read_pairs(tmp_path / "none.jsonl"))


def test_a_mark_of_utf8_is_no_part_of_the_first_line(tmp_path: Path) -> None:
    pair = pair_of("She ran.", "He ran.")
    path = tmp_path / "pairs.jsonl"
    path.write_text("\ufeff" + to_line(pair) + "\r\n", encoding="utf-8")
    assert list(read_pairs(path)) == [pair]


def test_a_missing_field_is_named() -> None:
    record = json.loads(to_line(pair_of("She ran.", "He ran.")))
    del record["template"]
    with pytest.raises(PairError, match="template missing"):
        from_record(record)


def test_unicode_quotes_and_spaces_survive(tmp_path: Path) -> None:
    pairs = [pair_of(f"{text} one ", f"{text} two ") for text in ("“Ça va?” é", "e\u0301 \u2028 x", "絵文字 🙂", 'a "b" \\ c')]
    assert write_pairs(pairs, tmp_path / "pairs.jsonl") == 4
    assert list(read_pairs(tmp_path / "pairs.jsonl")) == pairs


@pytest.mark.slow
def test_many_pairs_take_no_more_memory_than_few(tmp_path: Path) -> None:
    pair = pair_of("She is very tired.", "She was very tired.")
    peaks = []
    for count in (200, 4000):
        path = tmp_path / f"{count}.jsonl"
        tracemalloc.start()
        write_pairs((pair for _ in range(count)), path)
        assert sum(1 for _ in read_pairs(path)) == count
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.2 * peaks[0] + 50_000
    assert len(list(islice(read_pairs(path), 3))) == 3
