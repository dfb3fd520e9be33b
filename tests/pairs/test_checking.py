"""What a tokenizer can use, under three kinds of tokenizers, and every reason why not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tokenizers import Tokenizer, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

from layerscope.models.pair_tokenizer import load_pair_tokenizer
from layerscope.pairs.checking import check_pair, check_pairs
from layerscope.pairs.files import CheckCounts, check_file
from layerscope.pairs.format import read_pairs, write_pairs
from layerscope.pairs.pair import MinimalPair
from layerscope.pairs.tokenizer import PairTokenizer
from tests.checkpoints import byte_tokenizer

SENTENCES = [
    "She is very tired today.", "She was very tired today.", "He adopted a dog from the shelter.",
    "He adopted the dog from the shelter.",
    "The cat sat on the mat.", "The cat sat on the hat.", "We waited for three long hours.", "We waited for five long hours.",
]  # fmt: skip


def word_level(folder: Path) -> Path:
    """Whole words and punctuation, anything else unknown."""
    tokenizer = Tokenizer(models.WordLevel(unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.train_from_iterator(SENTENCES, trainers.WordLevelTrainer(special_tokens=["<unk>"]))
    return saved(tokenizer, folder)


def sentencepiece_like(folder: Path) -> Path:
    """A unigram model over text whose spaces are ▁."""
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    trainer = trainers.UnigramTrainer(vocab_size=120, special_tokens=["<unk>"], unk_token="<unk>", show_progress=False)
    tokenizer.train_from_iterator(SENTENCES * 4, trainer)
    return saved(tokenizer, folder)


def byte_level(folder: Path) -> Path:
    byte_tokenizer().save_pretrained(folder)
    return folder


def saved(tokenizer: Tokenizer, folder: Path) -> Path:
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, unk_token="<unk>").save_pretrained(folder)
    return folder


def pair_of(sentence1: str, sentence2: str, subtype: str = "subject", kind: str = "meaning") -> MinimalPair:
    return MinimalPair.from_sentences(sentence1, sentence2, type=kind, subtype=subtype, right=None, template="t", source="test")


PAIRS = [pair_of(a, b) for a, b in zip(SENTENCES[::2], SENTENCES[1::2], strict=True)]


@pytest.mark.parametrize(
    ("make", "usable"),
    # one token a word: all four; one a byte: only mat and hat are of one length and one byte apart
    [(word_level, [True] * 4), (byte_level, [False, False, True, False])],
)
def test_the_tokenizer_decides(make, usable: list[bool], tmp_path: Path) -> None:
    tokenizer = load_pair_tokenizer(str(make(tmp_path / "model")))
    assert [checked.is_usable for checked in check_pairs(PAIRS, tokenizer)] == usable


def test_a_sentencepiece_like_tokenizer_by_its_own_words(tmp_path: Path) -> None:
    tokenizer = load_pair_tokenizer(str(sentencepiece_like(tmp_path / "model")))
    for checked in check_pairs(PAIRS, tokenizer):
        same = checked.ids1.tolist() == checked.ids2.tolist()
        differing = [i for i, (a, b) in enumerate(zip(checked.ids1, checked.ids2, strict=False)) if a != b]
        expected = not same and len(checked.ids1) == len(checked.ids2) and len(differing) == 1 and differing[0] > 0
        assert checked.is_usable == expected
        if checked.is_usable:
            assert checked.edit == differing[0]
            assert checked.n_after == len(checked.ids1) - differing[0] - 1


@pytest.mark.parametrize(
    ("ids1", "ids2", "verdict", "edit", "n_after"),
    [
        ([5, 6, 7, 8], [5, 9, 7, 8], "usable", 1, 2),
        ([5, 6], [5, 9], "usable", 1, 0),
        ([5, 6, 7, 8], [9, 6, 7, 8], "first token", 0, 3),
        ([5, 6, 7, 8], [5, 9, 7, 9], "several tokens differ", 1, 0),
        ([5, 6, 7, 8], [5, 9, 9, 7, 8], "lengths differ", 1, 2),
        ([5, 6], [5, 6], "same tokens", -1, 0),
        ([5, 6], [5, 6, 7], "lengths differ", 2, 0),
        ([], [5], "empty", 0, 0),
    ],
)
def test_every_verdict_by_hand(ids1: list[int], ids2: list[int], verdict: str, edit: int, n_after: int) -> None:
    checked = check_pair(PAIRS[0], ids1, ids2)
    assert (checked.verdict, checked.edit, checked.n_after) == (verdict, edit, n_after)
    np.testing.assert_array_equal(checked.ids1, ids1)


def test_controls_have_verdicts_of_their_own() -> None:
    identical = pair_of("A b.", "A b.", "identical", "control")
    assert check_pair(identical, [1, 2], [1, 2]).verdict == "identical"
    assert check_pair(identical, [1, 2], [1, 2]).is_usable
    unrelated = pair_of("A b.", "C d.", "unrelated", "control")
    assert check_pair(unrelated, [1, 2], [3, 4]).is_usable
    assert check_pair(unrelated, [1, 2], [3, 4, 5]).verdict == "lengths differ"


def test_a_checked_file_names_its_verdicts_and_loses_nothing(tmp_path: Path) -> None:
    model = str(byte_level(tmp_path / "model"))
    write_pairs(PAIRS, tmp_path / "pairs.jsonl")
    for keep, expected in (("usable", 1), ("aligned", 4), ("all", 4)):
        counts = CheckCounts(model)
        n_kept = check_file(
            tmp_path / "pairs.jsonl", load_pair_tokenizer(model), counts, keep=keep, output=tmp_path / f"{keep}.jsonl"
        )
        assert n_kept == expected
        assert counts.verdicts[("meaning", "subject")] == {"lengths differ": 3, "usable": 1}
        assert counts.examples["lengths differ"] == PAIRS[0]
    kept = list(read_pairs(tmp_path / "aligned.jsonl"))
    assert kept == PAIRS
    assert '"suffix_aligned": true' in (tmp_path / "aligned.jsonl").read_text(encoding="utf-8").splitlines()[0]
    assert check_file(tmp_path / "pairs.jsonl", load_pair_tokenizer(model), CheckCounts(model), keep="all", output=None) == 4


FIRST_WORD = [pair_of("Anna sat down here.", "Emma sat down here."), pair_of("Anna sat.", "The old Anna sat.")]


def test_with_a_bos_something_stands_before_the_first_word(tmp_path: Path) -> None:
    """One rule for every command: what a contrast accepts, 'pairs check' and 'pairs make' keep."""
    letters = PairTokenizer(lambda sentences: [[ord(sentence[0]), *sentence.encode()[4:]] for sentence in sentences])
    with_bos = PairTokenizer(letters.encode, (1,))
    write_pairs(FIRST_WORD, tmp_path / "pairs.jsonl")
    for tokenizer, verdict, kept in (
        (letters, "first token", {"usable": 0, "aligned": 0}),
        (with_bos, "usable", {"usable": 1, "aligned": 2}),
    ):
        first, unequal = check_pairs(FIRST_WORD, tokenizer)
        assert (first.verdict, first.is_usable) == (verdict, verdict == "usable")
        assert (unequal.verdict, unequal.is_aligned) == ("lengths differ", tokenizer is with_bos)
        assert unequal.is_accepted(aligned=True) == (tokenizer is with_bos)
        assert not unequal.is_accepted(aligned=False)
        for keep, n_kept in kept.items():
            assert check_file(tmp_path / "pairs.jsonl", tokenizer, CheckCounts("m"), keep=keep, output=None) == n_kept
