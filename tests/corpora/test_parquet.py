"""Parquet: only what is wanted is read, in bounded memory, and what a text may not be is named by row."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from layerscope.corpora import parquet
from layerscope.corpora.files import read_file
from layerscope.corpora.parquet import ParquetTexts
from layerscope.corpora.protocols import draw
from layerscope.errors import DataError

TEXTS = [f"Text {n} 雨\n\u2028" for n in range(50)]


@pytest.fixture(params=["plain", "dictionary", "large", "repeated"])
def path(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """Fifty texts in row groups of seven, as different writers store them."""
    column = {
        "plain": lambda: pa.array(TEXTS),
        "large": lambda: pa.array(TEXTS, pa.large_string()),
        "dictionary": lambda: pa.array(TEXTS).dictionary_encode(),
        "repeated": lambda: pa.DictionaryArray.from_arrays(pa.array(range(50), pa.int32()), pa.array([*TEXTS, "not used"])),
    }[request.param]()
    file = tmp_path / "a.parquet"
    pq.write_table(pa.table({"n": range(50), "text": column}), file, row_group_size=7, use_dictionary=request.param != "plain")
    return file


def test_texts_are_those_of_the_rows(path: Path) -> None:
    documents = read_file(path, "lines")
    assert len(documents) == 50
    assert [document.text for document in documents] == TEXTS
    assert [document.name for document in documents][::49] == ["a.parquet[0]", "a.parquet[49]"]
    assert [document.text for document in documents[3:9:2]] == TEXTS[3:9:2]
    assert (documents[-1].text, documents[7].text) == (TEXTS[-1], TEXTS[7])
    with pytest.raises(IndexError):
        documents[50]


@pytest.mark.parametrize("n", [1, 10, 49, 50, 99, None])
def test_a_draw_is_that_of_a_list(path: Path, n: int | None) -> None:
    assert list(draw(read_file(path, "lines"), n, 7)) == list(draw(list(read_file(path, "lines")), n, 7))


def test_row_groups_without_a_wanted_text_are_not_read(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[int] = []
    before = ParquetTexts._group
    monkeypatch.setattr(ParquetTexts, "_group", lambda self, group: [read.append(group), *before(self, group)][1:])
    assert [document.text for document in ParquetTexts(path).take([30, 2, 29])] == [TEXTS[30], TEXTS[2], TEXTS[29]]
    assert read == [0, 4]


def _not_utf8(kind: pa.DataType) -> pa.Array:
    """Strings of which one is none, as writers leave them that do not look."""
    whole = pa.array(["a", "abcd", "b"], kind)
    offsets, letters = whole.buffers()[1:]
    return pa.Array.from_buffers(kind, 3, [None, offsets, pa.py_buffer(letters.to_pybytes().replace(b"abcd", b"ab\xa5d"))])


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (pa.table({"body": ["a"]}), "has a column named 'text'; .* has body"),
        (pa.table([["a"], ["b"]], names=["text", "text"]), "has one column named 'text'; .* has several: rename all but one"),
        (pa.table({"text": [1]}), "The column 'text' of a Parquet data set holds strings; that of .* holds int64"),
        (pa.table({"text": [["a"]]}), "holds list<"),
        (pa.table({"text": [b"a"]}), "holds binary"),
        (pa.table({"text": ["a", None]}), "row 1 has None"),
        (pa.table({"text": pa.array(["a", None]).dictionary_encode()}), "row 1 has None"),
        (pa.table({"text": _not_utf8(pa.string())}), "A text is UTF-8; row 1 of '.*' is not, at its byte 2"),
        (pa.table({"text": _not_utf8(pa.string()).dictionary_encode()}), "row 1 of '.*' is not, at its byte 2"),
        (pa.table({"text": _not_utf8(pa.large_string())}), "row 1 of '.*' is not, at its byte 2"),
        (pa.table({"text": ["a", "b" * 101]}), "A text has at most 0 MB; row 1 of '.*' has 0 MB: cut it into documents"),
    ],
)
def test_what_is_no_text_is_named(table: pa.Table, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parquet, "LONGEST_TEXT", 100)
    pq.write_table(table, tmp_path / "a.parquet")
    with pytest.raises(DataError, match=message):
        list(ParquetTexts(tmp_path / "a.parquet"))


def test_damage_in_a_page_is_named(tmp_path: Path) -> None:
    pq.write_table(pa.table({"text": TEXTS}), tmp_path / "a.parquet", compression="zstd")
    data = bytearray((tmp_path / "a.parquet").read_bytes())
    data[20:120] = bytes(100)
    (tmp_path / "a.parquet").write_bytes(data)
    with pytest.raises(DataError, match="cannot be read as Parquet"):
        list(ParquetTexts(tmp_path / "a.parquet"))


@pytest.mark.parametrize("column", [b"other", b"text"])
def test_a_name_of_a_column_that_is_no_utf8_is_named(column: bytes, tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"other": TEXTS, "text": TEXTS}), path, store_schema=False)
    data = path.read_bytes()
    place = data.rfind(column)  # where a row group says it, after the schema
    path.write_bytes(data[:place] + b"\xf4" + data[place + 1 :])
    with pytest.raises(DataError, match="cannot be read as Parquet: .*codec can't decode"):
        list(ParquetTexts(path))


SMALL_AND_LARGE = """
import json, sys
from pathlib import Path
import psutil
import layerscope.corpora.catalogue as catalogue
from layerscope.corpora.protocols import draw
before = psutil.Process().memory_info().rss
documents = catalogue.load_documents(sys.argv[1], "lines")
drawn = draw(documents, 1, 42)
everything = sum(len(document.text) for document in documents) if sys.argv[2] == "all" else None
peak = 1024 * int(Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()[0])
print(json.dumps([len(documents), len(drawn[0].text), everything, peak - before]))
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="asks Linux for the peak of a process")
@pytest.mark.parametrize("stored_once", [True, False])
def test_a_small_file_of_much_text_takes_little_memory(tmp_path: Path, stored_once: bool) -> None:
    """Two gigabytes of text in some kilobytes: once as one text that all rows share, once as pages that are compressed well."""
    n, length = (2000, 1_200_000) if stored_once else (400, 1_200_000)
    text, path = "word " * (length // 5), tmp_path / "a.parquet"
    schema = pa.schema({"text": pa.dictionary(pa.int32(), pa.string()) if stored_once else pa.string()})
    with pq.ParquetWriter(path, schema, compression="zstd", use_dictionary=stored_once) as writer:
        for number in range(0, n, 50):
            if stored_once:
                column = pa.DictionaryArray.from_arrays(pa.array([0] * 50, pa.int32()), pa.array([text]))
            else:
                column = pa.array([f"{number + i:09d} {text[10:]}" for i in range(50)])
            writer.write_table(pa.table({"text": column}, schema=schema))
    assert path.stat().st_size < 3_000_000
    source = str(Path(__file__).parents[2] / "src")
    done = subprocess.run(
        [sys.executable, "-c", SMALL_AND_LARGE, str(path), "all" if stored_once else "one"],
        env={**os.environ, "PYTHONPATH": source}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    n_there, drawn, everything, taken = json.loads(done.stdout)
    assert (n_there, drawn) == (n, length)
    assert everything == (n * length if stored_once else None)
    assert taken < 300e6
