"""The judge's numbers against one sentence at a time through the naive model."""

from __future__ import annotations

import math

import numpy as np

from layerscope.judging import judge_pairs, sentence_nll
from layerscope.models.decoder import Decoder
from layerscope.pairs.pair import MinimalPair
from tests.naive import naive_scores

SENTENCES = ["The keys are here.", "The keys is here.", "A", "One more sentence, and a longer one 🙂."]


def test_a_sentences_nll_is_the_naive_sum(tiny_decoder: Decoder) -> None:
    assert tiny_decoder.encoder is not None
    found = sentence_nll(tiny_decoder, SENTENCES)
    for sentence, nll in zip(SENTENCES, found, strict=True):
        ids = [*tiny_decoder.encoder.prefix_ids, *tiny_decoder.encoder.encode(sentence).ids.tolist()]
        if len(ids) < 2:
            assert math.isnan(nll)
        else:
            np.testing.assert_allclose(nll, naive_scores(tiny_decoder.model, ids).nll.sum(), rtol=1e-5)


def test_the_likelier_sentence_is_preferred(tiny_decoder: Decoder) -> None:
    nll = sentence_nll(tiny_decoder, SENTENCES[:2])
    for right in (1, 2, None):
        pair = MinimalPair.from_sentences(
            *SENTENCES[:2], type="grammar", subtype="tense", right=right, template="t", source="test"
        )
        (judged,) = judge_pairs(tiny_decoder, [pair])
        np.testing.assert_allclose(judged.nll_nats, nll, rtol=1e-6)
        assert judged.prefers == (1 if nll[0] < nll[1] else 2)
        assert judged.agrees == (None if right is None else judged.prefers == right)
