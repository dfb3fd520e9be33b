"""Words with the tags that a treebank's annotators gave them, from CoNLL-U, in place of a tagger."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import conllu

from layerscope.corpora.files import conllu_sentences, sentence_text
from layerscope.corpora.windows import Document
from layerscope.errors import DataError
from layerscope.language.words import UPOS_TAGS, Word


def gold_words(path: Path, documents: Sequence[Document]) -> list[list[Word]]:
    """The words of each text.

    Args:
        path: a CoNLL-U file with ``# text`` comments, or forms that ``SpaceAfter`` joins.
        documents: sentences of the file, or its documents, as ``load_documents`` reads them; any of them, in any order.

    Raises:
        DataError: the file is no CoNLL-U, a text is not in it, or its words are not in its text.
    """
    sentences = [_sentence_words(sentence, path) for sentence in conllu_sentences(path)]
    by_text: dict[str, list[Word]] = {}
    for text, words in sentences:
        by_text.setdefault(text, words)
    return [_words_of(document, by_text, sentences, path) for document in documents]


def _words_of(
    document: Document, by_text: dict[str, list[Word]], sentences: list[tuple[str, list[Word]]], path: Path
) -> list[Word]:
    if document.text in by_text:
        return by_text[document.text]
    # a document of several sentences, joined by single spaces as they are read
    for first, (text, _) in enumerate(sentences):
        if not document.text.startswith(f"{text} "):
            continue
        words, offset = [], 0
        for number, (piece, inside) in enumerate(sentences[first:]):
            if document.text[offset : offset + len(piece)] != piece:
                break
            words += [Word(w.start + offset, w.end + offset, w.upos, w.tag, number) for w in inside]
            offset += len(piece) + 1
            if offset > len(document.text):
                return words
    raise DataError(f"Gold tags need the texts of the run; '{document.name}' is not in '{path}'.")


def _sentence_words(sentence: conllu.TokenList, path: Path) -> tuple[str, list[Word]]:
    """A sentence's text and its words, found in it one after the other."""
    text, words, position = sentence_text(sentence), list[Word](), 0
    tokens = [token for token in sentence if not (isinstance(token["id"], tuple) and token["id"][1] == ".")]
    covered = 0
    for index, token in enumerate(tokens):
        number = token["id"]
        if isinstance(number, tuple):  # a multiword token stands in the text; its parts may or may not be pieces of it
            n_parts = number[2] - number[0] + 1
            parts = tokens[index + 1 : index + 1 + max(n_parts, 0)]
            follows = [part["id"] for part in parts] == [number[0] + place for place in range(len(parts))]
            if not parts or len(parts) != n_parts or not follows:
                raise DataError(
                    f"A multiword token is followed by the words that it is made of; '{token['form']}' "
                    f"({number[0]}-{number[2]}) is not, in '{path}': '{text[:60]}'."
                )
            if "".join(part["form"] for part in parts) == token["form"]:
                continue
            covered = number[2]
            tagged = parts[0]
        elif number <= covered:
            continue
        else:
            tagged = token
        start = text.find(token["form"], position)
        if start < 0 or text[position:start].strip():
            raise DataError(f"A sentence's words stand in its text; '{token['form']}' does not, in '{path}': '{text[:60]}'.")
        position = start + len(token["form"])
        words.append(Word(start, position, _upos(tagged), tagged.get("xpos") or "", 0))
    return text, words


def _upos(token: Any) -> str:
    return token["upos"] if token.get("upos") in UPOS_TAGS else "X"
