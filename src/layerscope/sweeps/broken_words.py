"""From a tagged run to the words that one variant broke or improved most."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from layerscope.atomic import whole_file
from layerscope.errors import DataError, check_text, did_you_mean
from layerscope.language.words import UPOS_TAGS
from layerscope.sweeps.analysis.broken_words import frequency_bands, words_of_variant
from layerscope.sweeps.analysis.words import WordIndex
from layerscope.sweeps.finished import FinishedRun
from layerscope.sweeps.tables import TOKEN_WORDS, VOCABULARY, WORDS

_RANGE = re.compile(r"(\d{1,9})(-(\d{0,9}))?", re.ASCII)


@dataclass(frozen=True)
class WordsRequest:
    """Which words are asked for."""

    variant: str
    """Name of a variant of the run."""
    tag: str | None = None
    """Universal part of speech, in capitals or not; all if None."""
    frequency: str | None = None
    """``3``, ``2-7`` or ``8-``: how often the word stands in the run's texts; any if None."""
    improved: bool = False
    """Words that are predicted better than before, instead of worse."""


@dataclass(frozen=True)
class BrokenWords:
    """Words of one variant, those that changed most first."""

    title: str
    """What they are, in words."""
    words: pd.DataFrame
    """From ``words_of_variant``, with the sentence ``before`` and ``after`` each word."""
    bands: pd.DataFrame
    """From ``frequency_bands``, over all words of the tag."""


def find_broken_words(run: FinishedRun, request: WordsRequest, *, output: Path | None = None) -> BrokenWords:
    """Rank the words of a variant.

    Args:
        run: tagged by ``layerscope pos``.
        request: which words.
        output: a .csv or .parquet file for all of them; none if None.

    Raises:
        LayerscopeError: the run has no such variant or tag, or was not tagged, or the output is neither kind of file.
    """
    variants = run.layers["variant"].tolist()
    check_text(request.variant, "A variant", variants[1:], DataError)
    if request.variant not in variants[1:]:
        near = did_you_mean(request.variant, variants)
        raise DataError(f"A variant is one of the {len(variants) - 1} of the run; got '{request.variant}'.{near}")
    request = replace(request, tag=None if request.tag is None else request.tag.upper())
    if request.tag is not None and request.tag not in UPOS_TAGS:
        raise DataError(f"A part of speech is one of {', '.join(UPOS_TAGS)}; got '{request.tag}'.")
    fewest, most = _parsed(request.frequency)
    if output is not None and output.suffix not in (".csv", ".parquet"):
        raise DataError(f"Words are written to a .csv or .parquet file; got '{output}'.")
    if not run.directory.has_table(WORDS):
        raise DataError(f"'{run.directory.path}' has no words yet: run 'layerscope pos {run.directory.path}' first.")
    table = run.directory.read_table(WORDS)
    index = WordIndex.from_tables(table, run.directory.read_table(TOKEN_WORDS), run.documents.num_rows)
    vocabulary = run.directory.read_table(VOCABULARY)
    words = words_of_variant(run.score_shards(), table, index, variants.index(request.variant), vocabulary)
    words = words if request.tag is None else words[words["upos"] == request.tag]
    is_finite = np.isfinite(words["delta_nll_nats"])
    bands = frequency_bands(words[is_finite])
    asked = words["frequency"].between(fewest, most)
    n_broken = int((asked & ~is_finite).sum())
    words = words[asked & is_finite]
    changed = words[words["delta_nll_nats"] < 0] if request.improved else words[words["delta_nll_nats"] > 0]
    changed = changed.sort_values("delta_nll_nats", ascending=request.improved, kind="stable")
    ranked = _with_sentences(changed, table.to_pandas(), run)
    if output is not None:
        with whole_file(output) as unfinished:
            ranked.to_csv(unfinished, index=False) if output.suffix == ".csv" else ranked.to_parquet(unfinished, index=False)
    what = "improved" if request.improved else "broke"
    shares = f"{len(ranked):,} of {len(words):,}"
    left_out = f"; {n_broken:,} more have no finite NLL there" if n_broken else ""
    title = f"{run.model} on {run.dataset}: {request.tag or 'words'} that {what} at {request.variant} ({shares}{left_out})"
    return BrokenWords(title, ranked, bands)


def _with_sentences(words: pd.DataFrame, every_word: pd.DataFrame, run: FinishedRun) -> pd.DataFrame:
    """Each word with the rest of its sentence before and after it."""
    texts = run.documents["text"].to_pylist()
    place = every_word.groupby(["document", "sentence"]).ngroup().to_numpy()
    first = every_word.groupby(place)["char_start"].min().to_numpy()
    last = every_word.groupby(place)["char_end"].max().to_numpy()
    before, after = [], []
    for word, document, start, end in words[["word", "document", "char_start", "char_end"]].to_numpy(dtype=int).tolist():
        text, sentence = texts[document], place[word]
        before.append(text[first[sentence] : start])
        after.append(text[end : last[sentence]])
    return words.assign(before=before, after=after).reset_index(drop=True)


def _parsed(frequency: str | None) -> tuple[int, float]:
    if frequency is None:
        return 1, np.inf
    found = _RANGE.fullmatch(frequency)
    if found is None or (found[3] and int(found[3]) < int(found[1])):
        raise DataError(f"--frequency is a number or a range such as 1, 2-7 or 8-; got '{frequency}'.")
    if found[2] is None:
        return int(found[1]), float(found[1])
    return int(found[1]), float(found[3]) if found[3] else np.inf
