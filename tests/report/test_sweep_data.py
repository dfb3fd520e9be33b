"""Sweeps in a page: every variant with the numbers of layers.parquet, parts of speech, and sentences worked by hand."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from layerscope.report.packing import Packing
from layerscope.report.sweep_data import needs, sweep_data
from layerscope.sweeps.finished import FinishedRun
from layerscope.sweeps.tables import POS, PROXIES
from tests.report.unpack import table_of
from tests.tiny_runs import TinyRuns

COLUMNS = {
    "ppl": "ppl", "nll": "nll_nats", "delta": "delta_nll_nats", "low": "delta_nll_low_nats", "high": "delta_nll_high_nats",
    "q": "q_value", "bpb": "bits_per_byte", "accuracy": "top1_accuracy", "agreement": "agreement", "kl": "kl_nats",
    "block_influence": "block_influence", "angular_distance": "angular_distance", "not_finite": "tokens_not_finite",
    "first": "span_first", "last": "span_last",
}  # fmt: skip


def family(deltas: list[float], *, q: list[float] | None = None, name: str = "removal") -> pd.DataFrame:
    """Variants of a family with effects chosen by hand."""
    n = len(deltas)
    return pd.DataFrame(
        {
            "variant": [f"{name}-{i}" for i in range(n)],
            "delta_nll_nats": deltas,
            "delta_nll_low_nats": [np.nan if q is None else delta - 0.1 for delta in deltas],
            "delta_nll_high_nats": [np.nan if q is None else delta + 0.1 for delta in deltas],
            "q_value": pd.array([None] * n if q is None else q, dtype="Float64"),
        }
    )


def data_of(path) -> tuple[FinishedRun, dict, Packing]:
    run, packing = FinishedRun.open(path), Packing()
    directory = run.directory
    pos = directory.read_table(POS).to_pandas() if (path / POS.name).is_file() else None
    proxies = directory.read_table(PROXIES).to_pandas()
    n_layers = run.record.model.layers
    return run, sweep_data(run.layers, proxies, pos, n_layers=n_layers, packing=packing), packing


def test_variants_are_those_of_the_run(runs: TinyRuns) -> None:
    for path in (runs.tagged, runs.plain):
        run, data, packing = data_of(path)
        found = table_of(data["variants"], packing.chunks)
        assert found["name"].tolist() == run.layers["variant"].tolist()
        assert found["family"].tolist() == run.layers["family"].tolist()
        assert found["path"].tolist() == run.layers["path"].tolist()
        for name, column in COLUMNS.items():
            # five digits
            np.testing.assert_allclose(found[name].astype(float), run.layers[column].astype(float), rtol=5.1e-5, err_msg=name)
        assert found["name"][0] == "intact"
        assert np.isnan(found["depth"][0])


def test_depth_is_the_middle_of_the_layers_touched(runs: TinyRuns) -> None:
    _, data, packing = data_of(runs.tagged)
    depth = table_of(data["variants"], packing.chunks).set_index("name")["depth"]
    assert data["layers"] == 4
    np.testing.assert_allclose([depth[f"removal-{i}"] for i in range(4)], [0, 1 / 3, 2 / 3, 1], rtol=5e-5)
    exchanges = [depth[name] for name in depth.index if name.startswith("exchange")]
    np.testing.assert_allclose(exchanges, [1 / 6, 1 / 2, 5 / 6], rtol=5e-5)


def test_families_and_proxies(runs: TinyRuns) -> None:
    run, data, _ = data_of(runs.tagged)
    assert data["families"] == ["removal", "exchange"]
    proxies = run.directory.read_table(PROXIES).to_pandas().set_index(["family", "proxy"])["spearman"]
    assert len(data["proxies"]) == len(proxies) == 4
    for row in data["proxies"]:
        expected = proxies[row["family"], row["proxy"]]
        assert row["spearman"] is None if np.isnan(expected) else row["spearman"] == pytest.approx(expected, rel=5e-5)
    _, data, _ = data_of(runs.plain)
    assert data["families"] == ["removal", "path"]
    assert data["pos"] is None


def test_parts_of_speech_are_those_of_the_run(runs: TinyRuns) -> None:
    run, data, packing = data_of(runs.tagged)
    found = table_of(data["pos"], packing.chunks)
    pos = run.directory.read_table(POS).to_pandas()
    pos = pos[pos["variant"] != "intact"].reset_index(drop=True)
    assert len(found) == len(pos)
    for name in ("variant", "unit", "tag", "kind"):
        assert found[name].tolist() == pos[name].astype(str).tolist()
    columns = {"delta": "delta_nll_nats", "contrast": "contrast_nats", "relative": "relative_change", "items": "items"}
    columns |= {"contrast_low": "contrast_low_nats", "contrast_q": "contrast_q_value", "intact": "intact_nll_nats"}
    for name, column in columns.items():
        np.testing.assert_allclose(found[name].astype(float), pos[column].astype(float), rtol=5.1e-5)
    assert found["few"].tolist() == pos["is_few"].tolist()


# what is needed most and least, in words


def test_needs_names_the_most_and_the_least() -> None:
    said = needs(family([0.5, 2.0, 0.01, 1.0, -0.02, 0.3, 9.0], q=[0.01] * 7))
    assert said["en"] == (
        "Costs most: removal-6 (+9 [+8.9, +9.1]), removal-1 (+2 [+1.9, +2.1]), removal-3 (+1 [+0.9, +1.1]) nats a token. "
        "Costs least: removal-4 (-0.02 [-0.12, +0.08]), removal-2 (+0.01 [-0.09, +0.11]), removal-5 (+0.3 [+0.2, +0.4]) "
        "nats a token. All 7 differ from no effect (q < 0.05)."
    )
    assert said["ja"].startswith("影響が最大：removal-6（+9 [+8.9, +9.1]）、removal-1（")
    assert said["ja"].endswith("7 個すべてが効果なしと区別できる（q < 0.05）。")


def test_needs_says_what_cannot_be_told_from_nothing() -> None:
    said = needs(family([1.0, 0.0, 0.1], q=[0.001, 0.05, 0.9]))
    assert "removal-0 (+1 [+0.9, +1.1]) nats a token. Costs least: removal-1" in said["en"], "of three only one is named"
    assert said["en"].endswith(" 2 of 3 cannot be told from no effect (q ≥ 0.05).")
    assert "3 個のうち 2 個は効果なしと区別できない" in said["ja"]


def test_needs_names_nothing_as_costly_that_may_be_nothing() -> None:
    """The helper's intervals are ± 0.1."""
    said = needs(family([0.0, 0.0, 0.05], q=[1.0, 1.0, 0.6]))
    assert said["en"].startswith(
        "None costs anything: no interval lies above 0. The largest is removal-2 (+0.05 [-0.05, +0.15]) nats a token."
    )
    assert said["ja"].startswith("影響があると言える変種はない（区間が 0 より上にあるものはない）。最大は removal-2（+0.05 [")
    said = needs(family([2.0, 0.09, 0.08, 0.0, 0.0, 0.0], q=[0.01, 0.2, 0.3, 1.0, 1.0, 1.0]))
    assert said["en"].startswith("Costs most: removal-0 (+2 [+1.9, +2.1]) nats a token. Costs least:")


def test_needs_without_a_test_says_so() -> None:
    said = needs(family([1.0, 0.5]))
    assert said["en"].startswith(
        "Costs most: removal-0 (+1) nats a token. Costs least: removal-1 (+0.5) nats a token. Fewer than five texts "
    )
    assert said["en"].endswith("read nothing into small differences.")
    assert "小さな差に意味を読み取らない" in said["ja"]


def test_needs_says_nothing_of_one_variant_and_leaves_out_what_overflowed() -> None:
    assert needs(family([1.0])) == {"en": "", "ja": ""}
    assert needs(family([1.0, np.inf, np.nan])) == {"en": "", "ja": ""}
    said = needs(family([1.0, np.inf, 3.0], q=[0.01, 0.01, 0.01]))
    assert "removal-2 (+3" in said["en"]
    assert "inf" not in said["en"]


def test_no_variant_is_named_as_most_and_as_least() -> None:
    for n in range(2, 9):
        most, least = needs(family([float(i) for i in range(n)], q=[0.01] * n))["en"].split("Costs least")
        named = [{f"removal-{i}" for i in range(n) if f"removal-{i} " in text} for text in (most, least)]
        assert not named[0] & named[1]
        assert len(named[0]) == len(named[1]) == min(3, n // 2)
