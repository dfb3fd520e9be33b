"""Pairs from other people's files: BLiMP, tables with named columns, the published JSON layout. Everything is read streaming
but whole JSON documents; a line that cannot be read is named.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

from layerscope.errors import DataError, PairError
from layerscope.pairs.format import read_pairs
from layerscope.pairs.pair import MinimalPair
from layerscope.pairs.subtypes import SUBTYPES
from layerscope.reading import read_json, read_json_lines, read_table

TABLES = (".csv", ".tsv", ".json", ".jsonl")
_BLIMP_FIELDS = ("sentence_good", "sentence_bad", "UID", "linguistics_term")
_BLIMP_SUBTYPES = {
    "determiner_noun_agreement": "determiner-noun-agreement",
    "subject_verb_agreement": "subject-verb-agreement",
    "anaphor_gender_agreement": "pronoun-gender",
}
"""Ours for theirs; other paradigms keep their linguistics term."""
_COLUMNS = ("sentence1", "sentence2", "type", "subtype", "right", "template", "term")


def import_blimp(path: Path) -> Iterator[MinimalPair]:
    """BLiMP's pairs from one of its files or a folder of them, file by file.

    The right side is ``sentence_good``; the subtype is ours where we have one for the paradigm, else BLiMP's linguistics term;
    ``term`` is the paradigm; a paradigm is one template.

    Raises:
        PairError: no such file, or a line without BLiMP's fields.
        DataError: a line that is not a JSON object, or no UTF-8.

    Source: Warstadt et al. 2020, "BLiMP: The Benchmark of Linguistic Minimal Pairs for English" (arXiv 1912.00582).
    """
    files = sorted(path.glob("*.jsonl")) if path.is_dir() else [path]
    if not files or not all(file.is_file() for file in files):
        raise PairError(f"BLiMP is a .jsonl file or a folder of them; there is none at '{path}'.")
    for file in files:
        for number, record in read_json_lines(file):
            missing = [name for name in _BLIMP_FIELDS if not isinstance(record.get(name), str)]
            if missing:
                raise PairError(f"Line {number} of '{file}' is not a pair of BLiMP's: {', '.join(missing)} missing.")
            paradigm = record["UID"]
            subtype = next((ours for theirs, ours in _BLIMP_SUBTYPES.items() if theirs in paradigm), None)
            term = record["linguistics_term"]
            yield _pair(
                file,
                number,
                record["sentence_good"],
                record["sentence_bad"],
                type="grammar",
                subtype=subtype or term.replace("_", "-"),
                right=1,
                template=f"blimp/{paradigm}",
                source="blimp",
                term=paradigm,
            )


def read_ours_or_blimp(path: Path) -> Iterator[MinimalPair]:
    """Pairs of a file in our own form or BLiMP's, or of a folder of such files, one after the other.

    A file is BLiMP's if its first line has a ``sentence_good``.

    Raises:
        PairError: no such file, a folder without one, or a line that is not a pair.
    """
    files = sorted(path.glob("*.jsonl")) if path.is_dir() else [path]
    if not files:
        raise PairError(f"A folder of pairs holds .jsonl files; '{path}' has none.")
    for file in files:
        yield from import_blimp(file) if _is_blimp(file) else read_pairs(file)


def _is_blimp(file: Path) -> bool:
    try:
        _, record = next(read_json_lines(file), (0, {}))
    except DataError:
        return False  # whoever reads the whole file says what is wrong with it
    return "sentence_good" in record


def import_table(path: Path, columns: Mapping[str, str], values: Mapping[str, str]) -> Iterator[MinimalPair]:
    """Pairs from the rows of a .csv, .tsv, .jsonl or .json file (an array of objects).

    Args:
        path: the file.
        columns: for each of our fields (sentence1, sentence2, type, subtype, right, template, term) the column that holds it;
            fields that are not named are looked for under their own name.
        values: fields that are the same for all rows, such as ``type: grammar``.

    Raises:
        PairError: an unknown field or suffix, a row without a field that a pair needs, or a value that it cannot have.
        DataError: the file is no table, as ``reading`` says, or no JSON.
    """
    unknown = [name for name in [*columns, *values] if name not in _COLUMNS]
    if unknown:
        raise PairError(f"A pair has the fields {', '.join(_COLUMNS)}; got '{unknown[0]}'.")
    if path.suffix not in TABLES or not path.is_file():
        raise PairError(f"A table is a {', '.join(TABLES)} file; got '{path}'.")
    for number, row in _rows(path):
        found = {name: values.get(name, row.get(columns.get(name, name))) for name in _COLUMNS}
        missing = [name for name in ("sentence1", "sentence2", "type", "subtype") if not isinstance(found[name], str)]
        if missing:
            asked = columns.get(missing[0], missing[0])
            raise PairError(
                f"A pair needs sentence1, sentence2, type and subtype; row {number} of '{path}' has no '{asked}': name the "
                f"column with --column {missing[0]}=NAME, or give all rows a value with --set {missing[0]}=VALUE."
            )
        yield _pair(
            path,
            number,
            found["sentence1"],
            found["sentence2"],
            type=found["type"],
            subtype=found["subtype"],
            right=_right(found["right"], found["subtype"], path, number),
            template=str(found["template"] or f"{path.stem}/{number}"),
            source=path.name,
            term=str(found["term"] or ""),
        )


def import_published(path: Path) -> Iterator[MinimalPair]:
    """Pairs from the published layout, ``{"diff_token_type": {type: {subtype: {"sentence_pairs": [...]}}}}``.

    Each of the pairs is an object with ``sentence1`` and ``sentence2``.

    Raises:
        PairError: the file is not laid out so; the place is named.
        DataError: it cannot be read, or is not valid JSON.
    """
    content = read_json(path)
    types = _object(content, "diff_token_type", path, "the file")
    for type_name in types:
        subtypes = _object(types, type_name, path, "diff_token_type")
        for subtype in subtypes:
            place = f"{type_name}.{subtype}"
            pairs = _object(subtypes, subtype, path, type_name).get("sentence_pairs")
            if not isinstance(pairs, list):
                raise PairError(f"In the published layout '{place}' has a list 'sentence_pairs'; '{path}' has none there.")
            for number, record in enumerate(pairs):
                sides = [record.get(name) if isinstance(record, dict) else None for name in ("sentence1", "sentence2")]
                if not all(isinstance(side, str) for side in sides):
                    raise PairError(f"A published pair has sentence1 and sentence2; {place}[{number}] of '{path}' does not.")
                yield _pair(
                    path,
                    number,
                    *sides,
                    type=type_name,
                    subtype=subtype,
                    right=_right(None, subtype, path, number),
                    template=f"{path.stem}/{place}/{number}",
                    source=path.name,
                    term="",
                )


def to_published(pairs: Iterable[MinimalPair]) -> dict[str, Any]:
    """Pairs in the published layout; what it has no place for (edit, template, source) is left out."""
    types: dict[str, Any] = {}
    for pair in pairs:
        subtype = types.setdefault(pair.type, {}).setdefault(pair.subtype, {"sentence_pairs": []})
        subtype["sentence_pairs"].append({"sentence1": pair.sentence1, "sentence2": pair.sentence2})
    return {"diff_token_type": types}


def _pair(path: Path, number: int, sentence1: Any, sentence2: Any, **fields: Any) -> MinimalPair:
    try:
        return MinimalPair.from_sentences(sentence1, sentence2, **fields)
    except PairError as error:
        raise PairError(f"Row {number} of '{path}' is not a pair: {error}") from error


def _right(value: Any, subtype: Any, path: Path, number: int) -> Literal[1, 2] | None:
    """Which side is right: as the row says; else the first where the subtype is known to have a wrong side."""
    if value in (None, ""):
        known = SUBTYPES.get(subtype)
        return 1 if known is not None and known.has_wrong_side and known.is_judgeable else None
    if str(value) not in ("1", "2", "none"):
        raise PairError(f"The right side is 1, 2 or none; row {number} of '{path}' has '{value}'.")
    return None if value == "none" else 1 if str(value) == "1" else 2


def _object(content: Any, name: str, path: Path, place: str) -> dict[str, Any]:
    inner = content.get(name) if isinstance(content, dict) else None
    if not isinstance(inner, dict):
        raise PairError(f"In the published layout {place} has an object '{name}'; '{path}' has none there.")
    return inner


def _rows(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Rows with their numbers: lines for JSON Lines and tables (the header is line 1), places from 0 in an array."""
    if path.suffix == ".jsonl":
        yield from read_json_lines(path)
    elif path.suffix == ".json":
        content = read_json(path)
        if not isinstance(content, list) or not all(isinstance(row, dict) for row in content):
            raise PairError(f"A .json table is an array of objects; '{path}' is not.")
        yield from enumerate(content)
    else:
        yield from read_table(path)
