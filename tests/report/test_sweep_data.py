"""Sweeps in a page: every variant with the numbers of layers.parquet, parts of speech, and sentences worked by hand."""

from __future__ import annotations

import numpy as np
import pytest

from layerscope.report.packing import Packing
from layerscope.report.sweep_data import sweep_data
from layerscope.sweeps.analysis.few_texts import with_warning
from layerscope.sweeps.analysis.headlines import family_headline
from layerscope.sweeps.analysis.tag_findings import tag_finding
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


def test_what_a_family_comes_to_stands_with_it(runs: TinyRuns) -> None:
    run, data, _ = data_of(runs.tagged)
    pos, n_texts = run.directory.read_table(POS).to_pandas(), len(run.documents)
    for name in data["families"]:
        said = family_headline(run.layers[run.layers["family"] == name]).said
        assert data["needs"][name] == with_warning(said, n_texts)._asdict()
        assert data["tags_found"][name] == with_warning(tag_finding(pos[pos["family"] == name]), n_texts)._asdict()
    _, data, _ = data_of(runs.plain)
    assert data["tags_found"] == {}
    assert data["needs"]["path"] == {"en": "", "ja": ""}, "of a single variant there is nothing to say"
