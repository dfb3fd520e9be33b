"""Local files: what a text is in each format, and that nothing inside a text is touched."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from layerscope.corpora.catalogue import DATASETS, load_documents
from layerscope.corpora.files import read_file, wikitext_articles
from layerscope.errors import DataError, HubError


def texts(path: Path, unit: str = "lines") -> list[str]:
    return [document.text for document in read_file(path, unit)]


def test_txt_lines_end_at_lf_or_crlf_and_nowhere_else(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes("one\r\ntwo \x0b\x0c\u2028\x85 still two\n\nfo\x00ur 😀e\u0301\rstill four".encode())
    assert texts(path) == ["one", "two \x0b\x0c\u2028\x85 still two", "", "fo\x00ur 😀e\u0301\rstill four"]


def test_txt_as_one_document_is_kept_to_the_byte(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(b" one\r\n\r\ntwo\n")
    assert texts(path, "documents") == [" one\r\n\r\ntwo\n"]


def test_jsonl_records_are_texts_and_blank_lines_are_not(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text(json.dumps({"text": "a\nb\r\n"}) + "\n\n" + json.dumps({"id": 1, "text": ""}) + "\n", encoding="utf-8")
    assert texts(path) == texts(path, "documents") == ["a\nb\r\n", ""]


def test_parquet(tmp_path: Path) -> None:
    pq.write_table(pa.table({"text": ["a", "b\x00c"], "n": [1, 2]}), tmp_path / "a.parquet")
    assert texts(tmp_path / "a.parquet") == ["a", "b\x00c"]


CONLLU = """# newdoc id = first
# sent_id = s1
# text = I can't fish.
1\tI\tI\tPRON\tPRP\t_\t2\tnsubj\t_\t_
2-3\tcan't\t_\t_\t_\t_\t_\t_\t_\t_
2\tca\tcan\tAUX\tMD\t_\t4\taux\t_\t_
3\tn't\tnot\tPART\tRB\t_\t4\tadvmod\t_\t_
4\tfish\tfish\tVERB\tVB\t_\t0\troot\t_\tSpaceAfter=No
5\t.\t.\tPUNCT\t.\t_\t4\tpunct\t_\t_

# sent_id = s2
1\tSo\tso\tADV\tRB\t_\t0\troot\t_\t_
2-3\tcan't\t_\t_\t_\t_\t_\t_\t_\tSpaceAfter=No
2\tca\tcan\tAUX\tMD\t_\t1\taux\t_\t_
3\tn't\tnot\tPART\tRB\t_\t1\tadvmod\t_\t_
4\t?\t?\tPUNCT\t.\t_\t1\tpunct\t_\t_

# newdoc id = second
# sent_id = s3
# text = Yes .
1\tYes\tyes\tINTJ\tUH\t_\t0\troot\t_\t_
2\t.\t.\tPUNCT\t.\t_\t1\tpunct\t_\t_

"""


def test_conllu_sentences_and_documents(tmp_path: Path) -> None:
    path = tmp_path / "a.conllu"
    path.write_text(CONLLU, encoding="utf-8")
    assert texts(path) == ["I can't fish.", "So can't?", "Yes ."]
    assert [d.name for d in read_file(path, "lines")] == ["s1", "s2", "s3"]
    assert [(d.name, d.text) for d in read_file(path, "documents")] == [
        ("first", "I can't fish. So can't?"),
        ("second", "Yes ."),
    ]


@pytest.mark.parametrize(
    ("name", "line"), [("a.txt", "Rain."), ("a.raw", "Rain."), ("a.cor", "Rain."), ("a.jsonl", '{"text": "Rain."}')]
)
def test_a_mark_of_utf8_is_not_scored(tmp_path: Path, name: str, line: str) -> None:
    (tmp_path / name).write_text(f"\ufeff{line}\n", encoding="utf-8")
    assert [text.rstrip("\n") for text in texts(tmp_path / name)] == ["Rain."]
    assert "\ufeff" not in "".join(texts(tmp_path / name, "documents"))


def test_conllu_with_a_mark_and_other_white_space(tmp_path: Path) -> None:
    """A line of blanks parts sentences; U+2028 in a form parts nothing."""
    path = tmp_path / "a.conllu"
    token = "\t_\t_\t_\t_\t_\t_\t_\t_\n"
    path.write_text(f"\ufeff# sent_id = one\n1\ta\u2028b{token} \t\n\n1\tc{token}", encoding="utf-8")
    assert [(d.name, d.text) for d in read_file(path, "lines")] == [("one", "a\u2028b"), ("a.conllu[1]", "c")]


@pytest.mark.parametrize("number", ["_", "0", "1-_", "x", "-1", "9" * 5000])
def test_a_conllu_token_without_its_number_is_named_by_its_sentence(number: str, tmp_path: Path) -> None:
    path = tmp_path / "a.conllu"
    token = "\t_\t_\t_\t_\t_\t_\t_\t_\n"
    path.write_text(f"1\ta{token}\n1\tb{token}{number}\tc{token}", encoding="utf-8")
    with pytest.raises(DataError, match=r"A CoNLL-U .* at line 3 of "):
        read_file(path, "lines")


def test_wikitext_rows_are_as_the_hub_serves_them(tmp_path: Path) -> None:
    path = tmp_path / "wiki.test.raw"
    path.write_bytes(b" \r\n = Title = \r\n \r\n Some text . \r\n")
    assert texts(path) == ["", " = Title = \n", "", " Some text . \n"]


def test_wikitext_articles_start_at_titles_and_not_at_headings() -> None:
    rows = ["", " = One = \n", "", " Text . \n", " = = Part = = \n", " More . \n", "", " = Two = Three = \n", " End . \n"]
    assert wikitext_articles(rows) == [
        " = One = \n\n Text . \n = = Part = = \n More . \n\n",
        " = Two = Three = \n End . \n",
    ]


def test_real_wikitext(shared_data: Path) -> None:
    folder = shared_data / "wikitext-2-raw"
    rows = load_documents("wiki-text-2", "lines", split="test", data_dir=folder)
    articles = load_documents("wiki-text-2", "documents", split="test", data_dir=folder)
    raw = (folder / "wiki.test.raw").read_text(encoding="utf-8")
    assert len(rows) == raw.count("\n")
    assert rows[0].text == " = Robert Boulter = \n"
    assert "".join(row.text for row in rows).count("\n") == sum(1 for line in raw.split("\n") if line.strip())
    assert 55 <= len(articles) <= 65


def test_real_conllu(shared_data: Path) -> None:
    path = shared_data / "ud-english-ewt" / "en_ewt-ud-dev.conllu"
    sentences = read_file(path, "lines")
    assert len(sentences) == path.read_text(encoding="utf-8").count("\n# text = ")
    assert sentences[0].text == "From the AP comes this story :"


def test_lee_has_300_articles() -> None:
    documents = load_documents("lee", "lines")
    assert len(documents) == 300
    assert documents[0].text.startswith("Hundreds of people have been forced")


def test_gpt2_output_dataset_from_a_folder(tmp_path: Path) -> None:
    (tmp_path / "webtext.valid.jsonl").write_text('{"id": 1, "text": "hello there", "length": 2}\n', encoding="utf-8")
    documents = load_documents("gpt2-output-dataset", "lines", split="valid", data_dir=tmp_path)
    assert [document.text for document in documents] == ["hello there"]


@pytest.mark.parametrize("word", ["valid", "validation"])
def test_validation_goes_by_two_names(tmp_path: Path, word: str) -> None:
    (tmp_path / "wiki.valid.raw").write_text(" Text here . \n", encoding="utf-8")
    assert len(load_documents("wiki-text-103", "lines", split=word, data_dir=tmp_path)) == 1


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("missing.txt", None, "No such file: "),
        ("a.csv", b"x", "A local data set is a .txt, .jsonl"),
        ("empty.txt", b"", "at least one text that is not blank"),
        ("blank.txt", b"\n \n\n", "at least one text that is not blank"),
        ("latin.txt", b"caf\xe9", "A text file is UTF-8; .* is not, at byte 3"),
        ("wide.txt", "Rain fell.\n".encode("utf-16"), "and looks like UTF-16"),
        ("wide.raw", "Rain fell.\n".encode("utf-16"), "and looks like UTF-16"),
        ("old.txt", b"one\rtwo\r", "has carriage returns alone"),
        ("bad.jsonl", b'{"text": "a"}\n{"text": \n', "Line 2 of '.*' is not valid JSON"),
        ("deep.jsonl", b'{"text": "a"}\n' + b"[" * 2000, "Line 2 of '.*' is nested more than 100 deep"),
        ("long.jsonl", b'{"text": "a", "id": ' + b"7" * 5000 + b"}", "Line 1 of '.*' has a number that no float holds"),
        ("list.jsonl", b'["text"]', "Line 1 of '.*' is not a JSON object"),
        ("none.jsonl", b'{"body": "a"}\n', "line 1 has none"),
        ("number.jsonl", b'{"text": 3}\n', "line 1 has none"),
        ("half.jsonl", b'{"text": "\\ud800"}\n', "half of a surrogate pair"),
        ("bad.parquet", b"not parquet", "cannot be read as Parquet"),
        ("bad.conllu", b"\n1\tI\n\n", "A CoNLL-U token has ten columns, .* the sentence at line 2 of '.*' has one with fewer"),
        ("word.conllu", CONLLU.encode() + b"word\n", f"the sentence at line {CONLLU.count(chr(10)) + 1} of '.*' is none"),
        ("long.conllu", b"9" * 5000 + b"\tI\t_\t_\t_\t_\t_\t_\t_\t_\n", "the sentence at line 1 of '.*' is none"),
        ("head.conllu", b"1\tI\t_\t_\t_\t_\t" + b"9" * 5000 + b"\t_\t_\t_\n", "the sentence at line 1 of '.*' is none"),
        ("latin.conllu", b"# text = caf\xe9\n", "A text file is UTF-8; .* at byte 12"),
    ],
)
def test_files_that_cannot_be_read(tmp_path: Path, name: str, content: bytes | None, message: str) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=message):
        load_documents(str(tmp_path / name), "lines")


def test_parquet_without_text(tmp_path: Path) -> None:
    pq.write_table(pa.table({"body": ["a"]}), tmp_path / "a.parquet")
    with pytest.raises(DataError, match="a column named 'text'; .* has body"):
        load_documents(str(tmp_path / "a.parquet"), "lines")


def test_unknown_name_has_near_ones() -> None:
    with pytest.raises(DataError, match="Unknown data set 'wikitext2'. Did you mean wiki-text-2"):
        load_documents("wikitext2", "lines")


def test_unknown_split() -> None:
    with pytest.raises(DataError, match="has the splits train, validation, test; got 'tset'"):
        load_documents("wiki-text-2", "lines", split="tset")


@pytest.mark.parametrize("split", ["../evil", "..", "a/b", "/etc/x", "", ".hidden", "a\\b", "test\n"])
def test_a_split_names_no_other_folder(tmp_path: Path, split: str) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "evil.jsonl").write_text('{"text": "not to be read"}\n', encoding="utf-8")
    with pytest.raises(DataError, match="A split is a name of letters, digits, dots and hyphens, such as test; got '"):
        load_documents("bookcorpus", "lines", split=split, data_dir=tmp_path / "data")


def test_split_that_is_not_in_the_folder(tmp_path: Path) -> None:
    (tmp_path / "wiki.test.raw").write_text("x", encoding="utf-8")
    with pytest.raises(DataError, match="is wiki.train.raw in .* which has wiki.test.raw"):
        load_documents("wiki-text-2", "lines", data_dir=tmp_path)


def test_hub_out_of_reach_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("layerscope.connection.hub_resolves", lambda: False)
    with pytest.raises(HubError, match="could not be fetched .* name its folder with --data-dir"):
        load_documents("wiki-text-2", "lines")


def test_every_named_data_set_says_where_it_is() -> None:
    for entry in DATASETS.values():
        assert entry.description
        assert entry.hub is None or entry.default_split in entry.hub.splits
