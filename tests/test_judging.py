"""The judge's numbers against one sentence at a time through the naive model."""

from __future__ import annotations

import math

import numpy as np

from layerscope.contrasts.engine.intervention import measure_pairs
from layerscope.contrasts.engine.pair_batches import make_batches, run_batch
from layerscope.contrasts.engine.pair_scores import score_pairs
from layerscope.judging import judge_pairs, sentence_nll
from layerscope.models.decoder import Decoder
from layerscope.models.pair_tokenizer import pair_tokenizer
from layerscope.models.sites import SiteMap
from layerscope.pairs.checking import check_pairs
from layerscope.pairs.pair import MinimalPair
from layerscope.pairs.positions import place
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


def test_a_pairs_preference_is_one_number_wherever_it_is_computed(tiny_decoder) -> None:
    """The judge's whole sentences, a contrast's scores and an intervention's outcome: what both sides share cancels."""
    tokenizer = pair_tokenizer(tiny_decoder.encoder)
    pairs = [
        MinimalPair.from_sentences(one, other, type="grammar", subtype="tense", right=1, template="t", source="test")
        for one, other in (
            ("The cat sits here.", "The cat sith here."),
            ("My dogs ran to it.", "My dogs run to it."),
            ("So we saw a map.", "So we saw a mat."),
        )
    ]
    judged = np.array([one.nll_nats for one in judge_pairs(tiny_decoder, pairs)]).T
    placed = [place(checked, tokenizer) for checked in check_pairs(pairs, tokenizer)]
    sites = SiteMap(tiny_decoder, ["resid_post"])
    (batch,) = make_batches(placed, 1000)
    scored = score_pairs(tiny_decoder, batch, run_batch(sites, batch).final).sentence_nats
    outcome = measure_pairs(sites, [batch], [None]).sentence_nats[0]
    order = list(batch.members)
    np.testing.assert_allclose(scored[1] - scored[0], (judged[1] - judged[0])[order], atol=1e-4)
    np.testing.assert_allclose(outcome[1] - outcome[0], judged[1] - judged[0], atol=1e-4)
