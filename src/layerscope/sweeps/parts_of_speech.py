"""From a finished run to its parts of speech: tag the texts, give each token its word, add up, write tables and figures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from layerscope.corpora.windows import Document
from layerscope.errors import DataError
from layerscope.language.gold import gold_words
from layerscope.language.taggers import load_tagger
from layerscope.language.words import Word
from layerscope.sweeps.analysis.item_sums import TokenCounts, pairs_of_tags, sum_items
from layerscope.sweeps.analysis.parts_of_speech import pos_table, transitions_table
from layerscope.sweeps.analysis.prediction_depth import depth_by_tag
from layerscope.sweeps.analysis.tag_findings import tag_finding
from layerscope.sweeps.analysis.words import WordCounts, WordIndex, words_tables
from layerscope.sweeps.finished import FinishedRun
from layerscope.sweeps.tables import DEPTH_BY_TAG, POS, PREDICTION_DEPTH, TOKEN_WORDS, TRANSITIONS, WORDS


@dataclass(frozen=True)
class TagRequest:
    """Where parts of speech come from."""

    language: str = "en"
    """``en`` or ``ja``: the language's own tagger."""
    tagger: str | None = None
    """An installed spaCy pipeline in its place, or ``gold`` for the tags of the run's CoNLL-U file."""
    gold: Path | None = None
    """A CoNLL-U file that holds the run's texts."""


@dataclass(frozen=True)
class TaggedRun:
    """What tagging came to."""

    tagger: str
    """Name and version, or the treebank's file name."""
    words: WordCounts
    """Words found: those that count, and why the others do not."""
    counts: TokenCounts
    """Where the scored tokens went."""

    @property
    def aligned(self) -> float:
        """Share of the scored tokens, white space left out, that have a word."""
        with_word = self.counts.in_words + self.counts.in_partial_words
        return with_word / max(with_word + self.counts.lost, 1)


def tag_run(run: FinishedRun, request: TagRequest) -> TaggedRun:
    """Write words.parquet, token_words.parquet, pos.parquet, transitions.parquet, and pos.json into a run directory.

    Raises:
        LayerscopeError: there is no such tagger, the gold file does not hold the run's texts, or another process writes to the
            run directory.
    """
    with run.directory.alone():
        return _tag_run(run, request)


def _tag_run(run: FinishedRun, request: TagRequest) -> TaggedRun:
    run.directory.check_places(*(table.name for table in (WORDS, TOKEN_WORDS, POS, TRANSITIONS, DEPTH_BY_TAG)), "pos.json")
    documents = [
        Document(name, text)
        for name, text in zip(run.documents["name"].to_pylist(), run.documents["text"].to_pylist(), strict=True)
    ]
    name, words = find_words(run, documents, request)
    words_of_run, token_words = words_tables(run.documents, run.tokens, words)
    index = WordIndex.from_tables(words_of_run, token_words, len(documents))
    if not index.is_whole.any():
        raise DataError(f"A part of speech needs a word whose every token is scored; '{run.directory.path}' has none.")
    pairs, pair_of_word = pairs_of_tags(index)
    by_item, by_pair, counts = sum_items(run.score_shards(), index, len(run.layers), pair_of_word)
    pos = pos_table(by_item, run.layers, run.level)
    transitions = transitions_table(pairs, by_pair, run.layers, run.level)
    directory = run.directory
    for table, data in ((WORDS, words_of_run), (TOKEN_WORDS, token_words), (POS, pos), (TRANSITIONS, transitions)):
        directory.write_table(table, data)
    if directory.has_table(PREDICTION_DEPTH):
        depths = directory.read_table(PREDICTION_DEPTH).to_pandas()
        directory.write_table(DEPTH_BY_TAG, depth_by_tag(depths, index, run.level))
    directory.remove_figures("pos_", "transitions_")
    tagged = TaggedRun(name, WordCounts.of(words_of_run, token_words, run.documents), counts)
    rows = pos.to_pandas()
    found = {
        str(family): tag_finding(rows[rows["family"] == family])._asdict()
        for family in dict.fromkeys(run.layers["family"])
        if family != "intact"
    }
    directory.write_json("pos.json", _record(tagged, request) | {"findings": found})
    return tagged


def find_words(run: FinishedRun, documents: Sequence[Document], request: TagRequest) -> tuple[str, list[list[Word]]]:
    """The words of each text and the name of what tagged them: gold tags where the run's data set has them, else a tagger.

    Raises:
        LayerscopeError: there is no such tagger, or the gold file does not hold the run's texts.
    """
    own = Path(run.record.request.dataset)
    gold = request.gold
    if gold is None and own.suffix == ".conllu" and request.tagger in (None, "gold"):
        gold = own
    if gold is not None:
        if not gold.is_file():
            raise DataError(
                f"Gold tags come from a CoNLL-U file; there is none at '{gold}': name one with --gold, or a --tagger."
            )
        return f"gold tags of {gold.name}", gold_words(gold, documents)
    if request.tagger == "gold":
        raise DataError(f"Gold tags come from a CoNLL-U file; the run's texts are from '{own}': name one with --gold.")
    tagger = load_tagger(request.language, pipeline=request.tagger)
    return tagger.name, list(tagger.tag(document.text for document in documents))


def _record(tagged: TaggedRun, request: TagRequest) -> dict[str, Any]:
    counts, words = tagged.counts, tagged.words
    return {
        "tagger": tagged.tagger,
        "language": request.language,
        "words": words.words,
        "words_counted": words.counted,
        "words_not_counted": {
            "no_token_of_their_own": words.without_token,
            "first_token_without_context": words.without_context,
            "past_the_context_length": words.past_context,
            "scored_in_an_earlier_window": words.as_context,
        },
        "scored_tokens": {
            "in_words": counts.in_words,
            "in_partial_words": counts.in_partial_words,
            "white_space_only": counts.space,
            "not_aligned": counts.lost,
        },
        "aligned_share": tagged.aligned,
        "intact_nll_nats": {name: float(np.asarray(sums)[0]) for name, sums in counts.nll_nats.items()},
    }
