"""Local files as documents: .txt, .jsonl, .parquet, .conllu and WikiText's .raw. Text is taken as it stands.

A line ends at LF or CRLF; nothing else ends one, and nothing inside one is touched.
"""

from __future__ import annotations

import io
import itertools
import json
import re
from collections.abc import Callable
from pathlib import Path

import conllu
import pyarrow as pa
import pyarrow.parquet as pq

from layerscope.corpora.protocols import Unit
from layerscope.corpora.windows import Document
from layerscope.errors import DataError

_WIKI_TITLE = re.compile(r" = [^=](?:.*[^=])? = ")


def read_file(path: Path, unit: Unit) -> list[Document]:
    """Read a local file.

    Args:
        path: its suffix says the format.
        unit: ``lines`` (lines, records or sentences) or ``documents`` (the whole .txt, records, or CoNLL-U documents).

    Raises:
        DataError: no such file, an unknown suffix, not UTF-8, or a record without text.
    """
    if path.suffix not in READERS:
        raise DataError(f"A local data set is a {', '.join(READERS)} file; got '{path}'.")
    if not path.is_file():
        raise DataError(f"No such file: '{path}'.")
    return READERS[path.suffix](path, unit)


def split_lines(text: str) -> list[str]:
    """Lines without their ends; a final line end starts no further line."""
    lines = re.split(r"\r?\n", text)
    return lines[:-1] if lines[-1] == "" else lines


def _read_txt(path: Path, unit: Unit) -> list[Document]:
    text = _read_text(path)
    if unit == "documents":
        return [Document(path.name, text)] if text else []
    return _numbered(path.name, split_lines(text))


def _read_plain_lines(path: Path, _: Unit) -> list[Document]:
    """A text a line, whatever the unit: gensim's ``.cor``."""
    return _numbered(path.name, split_lines(_read_text(path)))


def _read_wikitext(path: Path, unit: Unit) -> list[Document]:
    """WikiText as the Hub serves it: a row a line, its line feed kept, a line of blanks as the empty text."""
    rows = [f"{line}\n" if line.strip() else "" for line in split_lines(_read_text(path))]
    return _numbered(path.name, rows if unit == "lines" else wikitext_articles(rows))


def wikitext_articles(rows: list[str]) -> list[str]:
    """Rows joined into articles; an article starts with ``= Title =``."""
    starts = [index for index, row in enumerate(rows) if _WIKI_TITLE.fullmatch(row.rstrip("\n"))]
    bounds = sorted({0, *starts, len(rows)})
    articles = ["".join(row or "\n" for row in rows[a:b]) for a, b in itertools.pairwise(bounds)]
    return [article for article in articles if article.strip()]


def _read_jsonl(path: Path, _: Unit) -> list[Document]:
    texts = []
    for number, line in enumerate(split_lines(_read_text(path)), start=1):
        if not line.strip():
            continue
        try:
            record = json.loads(line)
        except json.JSONDecodeError as error:
            raise DataError(f"Each line of '{path}' is a JSON object; line {number} is not ({error.msg}).") from error
        if not isinstance(record, dict) or not isinstance(record.get("text"), str):
            raise DataError(f"Each line of '{path}' has a string named 'text'; line {number} has none.")
        texts.append(_checked(record["text"], path, number))
    return _numbered(path.name, texts)


def _read_parquet(path: Path, _: Unit) -> list[Document]:
    try:
        names = pq.read_schema(path).names
        if "text" not in names:
            raise DataError(f"A Parquet data set has a column named 'text'; '{path}' has {', '.join(names) or 'none'}.")
        texts = pq.read_table(path, columns=["text"]).column("text").to_pylist()
    except (pa.ArrowException, OSError) as error:
        raise DataError(f"'{path}' cannot be read as Parquet: {str(error).splitlines()[0]}") from error
    missing = [number for number, text in enumerate(texts) if not isinstance(text, str)]
    if missing:
        raise DataError(f"Each row of '{path}' has a string in 'text'; row {missing[0]} has {texts[missing[0]]!r}.")
    return _numbered(path.name, texts)


def _read_conllu(path: Path, unit: Unit) -> list[Document]:
    try:
        sentences = list(conllu.parse_incr(io.StringIO(_read_text(path))))
    except conllu.exceptions.ParseException as error:
        raise DataError(f"'{path}' cannot be read as CoNLL-U: {str(error).splitlines()[0]}") from error
    if any({"id", "form", "misc"} - token.keys() for sentence in sentences for token in sentence):
        raise DataError(f"A CoNLL-U token has ten columns, joined by tabs; '{path}' has one with fewer.")
    if unit == "lines":
        return [Document(s.metadata.get("sent_id") or f"{path.name}[{i}]", sentence_text(s)) for i, s in enumerate(sentences)]
    documents: list[tuple[str, list[str]]] = []
    for sentence in sentences:
        if "newdoc id" in sentence.metadata or "newdoc" in sentence.metadata or not documents:
            documents.append((sentence.metadata.get("newdoc id") or f"{path.name}[{len(documents)}]", []))
        documents[-1][1].append(sentence_text(sentence))
    return [Document(name, " ".join(texts)) for name, texts in documents]


def sentence_text(sentence: conllu.TokenList) -> str:
    """The ``# text`` comment; where it is missing, the forms joined as ``SpaceAfter`` says."""
    if "text" in sentence.metadata:
        return str(sentence.metadata["text"])
    pieces, covered = [], 0
    for token in sentence:
        number = token["id"]
        if isinstance(number, tuple) and number[1] == "-":
            covered = number[2]  # a multiword token stands for the words that it covers
        elif isinstance(number, tuple) or number <= covered:
            continue
        spaced = (token["misc"] or {}).get("SpaceAfter") != "No"
        pieces.append(token["form"] + (" " if spaced else ""))
    return "".join(pieces).rstrip(" ")


READERS: dict[str, Callable[[Path, Unit], list[Document]]] = {
    ".txt": _read_txt,
    ".jsonl": _read_jsonl,
    ".parquet": _read_parquet,
    ".conllu": _read_conllu,
    ".raw": _read_wikitext,
    ".cor": _read_plain_lines,
}


def _read_text(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8")
    except UnicodeDecodeError as error:
        raise DataError(f"A text file is UTF-8; '{path}' is not, at byte {error.start}.") from error
    except OSError as error:
        raise DataError(f"'{path}' cannot be read: {error.strerror}.") from error


def _checked(text: str, path: Path, number: int) -> str:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise DataError(f"Text is valid Unicode; line {number} of '{path}' holds half of a surrogate pair.") from error
    return text


def _numbered(name: str, texts: list[str]) -> list[Document]:
    return [Document(f"{name}[{index}]", text) for index, text in enumerate(texts)]
