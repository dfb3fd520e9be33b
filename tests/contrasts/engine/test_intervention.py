"""Ablations over pairs and texts against whole passes one by one; company and order do not matter; a planted set is found."""

from __future__ import annotations

import copy
import dataclasses

import numpy as np
import pytest
import torch

from layerscope.contrasts.analysis.intervention import Measured, intervention_effects
from layerscope.contrasts.analysis.intervention_verdict import conclusion
from layerscope.contrasts.engine.ablation import Units, ablated, replacement_values
from layerscope.contrasts.engine.intervention import (
    Ablation,
    Outcome,
    PairScoring,
    _pair_samples,
    measure_pairs,
    measure_text,
)
from layerscope.contrasts.engine.pair_batches import make_batches, run_batch, run_shared, run_sides
from layerscope.contrasts.engine.pair_scores import score_pairs
from layerscope.contrasts.engine.reference import Reference, measure_reference
from layerscope.corpora.windows import EncodedText, Window, make_window
from layerscope.engine.batching import make_shards
from layerscope.errors import ModelError
from layerscope.models.decoder import Decoder
from layerscope.models.sites import SiteMap
from layerscope.pairs.positions import PlacedPair
from tests.tiny_models import N_LAYERS, build_tiny

FAMILIES = ["llama", "gpt2", "gpt_neox", "gemma2", "mixtral", "opt", "falcon", "granite", "gemma4_text", "qwen3_next"]
SITES = ("resid_post", "attn_out", "mlp_out")
WIDTH = 32


def pairs_of(seed: int, n_pairs: int = 7) -> list[PlacedPair]:
    """Edits of one token at random places; the last pair has two tokens on its second side; two end in punctuation."""
    generator = np.random.default_rng(seed)
    found = []
    for number in range(n_pairs):
        before, after = int(generator.integers(2, 6)), int(generator.integers(1, 6))
        n_last = 1 if number in (2, 5) else 0
        start, rest = generator.integers(3, 90, size=before), generator.integers(3, 90, size=after + n_last)
        edits = generator.permutation(np.arange(3, 90))[:3]
        sides = [np.concatenate([start, edit, rest]) for edit in (edits[:1], edits[1 : 3 if number == n_pairs - 1 else 2])]
        lengths = [len(side) for side in sides]
        found.append(
            PlacedPair(
                (sides[0], sides[1]),
                before,
                (lengths[0] - len(rest), lengths[1] - len(rest)),
                (lengths[0] - 1 - n_last, lengths[1] - 1 - n_last),
            )
        )
    return found


def windows_of(lengths: list[int], *, low: int = 3, high: int = 90, seed: int = 0) -> list[Window]:
    generator = np.random.default_rng(seed)
    windows = []
    for length in lengths:
        spans = np.stack([np.arange(length), np.arange(1, length + 1)], axis=1)
        windows.append(make_window("w", EncodedText("x" * length, generator.integers(low, high, size=length), spans), (1,)))
    return windows


def reference_of() -> Reference:
    generator = np.random.default_rng(3)
    mean, spread, size = ({site: generator.normal(size=(N_LAYERS, WIDTH)) for site in SITES} for _ in range(3))
    bank = {site: generator.normal(size=(20, N_LAYERS, WIDTH)).astype(np.float32) for site in SITES}
    return Reference(100, 0, mean, spread, size, bank)


def some_ablations(site: str = "resid_post") -> list[Ablation | None]:
    units = Units(site, {1: np.array([3, 17]), 2: np.array([0, 3])})
    last = Units(site, {N_LAYERS - 1: np.array([5])})
    first = Units(site, {0: np.array([5, 6]), 3: np.array([1])})
    return [Ablation(units, "resample"), None, Ablation(last, "mean"), Ablation(first, "resample"), Ablation(units, "zero")]


@pytest.fixture(scope="module", params=FAMILIES)
def sites(request: pytest.FixtureRequest) -> SiteMap:
    names = ("resid_post",) if request.param in ("gemma4_text", "qwen3_next") else SITES
    return SiteMap(Decoder(build_tiny(request.param), request.param), names)


@pytest.fixture(scope="module")
def llama() -> SiteMap:
    return SiteMap(Decoder(build_tiny("llama"), "llama"), SITES)


def naive_nll(sites: SiteMap, ids: np.ndarray, ablation: Ablation | None, where: np.ndarray, sample: np.ndarray) -> np.ndarray:
    """−ln p of each token but the first, in one whole pass over one text."""
    token_ids = torch.from_numpy(ids)[None]
    if ablation is None:
        logits = sites.decoder.logits(token_ids)
    else:
        values = replacement_values(ablation.units, ablation.replace, reference=reference_of(), sample=sample[None])
        with ablated(sites, ablation.units, values=values, where=torch.from_numpy(where)[None]):
            logits = sites.decoder.logits(token_ids)
    log_p = logits[0].double().log_softmax(dim=-1)
    return -log_p[:-1].gather(1, token_ids[0, 1:, None])[:, 0].numpy()


def naive_outcome(sites: SiteMap, pairs: list[PlacedPair], ablation: Ablation | None, seed: int) -> np.ndarray:
    """Continuation and sentence, ``(2, side, pair)``."""
    found = np.zeros((2, 2, len(pairs)))
    for index, pair in enumerate(pairs):
        n_edit = max(pair.after) - pair.n_before
        drawn = np.random.default_rng([seed, index]).integers(20, size=n_edit + pair.n_compared)
        for side in (0, 1):
            ids = pair.ids[side]
            sample = np.zeros(len(ids), dtype=np.int64)
            for token in range(pair.n_before, pair.last[side] + 1):
                sample[token] = drawn[n_edit + token - pair.after[side]]
            nll = naive_nll(sites, ids, ablation, np.arange(len(ids)) >= pair.n_before, sample)
            stop = pair.last[side] + 1  # the token after the last that is run is still predicted
            found[:, side, index] = nll[pair.after[side] - 1 : stop].sum(), nll[pair.n_before - 1 : stop].sum()
    return found


def test_pairs_equal_whole_passes_one_by_one(sites: SiteMap) -> None:
    pairs, share = pairs_of(0), sites.decoder.name != "qwen3_next"
    ablations = some_ablations(sites.sites[-1])
    batches = make_batches(pairs, 60, share=share)
    outcome = measure_pairs(sites, batches, ablations, reference=reference_of(), seed=7)
    for index, ablation in enumerate(ablations):
        continuation, sentence = naive_outcome(sites, pairs, ablation, seed=7)
        np.testing.assert_allclose(outcome.continuation_nats[index], continuation, atol=1e-4)
        np.testing.assert_allclose(outcome.sentence_nats[index], sentence, atol=1e-4)
    assert (np.abs(outcome.continuation_nats[0] - outcome.continuation_nats[1]) > 1e-4).all()


def test_some_ablations_at_a_time_are_the_same_to_the_bit(llama: SiteMap) -> None:
    ablations, batches = some_ablations("resid_post"), make_batches(pairs_of(0), 60)
    scoring = PairScoring(llama, batches, ablations, reference=reference_of(), seed=7)
    whole = scoring.under(range(len(ablations)))
    some = [scoring.under(range(start, min(start + 2, len(ablations)))) for start in range(0, len(ablations), 2)]
    for name in ("continuation_nats", "sentence_nats"):
        np.testing.assert_array_equal(np.concatenate([getattr(one, name) for one in some]), getattr(whole, name))
    shards = make_shards(windows_of([9, 4, 12]), 30)
    of_all, of_first = (
        measure_text(llama, shards, some, reference=reference_of(), seed=7).nll_nats for some in (ablations, ablations[:2])
    )
    np.testing.assert_array_equal(of_first, of_all[:2])


def test_texts_equal_whole_passes_one_by_one(llama: SiteMap) -> None:
    windows, ablations = windows_of([9, 4, 12, 4, 1]), some_ablations("attn_out")
    outcome = measure_text(llama, make_shards(windows, 30), ablations, reference=reference_of(), seed=7)
    np.testing.assert_array_equal(outcome.n_tokens, [9, 4, 12, 4, 1])
    for index, ablation in enumerate(ablations):
        for text, window in enumerate(windows):
            sample = np.random.default_rng([7, text]).integers(20, size=len(window.ids))
            nll = naive_nll(llama, window.ids, ablation, np.arange(len(window.ids)) >= 1, sample)
            np.testing.assert_allclose(outcome.nll_nats[index, text], nll.sum(), atol=1e-4)


@pytest.mark.parametrize("family", ["llama", "gemma2", "mistral-sliding"])
def test_a_copied_cache_is_a_fresh_one(family: str) -> None:
    sites = SiteMap(Decoder(build_tiny(family), family), ("resid_post",))
    for batch in make_batches(pairs_of(1), 60):
        fresh = run_batch(sites, batch)
        shared = run_shared(sites.decoder, batch)
        for _ in range(3):
            copied = dataclasses.replace(shared, cache=copy.deepcopy(shared.cache))
            with sites.watching() as seen:
                run_sides(sites.decoder, batch, copied)
            assert all(torch.equal(one, other) for one, other in zip(seen.resid, fresh.seen.resid, strict=True))


def test_neither_company_nor_order_matters(llama: SiteMap) -> None:
    pairs, ablations, reference = pairs_of(2), some_ablations(), reference_of()

    def measure(budget: int, share: bool, some: list[Ablation | None]) -> Outcome:
        return measure_pairs(llama, make_batches(pairs, budget, share=share), some, reference=reference, seed=3)

    whole, single = measure(1000, False, ablations), measure(1, True, ablations)
    np.testing.assert_allclose(whole.continuation_nats, single.continuation_nats, atol=2e-5)
    np.testing.assert_allclose(whole.sentence_nats, single.sentence_nats, atol=2e-5)
    # the same batches: to the bit, whatever else is measured, however often
    alone = [measure(60, True, [one]).continuation_nats[0] for one in ablations]
    np.testing.assert_array_equal(np.stack(alone), measure(60, True, ablations).continuation_nats)
    np.testing.assert_array_equal(np.stack(alone)[::-1], measure(60, True, ablations[::-1]).continuation_nats)
    other_seed = measure_pairs(llama, make_batches(pairs, 60), ablations, reference=reference, seed=4).continuation_nats
    is_resampled = [one is not None and one.replace == "resample" for one in ablations]
    differs = (other_seed != np.stack(alone)).any(axis=(1, 2))
    np.testing.assert_array_equal(differs, is_resampled)


def test_both_sides_get_the_same_tokens_counted_from_the_end_of_the_edit() -> None:
    pairs = pairs_of(3)
    for batch in make_batches(pairs, 60):
        sample = _pair_samples(batch, 256, seed=1)
        for row, pair in enumerate(batch.pairs):
            sides = [sample[2 * row + side, pair.n_before - batch.start : pair.last[side] + 1 - batch.start] for side in (0, 1)]
            shorter = min(map(len, sides))
            np.testing.assert_array_equal(sides[0][-shorter:], sides[1][-shorter:])
            assert len(set(sides[1].tolist())) > 1
            assert len(sides[1]) - len(sides[0]) == (pair is pairs[-1])


def test_layers_that_were_not_run_again_are_not_called(llama: SiteMap) -> None:
    calls: list[int] = []
    real = [layer.forward for layer in llama.decoder.layers]

    def counted(index: int):
        def forward(*args, **kwargs):
            calls.append(index)
            return real[index](*args, **kwargs)

        return forward

    for index, layer in enumerate(llama.decoder.layers):
        layer.forward = counted(index)
    try:
        batches = make_batches(pairs_of(0), 10_000, share=False)
        units = Units("resid_post", {2: np.array([4])})
        measure_pairs(llama, batches, [Ablation(units, "zero")] * 5)
    finally:
        for layer in llama.decoder.layers:
            del layer.forward
    assert len(batches) == 1
    assert [calls.count(index) for index in range(N_LAYERS)] == [1, 1, 1, 7]  # 7: intact, the proof, 5 ablations


def test_a_pair_that_ends_with_its_edit_has_no_continuation(llama: SiteMap) -> None:
    ids = np.array([5, 9, 30]), np.array([5, 9, 31])
    outcome = measure_pairs(llama, make_batches([PlacedPair(ids, 2, (3, 3), (2, 2))], 60), [None])
    assert np.isnan(outcome.continuation_nats).all()
    assert np.isfinite(outcome.sentence_nats).all()


def test_intact_outcomes_are_those_of_the_scores(llama: SiteMap) -> None:
    for batch in make_batches(pairs_of(4), 60):
        scores = score_pairs(llama.decoder, batch, run_batch(llama, batch).final)
        alone = dataclasses.replace(batch, members=tuple(range(len(batch.members))))
        outcome = measure_pairs(llama, [alone], [None])
        np.testing.assert_allclose(outcome.continuation_nats[0], np.nansum(scores.nll_nats, axis=2), atol=1e-5)
        np.testing.assert_allclose(outcome.sentence_nats[0], scores.sentence_nats, atol=1e-5)


def test_a_pair_that_begins_with_its_edit_has_no_sentence(llama: SiteMap) -> None:
    ids = np.array([5, 9, 30]), np.array([6, 9, 30])
    outcome = measure_pairs(llama, make_batches([PlacedPair(ids, 0, (1, 1), (2, 2))], 60), [None])
    assert np.isnan(outcome.sentence_nats).all()
    assert np.isfinite(outcome.continuation_nats).all()


def test_progress_and_refusals(llama: SiteMap) -> None:
    batches, shards, ablations = make_batches(pairs_of(0), 60), make_shards(windows_of([9, 4]), 30), some_ablations()
    done: list[int] = []
    measure_pairs(llama, batches, ablations, reference=reference_of(), advance=done.append)
    assert sum(done) == len(batches) * len(ablations)
    done.clear()
    measure_text(llama, shards, ablations, reference=reference_of(), advance=done.append)
    assert sum(done) == len(shards) * len(ablations)
    with pytest.raises(ModelError, match="there is no reference of it"):
        measure_pairs(llama, batches, ablations)
    with pytest.raises(ModelError, match="got layer 9"):
        measure_text(llama, shards, [Ablation(Units("resid_post", {9: np.array([1])}), "zero")])
    assert measure_text(llama, [], ablations, reference=reference_of()).n_tokens.shape == (0,)


RIGHT, WRONG, PLAIN, TAIL = range(5, 15), range(15, 25), range(25, 60), range(60, 112)
"""Tokens of the planted model: right and wrong edits, ordinary words, and words that follow an edit."""
_SEEN_RIGHT, _SEEN_WRONG, _SUPPORT, _CORRECTION = 0, 1, 2, 3
"""Its dimensions: what an edit is, and two that expect a tail."""


def planted_model() -> Decoder:
    """A Llama in which tails are expected for two reasons: after a right edit by one dimension, after a wrong one by another.

    The first layer's attention looks at all tokens alike, and writes what it finds of right edits into one dimension, and of
    wrong ones into the other; no other weight touches these.
    """
    model = build_tiny("llama", tie_word_embeddings=False)
    special = [_SEEN_RIGHT, _SEEN_WRONG, _SUPPORT, _CORRECTION]
    with torch.no_grad():
        embedding = model.get_input_embeddings().weight
        embedding[:, special] = 0.0
        embedding[list(RIGHT), _SEEN_RIGHT] = embedding[list(WRONG), _SEEN_WRONG] = 2.0
        model.lm_head.weight[:, special] = 0.0
        model.lm_head.weight[list(TAIL), _SUPPORT] = model.lm_head.weight[list(TAIL), _CORRECTION] = 2.0
        for layer in model.model.layers:
            for matrix in (layer.self_attn.o_proj, layer.mlp.down_proj):
                matrix.weight[special] = 0.0
        first = model.model.layers[0].self_attn
        first.q_proj.weight.zero_()
        first.v_proj.weight[:2] = 0.0
        first.v_proj.weight[0, _SEEN_RIGHT] = first.v_proj.weight[1, _SEEN_WRONG] = 1.0
        first.o_proj.weight[:, :16] = 0.0  # both query heads of the first key-value head
        first.o_proj.weight[_SUPPORT, 0] = first.o_proj.weight[_CORRECTION, 1] = 2.0
    return Decoder(model, "planted")


def planted_pairs(n_pairs: int) -> tuple[list[PlacedPair], np.ndarray]:
    generator = np.random.default_rng(11)
    pairs = []
    for _ in range(n_pairs):
        before, after = generator.choice(PLAIN, size=3), generator.choice(TAIL, size=4)
        sides = [np.concatenate([before, [generator.choice(some)], after]) for some in (RIGHT, WRONG)]
        pairs.append(PlacedPair((sides[0], sides[1]), len(before), (len(before) + 1,) * 2, (len(sides[0]) - 1,) * 2))
    return pairs, np.ones(n_pairs, dtype=np.int64)


def random_sets(generator: np.random.Generator, n_sets: int) -> list[Units]:
    """Three dimensions of layers 1 to 3, none of those that were planted."""
    free = (np.arange(1, N_LAYERS)[:, None] * WIDTH + np.arange(4, WIDTH)).ravel()
    return [Units.of_flat("resid_post", unit=generator.choice(free, 3, replace=False), width=WIDTH) for _ in range(n_sets)]


def test_a_planted_correction_is_found_and_a_random_set_is_not() -> None:
    decoder = planted_model()
    sites = SiteMap(decoder, ("resid_post",))
    pairs, right = planted_pairs(24)
    shards = make_shards(windows_of([12] * 20, low=25, high=112, seed=4), 130)
    reference = measure_reference(sites, shards, n_tokens=200)
    generator = np.random.default_rng(5)
    planted = Units("resid_post", {1: np.array([_CORRECTION, 9]), 2: np.array([20])})
    random, (bystander,) = random_sets(generator, 200), random_sets(generator, 1)
    templates = np.arange(24) % 6
    batches = make_batches(pairs, 2000)
    for replace, n_sets in (("resample", 200), ("mean", 120)):
        ablations = [None, *(Ablation(units, replace) for units in (planted, bystander, *random[:n_sets]))]
        on_pairs = measure_pairs(sites, batches, ablations, reference=reference)
        on_text = measure_text(sites, shards[:1], ablations, reference=reference)
        found = {}
        for name, row in (("planted", 1), ("bystander", 2)):

            def measured(nats: np.ndarray, row: int = row) -> Measured:
                return Measured(nats[0], nats[row], nats[3:])

            found[name] = intervention_effects(
                measured(on_pairs.continuation_nats),
                sentence=measured(on_pairs.sentence_nats),
                text=measured(on_text.nll_nats),
                n_tokens=on_text.n_tokens,
                right=right,
                templates=templates,
                is_matched=True,
                damage_margin=1.0,
            )
        assert found["planted"].did.p_greater < 0.01, replace
        assert found["planted"].did.low > 0.1, replace
        assert conclusion(found["planted"]) == ("supports" if n_sets == 200 else "too few"), replace
        assert found["bystander"].did.p_greater > 0.05, replace
        assert found["bystander"].did.p_less > 0.05, replace
