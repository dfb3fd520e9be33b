"""Taggers on texts whose tags anyone can check, and gold tags from CoNLL-U."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from layerscope.corpora.catalogue import load_documents
from layerscope.corpora.windows import Document
from layerscope.errors import DataError
from layerscope.language.gold import gold_words
from layerscope.language.taggers import Tagger, load_tagger
from tests.conllu import SENTENCES

EWT = Path(__file__).parents[3] / "shared" / "data" / "ud-english-ewt" / "en_ewt-ud-dev.conllu"


@pytest.fixture(scope="module")
def english() -> Tagger:
    return load_tagger("en")


def tags(tagger: Tagger, text: str) -> list[tuple[str, str]]:
    return [(text[word.start : word.end], word.upos) for word in next(tagger.tag([text]))]


def test_a_word_is_tagged_in_its_sentence(english: Tagger) -> None:
    assert dict(tags(english, "I can fish."))["can"] == "AUX"
    assert dict(tags(english, "She opened a can of beans."))["can"] == "NOUN"


def test_offsets_and_sentences_are_those_of_the_raw_text(english: Tagger) -> None:
    text = "  It  rained.\n\nWe stayed."
    words = next(english.tag([text]))
    assert [text[word.start : word.end] for word in words] == ["It", "rained", ".", "We", "stayed", "."]
    assert words[0].start == 2
    assert words[0].sentence < words[-1].sentence


def test_texts_keep_their_order_and_may_be_empty(english: Tagger) -> None:
    assert [len(words) for words in english.tag(["Go.", "", "   ", "We go."])] == [2, 0, 0, 3]


def test_unknown_language_and_pipeline_are_named() -> None:
    with pytest.raises(DataError, match=r"Texts are tagged in en or ja, .* got 'de'"):
        load_tagger("de")
    with pytest.raises(DataError, match="No spaCy pipeline 'en_core_web_xx' is installed"):
        load_tagger("en", pipeline="en_core_web_xx")


@pytest.mark.skipif(importlib.util.find_spec("sudachidict_core") is None, reason="the extra 'ja' is not installed")
def test_japanese_words_have_universal_tags() -> None:
    tagger = load_tagger("ja")
    text = "猫が魚を食べた。とても速い！"
    assert tags(tagger, text) == [
        ("猫", "NOUN"), ("が", "ADP"), ("魚", "NOUN"), ("を", "ADP"), ("食べ", "VERB"), ("た", "AUX"), ("。", "PUNCT"),
        ("とても", "ADV"), ("速い", "ADJ"), ("！", "PUNCT"),
    ]  # fmt: skip
    assert [word.sentence for word in next(tagger.tag([text]))] == [0] * 7 + [1] * 3
    assert tagger.name.startswith("SudachiPy ")


def gold_of(tmp_path: Path, *documents: Document) -> list[list[tuple[str, str]]]:
    path = tmp_path / "gold.conllu"
    path.write_text(SENTENCES, encoding="utf-8")
    return [
        [(document.text[word.start : word.end], word.upos) for word in words]
        for document, words in zip(documents, gold_words(path, documents), strict=True)
    ]


@pytest.mark.parametrize(
    "lines",
    [
        pytest.param(["1-2\tab", "3\tc"], id="other words follow"),
        pytest.param(["1-2\tab", "1\ta"], id="one follows"),
        pytest.param(["1-2\tab"], id="none follows"),
        pytest.param(["2-1\tab", "1\ta", "2\tb"], id="backwards"),
        pytest.param(["1-999999999\tab", "1\ta", "2\tb"], id="too many"),
    ],
)
def test_a_multiword_token_without_its_words_is_named(lines: list[str], tmp_path: Path) -> None:
    path = tmp_path / "gold.conllu"
    written = [f"{line}\t_\tX\t_\t_\t_\t_\t_\t_" for line in lines]
    path.write_text("\n".join(["# text = ab", *written, "", ""]), encoding="utf-8")
    with pytest.raises(DataError, match="'ab' .* is not, in|'2-1' is not a valid ID"):
        gold_words(path, [Document("one", "ab")])


def test_gold_words_are_those_of_the_treebank(tmp_path: Path) -> None:
    first = [("They", "PRON"), ("do", "AUX"), ("n't", "PART"), ("know", "VERB"), (".", "PUNCT")]
    # words that cannot be cut out of the text stand as one, with the tag of their first part
    second = [("Vámonos", "VERB"), ("al", "ADP"), ("mar", "NOUN"), ("!", "PUNCT")]
    one, two = Document("one", "They don't know."), Document("two", "Vámonos al mar!")
    assert gold_of(tmp_path, two, one) == [second, first]
    assert gold_of(tmp_path, Document("first", f"{one.text} {two.text}")) == [first + second]


def test_a_text_that_the_treebank_does_not_have_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="Gold tags need the texts of the run; 'three' is not in"):
        gold_of(tmp_path, Document("three", "They do not know."))


@pytest.mark.skipif(not EWT.is_file(), reason="needs ../shared/data/ud-english-ewt")
def test_every_sentence_of_a_real_treebank_has_its_words() -> None:
    documents = load_documents(str(EWT), "documents")
    words = gold_words(EWT, documents)
    assert sum(map(len, words)) == 25_147
    for document, some in zip(documents, words, strict=True):
        rebuilt = "".join(document.text[word.start : word.end] for word in some)
        assert rebuilt == "".join(document.text.split())
