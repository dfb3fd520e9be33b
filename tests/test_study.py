"""Each study's page has a place for each of its tables, and what only a study computes is right."""

from __future__ import annotations

import re
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from scripts import grammar_by_layer as study
from scripts import smaller_models
from scripts.study_page import rank_correlation


@pytest.mark.parametrize("made", [study, smaller_models])
def test_the_page_has_a_place_for_each_table_and_shows_each_figure(made: ModuleType) -> None:
    page = made.PAGE.read_text(encoding="utf-8")
    places = re.findall(r"<!-- made: (.+) -->", page)
    assert len(places) == len(set(places))
    assert set(re.findall(r"<!-- made: ([^\n]+) -->\n[|>].+?\n<!-- /made -->", page, re.DOTALL)) == set(made.BLOCKS)
    images = re.findall(r"\]\(([^):]+\.png)\)", page)
    assert images
    for image in images:
        assert (made.PAGE.parent / image).is_file()
    assert {path.name for path in made.PAGE.with_suffix("").iterdir()} == {Path(image).name for image in images}


def test_within_a_size_only_what_differs_there_counts() -> None:
    """Larger paths are better at both; inside a size they are opposed, or have nothing to do with each other."""
    generator = np.random.default_rng(5)
    paths = pd.DataFrame({"layers": np.repeat([5, 6, 7], 6)})
    noise = generator.normal(size=18)
    opposed = paths.assign(delta_nll_nats=noise - 10 * paths["layers"], accuracy=0.1 * paths["layers"] + 0.001 * noise)
    rho, p_value = smaller_models._within_sizes(opposed, generator)
    assert rho == pytest.approx(-1.0)
    assert p_value <= 0.001
    p_values = []
    for _ in range(60):
        some, other = generator.normal(size=(2, 18))
        unrelated = paths.assign(delta_nll_nats=some - 10 * paths["layers"], accuracy=paths["layers"] + 0.1 * other)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(smaller_models, "N_PERMUTATIONS", 99)
            p_values.append(smaller_models._within_sizes(unrelated, generator)[1])
    assert np.mean(np.array(p_values) <= 0.1) <= 0.2
    assert np.mean(p_values) == pytest.approx(0.5, abs=0.12)


def test_pairs_that_only_one_path_has_right_by_hand() -> None:
    frontier = pd.DataFrame(
        {
            "way": ["search", "one-shot"],
            "layers": [1, 1],
            "is_best": [True, True],
            "path": ["0", "1"],
            "delta_nll_nats": [0.5, 0.8],
        }
    )
    right = {"0": [1, 1, 1, 1, 1, 1, 0, 0], "1": [0, 0, 0, 0, 0, 1, 1, 0]}
    model = SimpleNamespace(
        name="model",
        sizes=[1],
        of=lambda way, _: frontier[frontier["way"] == {"greedy": "search"}.get(way, way)],
        right=lambda path: np.array(right[path], dtype=float),
    )
    row = smaller_models.same_size([model]).splitlines()[2]
    assert row == "| model | 1 | +0.30 | -50.0 | 1 to 5 | 0.22 |"  # 2 · (1 + 6) / 2⁶


def test_profiles_of_models_with_other_numbers_of_layers() -> None:
    rising = np.arange(9.0)
    assert study._profile_correlation(rising, np.arange(4.0)) == pytest.approx(1.0)
    assert study._profile_correlation(np.arange(4.0), -rising) == pytest.approx(-1.0)
    one, other = np.random.default_rng(0).normal(size=(2, 12))
    assert study._profile_correlation(one, other) == pytest.approx(stats.spearmanr(one, other).statistic)


def test_rank_correlation_and_its_p() -> None:
    generator = np.random.default_rng(1)
    one, other = generator.normal(size=(2, 9))
    rho, p_value = rank_correlation(one, other, generator, 99_999)
    expected = stats.spearmanr(one, other)
    assert rho == pytest.approx(expected.statistic)
    assert p_value == pytest.approx(expected.pvalue, abs=0.03)


def model(effects: np.ndarray, name: str = "model") -> SimpleNamespace:
    """What the study asks of a model: own effects of its paradigms."""
    own = effects - effects.mean(axis=0)
    terms = [term for some in study.PHENOMENA.values() for term in some] + ["a", "b", "c", "d"]
    intact = pd.DataFrame({"pairs": 40}, index=pd.MultiIndex.from_tuples([("all", "all"), *[("term", one) for one in terms]]))
    return SimpleNamespace(name=name, intact=intact, own_effects=lambda _: own, n=len(terms))


def p_of(effects: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> float:
    monkeypatch.setattr(study, "N_PERMUTATIONS", 1990)
    return float(study.same_phenomenon([model(effects)]).splitlines()[2].split("|")[-2])


def test_paradigms_of_one_phenomenon_are_alike_where_they_are_and_by_chance_as_often_as_said(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    generator = np.random.default_rng(2)
    noise = generator.normal(size=(150, 15, 20))
    p_values = np.array([p_of(one, monkeypatch) for one in noise])
    assert 0.0 < (p_values <= 0.1).mean() <= 0.17
    shared = np.repeat(generator.normal(size=(2, 20)), (4, 3), axis=0)
    alike = noise[0] * 0.5
    alike[:7] += shared
    assert p_of(alike, monkeypatch) <= 0.01
