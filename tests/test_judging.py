"""The judge's numbers against one sentence at a time through the naive model, and against lm-evaluation-harness itself."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import PreTrainedTokenizerFast

from layerscope.contrasts.engine.intervention import measure_pairs
from layerscope.contrasts.engine.pair_batches import make_batches, run_batch
from layerscope.contrasts.engine.pair_scores import score_pairs
from layerscope.corpora.windows import EncodedText
from layerscope.errors import ModelError, PairError
from layerscope.judging import JudgedPair, judge_pairs, sentence_nll
from layerscope.models.decoder import Decoder
from layerscope.models.encoder import TextEncoder
from layerscope.models.pair_tokenizer import pair_tokenizer
from layerscope.models.sites import SiteMap
from layerscope.pairs.checking import check_pairs
from layerscope.pairs.importing import import_blimp
from layerscope.pairs.judging_protocol import LM_EVAL, PLAIN, JudgingProtocol
from layerscope.pairs.pair import MinimalPair
from layerscope.pairs.positions import place
from tests.checkpoints import byte_tokenizer
from tests.naive import naive_scores

HARNESS = Path(__file__).with_name("lm_eval_blimp.json")
"""Log-likelihoods of both sentences of the first eight pairs of five paradigms of BLiMP, as lm-eval 0.4.13 itself returned them
(HFLM, float32, batch size 32) for the weights of the built-in model."""
SENTENCES = ["The keys are here.", "The keys is here.", "A", "One more sentence, and a longer one 🙂."]


def test_a_sentences_nll_is_the_naive_sum(either_decoder: Decoder) -> None:
    assert either_decoder.encoder is not None
    found = sentence_nll(either_decoder, SENTENCES)
    for sentence, nll in zip(SENTENCES, found, strict=True):
        ids = [*either_decoder.encoder.prefix_ids, *either_decoder.encoder.encode(sentence).ids.tolist()]
        if len(ids) < 2:
            assert math.isnan(nll)
        else:
            np.testing.assert_allclose(nll, naive_scores(either_decoder.model, ids).nll.sum(), rtol=1e-5)


def test_the_likelier_sentence_is_preferred(either_decoder: Decoder) -> None:
    nll = sentence_nll(either_decoder, SENTENCES[:2])
    for right in (1, 2, None):
        pair = MinimalPair.from_sentences(
            *SENTENCES[:2], type="grammar", subtype="tense", right=right, template="t", source="test"
        )
        (judged,) = judge_pairs(either_decoder, [pair])
        np.testing.assert_allclose(judged.nll_nats, nll, rtol=1e-6)
        assert judged.prefers == (1 if nll[0] < nll[1] else 2)
        assert judged.agrees == (None if right is None else judged.prefers == right)


def test_a_pairs_preference_is_one_number_wherever_it_is_computed(either_decoder) -> None:
    """The judge's whole sentences, a contrast's scores and an intervention's outcome: what both sides share cancels."""
    tokenizer = pair_tokenizer(either_decoder.encoder)
    pairs = [
        MinimalPair.from_sentences(one, other, type="grammar", subtype="tense", right=1, template="t", source="test")
        for one, other in (
            ("The cat sits here.", "The cat sith here."),
            ("My dogs ran to it.", "My dogs run to it."),
            ("So we saw a map.", "So we saw a mat."),
        )
    ]
    judged = np.array([one.nll_nats for one in judge_pairs(either_decoder, pairs)]).T
    placed = [place(checked, tokenizer) for checked in check_pairs(pairs, tokenizer)]
    sites = SiteMap(either_decoder, ["resid_post"])
    (batch,) = make_batches(placed, 1000)
    scored = score_pairs(either_decoder, batch, run_batch(sites, batch).final).sentence_nats
    outcome = measure_pairs(sites, [batch], [None]).sentence_nats[0]
    order = list(batch.members)
    np.testing.assert_allclose(scored[1] - scored[0], (judged[1] - judged[0])[order], atol=1e-4)
    np.testing.assert_allclose(outcome[1] - outcome[0], judged[1] - judged[0], atol=1e-4)


@pytest.mark.parametrize("right", [1, 2])
def test_two_equal_sentences_are_a_tie_in_whichever_batches_they_fall(either_decoder: Decoder, right: int) -> None:
    """Both sides of a pair have the same length; what stands beside them decides how batches are cut."""
    others = [_pair("x" * (3 * n) + " a", "x" * (2 * n) + " bb", right=right) for n in range(1, 150)]
    equal = [_pair(f"Same {'y' * n}.", f"Same {'y' * n}.", right=right) for n in range(60)]
    judged = list(judge_pairs(either_decoder, [pair for two in zip(others, equal, strict=False) for pair in two]))[1::2]
    assert len(judged) == 60
    assert all(one.is_tie and one.agrees is None and one.prefers == 0 for one in judged)


@pytest.mark.parametrize(
    ("nll", "right", "is_tie", "agrees"),
    [
        ((3.0, 3.0), 1, True, None),
        ((3.0, 3.0), None, False, None),  # neither is wrong: nothing to judge
        ((3.0, 4.0), 1, False, True),
        ((3.0, 4.0), 2, False, False),
        ((math.nan, math.nan), 1, False, None),  # no token to score
        ((math.inf, math.inf), 1, False, None),
        ((math.inf, 2.0), 2, False, None),
    ],
)
def test_a_tie_is_neither_right_nor_wrong(nll: tuple[float, float], right: int | None, is_tie: bool, agrees: bool) -> None:
    judged = JudgedPair(_pair("She is here.", "She are here.", right=right), nll)
    assert (judged.is_tie, judged.agrees) == (is_tie, agrees)


def test_sentences_of_the_same_tokens_tie_though_their_texts_differ(either_decoder: Decoder) -> None:
    assert either_decoder.encoder is not None

    class LowerCase(TextEncoder):
        def encode(self, text: str) -> EncodedText:
            return super().encode(text.lower())

    lower_case = LowerCase(either_decoder.encoder.tokenizer, either_decoder.encoder.prefix_ids)
    decoder = replace(either_decoder, encoder=lower_case)
    (judged,) = judge_pairs(decoder, [_pair("We saw Rome.", "we saw rome.", right=1)])
    assert judged.is_tie


def _pair(first: str, second: str, *, right: int | None) -> MinimalPair:
    return MinimalPair.from_sentences(first, second, type="grammar", subtype="tense", right=right, template="t", source="test")


def tokenizer_of(bos: str | None, eos: str | None, *, adds_bos: bool = False) -> PreTrainedTokenizerFast:
    tokenizer = byte_tokenizer(adds_bos=adds_bos)
    tokenizer.bos_token, tokenizer.eos_token = bos, eos
    return tokenizer


def with_tokenizer(decoder: Decoder, tokenizer: PreTrainedTokenizerFast) -> Decoder:
    return Decoder(decoder.model, "tiny", TextEncoder.from_tokenizer(tokenizer))


def harness_nll(decoder: Decoder, sentence: str) -> float:
    """A choice of the harness after an empty context, as its documentation has it, one at a time."""
    tokenizer = decoder.encoder.tokenizer
    start = tokenizer.eos_token_id if tokenizer.bos_token_id is None else tokenizer.bos_token_id
    continuation = tokenizer.encode(" " + sentence, add_special_tokens=False)
    context = [start]
    if continuation[0] == start:
        context, continuation = continuation[:1], continuation[1:]
    with torch.no_grad():
        logits = decoder.model(torch.tensor([(context + continuation)[:-1]])).logits[0]
    log_likelihoods = torch.log_softmax(logits.double(), dim=-1)[len(context) - 1 :]
    return -float(sum(row[token] for row, token in zip(log_likelihoods, continuation, strict=True)))


@pytest.mark.parametrize(
    ("bos", "eos", "adds_bos"),
    [
        ("<bos>", "!", True),  # trained with one
        ("<bos>", None, False),  # has one that its tokenizer does not add, like SmolLM2
        (None, "!", False),  # no BOS: the EOS stands in, like GPT-NeoX
        ("Ġ", "!", False),  # the space itself: not doubled, and not scored
    ],
)
def test_the_harness_puts_a_start_token_and_a_space_before_each_sentence(
    tiny_decoder: Decoder, bos: str | None, eos: str | None, adds_bos: bool
) -> None:
    decoder = with_tokenizer(tiny_decoder, tokenizer_of(bos, eos, adds_bos=adds_bos))
    found = sentence_nll(decoder, SENTENCES, protocol=LM_EVAL)
    np.testing.assert_allclose(found, [harness_nll(decoder, sentence) for sentence in SENTENCES], rtol=1e-5)
    assert not np.isclose(found, sentence_nll(decoder, SENTENCES, protocol=PLAIN), rtol=1e-3).any()


def test_the_harness_needs_some_start_token(tiny_decoder: Decoder) -> None:
    decoder = with_tokenizer(tiny_decoder, tokenizer_of(None, None))
    with pytest.raises(ModelError, match="lm-eval puts a BOS, else an EOS, .* has neither: take the protocol plain"):
        sentence_nll(decoder, SENTENCES, protocol=LM_EVAL)
    assert np.isfinite(sentence_nll(decoder, SENTENCES, protocol=PLAIN)[:2]).all()


@pytest.mark.parametrize("right", [1, 2])
def test_a_tie_counts_as_the_protocol_says(right: int) -> None:
    """The harness takes the first of equals, and its BLiMP tasks list the right sentence first."""
    pair = MinimalPair.from_sentences("a b", "a c", type="grammar", subtype="tense", right=right, template="t", source="test")
    assert JudgedPair(pair, (2.0, 2.0), LM_EVAL).agrees is True
    assert JudgedPair(pair, (2.0, 2.0), PLAIN).agrees is not True
    for protocol in (PLAIN, LM_EVAL):
        assert JudgedPair(pair, (1.0, 2.0), protocol).agrees is (right == 1)
        assert JudgedPair(pair, (2.0, 1.0), protocol).agrees is (right == 2)
        assert JudgedPair(pair, (2.0, math.nan), protocol).agrees is None


def test_a_pair_says_by_which_protocol_it_was_judged(tiny_decoder: Decoder) -> None:
    pair = MinimalPair.from_sentences("a b", "a c", type="grammar", subtype="tense", right=1, template="t", source="test")
    assert [one.protocol for one in judge_pairs(tiny_decoder, [pair], protocol=LM_EVAL)] == [LM_EVAL]
    assert [one.protocol for one in judge_pairs(tiny_decoder, [pair])] == [PLAIN]


def test_protocols_go_by_name() -> None:
    assert [JudgingProtocol.parse(name) for name in ("plain", "lm-eval")] == [PLAIN, LM_EVAL]
    for name in ("lm_eval", "LM-EVAL", ""):
        with pytest.raises(PairError, match=f"A protocol of judging is plain or lm-eval; got '{name}'."):
            JudgingProtocol.parse(name)


@pytest.mark.real
@pytest.mark.parametrize("real_model", ["smollm2-135m"], indirect=True)
def test_blimp_as_the_harness_itself_scored_it(real_decoder: Decoder, shared_data: Path) -> None:
    harness = json.loads(HARNESS.read_text(encoding="utf-8"))
    for paradigm, log_likelihoods in harness.items():
        pairs = islice(import_blimp(shared_data / "blimp" / f"{paradigm}.jsonl"), len(log_likelihoods))
        judged = list(judge_pairs(real_decoder, pairs, protocol=LM_EVAL))
        np.testing.assert_allclose([one.nll_nats for one in judged], -np.array(log_likelihoods), atol=1e-3, err_msg=paradigm)
        assert [one.agrees for one in judged] == [good >= bad for good, bad in log_likelihoods]
