"""Other people's pairs: BLiMP, tables, the published layout; and broken files, which name their line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from layerscope.errors import DataError, PairError
from layerscope.pairs.files import write_published
from layerscope.pairs.format import write_pairs
from layerscope.pairs.importing import import_blimp, import_published, import_table, read_ours_or_blimp
from layerscope.pairs.pair import MinimalPair

BLIMP = Path(__file__).parents[3] / "shared" / "data" / "blimp"


def blimp_line(**changes) -> str:
    record = {
        "sentence_good": "Some turtles hide.", "sentence_bad": "Some turtles hides.", "field": "morphology",
        "linguistics_term": "subject_verb_agreement", "UID": "regular_plural_subject_verb_agreement_1", "pairID": "0",
    }  # fmt: skip
    return json.dumps({**record, **changes})


def test_blimp_keeps_paradigm_and_right_side(tmp_path: Path) -> None:
    (tmp_path / "b.jsonl").write_text(f"{blimp_line()}\n{blimp_line(UID='wh_island', linguistics_term='island_effects')}\n")
    (tmp_path / "a.jsonl").write_text(blimp_line(UID="anaphor_gender_agreement", linguistics_term="anaphor_agreement"))
    first, second, third = import_blimp(tmp_path)
    assert (first.subtype, first.term, first.template) == (
        "pronoun-gender",
        "anaphor_gender_agreement",
        "blimp/anaphor_gender_agreement",
    )
    assert (second.type, second.subtype, second.right) == ("grammar", "subject-verb-agreement", 1)
    assert second.sentence2[slice(*second.edit2)] == "hides"
    assert third.subtype == "island-effects"


@pytest.mark.skipif(not BLIMP.is_dir(), reason="needs ../shared/data/blimp")
def test_the_real_blimp_is_read_whole() -> None:
    pairs = list(import_blimp(BLIMP))
    assert len(pairs) == 12_000
    assert len({pair.term for pair in pairs}) == 12
    assert {pair.right for pair in pairs} == {1}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "Line 1 of '.*' is not valid JSON"),
        ('{"UID": ' + "1" * 5000 + "}", "Line 1 of '.*' has a number that no float holds"),
        ("[1]", "Line 1 of '.*' is not a JSON object"),
        ("{}", "sentence_good, sentence_bad, UID"),
    ],
)
def test_broken_blimp_names_its_line(text: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text(text)
    with pytest.raises((PairError, DataError), match=message):
        list(import_blimp(tmp_path))
    with pytest.raises(PairError, match="BLiMP is a .jsonl file or a folder of them"):
        list(import_blimp(tmp_path / "nothing"))


def test_files_of_ours_and_of_blimp_are_told_apart_by_their_first_line(tmp_path: Path) -> None:
    ours = MinimalPair.from_sentences(
        "She is here.", "She was here.", type="meaning", subtype="mine", right=None, template="t", source="test"
    )
    write_pairs([ours], tmp_path / "b.jsonl")
    (tmp_path / "a.jsonl").write_text(f"\n\n{blimp_line()}\n")
    (tmp_path / "README.md").write_text("no pairs")
    (tmp_path / "c.jsonl").write_text("")
    assert [pair.source for pair in read_ours_or_blimp(tmp_path)] == ["blimp", "test"]
    assert list(read_ours_or_blimp(tmp_path / "b.jsonl")) == [ours]
    assert list(read_ours_or_blimp(tmp_path / "a.jsonl")) == list(import_blimp(tmp_path / "a.jsonl"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (f"{blimp_line()}\n{{}}\n", "Line 2 of '.*a.jsonl' is not a pair of BLiMP's: sentence_good"),
        ("{}\n", "Line 1 of '.*a.jsonl' is not a pair: 'schema' is 'layerscope-pair/1'; got None"),
        ("[1]\n", "Line 1 of '.*a.jsonl' is not a pair: a line is a JSON object"),
        ("{\n", "Line 1 of '.*a.jsonl' is not valid JSON "),
    ],
)
def test_a_file_that_is_neither_names_its_line(text: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text(text)
    for path in (tmp_path, tmp_path / "a.jsonl"):
        with pytest.raises((PairError, DataError), match=message):
            list(read_ours_or_blimp(path))


def test_pairs_that_are_not_there(tmp_path: Path) -> None:
    with pytest.raises(PairError, match="A folder of pairs holds .jsonl files; '.*' has none."):
        list(read_ours_or_blimp(tmp_path))
    with pytest.raises(PairError, match="Pairs are read from a JSON Lines file; there is none at '.*nothing'"):
        list(read_ours_or_blimp(tmp_path / "nothing"))


TABLE = [("It is late now.", "It was late now.", "tense"), ("She is good at math.", "She is good in math.", "preposition")]


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".json", ".jsonl"])
def test_tables_by_column_names(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"table{suffix}"
    rows = [{"good": good, "bad": bad, "kind": kind} for good, bad, kind in TABLE]
    if suffix == ".json":
        path.write_text(json.dumps(rows), encoding="utf-8")
    elif suffix == ".jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    else:
        mark = "," if suffix == ".csv" else "\t"
        path.write_text(
            "\ufeff" + "\n".join(mark.join(row) for row in [("good", "bad", "kind"), *TABLE]),
            encoding="utf-8",
        )
    columns = {"sentence1": "good", "sentence2": "bad", "subtype": "kind"}
    pairs = list(import_table(path, columns, {"type": "grammar"}))
    assert [(pair.sentence1, pair.sentence2, pair.subtype) for pair in pairs] == TABLE
    assert [pair.right for pair in pairs] == [1, 1]
    assert [pair.type for pair in pairs] == ["grammar", "grammar"]
    assert next(import_table(path, columns, {"type": "grammar", "right": "2"})).right == 2
    with pytest.raises(PairError, match="has no 'sentence1': name the column with --column sentence1=NAME"):
        list(import_table(path, {}, {"type": "grammar"}))


def test_a_table_whose_rows_do_not_fit_gives_no_pair_of_theirs(tmp_path: Path) -> None:
    """Cells that run together, or are cut at a comma, would be scored as if somebody had written them."""
    head = "sentence1,sentence2,type,subtype\n"
    (tmp_path / "x.csv").write_text(f"{head}Well, it is late.,Well, it was late.,grammar,tense\n")
    with pytest.raises(DataError, match="each of the 4 columns; line 2 of '.*' has 6: quote cells that hold a comma"):
        list(import_table(tmp_path / "x.csv", {}, {}))
    (tmp_path / "x.tsv").write_text(head.replace(",", "\t") + '"Go" is it.\t"Go" was it.\tgrammar\ttense\n' * 2)
    assert [pair.sentence1 for pair in import_table(tmp_path / "x.tsv", {}, {})] == ['"Go" is it.'] * 2


def test_what_a_table_may_not_be(tmp_path: Path) -> None:
    with pytest.raises(PairError, match=r"A table is a \.csv, \.tsv, \.json, \.jsonl file"):
        list(import_table(tmp_path / "x.xlsx", {}, {}))
    with pytest.raises(PairError, match="A pair has the fields sentence1, .* got 'colour'"):
        list(import_table(tmp_path / "x.csv", {"colour": "red"}, {}))
    (tmp_path / "x.json").write_text("{}")
    with pytest.raises(PairError, match=r"A \.json table is an array of objects"):
        list(import_table(tmp_path / "x.json", {}, {}))
    (tmp_path / "x.csv").write_text("sentence1,sentence2,type,subtype,right\nA b,A c,grammar,tense,left\n")
    with pytest.raises(PairError, match="The right side is 1, 2 or none; row 2 of '.*' has 'left'"):
        list(import_table(tmp_path / "x.csv", {}, {}))
    (tmp_path / "x.csv").write_text("sentence1,sentence2,type,subtype\nA b,,grammar,tense\n")
    with pytest.raises(PairError, match="Row 2 of '.*' is not a pair: A sentence holds a character"):
        list(import_table(tmp_path / "x.csv", {}, {}))


def test_the_published_layout_there_and_back(tmp_path: Path) -> None:
    layout = {
        "diff_token_type": {
            "meaning": {"subject": {"sentence_pairs": [{"sentence1": "She loves coffee.", "sentence2": "He loves coffee."}]}},
            "grammar": {
                "tense": {
                    "sentence_pairs": [
                        {"sentence1": "She was very tired yesterday.", "sentence2": "She is very tired yesterday."}
                    ]
                }
            },
        }
    }
    (tmp_path / "published.json").write_text(json.dumps(layout), encoding="utf-8")
    pairs = list(import_published(tmp_path / "published.json"))
    assert [(pair.type, pair.subtype, pair.right) for pair in pairs] == [("meaning", "subject", None), ("grammar", "tense", 1)]
    write_pairs(pairs, tmp_path / "pairs.jsonl")
    assert write_published(tmp_path / "pairs.jsonl", tmp_path / "back.json") == 2
    assert json.loads((tmp_path / "back.json").read_text(encoding="utf-8")) == layout


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({}, "the file has an object 'diff_token_type'"),
        ({"diff_token_type": {"meaning": []}}, "diff_token_type has an object 'meaning'"),
        ({"diff_token_type": {"meaning": {"subject": {}}}}, "'meaning.subject' has a list 'sentence_pairs'"),
        ({"diff_token_type": {"meaning": {"subject": {"sentence_pairs": [{}]}}}}, r"meaning\.subject\[0\] of '.*' does not"),
    ],
)
def test_what_is_not_laid_out_so_names_the_place(content: object, message: str, tmp_path: Path) -> None:
    (tmp_path / "published.json").write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(PairError, match=message):
        list(import_published(tmp_path / "published.json"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "'.*' is not valid JSON"),
        ('{"diff_token_type": ' * 1000, "'.*' is nested more than 100 deep"),
        (r'{"diff_token_type": {"\ud800": {}}}', "'.*' holds half of a surrogate pair"),
    ],
)
@pytest.mark.parametrize("read", [import_published, lambda path: import_table(path, {}, {})], ids=["published", "table"])
def test_json_that_cannot_be_read_is_named(read, text: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text(text, encoding="utf-8")
    with pytest.raises(DataError, match=message):
        list(read(tmp_path / "x.json"))
