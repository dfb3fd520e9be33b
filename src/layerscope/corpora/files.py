"""Local files as documents: .txt, .jsonl, .parquet, .conllu and WikiText's .raw. Text is taken as it stands.

How files are read (UTF-8, lines, JSON) is told in ``reading``; nothing inside a text is touched.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import conllu

from layerscope.corpora.parquet import ParquetTexts
from layerscope.corpora.protocols import Unit
from layerscope.corpora.windows import Document
from layerscope.errors import DataError
from layerscope.reading import read_json_lines, read_lines, read_text

_WIKI_TITLE = re.compile(r" = [^=](?:.*[^=])? = ")


def read_file(path: Path, unit: Unit) -> Sequence[Document]:
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


def _read_txt(path: Path, unit: Unit) -> list[Document]:
    if unit == "documents":
        text = read_text(path)
        return [Document(path.name, text)] if text else []
    return _read_plain_lines(path, unit)


def _read_plain_lines(path: Path, _: Unit) -> list[Document]:
    """A text a line, whatever the unit: gensim's ``.cor``."""
    return _numbered(path.name, [line for _, line in read_lines(path)])


def _read_wikitext(path: Path, unit: Unit) -> list[Document]:
    """WikiText as the Hub serves it: one row per line, its line feed kept, a line of blanks as the empty text."""
    rows = [f"{line}\n" if line.strip() else "" for _, line in read_lines(path)]
    return _numbered(path.name, rows if unit == "lines" else wikitext_articles(rows))


def wikitext_articles(rows: list[str]) -> list[str]:
    """Rows joined into articles; an article starts with ``= Title =``."""
    starts = [index for index, row in enumerate(rows) if _WIKI_TITLE.fullmatch(row.rstrip("\n"))]
    bounds = sorted({0, *starts, len(rows)})
    articles = ["".join(row or "\n" for row in rows[a:b]) for a, b in itertools.pairwise(bounds)]
    return [article for article in articles if article.strip()]


def _read_jsonl(path: Path, _: Unit) -> list[Document]:
    texts = []
    for number, record in read_json_lines(path):
        if not isinstance(record.get("text"), str):
            raise DataError(f"Each line of '{path}' has a string named 'text'; line {number} has none.")
        texts.append(record["text"])
    return _numbered(path.name, texts)


def _read_parquet(path: Path, _: Unit) -> ParquetTexts:
    return ParquetTexts(path)


def conllu_sentences(path: Path) -> list[conllu.TokenList]:
    """The sentences of a CoNLL-U file.

    Raises:
        DataError: it cannot be read, or a sentence is none; the line that it begins at is named.
    """
    sentences = []
    for begins, lines in _blocks(path):
        where = f"the sentence at line {begins} of '{path}'"
        try:
            found = conllu.parse("\n".join(lines))
        except (conllu.exceptions.ParseException, ValueError) as error:  # ValueError: numbers of thousands of digits
            raise DataError(
                f"A CoNLL-U file holds sentences; {where} is none ({_first_line(error)}): correct it there."
            ) from error
        for sentence in found:
            if any({"id", "form", "misc"} - token.keys() for token in sentence):
                raise DataError(f"A CoNLL-U token has ten columns, joined by tabs; {where} has one with fewer.")
            if any(token["id"] in (None, 0) for token in sentence):
                raise DataError(f"A CoNLL-U token begins with its number, counted from 1; {where} has one without.")
            sentences.append(sentence)
    return sentences


def _blocks(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Lines between blank ones, with the number of their first."""
    begins, lines = 1, list[str]()
    for number, line in read_lines(path):
        if line.strip():
            begins = begins if lines else number
            lines.append(line)
        elif lines:
            yield begins, lines
            lines = []
    if lines:
        yield begins, lines


def _read_conllu(path: Path, unit: Unit) -> list[Document]:
    sentences = conllu_sentences(path)
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


READERS: dict[str, Callable[[Path, Unit], Sequence[Document]]] = {
    ".txt": _read_txt,
    ".jsonl": _read_jsonl,
    ".parquet": _read_parquet,
    ".conllu": _read_conllu,
    ".raw": _read_wikitext,
    ".cor": _read_plain_lines,
}


def _first_line(error: Exception) -> str:
    return (str(error).strip() or "no message").splitlines()[0][:160].rstrip(".")


def _numbered(name: str, texts: list[str]) -> list[Document]:
    return [Document(f"{name}[{index}]", text) for index, text in enumerate(texts)]
