"""Files of strangers: encodings, line ends, JSON out of bounds, rows of tables; what was typed as a number or a path."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from layerscope.errors import DataError
from layerscope.reading import (
    local_path,
    parse_json,
    read_json,
    read_json_lines,
    read_lines,
    read_table,
    read_text,
    whole_number,
)

TEXT = "Snow fell.\r\nÄrger\u2028日本語\x0b \x00 \x85\rend\n\nlast"
LINES = [(1, "Snow fell."), (2, "Ärger\u2028日本語\x0b \x00 \x85\rend"), (3, ""), (4, "last")]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "file.txt"


@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_a_line_ends_at_lf_or_crlf_and_a_mark_of_utf8_is_taken_off(path: Path, mark: str) -> None:
    path.write_bytes((mark + TEXT).encode())
    assert list(read_lines(path)) == LINES
    assert read_text(path) == TEXT
    path.write_bytes((mark + "one\n").encode())
    assert list(read_lines(path)) == [(1, "one")]
    path.write_bytes(mark.encode())
    assert list(read_lines(path)) == []
    assert read_text(path) == ""


def test_a_mark_inside_a_text_is_text(path: Path) -> None:
    path.write_bytes("a\ufeff\n\ufeffb\n".encode())
    assert list(read_lines(path)) == [(1, "a\ufeff"), (2, "\ufeffb")]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ("Rain fell.\n".encode("utf-16"), "is not, at byte 0 and looks like UTF-16: convert it with iconv -f UTF-16 -t UTF-8"),
        ("\ufeff雨が降る。\n".encode("utf-16-be"), "at byte 0 and looks like UTF-16:"),
        ("Rain fell.\n".encode("utf-32"), "at byte 0 and looks like UTF-32:"),
        ("\ufeffRain\n".encode("utf-32-be"), "at byte 0 and looks like UTF-32:"),
        ("Rain fell.\n".encode("utf-16-le"), "at byte 1 and looks like UTF-16LE:"),
        ("Rain fell.\n".encode("utf-16-be"), "at byte 0 and looks like UTF-16BE:"),
        ("Rain\ncafé\n".encode("latin-1"), "at byte 8: convert it with iconv -f ITS-ENCODING -t UTF-8"),
        ("ok\n雨\n".encode("cp932"), "at byte 3:"),
        (b"\xef\xbb\xbfok\n\xff\n", "at byte 6:"),
        ("cut 雨".encode()[:-1], "at byte 4:"),
        (b"ok\n\xed\xa0\x80\n", "at byte 3:"),  # half of a surrogate pair in UTF-8's form
    ],
)
@pytest.mark.parametrize("read", [lambda path: list(read_lines(path)), read_text, read_json], ids=["lines", "text", "json"])
def test_another_encoding_is_named_with_its_place(
    path: Path, data: bytes, message: str, read: Callable[[Path], object]
) -> None:
    path.write_bytes(data)
    with pytest.raises(
        DataError, match=f"A text file is UTF-8; '.*file.txt' is not, .*{re.escape(message.removeprefix('is not, '))}"
    ):
        read(path)


def test_lines_that_end_at_carriage_returns_alone_are_no_lines(path: Path) -> None:
    path.write_bytes(b"one\rtwo\r")
    with pytest.raises(DataError, match="A line ends at LF or CRLF; .* has carriage returns alone: convert it with tr"):
        list(read_lines(path))


def test_what_cannot_be_opened(tmp_path: Path) -> None:
    for bad, reason in (("none", "No such file"), (".", "Is a directory"), ("x" * 300, "File name too long"), ("a\0b", "null")):
        for read in (read_text, lambda path: list(read_lines(path))):
            with pytest.raises(DataError, match=f"cannot be read \\(.*{reason}"):
                read(tmp_path / bad)


BIG = "9" * 309
OUT_OF_BOUNDS = [
    ("[" * 1000 + "]" * 1000, "is nested more than 100 deep"),
    ('{"a":' * 100_000, "is nested more than 100 deep"),
    ("[" * 100_000, "is nested more than 100 deep"),
    ('{"a": "' + '\\"[' * 50_000, "is not valid JSON (Unterminated string"),
    (f'{{"a": {"1" * 5000}}}', "has a number that no float holds, '11111111111111111111…': write one of at most 308 digits"),
    (f'{{"a": -{BIG}}}', "has a number that no float holds"),
    ('{"a": 1e400}', "has a number that no float holds, '1e400'"),
    (f'{{"a": {"1" * 400}.5}}', "has a number that no float holds"),
    (r'{"a": "\ud800"}', "holds half of a surrogate pair"),
    (r'{"\udfff": 1}', "holds half of a surrogate pair"),
    (r'{"a": ["\ude00\ud83d"]}', "holds half of a surrogate pair"),
    ('{"a": ', "is not valid JSON (Expecting value at character 7)"),
    ('{"a": 1} {"a": 2}', "is not valid JSON (Extra data"),
    ("", "is not valid JSON (Expecting value at character 1)"),
    ('{"a": "\x00"}', "is not valid JSON (Invalid control character"),
]


@pytest.mark.parametrize(("text", "message"), OUT_OF_BOUNDS)
def test_json_that_is_refused_names_its_place(path: Path, text: str, message: str) -> None:
    with pytest.raises(DataError, match=f"^Line 7 of 'x' {re.escape(message)}"):
        parse_json(text, "Line 7 of 'x'")
    path.write_text(text, encoding="utf-8")
    with pytest.raises(DataError, match=f"'.*file.txt' {re.escape(message)}"):
        read_json(path)
    if text:
        path.write_text('{"a": 1}\n\n' + text + "\n", encoding="utf-8")
        lines = read_json_lines(path)
        assert next(lines) == (1, {"a": 1})
        with pytest.raises(DataError, match=f"Line 3 of '.*file.txt' {re.escape(message)}"):
            next(lines)


def test_json_that_is_read(path: Path) -> None:
    deep = "[" * 100 + "]" * 100
    brackets = json.dumps({"text": "[{" * 200})  # inside a string they nest nothing
    flat = json.dumps([[]] * 200)
    for text in (deep, brackets, flat, r'{"a": "\ud83d\ude00 é"}', "-" + "9" * 308, "[1.5e-400, 1e308]"):
        path.write_bytes(b"\xef\xbb\xbf" + text.encode())
        assert read_json(path) == json.loads(text)
    assert str(parse_json("[NaN, -Infinity]", "x")) == "[nan, -inf]"


@pytest.mark.parametrize("line", ["[1]", "3", '"text"', "null"])
def test_a_json_line_is_an_object(path: Path, line: str) -> None:
    path.write_text(f"{{}}\n{line}\n", encoding="utf-8")
    with pytest.raises(DataError, match="Line 2 of '.*' is not a JSON object"):
        list(read_json_lines(path))


def rows(path: Path, text: str) -> list[tuple[int, dict[str, str]]]:
    path.write_bytes(text.encode())
    return list(read_table(path))


def test_quotes_of_a_tsv_are_text(tmp_path: Path) -> None:
    found = rows(tmp_path / "a.tsv", '\ufeffgood\tbad\r\n"Go," he said.\tGo", he\r\n\r\n"\t""\r\na\t\r\n')
    assert found == [
        (2, {"good": '"Go," he said.', "bad": 'Go", he'}),
        (4, {"good": '"', "bad": '""'}),
        (5, {"good": "a", "bad": ""}),
    ]


def test_quotes_of_a_csv_are_those_of_rfc_4180(tmp_path: Path) -> None:
    text = '\ufeffgood,bad\r\n"Yes, it ""is"".",No\r\n\n"two\r\nlines",\u2028\n5" nail,x\n'
    assert rows(tmp_path / "a.csv", text) == [
        (2, {"good": 'Yes, it "is".', "bad": "No"}),
        (4, {"good": "two\r\nlines", "bad": "\u2028"}),
        (6, {"good": '5" nail', "bad": "x"}),
    ]


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.csv", "a,b\n1,2\nWell, yes,no\n", "A row has a cell for each of the 2 columns; line 3 of '.*' has 3: quote cells"),
        ("a.csv", "a,b\n1,2\n1\n", "line 3 of '.*' has 1"),
        ("a.csv", 'a,b\n"x\ny",2\n1,2,\n', "line 4 of '.*' has 3"),
        ("a.csv", 'a,b\n1, "x, y"\n', "line 2 of '.*' has 3"),
        ("a.csv", 'a,b\n1,2\n3,"4\n5,6\n7,8\n', "one in the row at line 3 of '.*' is not: close it"),
        ("a.csv", 'a,b\n1,2\n3,"4\n5,"6\n', "The row at line 3 of '.*' is not quoted as RFC 4180 says"),
        ("a.csv", 'a,b\n1,2\n"he" said,4\n', "The row at line 3 of '.*' is not quoted as RFC 4180 says"),
        ("a.csv", "a,b\n1\r2,3\n", "The row at line 2 of '.*' is not quoted as RFC 4180 says"),
        ("a.csv", "a\tb\n1\t2,5\n", "each of the 1 columns; line 2 of '.*' has 2"),
        ("a.tsv", "a\tb\n1\t2\n1\t2\t3\n", "line 3 of '.*' has 3: a cell holds no tab"),
        ("a.tsv", "a\tb\n1\n", "line 2 of '.*' has 1"),
        ("a.tsv", '"a"\t"b"\n"1"\t"2"\n', "a quotation mark is part of the text; '.*' has its column names in quotes"),
        ("a.csv", "", "A table begins with a line of column names; '.*' has none"),
        ("a.tsv", "\t\n1\t2\n", "A table begins with a line of column names; '.*' has none"),
        ("a.csv", "a,b,a\n1,2,3\n", "Columns have names of their own; '.*' has two named 'a'"),
        ("a.tsv", "a\tb\r1\t2\r", "has carriage returns alone"),
    ],
)
def test_rows_that_do_not_fit_are_named_by_line(tmp_path: Path, name: str, text: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        rows(tmp_path / name, text)


def test_a_whole_number_is_written_in_ascii_digits() -> None:
    assert [whole_number(text) for text in ("0", "-3", "+12", "9" * 18)] == [0, -3, 12, 10**18 - 1]
    for text in ("", "²", "١٢", "1_000", " 1", "1\n", "1.0", "1e3", "--1", "9" * 19, "9" * 5000):
        assert whole_number(text) is None


def test_a_path_as_it_was_typed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/someone")
    assert local_path("~/a") == Path("/home/someone/a")
    assert local_path("a/~b") == Path("a/~b")
    assert local_path("雨" * 85) == Path("雨" * 85)
    for text, message in (
        ("~nobody-here/x", "begins with a user's home, and there is no such user here"),
        ("a\0b", "without the character NUL; got 'a\\\\x00b'"),
        (os.fsdecode(b"a\xff"), "A path is UTF-8 text"),
        ("", "A path names a file or a folder; got ''"),
        ("x" * 256, "at most 255 bytes; got 'x{40}…'"),
        ("a/" + "雨" * 86 + "/b", "at most 255 bytes"),
    ):
        with pytest.raises(DataError, match=message):
            local_path(text)
