"""Protocols: every token is scored once or counted as not scored, to the token."""

from __future__ import annotations

import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from layerscope.corpora.protocols import Protocol, WindowedCorpus, cut_windows
from layerscope.corpora.windows import Document, EncodedText, make_window
from layerscope.errors import DataError


def encode(text: str) -> EncodedText:
    """One token a character."""
    spans = np.stack([np.arange(len(text)), np.arange(1, len(text) + 1)], axis=1).astype(np.int64)
    return EncodedText(text, np.array([ord(c) for c in text], dtype=np.int64), spans.reshape(-1, 2))


def cut(
    texts: list[str], protocol: str, *, prefix: tuple[int, ...] = (), context: int | None = None, **options
) -> WindowedCorpus:
    documents = [Document(str(index), text) for index, text in enumerate(texts)]
    options = {"max_samples": None, "seed": 0, **options}
    return cut_windows(documents, Protocol.parse(protocol), encode, prefix_ids=prefix, context_length=context, **options)


@pytest.mark.parametrize("text", ["lines", "documents", "windows:2048", "strided:1024/512", "strided:8/7"])
def test_written_form_round_trips(text: str) -> None:
    assert str(Protocol.parse(text)) == text


@pytest.mark.parametrize(
    "text", ["line", "windows", "windows:1", "strided:512/1024", "strided:8/0", "strided:8/8", "windows:x", "strided:8"]
)
def test_refuses_other_words(text: str) -> None:
    with pytest.raises(DataError, match="A protocol is lines, documents, windows:N or strided:N/S"):
        Protocol.parse(text)


def test_lines_score_all_but_the_first_token_without_bos() -> None:
    corpus = cut(["abc", "", "d", "ef"], "lines")
    assert [window.n_scored for window in corpus.windows] == [2, 0, 0, 1]
    assert [window.n_without_context for window in corpus.windows] == [1, 0, 1, 1]


def test_lines_score_every_token_with_bos() -> None:
    corpus = cut(["abc", "", "d"], "lines", prefix=(7,))
    assert [(window.text, window.n_scored) for window in corpus.windows] == [("abc", 3), ("", 0), ("d", 1)]
    assert all(window.ids[0] == 7 and not window.scored[0] for window in corpus.windows)


def test_bos_is_never_doubled() -> None:
    window = make_window("w", encode("\x07abc"), (7,))
    assert window.ids.tolist() == [7, ord("a"), ord("b"), ord("c")]
    assert window.n_scored == 3


def test_sampling_is_the_published_draw() -> None:
    texts = [f"text {index}" for index in range(50)]
    expected = [texts[index] for index in random.Random(42).sample(range(50), 8)]
    assert [window.text for window in cut(texts, "lines", max_samples=8, seed=42).windows] == expected


def test_asking_for_all_there_is_keeps_its_order() -> None:
    assert [window.text for window in cut(["ab", "cd", "ef"], "lines", max_samples=3, seed=1).windows] == ["ab", "cd", "ef"]


def test_a_document_longer_than_the_context_is_cut_and_counted() -> None:
    (window,) = cut(["abcdefgh"], "documents", context=5).windows
    assert (window.n_run, window.n_scored, window.n_cut, window.n_tokens) == (5, 4, 3, 8)
    assert not window.scored[5:].any()
    (with_bos,) = cut(["abcdefgh"], "documents", context=5, prefix=(7,)).windows
    assert (with_bos.n_run, with_bos.n_scored, with_bos.n_cut) == (5, 4, 4)


def test_windows_drop_the_tail_and_say_so() -> None:
    corpus = cut(["abc", "defg"], "windows:4")  # "abc\n\ndefg": 9 tokens
    assert [window.text for window in corpus.windows] == ["abc\n", "\ndef"]
    assert [window.n_scored for window in corpus.windows] == [3, 3]
    assert corpus.tail_tokens == 1


def test_strided_scores_each_token_once_with_the_longest_context() -> None:
    corpus = cut(["abcdefghij"], "strided:4/2")
    scored = [
        (window.text, [window.text[start:end] for start, end in window.spans[window.scored]]) for window in corpus.windows
    ]
    assert scored == [
        ("abcd", ["b", "c", "d"]),
        ("cdef", ["e", "f"]),
        ("efgh", ["g", "h"]),
        ("ghij", ["i", "j"]),
    ]


@given(
    st.lists(st.text(alphabet="abcé", max_size=30), min_size=1, max_size=6).filter(lambda texts: len("".join(texts)) >= 12),
    st.sampled_from(["lines", "documents", "windows:4", "strided:5/2", "strided:6/5", "strided:3/1"]),
    st.booleans(),
)
def test_every_token_is_scored_once_or_counted(texts: list[str], protocol: str, has_bos: bool) -> None:
    corpus = cut(texts, protocol, prefix=(7,) if has_bos else ())
    windows = corpus.windows
    joined = protocol not in ("lines", "documents")
    n_tokens = len("\n\n".join(texts)) if joined else sum(map(len, texts))
    n_scored = sum(window.n_scored for window in windows)
    n_first = sum(window.n_without_context for window in windows)
    assert n_scored + n_first + corpus.tail_tokens == n_tokens
    if has_bos:
        assert n_first == 0
    elif protocol.startswith("strided"):
        assert n_first == 1
    elif protocol.startswith("windows"):
        assert n_first == len(windows)
    else:
        assert n_first == sum(1 for text in texts if text)


def test_bytes_are_those_of_the_scored_text() -> None:
    assert make_window("w", encode("aéz"), ()).scored_bytes == 3  # é takes two bytes, z one; a is not scored
    assert make_window("w", encode("aéz"), (7,)).scored_bytes == 4
    assert make_window("w", encode("a"), ()).scored_bytes == 0


@pytest.mark.parametrize(
    ("texts", "protocol", "context", "message"),
    [
        ([], "lines", None, "at least one text"),
        (["abc"], "windows:9", None, "have 3 tokens and 'windows:9' needs 9"),
        (["abcdefghijkl"], "windows:9", 8, "fit the model's context of 8; 'windows:9' does not: take windows of 8"),
    ],
)
def test_refuses_what_cannot_be_cut(texts: list[str], protocol: str, context: int | None, message: str) -> None:
    with pytest.raises(DataError, match=message):
        cut(texts, protocol, context=context)
