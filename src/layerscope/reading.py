"""Reading what people give: text, JSON and tables from files of strangers, numbers and paths as they were typed.

Text is UTF-8; a byte-order mark at its start is taken off. A line ends at LF or CRLF and nowhere else: U+2028, a form feed or
a carriage return inside one stay. JSON may say NaN and Infinity, as many programs write them; whoever needs a number that is
finite checks that. Everything that is refused names file and line.
"""

from __future__ import annotations

import csv
import itertools
import json
import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

from layerscope.bilingual import LANGUAGES, Language
from layerscope.errors import DataError

DEEPEST = 100
"""Levels of objects and arrays in JSON; nothing that is read here needs ten."""
MOST_DIGITS = 308
"""Digits of a number; with more it is none that a float can hold."""
LONGEST_NAME = 255
"""Bytes of a file's or folder's name, as file systems allow."""

_HEAD = 4096
_BYTE_ORDER_MARKS = (
    (b"\xef\xbb\xbf", "UTF-8"),
    (b"\xff\xfe\x00\x00", "UTF-32"),
    (b"\x00\x00\xfe\xff", "UTF-32"),
    (b"\xff\xfe", "UTF-16"),
    (b"\xfe\xff", "UTF-16"),
)
_JSON_STRING = re.compile(r'"(?:[^"\\]|\\.)*+"?', re.DOTALL)  # one that is not closed goes to the end: linear in time
_BRACKET = re.compile(r"[\[\]{}]")
_HALF_CHARACTER = re.compile(r"\\u[dD][89a-fA-F]")
_WHOLE_NUMBER = re.compile(r"[+-]?[0-9]{1,18}", re.ASCII)


class _OutOfRangeError(ValueError):
    """A number that is written with too many digits, or too large an exponent."""


def read_text(path: Path) -> str:
    """The whole of a file, its line ends as they are.

    Raises:
        DataError: it cannot be read, or is not UTF-8.
    """
    try:
        data = path.read_bytes()
    except (OSError, ValueError) as error:
        _refuse_reading(path, error)
    n_mark = _length_of_mark(data[:_HEAD], path)
    return _decoded(data[n_mark:], path, n_mark)


def read_lines(path: Path) -> Iterator[tuple[int, str]]:
    """The lines of a file without their ends, one after the other, with their numbers from 1.

    A final line end starts no further line.

    Raises:
        DataError: it cannot be read, is not UTF-8, or its lines end at carriage returns alone.
    """
    for number, line in _whole_lines(path):
        yield number, line[:-1].removesuffix("\r") if line.endswith("\n") else line


def parse_json(text: str, place: str) -> Any:
    """What a JSON text says.

    Args:
        text: of a stranger.
        place: where it stands, as the start of a sentence: ``Line 3 of 'pairs.jsonl'``.

    Raises:
        DataError: it is not valid JSON, or nested deeper, or with a longer number than is read, or holds half of a character.
    """
    if text.count("[") + text.count("{") > DEEPEST and _depth(text) > DEEPEST:
        raise DataError(f"{place} is nested more than {DEEPEST} deep, and JSON is read no deeper: write it flatter.")
    try:
        found = json.loads(text, parse_int=_int, parse_float=_float)
    except json.JSONDecodeError as error:
        where = f"character {error.colno}" if error.lineno == 1 else f"line {error.lineno}, character {error.colno}"
        raise DataError(f"{place} is not valid JSON ({error.msg} at {where}): correct it there.") from error
    except _OutOfRangeError as error:
        raise DataError(
            f"{place} has a number that no float holds, '{error}': write one of at most {MOST_DIGITS} digits."
        ) from None
    if _HALF_CHARACTER.search(text) and not _is_unicode(json.dumps(found, ensure_ascii=False)):
        raise DataError(
            f"{place} holds half of a surrogate pair, and text is valid Unicode: write the character whole, or leave it out."
        )
    return found


def read_json(path: Path) -> Any:
    """What a JSON file says.

    Raises:
        DataError: it cannot be read, is not UTF-8, or as ``parse_json``.
    """
    return parse_json(read_text(path), f"'{path}'")


def read_json_lines(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """The objects of a JSON Lines file, one after the other, with the numbers of their lines; blank lines are skipped.

    Raises:
        DataError: it cannot be read, or a line is not a JSON object.
    """
    for number, line in read_lines(path):
        if not line.strip():
            continue
        place = f"Line {number} of '{path}'"
        record = parse_json(line, place)
        if not isinstance(record, dict):
            raise DataError(f"{place} is not a JSON object: write {{…}} on every line.")
        yield number, record


def read_table(path: Path) -> Iterator[tuple[int, dict[str, str]]]:
    """The rows of a .csv or .tsv file by column name, with the number of the line that each begins at; empty lines are skipped.

    A .csv is quoted as RFC 4180 says. A .tsv has no quoting: a quotation mark is part of its text.

    Raises:
        DataError: it cannot be read, has no names of columns or one twice, a quotation mark is not closed, or a row has more or
            fewer cells than there are columns.

    Source: RFC 4180; for .tsv, IANA's text/tab-separated-values.
    """
    is_quoted = path.suffix != ".tsv"
    rows = _csv_rows(path) if is_quoted else ((number, line.split("\t")) for number, line in read_lines(path) if line)
    _, names = next(rows, (1, []))
    if not any(names):
        raise DataError(f"A table begins with a line of column names; '{path}' has none.")
    twice = [name for name in names if name and names.count(name) > 1]
    if twice:
        raise DataError(f"Columns have names of their own; '{path}' has two named '{twice[0]}'.")
    if not is_quoted and all(len(name) > 1 and name[0] == name[-1] == '"' for name in names):
        raise DataError(
            f"In a .tsv file a quotation mark is part of the text; '{path}' has its column names in quotes: write it without, "
            "or as .csv."
        )
    for number, cells in rows:
        if len(cells) != len(names):
            more = "quote cells that hold a comma" if is_quoted else "a cell holds no tab"
            raise DataError(
                f"A row has a cell for each of the {len(names)} columns; line {number} of '{path}' has {len(cells)}: {more}."
            )
        yield number, dict(zip(names, cells, strict=True))


def whole_number(text: str) -> int | None:
    """The number that somebody typed, in ASCII digits and at most 18 of them; None for anything else.

    Examples:
        >>> whole_number("12"), whole_number("²"), whole_number("1e3")
        (12, None, None)
    """
    return int(text) if _WHOLE_NUMBER.fullmatch(text) else None


def checked_language(language: object) -> Language:
    """A language that sentences and figures speak.

    Raises:
        DataError: it is another, or is written otherwise.

    Examples:
        >>> checked_language("ja")
        'ja'
    """
    for known in LANGUAGES:
        if language == known:
            return known
    raise DataError(f"A language is {' or '.join(repr(known) for known in LANGUAGES)}; got {language!r}: take one of them.")


def local_path(text: str) -> Path:
    """The path that somebody typed, ``~`` and ``~user`` replaced.

    Raises:
        DataError: it names nothing, holds a character that no path has or a name that is too long, or a home that is not there.
    """
    shown = text if len(text) <= LONGEST_NAME else f"{text[:40]}…"
    if not text.strip():
        raise DataError(f"A path names a file or a folder; got '{text}'.")
    if "\0" in text or not _is_unicode(text):
        raise DataError(f"A path is UTF-8 text without the character NUL; got {shown!r}.")
    if any(len(part.encode("utf-8")) > LONGEST_NAME for part in Path(text).parts):
        raise DataError(f"The name of a file or folder has at most {LONGEST_NAME} bytes; got '{shown}'.")
    try:
        return Path(text).expanduser()
    except RuntimeError:
        raise DataError(
            f"'{text}' begins with a user's home, and there is no such user here: write the path out, from '/' or from here "
            f"('./{text}')."
        ) from None


def _whole_lines(path: Path) -> Iterator[tuple[int, str]]:
    """Lines with their ends."""
    try:
        with path.open("rb") as file:
            place = _length_of_mark(file.peek(_HEAD)[:_HEAD], path)
            file.seek(place)
            for number, line in enumerate(file, start=1):
                text = _decoded(line, path, place)
                if number == 1 and "\r" in text[:-1] and not text.endswith("\n"):
                    raise DataError(
                        f"A line ends at LF or CRLF; '{path}' has carriage returns alone: convert it with tr '\\r' '\\n'."
                    )
                yield number, text
                place += len(line)
    except (OSError, ValueError) as error:
        _refuse_reading(path, error)


def _csv_rows(path: Path) -> Iterator[tuple[int, list[str]]]:
    table = csv.reader((line for _, line in _whole_lines(path)), strict=True)
    while True:
        begins = table.line_num + 1
        try:
            cells = next(table)
        except StopIteration:
            return
        except csv.Error as error:
            if "unexpected end of data" in str(error):
                raise DataError(
                    f"A quotation mark that opens a cell is closed; one in the row at line {begins} of '{path}' is not: close "
                    'it, or write a mark that belongs to the text as "".'
                ) from error
            raise DataError(
                f"The row at line {begins} of '{path}' is not quoted as RFC 4180 says ({error}): write a quotation mark inside "
                'a quoted cell as "".'
            ) from error
        if cells:
            yield begins, cells


def _length_of_mark(head: bytes, path: Path) -> int:
    """Bytes of the byte-order mark of UTF-8, 0 if there is none; other encodings are refused by name."""
    for mark, encoding in _BYTE_ORDER_MARKS:
        if head.startswith(mark):
            if encoding == "UTF-8":
                return len(mark)
            _refuse_encoding(path, 0, encoding)
    for start in (0, 1):  # UTF-16 without a mark: every other byte of Latin text is zero
        if len(head) >= 4 and head[start::2].count(0) > 0.4 * len(head) and head[1 - start :: 2].count(0) < 0.1 * len(head):
            _refuse_encoding(path, start, "UTF-16BE" if start == 0 else "UTF-16LE")
    return 0


def _decoded(data: bytes, path: Path, place: int) -> str:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        _refuse_encoding(path, place + error.start)


def _refuse_encoding(path: Path, place: int, encoding: str | None = None) -> NoReturn:
    looks = "" if encoding is None else f" and looks like {encoding}"
    raise DataError(
        f"A text file is UTF-8; '{path}' is not, at byte {place}{looks}: convert it with iconv -f "
        f"{encoding or 'ITS-ENCODING'} -t UTF-8."
    ) from None


def _refuse_reading(path: Path, error: OSError | ValueError) -> NoReturn:
    reason = error.strerror if isinstance(error, OSError) and error.strerror else error
    raise DataError(f"'{path}' cannot be read ({reason}): name a file that can.") from error


def _depth(text: str) -> int:
    """Objects and arrays inside each other, at most."""
    brackets = _BRACKET.findall(_JSON_STRING.sub("", text))
    return max(itertools.accumulate(1 if bracket in "[{" else -1 for bracket in brackets), default=0)


def _int(text: str) -> int:
    if len(text.lstrip("-")) > MOST_DIGITS:
        raise _OutOfRangeError(f"{text[:20]}…")
    return int(text)


def _float(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise _OutOfRangeError(text if len(text) <= 20 else f"{text[:20]}…")
    return number


def _is_unicode(text: str) -> bool:
    """False where it holds half of a surrogate pair, as a byte that is no UTF-8 becomes on the command line."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True
