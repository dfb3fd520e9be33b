"""Candidates for placebos: kind, band and nearness by plain numpy; what is left out; that draws are stable."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from layerscope.contrasts.placebo_words import N_FREQUENT, N_NEAR, N_NEAREST, Vocabulary, are_forms, candidates
from layerscope.models.encoder import TextEncoder
from layerscope.pairs.templates.bands import BANDS
from tests.contrasts.word_tokenizer import BOS, OTHERS, UNKNOWN, tiny_llama, vocabulary, word_decoder, word_encoder, written

N_NEIGHBOURS = 256


@pytest.fixture(scope="module")
def words() -> Vocabulary:
    return Vocabulary(word_decoder(), word_encoder())


def token_of(text: str) -> int:
    return vocabulary()[written(text)]


def texts_of(words: Vocabulary, tokens: list[int]) -> list[str]:
    return [words.texts[token] for token in tokens]


def kind_of(text: str) -> tuple[bool, str, bool]:
    """By the definition."""
    word = text.strip()
    sort = "letters" if word.isalpha() else "digits" if word.isdigit() else "others"
    return text.startswith(" "), sort, all(ord(character) < 128 for character in word)


def cosines(token: int) -> np.ndarray:
    """Of one embedding with all."""
    weight = word_decoder().model.get_input_embeddings().weight.detach().double().numpy()
    unit = weight / np.linalg.norm(weight, axis=1, keepdims=True)
    return unit @ unit[token]


def generators(n: int, seed: int = 0) -> list[np.random.Generator]:
    return [np.random.default_rng([seed, number]) for number in range(n)]


# the vocabulary


def test_texts_are_those_of_all_tokens_with_their_spaces(words: Vocabulary) -> None:
    assert len(words.texts) == len(vocabulary()) < word_decoder().vocab_size
    assert [words.texts[token_of(text)] for text in (" dog", "dog", " café", ".")] == [" dog", "dog", " café", "."]


def test_a_model_with_fewer_rows_than_the_tokenizer_has_tokens_knows_its_own_only() -> None:
    few = Vocabulary(tiny_llama(400), word_encoder())
    assert len(few.texts) == 400
    assert max(few.neighbours([token_of(" city")])[token_of(" city")]) < 400
    assert few.frequent(token_of(" city"))
    assert max(few.frequent(token_of(" city"))) < 400
    beyond = token_of(" wolf")
    assert beyond >= 400
    assert few.neighbours([beyond]) == {beyond: []}


@pytest.mark.parametrize("text", [" dog", "dog", " The", " café", " 7", "12", " $", "."])
def test_neighbours_are_the_nearest_of_the_kind_by_plain_cosines(words: Vocabulary, text: str) -> None:
    token = token_of(text)
    found = words.neighbours([token])[token]
    cosine = cosines(token)
    allowed = [
        other
        for other in range(len(vocabulary()))
        if other not in (token, UNKNOWN, BOS) and kind_of(words.texts[other]) == kind_of(text)
    ]
    expected = sorted(allowed, key=lambda other: -cosine[other])[:N_NEIGHBOURS]
    assert len(found) == len(expected) == min(N_NEIGHBOURS, len(allowed))
    assert set(found) <= set(allowed)
    assert len(set(found)) == len(found)
    # rounding may exchange two that are equally near
    np.testing.assert_allclose(cosine[found], cosine[expected], atol=1e-6)


def test_neighbours_of_many_tokens_are_those_of_each(words: Vocabulary) -> None:
    tokens = [token_of(text) for text in (" dog", " 7", " cat", "dog", ".", " café")]
    assert words.neighbours(tokens) == {token: words.neighbours([token])[token] for token in tokens}


def test_there_are_no_neighbours_of_what_is_no_word(words: Vocabulary) -> None:
    beyond = len(words.texts) + 3
    assert words.neighbours([beyond, token_of(" dog")])[beyond] == []
    assert words.neighbours([]) == {}


@pytest.mark.parametrize("band", sorted(BANDS))
def test_frequent_words_are_those_of_the_band_in_the_same_place(words: Vocabulary, band: int) -> None:
    of_band = [word for word in BANDS[band].split() if word.islower()]
    for start in (" ", ""):
        found = texts_of(words, words.frequent(token_of(start + of_band[7])))
        assert found == [start + word for word in of_band]


def test_only_whole_tokens_are_frequent_words() -> None:
    few = Vocabulary(tiny_llama(400), word_encoder())
    found = [few.texts[other] for other in few.frequent(token_of(" able"))]
    of_band = [word for word in BANDS[4].split() if word.islower()]
    assert found == [" " + word for word in of_band if token_of(" " + word) < 400]
    assert 0 < len(found) < len(of_band)


# candidates


EDITS = [(" dog", " cat"), (" horse", " fox"), (" dog", " fox"), (" walks", " walked"), ("The", "A"), (" is", " was")]


def edits_of(texts: list[tuple[str, str]]) -> list[tuple[int, int]]:
    return [(token_of(first), token_of(second)) for first, second in texts]


def drawn(words: Vocabulary, texts: list[tuple[str, str]], seed: int = 0) -> list[list[str]]:
    found = candidates(words, edits_of(texts), generators(len(texts), seed))
    return [texts_of(words, some) for some in found]


def test_words_at_any_edit_of_the_group_and_forms_of_the_pairs_own_words_are_left_out(words: Vocabulary) -> None:
    at_edits = {text.strip().lower() for edit in EDITS for text in edit}
    for some, edit in zip(drawn(words, EDITS), EDITS, strict=True):
        assert some
        found = {text.strip().lower() for text in some}
        assert not found & at_edits
        for word, own in itertools.product(found, edit):
            assert not are_forms(word, own.strip())
    # what is left out is there otherwise: forms of other pairs' words, and words at edits of other groups
    every = {text.strip() for seed in range(40) for some in drawn(words, EDITS[:1], seed) for text in some}
    assert {"horse", "walks", "walked", "foxes"} & every
    assert not {"dog", "dogs", "Dog", "Dogs", "cat", "cats", "Cat", "Cats"} & every


@pytest.mark.parametrize("text", [" dog", "dog", " walks", " Dog", "The", " Paris", " café", " 7", "12", " $", " x2", "."])
def test_every_candidate_is_of_the_kind_of_the_edit(words: Vocabulary, text: str) -> None:
    other = next(one for one in words.texts if kind_of(one) == kind_of(text) and one != text)
    (some,) = drawn(words, [(text, other)])
    assert {kind_of(one) for one in some} <= {kind_of(text)}
    assert len(set(some)) == len(some)


def test_candidates_are_the_nearest_some_of_the_near_and_some_of_the_band(words: Vocabulary) -> None:
    assert (N_FREQUENT, N_NEAREST, N_NEAR) == (32, 64, 32)
    edit = (" dog", " cat")
    token, seen_near, seen_frequent = token_of(" dog"), set[str](), set[str]()

    def allowed(some: list[int]) -> list[str]:
        found = texts_of(words, some)
        return [one for one in found if not any(are_forms(one.strip(), own.strip()) for own in edit)]

    near = allowed(words.neighbours([token])[token])
    frequent = allowed(words.frequent(token))
    assert len(near) > 200
    for seed in range(12):
        (some,) = drawn(words, [edit], seed)
        assert set(some) <= {*near, *frequent}
        assert set(near[:64]) <= set(some), "all of the nearest"
        assert len(set(some) & set(near)) >= 64 + 32
        assert len(set(some) & set(frequent)) >= 32
        assert 96 < len(some) == len(set(some)) <= 128
        seen_near |= set(some) & set(near)
        seen_frequent |= set(some) & set(frequent)
    assert len(seen_near) > 180, "the others of the near ones are drawn"
    assert len(seen_frequent) > 120, "and so are those of the band"


def test_the_order_is_random_so_that_the_first_ones_are_a_draw(words: Vocabulary) -> None:
    orders = [tuple(drawn(words, EDITS[:1], seed)[0]) for seed in range(8)]
    assert len({order[:3] for order in orders}) == 8
    token = token_of(" dog")
    nearest = set(texts_of(words, words.neighbours([token])[token][:32]))
    places = [place / len(order) for order in orders for place, text in enumerate(order) if text in nearest]
    assert abs(np.mean(places) - 0.5) < 0.1, "the nearest do not come first"


def test_the_same_generators_draw_the_same(words: Vocabulary) -> None:
    assert drawn(words, EDITS) == drawn(words, EDITS)
    assert drawn(words, EDITS) != drawn(words, EDITS, seed=1)


def test_what_a_pair_gets_depends_on_no_other_pair_but_for_the_words_that_are_left_out(words: Vocabulary) -> None:
    edits = edits_of(EDITS)
    together = candidates(words, edits, generators(len(edits)))
    order = [4, 2, 0, 5, 1, 3]
    shuffled = candidates(words, [edits[i] for i in order], [generators(len(edits))[i] for i in order])
    assert shuffled == [together[i] for i in order]
    # more pairs of the same words, or of words that nobody would get, change nothing
    more = edits_of([(" fox", " dog"), (" 7", " 12"), (" dog", " cat"), (" café", " fête")])
    beside = candidates(words, [*more, *edits], [*generators(4, 9), *generators(len(edits))])
    assert beside[4:] == together
    # one word more at an edit is left out of the others' candidates
    taken = together[0][0]
    (first, *_) = candidates(words, [*edits, (taken, edits[0][1])], generators(len(edits) + 1))
    assert taken not in first


def test_two_pairs_of_one_edit_get_candidates_of_their_own(words: Vocabulary) -> None:
    one, other = drawn(words, [(" dog", " cat")] * 2)
    assert one != other


def test_where_all_words_of_a_kind_are_at_edits_there_are_no_candidates(words: Vocabulary) -> None:
    mixed = [token_of(" café"), token_of(" naïve"), token_of(" rôle"), token_of(" fête"), token_of(" été")]
    found = candidates(words, list(itertools.pairwise(mixed)), generators(4))
    assert found == [[]] * 4
    assert candidates(words, [], []) == []


def test_the_small_words_of_the_tests_are_all_of_them_known() -> None:
    assert {kind_of(word)[1] for word in OTHERS} == {"letters", "digits", "others"}
    assert isinstance(word_encoder(), TextEncoder)
    assert word_encoder(adds_bos=True).prefix_ids == (BOS,)
    assert word_encoder().prefix_ids == ()


@pytest.mark.parametrize(
    ("one", "other", "are"),
    [
        ("walks", "walked", True),
        ("walk", "walking", True),
        ("Dog", "dogs", True),
        ("dog", "dog", True),
        ("THE", "the", True),
        ("cat", "car", False),
        ("is", "isn", False),
        ("a", "an", False),
        ("I", "i", True),
        ("go", "gone", False),
        ("studies", "study", True),
        ("running", "run", True),
        ("happy", "happily", True),
        ("happy", "happen", True),
        ("carrot", "carbon", False),
        ("café", "cafés", True),
        ("12", "128", False),
        ("1999", "1998", True),
        ("", "", True),
        ("", "dog", False),
    ],
)
def test_forms_of_one_word_by_hand(one: str, other: str, are: bool) -> None:
    assert are_forms(one, other) is are_forms(other, one) is are
