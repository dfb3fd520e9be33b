"""Real tokenizers: every token's span is where its bytes are, and its word is the one that a count of bytes gives."""

from __future__ import annotations

import importlib.util
import re
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from layerscope.corpora.catalogue import load_documents
from layerscope.corpora.windows import make_window
from layerscope.language.alignment import align
from layerscope.language.gold import gold_words
from layerscope.language.taggers import load_tagger
from layerscope.language.words import Word
from layerscope.models.encoder import TextEncoder
from tests.real_tokenizers import REAL, RealTokenizer, real_tokenizer
from tests.tokenizers.byte_counts import touched_characters, words_by_count
from tests.tokenizers.hard_texts import HARD_TEXTS


@pytest.fixture(params=sorted(REAL), scope="module")
def real(request: pytest.FixtureRequest) -> RealTokenizer:
    return real_tokenizer(request.param)


@pytest.fixture(scope="module")
def encoder(real: RealTokenizer) -> TextEncoder:
    return TextEncoder.from_tokenizer(real.tokenizer)


def words_at_spaces(text: str) -> list[Word]:
    """Words and punctuation marks, each of its own."""
    return [Word(*match.span(), "X", "", 0) for match in re.finditer(r"\w+|[^\w\s]", text)]


def solid(text: str, start: int, end: int) -> list[int]:
    return [index for index in range(start, end) if not text[index].isspace()]


@pytest.mark.parametrize("name", HARD_TEXTS)
def test_a_span_has_the_characters_whose_bytes_the_token_has(name: str, real: RealTokenizer, encoder: TextEncoder) -> None:
    text = HARD_TEXTS[name]
    encoded = encoder.encode(text)
    touched = touched_characters(real, text, encoded.ids.tolist())
    assert [solid(text, *span) for span in encoded.spans.tolist()] == touched


@pytest.mark.parametrize("name", HARD_TEXTS)
def test_a_token_goes_to_the_word_that_a_count_of_bytes_gives(name: str, real: RealTokenizer, encoder: TextEncoder) -> None:
    text = HARD_TEXTS[name]
    encoded, words = encoder.encode(text), words_at_spaces(text)
    touched = touched_characters(real, text, encoded.ids.tolist())
    found = align(text, encoded.spans, words)
    assert found.word.tolist() == words_by_count(text, touched, words)
    assert not ((found.word < 0) & ~found.is_space & [bool(some) for some in touched]).any()


@cache
def texts_of(source: str, shared_data: Path) -> list[tuple[str, list[Word]]]:
    """Some 10,000 words of real text, in documents."""
    if source == "treebank":
        path = shared_data / "ud-english-ewt" / "en_ewt-ud-dev.conllu"
        some = load_documents(str(path), "documents")[:60]
        return list(zip((one.text for one in some), gold_words(path, some), strict=True))
    if source == "lee":
        if importlib.util.find_spec("gensim") is None:
            pytest.skip("the Lee corpus is not installed: pip install 'layerscope[lee]'")
        texts = [one.text for one in load_documents("lee", "documents")[:50]]
    else:
        lines = (shared_data / "wikitext-2-raw" / "wiki.test.raw").read_text("utf-8").splitlines(keepends=True)
        texts = ["".join(lines[start : start + 10]) for start in range(0, 200, 10)]
    return list(zip(texts, load_tagger("en").tag(texts), strict=True))


@pytest.mark.parametrize("source", ["treebank", "lee", "wikitext"])
def test_real_texts_are_aligned(source: str, shared_data: Path, real: RealTokenizer, encoder: TextEncoder) -> None:
    n_tokens = n_lost = n_wrong = 0
    for text, words in texts_of(source, shared_data):
        encoded = encoder.encode(text)
        window = make_window("text", encoded, encoder.prefix_ids)
        touched = touched_characters(real, text, encoded.ids.tolist())
        found = align(text, encoded.spans, words)
        scored = window.scored[window.n_prefix :] & np.array([bool(some) for some in touched])
        n_tokens += int(scored.sum())
        n_lost += int((scored & (found.word < 0)).sum())
        n_wrong += int((found.word != np.array(words_by_count(text, touched, words))).sum())
    assert n_tokens > 5_000
    assert (n_lost, n_wrong) == (0, 0)


def test_the_bos_is_the_vendors_and_stands_once(real: RealTokenizer) -> None:
    tokenizer, text = real.tokenizer, "The cat sat."
    assert TextEncoder.from_tokenizer(tokenizer, "auto").prefix_ids == real.bos
    assert TextEncoder.from_tokenizer(tokenizer, "never").prefix_ids == ()
    assert TextEncoder.from_tokenizer(tokenizer, "always").prefix_ids == (tokenizer.bos_token_id,)
    for policy in ("auto", "always", "never"):
        encoder = TextEncoder.from_tokenizer(tokenizer, policy)
        for written in (text, f"{tokenizer.bos_token}{text}"):  # a text that brings its own
            window = make_window("text", encoder.encode(written), encoder.prefix_ids)
            n_bos = (window.ids == tokenizer.bos_token_id).sum()
            assert n_bos == (1 if encoder.prefix_ids or written != text else 0)
            assert window.scored.sum() == len(window.ids) - 1
