"""Placebos by their promise: the same sentence, another token in the same place, about the size of the edit; and references."""

from __future__ import annotations

import dataclasses
import functools

import numpy as np
import pytest
import torch

from layerscope.contrasts.blocks import UNMATCHED
from layerscope.contrasts.engine.pair_batches import can_share
from layerscope.contrasts.engine.placebo_search import MatchedAt
from layerscope.contrasts.groups import PairGroup, group_pairs, with_prefix
from layerscope.contrasts.placebo_words import are_forms
from layerscope.contrasts.placebos import NEAR_WORD, PLACEBO, Matched, PlaceboMaker
from layerscope.models.decoder import Decoder
from layerscope.models.encoder import TextEncoder
from layerscope.models.pair_tokenizer import pair_tokenizer
from layerscope.models.sites import Site, SiteMap
from layerscope.pairs.checking import EncodedPair, check_pairs
from layerscope.pairs.pair import MinimalPair
from layerscope.pairs.positions import place
from tests.contrasts.word_tokenizer import tiny_llama, word_decoder, word_encoder
from tests.letter_pairs import pairs_of_names
from tests.real_tokenizers import real_tokenizer

WANTED, BUDGET = 2, 3000
PEOPLE = ["father", "mother", "king"]
THINGS = ["door", "hotel", "garden"]


def pair(one: str, other: str, kind: str, subtype: str, template: str, source: str, right: int | None = None) -> MinimalPair:
    return MinimalPair.from_sentences(one, other, type=kind, subtype=subtype, right=right, template=template, source=source)


def word_pairs() -> list[MinimalPair]:
    """As templates, an import and a chat model make them: edits in the middle, at the end and at the start; and controls."""
    found = []
    for person in PEOPLE:
        for thing in THINGS:
            found += [
                pair(
                    f"The {person} saw the old {thing}.",
                    f"The {person} saw the new {thing}.",
                    "meaning",
                    "antonym",
                    person,
                    "templates",
                ),
                pair(
                    f"The {person} was near the {thing}.",
                    f"The {person} were near the {thing}.",
                    "grammar",
                    "agreement",
                    f"blimp-{thing}",
                    "blimp",
                    1,
                ),
                pair(
                    f"In the {thing} my {person} is happy",
                    f"In the {thing} my {person} is sad",
                    "meaning",
                    "mood",
                    f"chat-{person}",
                    "openai:gpt-4o-mini",
                ),
                pair(
                    f"My {person} left the {thing}.",
                    f"The {person} left the {thing}.",
                    "grammar",
                    "start",
                    thing,
                    "imported",
                    2,
                ),
            ]
            for word in ("river", "music", "report"):
                one, other = f"The {person} has a {thing} here.", f"The {person} has a {word} here."
                found.append(pair(one, other, "control", "random-word", f"{person}-{thing}", "templates"))
    return found


@dataclasses.dataclass(frozen=True)
class Made:
    """A model with its groups and a maker."""

    decoder: Decoder
    encoder: TextEncoder
    groups: list[PairGroup]
    at: MatchedAt

    def maker(self, *, seed: int = 0, wanted: int = WANTED, budget: int = BUDGET, share: bool = True) -> PlaceboMaker:
        sites = SiteMap(self.decoder, (self.at.site,))
        assert can_share(sites)
        return PlaceboMaker(sites, self.encoder, self.at, wanted=wanted, seed=seed, token_budget=budget, share=share)

    @property
    def types(self) -> list[PairGroup]:
        return [group for group in self.groups if group.role in ("meaning", "grammar")]

    @property
    def reference(self) -> PairGroup:
        return next(group for group in self.groups if group.role == "reference")


def spread_of(decoder: Decoder) -> np.ndarray:
    width = decoder.model.config.hidden_size
    return np.random.default_rng(5).uniform(0.05, 0.5, size=(decoder.n_layers, width))


def make(decoder: Decoder, encoder: TextEncoder, pairs: list[MinimalPair], *, site: Site = "resid_post", position: str) -> Made:
    tokenizer = pair_tokenizer(encoder)
    groups = group_pairs(check_pairs(pairs, tokenizer), tokenizer, aligned=False, n_placebos=WANTED)
    return Made(decoder, encoder, groups, MatchedAt(site, position, spread_of(decoder)))


REAL = ["gpt-2", "mistral-v1", "mistral-v3", "tekken"]
NAMES = ["without-bos", "with-bos", *(pytest.param(name, marks=pytest.mark.slow) for name in REAL)]


@functools.cache
def made_of(name: str) -> Made:
    """Words, or a real tokenizer with a tiny model; sizes after the edit, or at it for edits at the end."""
    if name in REAL:
        tokenizer = real_tokenizer(name).tokenizer
        return make(tiny_llama(len(tokenizer)), TextEncoder.from_tokenizer(tokenizer), word_pairs(), position="edit")
    return make(word_decoder(), word_encoder(adds_bos=name == "with-bos"), word_pairs(), position="edit")


@functools.cache
def matched_of(name: str) -> list[Matched]:
    made = made_of(name)
    maker = made.maker()
    return [maker.beside(group) for group in made.types]


def states_alone(decoder: Decoder, ids: np.ndarray, column: int) -> np.ndarray:
    """``layer d_model`` after each layer, by plain hooks, of a sentence alone."""
    states: list[torch.Tensor] = []
    handles = [
        layer.register_forward_hook(lambda _, __, out: states.append((out[0] if isinstance(out, tuple) else out)[0, column]))
        for layer in decoder.model.model.layers
    ]
    with torch.no_grad():
        decoder.model(input_ids=torch.from_numpy(ids)[None], use_cache=False)
    for handle in handles:
        handle.remove()
    return torch.stack(states).double().numpy()


def naive_size(made: Made, one: EncodedPair, token: int) -> np.ndarray:
    """ln ‖(h₁ − h₂) / σ‖ by layer, of a pair's sentences at the place of the edit plus ``token``."""
    prefix = np.array(made.encoder.prefix_ids, dtype=np.int64)
    column = len(prefix) + one.edit + token
    first, second = (states_alone(made.decoder, np.concatenate([prefix, ids]), column) for ids in (one.ids1, one.ids2))
    return np.log(np.linalg.norm((first - second) / made.at.spread, axis=-1))


def check_placebos(made: Made, group: PairGroup, matched: Matched, *, after: int = 0, slack: float = 1e-4) -> None:
    """All that is promised of the placebos of a group."""
    has = matched.group.has_placebo
    assert has is not None
    assert has.shape == (len(group.checked),)
    assert dataclasses.replace(matched.group, has_placebo=None) == dataclasses.replace(group, has_placebo=None)
    members = np.flatnonzero(has)
    encode = pair_tokenizer(made.encoder).encode
    prefix = list(made.encoder.prefix_ids)
    for number, placebos in enumerate(matched.placebos):
        assert placebos.name == f"{group.name}-placebo" + ("-2" if number else "")
        assert (placebos.role, placebos.placebo_of, placebos.blocks_of) == ("placebo", group.name, group.blocks_of)
        np.testing.assert_array_equal(placebos.members, members)
        np.testing.assert_array_equal(placebos.blocks, group.blocks[members])
        assert len(placebos.checked) == len(placebos.placed) == len(members)
        assert placebos.n_templates == len({group.checked[member].pair.template for member in members})
        for member, one, placed in zip(members, placebos.checked, placebos.placed, strict=True):
            base, of_base = group.checked[member], group.placed[member]
            assert one.pair.sentence1 == base.pair.sentence1
            assert (one.pair.type, one.pair.subtype, one.pair.right) == ("control", PLACEBO, None)
            assert (one.pair.template, one.pair.source) == (base.pair.template, base.pair.source)
            # exactly one token, in the place of the edit, and the sentence reads as these tokens
            np.testing.assert_array_equal(one.ids1, base.ids1)
            assert np.flatnonzero(one.ids1 != one.ids2).tolist() == [base.edit] == [one.edit]
            assert encode([one.pair.sentence1, one.pair.sentence2]) == [one.ids1.tolist(), one.ids2.tolist()]
            assert one.verdict == "usable"
            # the characters of the edit are what differs
            (start, end), (start2, end2) = one.pair.edit1, one.pair.edit2
            assert start == start2
            assert one.pair.sentence1[:start] + one.pair.sentence2[start2:end2] + one.pair.sentence1[end:] == one.pair.sentence2
            assert one.pair.sentence1[start:end] == made.encoder.token_text(int(one.ids1[one.edit])).strip()
            assert one.pair.sentence2[start2:end2] == made.encoder.token_text(int(one.ids2[one.edit])).strip()
            # the same places
            assert (placed.n_before, placed.after, placed.last) == (of_base.n_before, of_base.after, of_base.last)
            assert placed.ids[1].tolist() == prefix + one.ids2.tolist()
            # another word than any at an edit, and no form of the pair's own
            word = one.pair.sentence2[start2:end2].lower()
            own = [made.encoder.token_text(int(ids[base.edit])).strip() for ids in (base.ids1, base.ids2)]
            assert not any(are_forms(word, other) for other in own)
            at_edits = {
                made.encoder.token_text(int(ids[other.edit])).strip().lower()
                for other in group.checked
                for ids in (other.ids1, other.ids2)
            }
            assert word not in at_edits
            v = naive_size(made, one, after) - naive_size(made, base, after)
            assert abs(v.mean()) <= 0.10 + slack
            assert np.abs(v).mean() <= 0.35 + slack
    for member in range(len(members)):
        drawn = [placebos.checked[member].pair.sentence2 for placebos in matched.placebos]
        assert len(set(drawn)) == len(drawn), "placebos of one pair differ"


@pytest.mark.parametrize("name", NAMES)
def test_a_placebo_is_the_same_sentence_with_another_token_of_the_edits_size_in_its_place(name: str) -> None:
    made = made_of(name)
    assert bool(made.encoder.prefix_ids) == (name not in ("without-bos", "gpt-2"))
    assert {"antonym", "agreement", "mood"} <= {group.name for group in made.types}
    for group, matched in zip(made.types, matched_of(name), strict=True):
        check_placebos(made, group, matched)
    n_found = sum(int(matched.group.has_placebo.sum()) for matched in matched_of(name))
    assert n_found > 0.6 * sum(len(group.checked) for group in made.types)
    sources = {one.pair.source for matched in matched_of(name) for some in matched.placebos for one in some.checked}
    assert sources >= {"templates", "blimp", "openai:gpt-4o-mini"}


def test_edits_at_the_start_have_placebos_where_a_bos_stands_before_them() -> None:
    assert "start" not in {group.name for group in made_of("without-bos").types}
    made = made_of("with-bos")
    (number,) = [number for number, group in enumerate(made.types) if group.name == "start"]
    found = matched_of("with-bos")[number].placebos[0].checked
    assert found
    assert all(one.edit == 0 and one.pair.edit1[0] == 0 and not one.pair.sentence2.startswith(" ") for one in found)


@pytest.mark.parametrize("name", ["without-bos", "with-bos"])
def test_sizes_may_be_compared_after_the_edit(name: str) -> None:
    made = make(word_decoder(), word_encoder(adds_bos=name == "with-bos"), word_pairs(), position="edit+1")
    maker = made.maker(share=False)
    for group in made.types:
        matched = maker.beside(group)
        check_placebos(made, group, matched, after=1)
        # nothing follows the edit of these: they cannot be compared there
        assert matched.group.has_placebo.any() == (group.name != "mood")
        assert set(matched.group.compared_blocks[~matched.group.has_placebo].tolist()) <= {UNMATCHED}


def test_pairs_of_single_letters_have_placebos_of_single_letters(either_decoder: Decoder) -> None:
    """A byte is a token: what is not re-encoded as one, is no placebo."""
    assert either_decoder.encoder is not None
    made = make(either_decoder, either_decoder.encoder, pairs_of_names(), position="last")
    group = next(group for group in made.types if group.name == "place")
    group = dataclasses.replace(group, checked=group.checked[:12], placed=group.placed[:12], blocks=group.blocks[:12])
    matched = made.maker().beside(group)
    assert matched.group.has_placebo.any()
    for some in matched.placebos:
        for member, one in zip(some.members, some.checked, strict=True):
            base = group.checked[member].pair
            assert len(one.pair.sentence2) == len(base.sentence1)
            (place,) = [i for i, (a, b) in enumerate(zip(base.sentence1, one.pair.sentence2, strict=True)) if a != b]
            assert one.pair.edit1 == one.pair.edit2 == (place, place + 1)
            assert one.pair.sentence2[place].isalpha()


def test_pairs_without_enough_placebos_are_marked_and_stand_in_no_block() -> None:
    made = made_of("with-bos")
    group = next(group for group in made.types if group.name == "antonym")
    many = made.maker(wanted=2).beside(group)
    five = dataclasses.replace(group, placebos=(*group.placebos, *group.placebos, group.placebos[0]))
    few = made.maker(wanted=5).beside(five)
    one = made.maker(wanted=1).beside(dataclasses.replace(group, placebos=group.placebos[:1]))
    counts = [int(found.group.has_placebo.sum()) for found in (one, many, few)]
    assert counts == sorted(counts, reverse=True)
    for found, n in ((one, 1), (many, 2), (few, 5)):
        has = found.group.has_placebo
        assert len(found.placebos) == n
        assert all(len(placebos.checked) == has.sum() for placebos in found.placebos)
        np.testing.assert_array_equal(found.group.compared_blocks, np.where(has, group.blocks, UNMATCHED))
    # the first placebo is the same however many are wanted
    first = dict(zip(one.placebos[0].members.tolist(), one.placebos[0].checked, strict=True))
    for member, placebo in zip(many.placebos[0].members.tolist(), many.placebos[0].checked, strict=True):
        assert placebo.pair == first[member].pair


def test_a_group_in_which_nothing_can_be_matched_has_none_and_is_not_an_error() -> None:
    made = made_of("with-bos")
    group = next(group for group in made.types if group.name == "mood")
    unmatched = dataclasses.replace(made, at=dataclasses.replace(made.at, position="edit+3"))
    matched = unmatched.maker().beside(group)
    assert matched.group.has_placebo.tolist() == [False] * len(group.checked)
    assert set(matched.group.compared_blocks.tolist()) == {UNMATCHED}
    for placebos in matched.placebos:
        assert (placebos.checked, placebos.placed, placebos.n_templates) == ((), (), 0)
        assert placebos.members.tolist() == placebos.blocks.tolist() == []


def test_the_same_seed_finds_the_same_and_another_one_others() -> None:
    made = made_of("with-bos")
    group = made.types[0]

    def sentences(matched: Matched) -> list[list[str]]:
        return [[one.pair.sentence2 for one in placebos.checked] for placebos in matched.placebos]

    found = sentences(made.maker().beside(group))
    assert sentences(made.maker(budget=1).beside(group)) == found
    assert sentences(made.maker(share=False).beside(group)) == found
    assert sentences(made.maker(seed=1).beside(group)) != found


def test_a_pair_gets_the_same_whatever_the_others_of_the_same_edit_are() -> None:
    made = made_of("with-bos")
    group = next(group for group in made.types if group.name == "antonym")
    whole = made.maker().beside(group)
    some = [5, 1, 7]
    part = dataclasses.replace(
        group,
        checked=tuple(group.checked[i] for i in some),
        placed=tuple(group.placed[i] for i in some),
        blocks=group.blocks[some],
    )
    matched = made.maker().beside(part)
    assert matched.group.has_placebo.tolist() == whole.group.has_placebo[some].tolist()
    assert matched.group.has_placebo.any()
    for placebos, of_whole in zip(matched.placebos, whole.placebos, strict=True):
        by_member = dict(zip(of_whole.members.tolist(), of_whole.checked, strict=True))
        for member, one in zip(placebos.members.tolist(), placebos.checked, strict=True):
            assert one.pair == by_member[some[member]].pair


def test_progress_adds_up_to_the_pairs() -> None:
    made, done = made_of("with-bos"), list[int]()
    made.maker().beside(made.types[0], done.append)
    assert sum(done) == len(made.types[0].checked)


def test_a_prefix_before_the_sentences_stays_where_it_is() -> None:
    pairs = [with_prefix(one, "This is a story.") for one in word_pairs()]
    made = make(word_decoder(), word_encoder(), pairs, position="edit")
    assert "start" in {group.name for group in made.types}
    for group in made.types[-2:]:
        matched = made.maker().beside(group)
        check_placebos(made, group, matched)
        assert matched.placebos[0].checked
        assert all(one.pair.sentence2.startswith("This is a story. ") for one in matched.placebos[0].checked)


@pytest.mark.slow
@pytest.mark.real
def test_a_real_model_finds_placebos_of_the_edits_size(real_decoder: Decoder) -> None:
    assert real_decoder.encoder is not None
    made = make(real_decoder, real_decoder.encoder, word_pairs(), position="edit+1")
    group = next(group for group in made.types if group.name == "antonym")
    matched = made.maker().beside(group)
    assert matched.group.has_placebo.any()
    # some of its activations are thousands
    check_placebos(made, group, matched, after=1, slack=1e-2)


# references


@pytest.mark.parametrize("name", NAMES)
def test_a_reference_is_doubled_by_neighbours_in_the_same_sentence_place_and_block(name: str) -> None:
    made = made_of(name)
    reference = made.reference
    doubled = made.maker().with_neighbours(reference)
    n = len(reference.checked)
    assert doubled.checked[:n] == reference.checked
    assert doubled.placed[:n] == reference.placed
    assert len(doubled.checked) == len(doubled.placed) == len(doubled.blocks) == 2 * n, "every word of these has a neighbour"
    np.testing.assert_array_equal(doubled.blocks, np.concatenate([reference.blocks] * 2))
    assert (doubled.name, doubled.role, doubled.n_templates) == (reference.name, "reference", reference.n_templates)
    encode = pair_tokenizer(made.encoder).encode
    weight = made.decoder.model.get_input_embeddings().weight.detach().double().numpy()
    unit = weight / np.linalg.norm(weight, axis=1, keepdims=True)
    for base, one in zip(reference.checked, doubled.checked[n:], strict=True):
        assert (one.pair.type, one.pair.subtype, one.verdict) == ("control", NEAR_WORD, "usable")
        assert (one.pair.sentence1, one.pair.template) == (base.pair.sentence1, base.pair.template)
        assert np.flatnonzero(one.ids1 != one.ids2).tolist() == [base.edit]
        assert encode([one.pair.sentence2]) == [one.ids2.tolist()]
        first, second = (int(ids[base.edit]) for ids in (one.ids1, one.ids2))
        texts = [made.encoder.token_text(token) for token in (first, second)]
        assert not are_forms(*(text.strip() for text in texts))
        assert texts[0].startswith(" ") == texts[1].startswith(" ")
        assert texts[1].strip().isalpha()
        assert texts[1].isascii()
        # among the nearest of its kind: no more than 63 of them are nearer
        nearer = np.flatnonzero(unit @ unit[first] > unit[second] @ unit[first] + 1e-6)
        of_kind = [
            text
            for text in (made.encoder.token_text(int(token)) for token in nearer if token < len(made.encoder.tokenizer))
            if text.startswith(" ") == texts[0].startswith(" ") and text.strip().isalpha() and text.isascii()
        ]
        assert len(of_kind) <= 64


def test_neighbours_of_a_reference_are_drawn_by_the_seed() -> None:
    made = made_of("with-bos")
    one, again, other = (made.maker(seed=seed).with_neighbours(made.reference) for seed in (0, 0, 1))
    assert [some.pair for some in one.checked] == [some.pair for some in again.checked]
    assert [some.pair for some in one.checked] != [some.pair for some in other.checked]


def test_a_pair_whose_word_has_no_neighbour_adds_none() -> None:
    made = made_of("with-bos")
    reference = made.reference
    tokenizer = pair_tokenizer(made.encoder)
    (odd,) = check_pairs([pair("It was café here.", "It was old here.", "control", "random-word", "odd", "x")], tokenizer)
    others = ("naïve", "rôle", "fête", "été")
    mixed = dataclasses.replace(
        reference,
        checked=(reference.checked[0], odd, reference.checked[1]),
        placed=(reference.placed[0], place(odd, tokenizer), reference.placed[1]),
        blocks=np.array([4, 7, 9]),
    )
    doubled = made.maker().with_neighbours(mixed)
    assert doubled.checked[4].pair.sentence2.split()[2] in others
    assert doubled.blocks.tolist() == [4, 7, 9] * 2
    (empty,) = check_pairs([pair("It was ünknown here.", "It was old here.", "control", "random-word", "odd", "x")], tokenizer)
    mixed = dataclasses.replace(
        mixed,
        checked=(mixed.checked[0], empty, mixed.checked[2]),
        placed=(mixed.placed[0], place(empty, tokenizer), mixed.placed[2]),
    )
    doubled = made.maker().with_neighbours(mixed)
    assert len(doubled.checked) == len(doubled.placed) == 5
    assert doubled.blocks.tolist() == [4, 7, 9, 4, 9]
