"""Places of pairs, by hand: tokens are numbers, 9 and 8 are punctuation, 0 is the BOS."""

from __future__ import annotations

import numpy as np
import pytest

from layerscope.errors import PairError
from layerscope.pairs.checking import check_pair
from layerscope.pairs.pair import MinimalPair
from layerscope.pairs.positions import PlacedPair, check_positions, place
from layerscope.pairs.tokenizer import PairTokenizer

BOS = 0


def is_mark(token: int) -> bool:
    return token in (8, 9)


def placed(ids1: list[int], ids2: list[int], *, subtype: str = "subject", bos: bool = False) -> PlacedPair:
    sentences = ("a b c", "a b c") if subtype == "identical" else ("a b c", "a d c")
    kind = "control" if subtype in ("identical", "unrelated") else "meaning"
    pair = MinimalPair.from_sentences(*sentences, type=kind, subtype=subtype, right=None, template="t", source="test")
    return place(check_pair(pair, ids1, ids2, has_prefix=bos), PairTokenizer(list, (BOS,) if bos else (), is_mark))


def test_a_usable_pair_without_bos() -> None:
    pair = placed([1, 2, 3, 4, 5, 6, 9], [1, 2, 7, 4, 5, 6, 9])
    assert (pair.n_before, pair.after, pair.last, pair.n_compared) == (2, (3, 3), (5, 5), 3)
    assert pair.at("edit") == (2, 2)
    assert [pair.at(f"edit+{n}") for n in (1, 2, 3)] == [(3, 3), (4, 4), (5, 5)]
    assert pair.at("edit+4") is None, "the full stop is not compared"
    assert pair.at("edit+40") is None
    assert pair.at("last") == (5, 5)


def test_the_bos_moves_every_place_by_one() -> None:
    without, with_bos = (placed([1, 2, 3, 4, 5, 9], [1, 2, 7, 4, 5, 9], bos=bos) for bos in (False, True))
    for name in ("edit", "edit+1", "edit+2", "last"):
        first, second = without.at(name)
        assert with_bos.at(name) == (first + 1, second + 1)
    assert with_bos.n_before == without.n_before + 1
    assert with_bos.n_compared == without.n_compared == 2
    np.testing.assert_array_equal(with_bos.ids[1], [BOS, 1, 2, 7, 4, 5, 9])
    assert with_bos.ids[0].dtype == np.int64


def test_an_edit_of_the_first_token_has_only_the_bos_before_it() -> None:
    pair = placed([3, 4, 5], [7, 4, 5], bos=True)
    assert (pair.n_before, pair.at("edit"), pair.at("last")) == (1, (1, 1), (3, 3))


@pytest.mark.parametrize(("end", "last"), [([], 3), ([9], 3), ([9, 8], 3), ([9, 8, 9], 3)])
def test_all_final_punctuation_is_left_out(end: list[int], last: int) -> None:
    pair = placed([1, 2, 3, 4, *end], [1, 7, 3, 4, *end])
    assert (pair.last, pair.n_compared) == ((last, last), 2)
    assert pair.at("last") == (last, last)
    assert pair.at("edit+3") is None


def test_punctuation_in_the_middle_is_compared() -> None:
    pair = placed([1, 2, 9, 4, 9], [1, 7, 9, 4, 9])
    assert (pair.at("edit+1"), pair.at("last"), pair.n_compared) == ((2, 2), (3, 3), 2)


@pytest.mark.parametrize("end", [[], [9], [9, 8]])
def test_an_edit_at_the_end_has_nothing_after_it(end: list[int]) -> None:
    pair = placed([1, 2, 3, *end], [1, 2, 7, *end])
    assert (pair.at("edit"), pair.n_compared, pair.last) == ((2, 2), 0, (2, 2))
    assert pair.at("edit+1") is None
    assert pair.at("last") is None, "the edit itself is no last word"
    assert pair.at("detection", None) is None


def test_an_edit_that_is_punctuation_is_still_the_edit() -> None:
    pair = placed([1, 2, 9], [1, 2, 8])
    assert (pair.at("edit"), pair.last, pair.n_compared) == ((2, 2), (2, 2), 0)


def test_the_detection_point_counts_from_the_token_after_the_edit() -> None:
    pair = placed([1, 2, 3, 4, 5, 6], [1, 7, 3, 4, 5, 6])
    assert [pair.at("detection", n) for n in (0, 1, 3)] == [pair.at("edit+1"), pair.at("edit+2"), pair.at("edit+4")]
    assert pair.at("detection") is None


def test_unequal_lengths_are_aligned_from_both_ends() -> None:
    pair = placed([1, 2, 3, 4, 5, 9], [1, 2, 6, 7, 7, 4, 5, 9])  # one token against three
    assert (pair.n_before, pair.after, pair.last, pair.n_compared) == (2, (3, 5), (4, 6), 2)
    assert pair.at("edit") == (2, 4), "the last token of the edit on each side"
    assert pair.at("edit+1") == (3, 5)
    assert pair.at("edit+2") == (4, 6) == pair.at("last")
    assert pair.at("edit+3") is None
    assert pair.at("detection", 1) == (4, 6)
    for name in ("edit+1", "edit+2", "last"):
        first, second = pair.at(name)
        assert pair.ids[0][first] == pair.ids[1][second]


def test_a_word_that_is_missing_on_one_side_has_no_edit_to_compare() -> None:
    pair = placed([1, 2, 4, 5, 9], [1, 2, 3, 4, 5, 9], bos=True)
    assert (pair.n_before, pair.after, pair.n_compared) == (3, (3, 4), 2)
    assert pair.at("edit") is None, "what stands before the edit is compared with nothing"
    assert pair.at("edit+1") == (3, 4)
    assert pair.at("last") == (4, 5)


def test_aligned_with_a_bos() -> None:
    pair = placed([3, 4, 5], [6, 7, 4, 5], bos=True)
    assert (pair.n_before, pair.at("edit"), pair.at("edit+1"), pair.at("last")) == (1, (1, 2), (2, 3), (3, 4))


@pytest.mark.parametrize("bos", [False, True])
def test_identical_sentences_are_compared_from_a_third_of_the_way_in(bos: bool) -> None:
    pair = placed([1, 2, 3, 4, 5, 6, 9], [1, 2, 3, 4, 5, 6, 9], subtype="identical", bos=bos)
    edit = 2 + bos
    assert pair.at("edit") == (edit, edit)
    assert pair.n_before == edit, "all before it is the same"
    assert pair.at("last") == (5 + bos, 5 + bos)
    assert pair.n_compared == 3


def test_identical_sentences_of_one_or_two_tokens() -> None:
    assert placed([1], [1], subtype="identical").at("edit") == (0, 0)
    two = placed([1, 2], [1, 2], subtype="identical")
    assert (two.at("edit"), two.at("last"), two.at("edit+1")) == ((1, 1), None, None)


def test_unrelated_sentences_are_compared_from_a_third_and_share_only_their_start() -> None:
    pair = placed([1, 2, 3, 4, 5, 6, 9], [1, 7, 7, 7, 7, 7, 9], subtype="unrelated", bos=True)
    assert (pair.n_before, pair.at("edit"), pair.at("last")) == (2, (3, 3), (6, 6))
    apart = placed([1, 2, 3, 4, 5, 6, 9], [7, 7, 7, 7, 7, 7, 9], subtype="unrelated")
    assert (apart.n_before, apart.at("edit")) == (0, (2, 2))


def test_unrelated_sentences_that_begin_alike_are_compared_where_they_part() -> None:
    pair = placed([1, 2, 3, 4, 5, 6, 9], [1, 2, 3, 4, 7, 7, 9], subtype="unrelated")
    assert pair.at("edit") == (4, 4)
    assert pair.n_before == 4, "no place that is compared lies before it"
    assert pair.at("last") == (5, 5)


def test_names_are_checked_and_each_is_taken_once() -> None:
    assert check_positions(["edit", "edit+12", "last", "edit", "detection"]) == ("edit", "edit+12", "last", "detection")
    for name in ("edit+0", "edit+100", "edit-1", "edit+", "first", "Edit", "edit+1 ", ""):
        with pytest.raises(
            PairError,
            match=r"A position is edit, edit\+1 to edit\+99, detection or last; got '" + name.replace("+", r"\+") + "'",
        ):
            check_positions(["edit", name])
    with pytest.raises(PairError, match=r"At least one position is needed: edit, edit\+1, detection or last."):
        check_positions([])
