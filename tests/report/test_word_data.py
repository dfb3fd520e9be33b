"""Words of a whole run: their means worked by hand, what is kept, and what is told of the rest."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from layerscope.report.packing import Packing
from layerscope.report.sweep_data import opening_key, variant_keys
from layerscope.report.word_data import word_data
from layerscope.sweeps.analysis.score_arrays import ScoreArrays
from tests.report.unpack import array_of, value_of

TEXT = "So so un do so"
DOCUMENTS = pd.DataFrame({"document": [0], "text": [TEXT]})
TOKENS = pd.DataFrame(
    {
        "document": 0,
        "position": range(5),
        "char_start": [0, 2, 5, 8, 11],
        "char_end": [2, 5, 8, 11, 14],
        "scored": [False, True, True, True, True],
        "starts_word": [True, True, True, True, True],
    }
)


def shard(*rows: list[float]) -> ScoreArrays:
    nll = np.array(rows)
    same = np.zeros_like(nll)
    return ScoreArrays(
        document=np.zeros(nll.shape[1], dtype=int),
        position=np.arange(1, nll.shape[1] + 1),
        nll_nats=nll,
        kl_nats=same,
        is_top1=same.astype(bool),
        agrees_with_intact=same.astype(bool),
        top1_id=same.astype(int),
    )


def found(tokens: pd.DataFrame = TOKENS, **options) -> tuple[dict, dict, np.ndarray]:
    packing = Packing()
    data = word_data(
        DOCUMENTS,
        tokens,
        [shard([1.0, 2.0, 3.0, 5.0], [2.0, 6.0, 3.5, 8.0])],
        n_variants=2,
        packing=packing,
        **{"word_of": None, "words": None, **options},
    )
    assert data is not None
    return data, value_of(data["forms"], packing.chunks), array_of(data["delta"], packing.chunks)


def test_a_form_has_the_mean_over_its_words() -> None:
    data, forms, delta = found()
    assert forms["text"] == ["so", "un", "do"]
    assert forms["items"] == [2, 1, 1], "the first word has no context and is not scored"
    assert forms["intact"] == [3.0, 2.0, 3.0]
    assert data["of"] == 3
    np.testing.assert_allclose(delta[1], [(1.0 + 3.0) / 2, 4.0, 0.5], atol=1e-3)
    np.testing.assert_allclose(delta[0], 0.0, atol=1e-3)


def test_tokens_of_one_word_are_summed_and_tags_keep_words_apart() -> None:
    word_of = pd.DataFrame({"document": 0, "position": range(5), "word": [0, 1, 2, 2, 3]})
    words = pd.DataFrame({"word": range(4), "text": ["So", "so", "undo", "so"], "upos": ["ADV", "ADV", "VERB", "NOUN"]})
    _, forms, delta = found(word_of=word_of, words=words)
    assert list(zip(forms["text"], forms["tag"], strict=True)) == [("so", "ADV"), ("undo", "VERB"), ("so", "NOUN")]
    np.testing.assert_allclose(delta[1], [1.0, 4.5, 3.0], atol=1e-3)


def test_the_most_frequent_are_kept_and_the_rest_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("layerscope.report.word_data.CELLS", 4)
    data, forms, _ = found(share=0.5)
    assert forms["text"] == ["so"]
    assert data["of"] == 3


def test_nothing_where_nothing_was_scored() -> None:
    tokens = TOKENS.assign(scored=False)
    assert word_data(DOCUMENTS, tokens, [], n_variants=2, word_of=None, words=None, packing=Packing()) is None


VARIANTS = pd.DataFrame(
    {
        "name": ["intact", "r-0", "r-1", "r-2", "r-3", "h-2-0", "h-2-1", "p"],
        "family": ["intact", "removal", "removal", "removal", "removal", "heads", "heads", "path"],
        "first": [np.nan, 0, 1, 2, 3, 2, 2, np.nan],
        "delta": [0.0, 9.0, 8.0, 0.5, 1.5, 0.1, 0.2, 3.0],
    }
)


def test_a_layer_names_a_variant_where_it_is_alone_there() -> None:
    assert variant_keys(VARIANTS).tolist() == ["intact", "0", "1", "2", "3", "h-2-0", "h-2-1", "p"]


@pytest.mark.parametrize(("family", "key"), [("removal", "3"), ("heads", "h-2-1"), ("path", "p")])
def test_the_page_opens_on_the_largest_effect_outside_the_first_two_layers(family: str, key: str) -> None:
    assert opening_key(VARIANTS, variant_keys(VARIANTS), family) == key


def test_where_all_variants_stand_in_the_first_layers_the_largest_is_opened() -> None:
    early = VARIANTS.iloc[:3]
    assert opening_key(early, variant_keys(early), "removal") == "0"
