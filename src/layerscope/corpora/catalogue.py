"""The data sets that can be named, and how a name becomes documents. Adding a data set is one entry here."""

from __future__ import annotations

import importlib.util
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from layerscope.corpora.files import READERS, read_file, wikitext_articles
from layerscope.corpora.hub import HubSource, load_texts
from layerscope.corpora.openings import opening
from layerscope.corpora.protocols import Unit
from layerscope.corpora.windows import Document
from layerscope.errors import DataError, check_text, did_you_mean
from layerscope.reading import local_path

_WIKI_SPLITS = ("train", "validation", "test")
_WEBTEXT = "https://openaipublic.blob.core.windows.net/gpt-2/output-dataset/v1/webtext.{}.jsonl"


@dataclass(frozen=True)
class DatasetEntry:
    """A data set known by name."""

    name: str
    """As written after ``--dataset``."""
    description: str
    """One line for ``layerscope datasets``."""
    default_split: str
    """Taken when no ``--split`` is given."""
    hub: HubSource | None = None
    """Where it is on the Hub; None if it ships in a package."""
    patterns: tuple[str, ...] = ()
    """File names in a ``--data-dir``, with ``{split}``; the first that exists is read."""
    is_wikitext: bool = False
    """True if its rows are lines of articles that start with ``= Title =``."""


DATASETS = {
    entry.name: entry
    for entry in (
        DatasetEntry("lee", "300 Australian news articles of 2000-2002 (Lee et al. 2005), in the package gensim", "background"),
        DatasetEntry(
            "lee-openings", "The first sentence of each of them, some 25 words: for first answers in minutes", "background"
        ),
        DatasetEntry(
            "wiki-text-2",
            "WikiText-2, raw (Merity et al. 2016): Hub, or wiki.<split>.raw in --data-dir",
            "train",
            HubSource("Salesforce/wikitext", "wikitext-2-raw-v1", splits=_WIKI_SPLITS),
            ("wiki.{split}.raw",),
            True,
        ),
        DatasetEntry(
            "wiki-text-103",
            "WikiText-103, raw (Merity et al. 2016): Hub, or wiki.<split>.raw in --data-dir",
            "train",
            HubSource("Salesforce/wikitext", "wikitext-103-raw-v1", splits=_WIKI_SPLITS),
            ("wiki.{split}.raw",),
            True,
        ),
        DatasetEntry(
            "bookcorpus",
            "BookCorpus (Zhu et al. 2015): Hub, or JSON Lines with text in --data-dir",
            "train",
            HubSource("SamuelYang/bookcorpus"),
            ("bookcorpus.{split}.jsonl", "{split}.jsonl", "bookcorpus.jsonl"),
        ),
        DatasetEntry(
            "gpt2-output-dataset",
            "WebText samples of OpenAI's gpt-2-output-dataset: its public address, or webtext.<split>.jsonl in --data-dir",
            "train",
            HubSource(
                "json",
                data_files={split: _WEBTEXT.format(split) for split in ("train", "valid", "test")},
                splits=("train", "valid", "test"),
            ),
            ("webtext.{split}.jsonl", "{split}.jsonl"),
        ),
    )
}

_SPLIT = re.compile(r"\w[\w.-]*")
_SPLIT_NAMES = {"valid": "validation", "validation": "valid", "dev": "validation"}


def load_documents(name: str, unit: Unit, *, split: str | None = None, data_dir: Path | None = None) -> Sequence[Document]:
    """Every text of a data set, in its order; those of a Parquet file are read when they are asked for.

    Args:
        name: an entry of ``DATASETS``, or the path of a local file.
        unit: lines (rows, records) or documents.
        split: of a named data set; its default if None.
        data_dir: a folder with the named data set in the form in which it is published.

    Raises:
        DataError: unknown name (with near names), no such file or split, or nothing in it.
        HubError: the Hub is needed and cannot be reached.

    Examples:
        >>> [document.text for document in ls.load_documents("texts.txt", "lines")][:2]
        ['The cat sat on the mat.', 'It rained all day in the small town.']
    """
    name = os.fspath(name) if isinstance(name, os.PathLike) else name
    check_text(name, "A data set", DATASETS, DataError)
    if split is not None and not _SPLIT.fullmatch(split):
        raise DataError(f"A split is a name of letters, digits, dots and hyphens, such as test; got '{split}'.")
    if name not in DATASETS:
        path = _local_path(name)
        if split is not None:
            raise DataError(f"A split is of a named data set; '{name}' is a file, which is taken whole: leave --split out.")
        documents = read_file(path, unit)
    else:
        documents = _load_named(DATASETS[name], unit, split or DATASETS[name].default_split, data_dir)
    if not any(document.text.strip() for document in documents):
        raise DataError(f"A corpus holds at least one text that is not blank; '{name}' has none.")
    return documents


def dataset_label(name: str) -> str:
    """The data set's name in a run directory: the name itself, or a local file's name without its suffix."""
    return name if name in DATASETS else Path(name).stem


def resolved_split(name: str, split: str | None) -> str | None:
    """The split that will be read; None for a local file."""
    return (split or DATASETS[name].default_split) if name in DATASETS else None


def _local_path(name: str) -> Path:
    path = local_path(name)
    if path.suffix in READERS or path.exists():
        return path
    raise DataError(
        f"Unknown data set '{name}'.{did_you_mean(name, DATASETS)} Known: {', '.join(sorted(DATASETS))}, or the path of a "
        f"{', '.join(READERS)} file."
    )


def _load_named(entry: DatasetEntry, unit: Unit, split: str, data_dir: Path | None) -> Sequence[Document]:
    if entry.hub is None:
        if split != entry.default_split:
            raise DataError(f"The data set '{entry.name}' has the split {entry.default_split}; got '{split}'.")
        articles = read_file(_lee_path(), unit)
        if entry.name == "lee":
            return articles
        return [Document(f"{entry.name}[{number}]", opening(article.text)) for number, article in enumerate(articles)]
    if data_dir is not None:
        return read_file(_find_in_folder(entry, split, data_dir), unit)
    hub_split = split if split in entry.hub.splits else _SPLIT_NAMES.get(split, split)
    if hub_split not in entry.hub.splits:
        raise DataError(f"The data set '{entry.name}' has the splits {', '.join(entry.hub.splits)}; got '{split}'.")
    rows = load_texts(entry.hub, hub_split, entry.name)
    texts: Sequence[str] = wikitext_articles(rows) if entry.is_wikitext and unit == "documents" else rows
    return [Document(f"{entry.name}/{hub_split}[{index}]", text) for index, text in enumerate(texts)]


def _find_in_folder(entry: DatasetEntry, split: str, folder: Path) -> Path:
    if not folder.is_dir():
        raise DataError(f"--data-dir names a folder; '{folder}' is not one.")
    wanted = [pattern.format(split=word) for word in (split, _SPLIT_NAMES.get(split, split)) for pattern in entry.patterns]
    for file_name in wanted:
        if (folder / file_name).is_file():
            return folder / file_name
    there = ", ".join(sorted(path.name for path in folder.iterdir())[:8]) or "nothing"
    raise DataError(
        f"The split '{split}' of '{entry.name}' is {' or '.join(dict.fromkeys(wanted))} in '{folder}', which has {there}: "
        "name another split with --split."
    )


def _lee_path() -> Path:
    """The corpus inside the installed gensim, found without importing it."""
    spec = importlib.util.find_spec("gensim")
    if spec is None or spec.origin is None:
        raise DataError("The Lee corpus ships in the package gensim, which is not installed: pip install gensim.")
    return Path(spec.origin).parent / "test" / "test_data" / "lee_background.cor"
