"""The encoder: BOS policy, and where tokens lie in the raw text."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from layerscope.errors import ModelError
from layerscope.models.encoder import TextEncoder, spans_by_bytes
from tests.checkpoints import BOS_ID, byte_tokenizer

PLAIN, WITH_BOS = byte_tokenizer(), byte_tokenizer(adds_bos=True)


def test_auto_does_as_the_tokenizer_does() -> None:
    assert TextEncoder.from_tokenizer(PLAIN).prefix_ids == ()
    assert TextEncoder.from_tokenizer(WITH_BOS).prefix_ids == (BOS_ID,)


def test_always_and_never() -> None:
    assert TextEncoder.from_tokenizer(PLAIN, "always").prefix_ids == (BOS_ID,)
    assert TextEncoder.from_tokenizer(WITH_BOS, "never").prefix_ids == ()


def test_always_needs_a_bos() -> None:
    tokenizer = byte_tokenizer()
    tokenizer.bos_token = None
    with pytest.raises(ModelError, match="A BOS before every text .* needs a tokenizer with a BOS token"):
        TextEncoder.from_tokenizer(tokenizer, "always")


def test_the_text_itself_gets_no_special_token() -> None:
    assert len(TextEncoder.from_tokenizer(WITH_BOS).encode("abc").ids) == 3


@given(st.text(max_size=40))
@example("<bos>")
@example("a <bos><bos> é")
def test_spans_rebuild_the_text(text: str) -> None:
    encoded = TextEncoder.from_tokenizer(PLAIN).encode(text)
    n_written = text.count(PLAIN.bos_token)  # a special token that stands in a text is one token, as the tokenizer reads it
    assert len(encoded.ids) == len(text.encode("utf-8")) - n_written * (len(PLAIN.bos_token) - 1)
    covered = np.zeros(len(text), dtype=bool)
    for start, end in encoded.spans.tolist():
        assert 0 <= start <= end <= len(text)
        covered[start:end] = True
    assert covered.all()


def test_empty_offsets_are_rebuilt_from_bytes() -> None:
    """As Llama 3's come out of some versions of tokenizers."""

    class Empty:
        is_fast, bos_token_id = True, None

        def __call__(self, text: str, **_: object) -> dict[str, object]:
            inner = PLAIN(text, add_special_tokens=False, return_offsets_mapping=True)
            return {"input_ids": inner["input_ids"], "offset_mapping": [(start, start) for start, _ in inner["offset_mapping"]]}

        def convert_ids_to_tokens(self, ids: list[int]) -> list[str]:
            return PLAIN.convert_ids_to_tokens(ids)

    text = "aé 🙂\n"
    encoder = TextEncoder.__new__(TextEncoder)
    object.__setattr__(encoder, "tokenizer", Empty())
    object.__setattr__(encoder, "prefix_ids", ())
    # one byte a token: a, two of é, the space, four of the face, the line feed
    assert encoder.encode(text).spans.tolist() == [[0, 1], [1, 2], [1, 2], [2, 3], *[[3, 4]] * 4, [4, 5]]


@pytest.mark.parametrize(("text", "first"), [("🦥 a", [0, 0]), (" a", [0, 2]), ("a", [0, 1]), ("▁", [0, 1])])
def test_a_space_of_the_tokenizers_own_covers_no_character(text: str, first: list[int]) -> None:
    """Where another token begins at the first character, a lone ▁ before it stands for nothing of the text."""
    vocabulary = {"<unk>": 0, "▁": 1, "a": 2, "▁a": 3, **{f"<0x{byte:02X}>": 4 + byte for byte in range(256)}}
    inner = Tokenizer(models.BPE(vocab=vocabulary, merges=[("▁", "a")], unk_token="<unk>", byte_fallback=True))
    inner.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first", split=False)
    encoder = TextEncoder.from_tokenizer(PreTrainedTokenizerFast(tokenizer_object=inner, unk_token="<unk>"))
    encoded = encoder.encode(text)
    assert encoded.spans[0].tolist() == first
    assert encoded.spans[:, 1].max() == len(text)


def test_tokens_that_are_not_the_texts_bytes_give_no_spans() -> None:
    assert spans_by_bytes("ab", ["a"]) is None
    assert spans_by_bytes("ab", ["a", "▁b"]) is None
    assert spans_by_bytes("a b", ["a", "Ġb"]).tolist() == [[0, 1], [1, 3]]  # type: ignore[union-attr]


def test_a_tokenizer_without_offsets_is_aligned_by_its_own_words() -> None:
    class Slow:
        is_fast, bos_token_id = False, None

        def __call__(self, text: str, **_: object) -> dict[str, list[int]]:
            return {"input_ids": list(range(len(text.split())))}

        def decode(self, ids: list[int]) -> str:
            return " " + ["the", "cat", "the"][ids[0]]

    encoder = TextEncoder.__new__(TextEncoder)
    object.__setattr__(encoder, "tokenizer", Slow())
    object.__setattr__(encoder, "prefix_ids", ())
    assert encoder.encode("the  cat the").spans.tolist() == [[0, 3], [5, 8], [9, 12]]
