"""From a finished contrast run on a tiny model to every table, figure and the reading, and back to the run's own numbers."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from layerscope.contrasts import stability
from layerscope.contrasts.analysis.place import main_place
from layerscope.contrasts.drawing import of_stability
from layerscope.contrasts.finished import FinishedContrast
from layerscope.contrasts.prepare import ContrastRequest, prepare_contrast
from layerscope.contrasts.reference import ReferenceText
from layerscope.contrasts.run import run_contrast as run_prepared
from layerscope.contrasts.stability import StabilityRequest, find_stability
from layerscope.contrasts.tables import (
    BALANCE,
    BLOCKS,
    CHECK,
    CONSISTENCY,
    CONTRACTION,
    DIFFERENCES,
    DIMENSIONS,
    DIVERGENCE,
    GROUPS,
    LAYER_AGREEMENT,
    LAYER_SPECIFICITY,
    MOVEMENT,
    PAIRS,
    PREDICTIONS,
    PREFERENCES,
    RANKING,
    SPREAD_EXPLAINS,
    TYPE_SPECIFICITY,
)
from layerscope.errors import RunError
from layerscope.pairs.format import write_pairs
from layerscope.results.schema import Table
from layerscope.stats.false_discovery import benjamini_hochberg
from tests.letter_pairs import NAMES, TYPES, pairs_of_names

SITES, POSITIONS = ("resid_post", "mlp_out"), ("edit", "edit+1")
FEW_HAVE, NONE_HAS = "edit+12", "edit+40"
K = 5
MEMBERS = {"all": list(TYPES), **{kind: [name for name in TYPES if TYPES[name] == kind] for kind in ("meaning", "grammar")}}
WRITTEN = (
    RANKING, SPREAD_EXPLAINS, CONSISTENCY, LAYER_AGREEMENT, LAYER_SPECIFICITY, TYPE_SPECIFICITY, DIMENSIONS, BALANCE,
    CONTRACTION, DIVERGENCE, PREFERENCES,
)  # fmt: skip


def contrasted(checkpoint: Path, folder: Path, **changes: int) -> Path:
    """A finished run directory."""
    write_pairs(pairs_of_names(), folder / "pairs.jsonl")
    (folder / "text.txt").write_text("\n".join(f"Line {n} tells of {name} and a map." for n, name in enumerate(NAMES * 2)))
    request = ContrastRequest(
        model=str(checkpoint),
        pairs=folder / "pairs.jsonl",
        sites=SITES,
        positions=(*POSITIONS, FEW_HAVE, NONE_HAS),
        reference=ReferenceText(str(folder / "text.txt"), 200),
        output_dir=folder / "results",
        **changes,
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LAYERSCOPE_CACHE", str(folder / "cache"))
        prepared = prepare_contrast(request)
        assert run_prepared(prepared)
    return prepared.directory.path


@pytest.fixture(scope="module")
def original(either_checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return contrasted(either_checkpoint, tmp_path_factory.mktemp("contrast"))


@pytest.fixture
def run(original: Path, tmp_path: Path) -> FinishedContrast:
    """A copy that may be written to."""
    return FinishedContrast.open(Path(shutil.copytree(original, tmp_path / original.name)))


@pytest.fixture(scope="module")
def analysed(original: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[FinishedContrast, stability.Stability]:
    """One analysis with inference."""
    run = FinishedContrast.open(Path(shutil.copytree(original, tmp_path_factory.mktemp("analysed") / original.name)))
    return run, find_stability(run, StabilityRequest(k=K, n_resamples=20, positions=POSITIONS))


@pytest.fixture(scope="module")
def with_seconds(tiny_checkpoint: Path, tmp_path_factory: pytest.TempPathFactory):
    """An analysed run whose pairs have two placebos each."""
    run = FinishedContrast.open(contrasted(tiny_checkpoint, tmp_path_factory.mktemp("two"), placebos=2))
    return run, find_stability(run, StabilityRequest(k=K, n_resamples=39, positions=POSITIONS))


def parts(run: FinishedContrast, table: Table) -> pd.DataFrame:
    frames = [pd.read_parquet(file) for file in sorted((run.directory.path / table.name).iterdir())]
    names = ("group", "site", "position")
    return pd.concat([frame.astype({name: str for name in names if name in frame}) for frame in frames], ignore_index=True)


def written(run: FinishedContrast, name: str) -> pd.DataFrame:
    return pq.read_table(run.directory.path / name).to_pandas()


def check_declared(run: FinishedContrast, found: stability.Stability, table: Table) -> None:
    stored = pq.read_schema(run.directory.path / table.name)
    assert [field.name for field in stored] == [column.name for column in table.columns]
    for field, column in zip(stored, table.columns, strict=True):
        one, other = (kind.value_type if pa.types.is_list(kind) else kind for kind in (field.type, column.dtype))
        assert (field.name, one, field.nullable) == (column.name, other, column.nullable)
        assert field.metadata[b"meaning"].decode() == column.meaning
    assert len(written(run, table.name)) == len(found.frame(table))
    assert len(found.frame(table)) > 0 or table is DIMENSIONS


def test_every_table_is_written_as_declared(analysed) -> None:
    run, found = analysed
    for table in WRITTEN:
        check_declared(run, found, table)
    ranking = written(run, RANKING.name)
    sets = ["all", "meaning", "grammar", *TYPES]
    assert sorted(set(ranking["set"])) == sorted(sets)
    # over all layers k units of each set and scale; within 4 layers of the three sets
    assert len(ranking) == len(SITES) * len(POSITIONS) * 4 * (K * len(sets) + 4 * K * 3)
    places = {(site, position) for site in SITES for position in POSITIONS}
    for table in (RANKING, CONSISTENCY, LAYER_AGREEMENT, LAYER_SPECIFICITY, TYPE_SPECIFICITY, SPREAD_EXPLAINS, BALANCE):
        frame = written(run, table.name)
        assert set(zip(frame["site"], frame["position"], strict=True)) == places


def test_the_ranking_is_a_plain_one_of_the_differences(analysed) -> None:
    run, _ = analysed
    differences = parts(run, DIFFERENCES)
    ranking = written(run, RANKING.name)
    sets = {"all": list(TYPES), "meaning": ["subject", "place", "few"], "grammar": ["tense", "typo"], "typo": ["typo"]}
    columns = {"percentile": "percentile", "raw": "mean", "z": "z", "relative": "relative"}
    sigma = written(run, "reference.parquet").set_index(["site", "layer", "dim"])["spread"]
    for site, position, name in (
        ("mlp_out", "edit", "all"),
        ("resid_post", "edit+1", "grammar"),
        ("mlp_out", "edit+1", "typo"),
    ):
        cells = differences[(differences["site"] == site) & (differences["position"] == position)]
        cells = cells[cells["group"].isin(sets[name])].astype(dict.fromkeys(columns.values(), float))
        mean = cells.groupby(["layer", "dim"])[list(columns.values())].mean()
        here = ranking[(ranking["site"] == site) & (ranking["position"] == position) & (ranking["set"] == name)]
        for scale, column in columns.items():
            one = here[here["scale"] == scale]
            over_all = one[one["scope"] == "all"]
            expected = mean[column].sort_values(kind="stable").head(K)
            assert over_all["rank"].tolist() == list(range(1, K + 1))
            np.testing.assert_allclose(over_all["score"], expected, rtol=1e-6)
            assert list(zip(over_all["layer"], over_all["dim"], strict=True)) == expected.index.tolist()
            for other, its in columns.items():
                np.testing.assert_allclose(over_all[other].astype(float), mean.loc[expected.index, its], rtol=1e-6)
            np.testing.assert_allclose(
                over_all["spread"], [sigma[site, layer, dim] for layer, dim in expected.index], rtol=1e-6
            )
            if scale == "relative":
                assert over_all["low"].isna().all()
            else:
                # blocks are kept in half precision
                slack = 2e-3 * expected.abs().to_numpy() + 1e-5
                assert (over_all["low"].to_numpy(dtype=float) <= expected.to_numpy() + slack).all()
                assert (over_all["high"].to_numpy(dtype=float) >= expected.to_numpy() - slack).all()
            if name == "typo":
                assert set(one["scope"]) == {"all"}
                continue
            for layer in range(4):
                within = one[(one["scope"] == "layer") & (one["layer"] == layer)].sort_values("rank")
                expected = mean.loc[layer, column].sort_values(kind="stable").head(K)
                assert within["dim"].tolist() == expected.index.tolist()
                np.testing.assert_allclose(within["score"], expected, rtol=1e-6)


def test_blocks_add_up_to_the_cells(analysed) -> None:
    """Of a type only where every pair has a placebo: those without are in the cells and in no block."""
    run, _ = analysed
    cells, place = run.cells("mlp_out", "edit+1"), run.place("mlp_out", "edit+1")
    lacking = run.groups.astype({"group": str}).set_index("group")["without_placebo"]
    whole = [name for name in TYPES if lacking[name] == 0]
    assert len(whole) >= 3
    for scale in ("percentile", "raw", "z"):
        assert [group.name for group in place.types[scale]] == list(TYPES)
        of_types = [group for group in place.types[scale] if group.name in whole]
        of_placebos = [both.placebo for both in place.matched[scale]]
        assert [group.name for group in of_placebos] == [f"{name}-placebo" for name in TYPES]
        for group in [*of_types, *of_placebos]:
            mean = np.mean([np.average(s.astype(float), axis=0, weights=group.pairs) for s in group.scores], axis=0)
            np.testing.assert_allclose(mean, cells[scale][group.name], rtol=2e-3, atol=1e-4)
            assert group.has_references == (scale == "percentile")
        assert place.checks[scale] == [], "one placebo a pair"


# by plain programs from the blocks on disk


def by_blocks(blocks: pd.DataFrame, group: str, other: str) -> pd.DataFrame:
    """Rows of a group whose blocks the other has, too."""
    return blocks[(blocks["group"] == group) & blocks["block"].isin(blocks["block"][blocks["group"] == other])]


def stillest(rows: pd.DataFrame, column: str, sigma: pd.Series, *, order: bool = False) -> list[list[int]]:
    """The K dimensions of each layer with the smallest mean over pairs, or all of them in order."""
    found = []
    for layer in range(4):
        of_layer = rows[rows["layer"] == layer]
        total = sum(n * np.array(values, dtype=float) for n, values in zip(of_layer["pairs"], of_layer[column], strict=True))
        mean = total / of_layer["pairs"].sum()
        # percentiles are ordered by sixteen bits of them
        mean = mean * sigma[layer].to_numpy() if column == "z" else np.rint(mean * 65_535)
        dims = sorted(range(len(mean)), key=lambda dim, mean=mean: (mean[dim], dim))
        found.append(dims if order else dims[:K])
    return found


def agreement(blocks: pd.DataFrame, groups: list[tuple[str, str]], columns: tuple[str, str], sigma: pd.Series) -> list[float]:
    """Jaccard index and Spearman correlation of two groups, each cut to the blocks of its partner; mean over layers."""
    rows = [by_blocks(blocks, *one) for one in groups]
    jaccard, spearman = [], []
    for one, other in (columns, columns[::-1]):
        both = [stillest(some, column, sigma) for some, column in zip(rows, (one, other), strict=True)]
        jaccard += [len(set(a) & set(b)) / len(set(a) | set(b)) for a, b in zip(*both, strict=True)]
        both = [stillest(some, column, sigma, order=True) for some, column in zip(rows, (one, other), strict=True)]
        for a, b in zip(*both, strict=True):
            gaps = [(a.index(dim) - b.index(dim)) ** 2 for dim in range(len(a))]
            spearman.append(1 - 6 * sum(gaps) / (len(a) * (len(a) ** 2 - 1)))
    return [float(np.mean(jaccard)), float(np.mean(spearman))]


@pytest.mark.parametrize(("site", "position"), [("resid_post", "edit+1"), ("mlp_out", "edit")])
def test_consistency_is_that_of_the_blocks(analysed, site: str, position: str) -> None:
    run, _ = analysed
    blocks = parts(run, BLOCKS)
    blocks = blocks[(blocks["site"] == site) & (blocks["position"] == position)]
    sigma = written(run, "reference.parquet").set_index(["site", "layer", "dim"])["spread"][site]
    found = written(run, CONSISTENCY.name).set_index(["site", "position", "scale", "measure", "first", "second"]).sort_index()
    for first, second in (("subject", "typo"), ("place", "tense"), ("few", "tense")):
        for scale, columns in (("percentile", ("percentile1", "percentile2")), ("raw", ("z", "z"))):
            own = [(name, f"{name}-placebo") for name in (first, second)]
            expected = agreement(blocks, own, columns, sigma)
            beside = agreement(blocks, [one[::-1] for one in own], columns, sigma)
            for number, measure in enumerate(("jaccard", "spearman")):
                row = found.loc[(site, position, scale, measure, first, second)]
                assert row["value"] == pytest.approx(expected[number], abs=1e-5), (scale, measure)
                assert row["placebo"] == pytest.approx(beside[number], abs=1e-5), (scale, measure)
                assert row["excess"] == pytest.approx(expected[number] - beside[number], abs=2e-5)


def check_balance(run: FinishedContrast) -> pd.DataFrame:
    """Hold every row of balance.parquet against the blocks on disk; give it back."""
    blocks = parts(run, BLOCKS)
    balance = written(run, BALANCE.name).astype({"site": str, "position": str, "group": str, "placebos": str})
    for row in balance.itertuples():
        here = blocks[(blocks["site"] == row.site) & (blocks["position"] == row.position)]
        sums = {}
        for name, other in ((row.group, row.placebos), (row.placebos, row.group)):
            rows = by_blocks(here, name, other)
            sums[name] = sum(n * size for n, size in zip(rows["pairs"], rows["log_size"].astype(float), strict=True))
            sums[name] /= rows["pairs"].sum()
            assert rows["block"].nunique() == row.blocks
            assert rows[rows["layer"] == 0]["pairs"].sum() == row.pairs, "a pair and its placebo have the same positions"
        assert row.log_ratio == pytest.approx(sums[row.placebos] - sums[row.group], abs=1e-5)
        is_refused = row.pairs < 40 or row.blocks < 10 or abs(row.log_ratio) > 0.1
        assert pd.notna(row.refused) == is_refused
        if is_refused:
            assert row.refused.startswith(f"{row.group}: ")
    return balance


def test_balance_is_that_of_the_blocks(analysed) -> None:
    run, _ = analysed
    balance = check_balance(run)
    assert len(balance) == len(SITES) * len(POSITIONS) * len(TYPES)
    assert (balance["placebos"] == balance["group"] + "-placebo").all()
    main = balance[(balance["site"] == "resid_post") & (balance["position"] == "edit+1")]
    assert (main["log_ratio"].abs() < 0.1).all(), "sizes are matched here"


# placebos against second placebos


def test_with_two_placebos_a_pair_the_test_is_tried_on_placebos(with_seconds) -> None:
    run, found = with_seconds
    check_declared(run, found, CHECK)
    balance = check_balance(run)
    seconds = balance[balance["group"].str.endswith("-placebo")]
    assert (seconds["placebos"] == seconds["group"] + "-2").all()
    assert len(seconds) == len(balance) / 2 == len(SITES) * len(POSITIONS) * len(TYPES)
    check = written(run, CHECK.name).astype({"set": str, "site": str, "position": str, "scale": str, "measure": str})
    assert set(check["set"]) == {"all"}
    assert set(zip(check["site"], check["position"], strict=True)) == {(site, at) for site in SITES for at in POSITIONS}
    families(check, ["scale", "measure"])
    blocks = parts(run, BLOCKS)
    blocks = blocks[(blocks["site"] == found.site) & (blocks["position"] == found.position)]
    sigma = written(run, "reference.parquet").set_index(["site", "layer", "dim"])["spread"][found.site]
    at_main = (seconds["site"] == found.site) & (seconds["position"] == found.position)
    names = seconds["group"][at_main & seconds["refused"].isna()].tolist()
    assert len(names) >= 2
    sides: tuple[list, list] = ([], [])
    for number, first in enumerate(names):
        for second in names[number + 1 :]:
            both = [(name, f"{name}-2") for name in (first, second)]
            for side, groups in zip(sides, (both, [one[::-1] for one in both]), strict=True):
                side.append(agreement(blocks, groups, ("percentile1", "percentile2"), sigma))
    here = check[(check["site"] == found.site) & (check["position"] == found.position) & check["layer"].isna()]
    here = here[here["scale"] == "percentile"].set_index("measure")
    for number, measure in enumerate(("jaccard", "spearman")):
        row = here.loc[measure]
        assert row["subtypes"] == len(names)
        for side, column in zip(sides, ("value", "placebo"), strict=True):
            assert row[column] == pytest.approx(np.mean(side, axis=0)[number], abs=1e-5)
    row = here.loc["jaccard"]
    said = f"Jaccard {row['excess']:+.3f} [{row['low']:+.3f}, {row['high']:+.3f}], p = {row['p_value']:.2g}"
    assert f"The same test of placebos against second placebos, which should find no difference: {said}." in found.reading.en
    assert said.replace("Jaccard ", "Jaccard 係数 ") in found.reading.ja


@pytest.mark.slow
def test_with_one_placebo_there_is_no_such_check_and_none_that_was_left(run: FinishedContrast, with_seconds, analysed) -> None:
    assert CHECK.name not in analysed[1].frames
    assert not (analysed[0].directory.path / CHECK.name).exists()
    shutil.copy(with_seconds[0].directory.path / CHECK.name, run.directory.path / CHECK.name)
    found = find_stability(run, StabilityRequest(k=K, n_resamples=0, sites=("mlp_out",), positions=("edit",)))
    assert not (run.directory.path / CHECK.name).exists()
    assert "second placebos" not in found.reading.en


def families(frame: pd.DataFrame, by: list[str], p: str = "p_value", q: str = "q_value") -> None:
    """Hold every q against its family's p."""
    seen = 0
    for _, rows in frame.groupby(by, observed=True, dropna=False):
        expected = benjamini_hochberg(rows[p].to_numpy(dtype=float))
        np.testing.assert_allclose(rows[q].to_numpy(dtype=float), expected)
        seen += int(np.isfinite(expected).sum())
    assert seen > 0


def test_q_values_are_those_of_the_families(analysed) -> None:
    run, _ = analysed
    families(written(run, CONSISTENCY.name), ["scale", "measure"])
    families(written(run, LAYER_SPECIFICITY.name), ["set", "scale", "site", "position"])
    families(written(run, CONTRACTION.name), ["set", "quantity", "position"])
    layers = written(run, LAYER_AGREEMENT.name)
    # of a place its layers, of the means over layers the places
    families(layers[layers["layer"].notna()], ["set", "scale", "measure", "site", "position"])
    families(layers[layers["layer"].isna()], ["set", "scale", "measure"])
    types = written(run, TYPE_SPECIFICITY.name)
    families(types, ["scale"], "subtype_p", "subtype_q")
    assert types["type_p"].isna().all(), "no labelling of five subtypes has a p below 0.05"


def test_inference_is_refused_for_what_is_too_small_or_unlike_and_named(analysed) -> None:
    run, found = analysed
    balance = written(run, BALANCE.name).astype({"site": str, "position": str, "group": str})
    main = balance[(balance["site"] == found.site) & (balance["position"] == found.position)]
    assert found.refused == tuple(main["refused"].dropna())
    assert "few: 6 pairs with a placebo, in 6 blocks; inference needs 40 in 10 blocks of templates" in found.refused
    for language in ("en", "ja"):
        assert all(line in found.reading.of(language) for line in found.refused)
    for (site, position), here in balance.groupby(["site", "position"]):
        likes = set(here["group"][here["refused"].isna()])
        assert "few" not in likes
        check_what_is_tested(run, str(site), str(position), likes)


def check_what_is_tested(run: FinishedContrast, site: str, position: str, likes: set[str]) -> None:
    """Only groups that are like their placebos, on the primary scale."""

    def here(table: Table) -> pd.DataFrame:
        frame = written(run, table.name)
        return frame[(frame["site"] == site) & (frame["position"] == position)]

    pairs = here(CONSISTENCY).astype({"first": str, "second": str, "measure": str})
    is_self = pairs["first"] == pairs["second"]
    is_tested = pairs["first"].isin(likes) & pairs["second"].isin(likes) & ~is_self & (pairs["measure"] != "rbo")
    is_tested &= pairs["scale"] == "percentile"
    for column in ("p_value", "q_value", "low", "high"):
        np.testing.assert_array_equal(pairs[column].notna(), is_tested)
    np.testing.assert_allclose(pairs["excess"][~is_self], (pairs["value"] - pairs["placebo"])[~is_self])
    assert pairs.loc[is_self, ["placebo", "excess"]].isna().all(axis=None)
    layers = here(LAYER_AGREEMENT).astype({"set": str, "measure": str, "scale": str})
    np.testing.assert_allclose(layers["excess"], layers["value"] - layers["placebo"])
    for name, members in MEMBERS.items():
        those = likes & set(members)
        stand_for_it = those if len(those) > 1 else set(members)
        rows = layers[layers["set"] == name]
        assert set(rows["subtypes"]) == {len(stand_for_it)}
        is_tested = (rows["scale"] == "percentile") & (rows["measure"] != "rbo") & (stand_for_it <= likes)
        np.testing.assert_array_equal(rows["p_value"].notna(), is_tested)
    for _, rows in layers.groupby(["set", "scale", "measure"]):
        mean, by_layer = rows[rows["layer"].isna()].iloc[0], rows[rows["layer"].notna()]
        assert by_layer["layer"].tolist() == [0, 1, 2, 3]
        np.testing.assert_allclose(mean[["value", "placebo"]].astype(float), by_layer[["value", "placebo"]].mean(), rtol=1e-5)
    types = here(TYPE_SPECIFICITY)
    np.testing.assert_array_equal(types["subtype_p"].notna(), (types["scale"] == "percentile") & (len(likes) > 1))


def test_readings_are_written_in_both_languages(analysed) -> None:
    run, found = analysed
    stored = json.loads((run.directory.path / "stability.json").read_text(encoding="utf-8"))
    assert stored["request"] == {"k": K, "n_resamples": 20, "sites": None, "positions": list(POSITIONS), "seed": 42}
    assert (found.site, found.position) == ("resid_post", "edit+1")
    for language in ("en", "ja"):
        text = (run.directory.path / f"stability_{language}.md").read_text(encoding="utf-8")
        assert text == found.reading.of(language) == stored["reading"][language]
        assert "resid_post" in text
        assert "edit+1" in text
        assert "nan" not in text
    n_pairs = 4 * len(NAMES) * 4 + 6
    assert f"{n_pairs} pairs of 5 subtypes" in found.reading.en
    layers = written(run, LAYER_AGREEMENT.name)
    here = layers[(layers["site"] == "resid_post") & (layers["position"] == "edit+1") & (layers["set"] == "grammar")]
    here = here[(here["scale"] == "percentile") & (here["measure"] == "jaccard") & here["layer"].isna()].iloc[0]
    own, placebos = (2 * K * one / (1 + one) for one in (here["value"], here["placebo"]))
    assert f"two grammar subtypes share {own:.1f} on average (2 compared) and their placebos {placebos:.1f}" in found.reading.en
    assert "second placebos" not in found.reading.en


def test_preferences_are_those_of_the_pairs(analysed) -> None:
    run, _ = analysed
    pairs = parts(run, PAIRS)
    frame = written(run, PREFERENCES.name).set_index("group")
    assert frame.index.tolist() == ["tense", "typo"]
    for name, right in (("tense", 1), ("typo", 2)):
        of_group = pairs[pairs["group"] == name]
        assert (of_group["right"] == right).all()
        wrong = of_group["pair"][of_group["prefers"] == 3 - right].tolist()
        assert frame.loc[name, "disagreeing"].tolist() == wrong
        assert frame.loc[name, "pairs"] == len(of_group) == 48
        assert frame.loc[name, "agreed"] == pytest.approx(1 - len(wrong) / 48)


def test_movement_and_divergence_are_plain_means_of_the_pairs(analysed) -> None:
    run, _ = analysed
    tables = {
        table: pd.concat(pd.read_parquet(file) for file in sorted((run.directory.path / table.name).iterdir()))
        for table in (PAIRS, MOVEMENT, PREDICTIONS)
    }
    kind = tables[PAIRS].set_index("pair")
    errors = kind.index[kind["subtype"].isin(["tense", "typo"])]
    controls = kind.index[kind["subtype"] == "random-word"]
    found = written(run, CONTRACTION.name).set_index(["set", "quantity", "position", "layer"])["value"]
    moved = tables[MOVEMENT].astype({"position": str})
    for position in POSITIONS:
        for name, members in (("error", errors), ("control", controls)):
            rows = moved[(moved["position"] == position) & moved["pair"].isin(members) & (moved["layer"] == 2)]
            rho = np.log(rows["size_after"].astype(float) / rows["size_before"].astype(float))
            assert found[name, "contraction", position, 2] == pytest.approx(rho.mean(), rel=1e-5)
            first_is_right = kind.loc[rows["pair"], "right"].to_numpy(dtype=float)
            one, other = (rows[c].to_numpy(dtype=float) for c in ("toward_first", "toward_second"))
            toward = np.where(first_is_right == 1, one, np.where(first_is_right == 2, other, (one + other) / 2))
            assert found[name, "toward_right", position, 2] == pytest.approx(toward.mean(), rel=1e-5)
    falls = written(run, DIVERGENCE.name).set_index(["set", "distance"])["kl_nats"]
    rows = tables[PREDICTIONS]
    for name, members in (("error", errors), ("tense", kind.index[kind["group"] == "tense"])):
        some = rows[rows["pair"].isin(members) & (rows["distance"] == 1)]
        assert falls[name, 1] == pytest.approx(some["kl_nats"].astype(float).mean(), rel=1e-5)


@pytest.mark.slow
def test_the_same_seed_gives_the_same_tables(analysed, run: FinishedContrast) -> None:
    one = find_stability(run, StabilityRequest(k=K, n_resamples=20, positions=POSITIONS))
    for name, frame in analysed[1].frames.items():
        pd.testing.assert_frame_equal(one.frames[name], frame)


def test_some_places_and_values_alone(run: FinishedContrast) -> None:
    said: list[tuple[str, int, int]] = []
    request = StabilityRequest(k=K, n_resamples=0, sites=("mlp_out",), positions=("edit",))
    found = find_stability(run, request, lambda *told: said.append(told))
    assert said == [("Comparing at each site and position", 1, 1)]
    assert (found.site, found.position) == ("mlp_out", "edit")
    for table in (CONSISTENCY, LAYER_AGREEMENT, LAYER_SPECIFICITY, CONTRACTION):
        frame = written(run, table.name)
        assert set(frame["position"]) == {"edit"}
        assert frame[["low", "high", "p_value", "q_value"]].isna().all(axis=None)
        assert np.isfinite(frame["value" if "value" in frame else "share"]).all()
    assert len(found.frame(DIMENSIONS)) == 0
    assert "No resampling was requested" in found.reading.en


def test_figures_show_the_tables(analysed) -> None:
    run, _ = analysed
    given = of_stability(run).keywords
    cells = run.cells("resid_post", "edit+1")
    np.testing.assert_allclose(given["cells"]["percentile"], np.mean([cells["percentile"][name] for name in TYPES], axis=0))
    np.testing.assert_allclose(given["by_type"]["grammar"], (cells["raw"]["tense"] + cells["raw"]["typo"]) / 2)
    assert list(given["by_type"]) == ["meaning", "grammar", "control"]
    assert (given["site"], given["position"], given["k"]) == ("resid_post", "edit+1", K)


@pytest.mark.parametrize(
    ("sites", "positions", "expected"),
    [
        (("resid_post", "mlp_out"), ("edit", "edit+1", "edit+2", "last"), ("resid_post", "edit+1")),
        (("mlp_out", "resid_post"), ("edit+2", "edit+1"), ("resid_post", "edit+2")),
        (("mlp_out", "attn_out"), ("last", "edit"), ("mlp_out", "last")),
    ],
)
def test_figures_look_just_after_the_edit(sites, positions, expected) -> None:
    assert main_place(sites, positions) == expected


def test_a_place_that_few_pairs_have(run: FinishedContrast) -> None:
    """Only one subtype's sentences are that long: nothing to compare it with, and the reading says who is missing."""
    request = StabilityRequest(k=K, n_resamples=9, positions=(NONE_HAS, FEW_HAVE))
    found = find_stability(run, request)
    assert (found.site, found.position) == ("resid_post", FEW_HAVE), "not where there is nothing to see"
    assert set(found.frame(RANKING)["set"]) == {"all", "grammar", "typo"}
    assert CONSISTENCY.name not in found.frames
    assert "Consistency needs at least two subtypes with placebos at this position; there are fewer." in found.reading.en
    balance = found.frame(BALANCE)
    assert set(zip(balance["position"], balance["group"], strict=True)) == {(FEW_HAVE, "typo")}
    small = [line.split(":")[0] for line in found.refused]
    assert small[:4] == ["subject", "place", "few", "tense"]
    assert set(small[4:]) == set(balance.loc[balance["site"] == found.site].dropna(subset="refused")["group"])
    assert "Inference refused: tense: no pair with a placebo" in found.reading.en
    for line in found.refused:
        assert line in found.reading.ja


# what is refused


def test_a_place_that_no_pair_has_is_refused(run: FinishedContrast) -> None:
    before = sorted(run.directory.path.iterdir())
    with pytest.raises(RunError, match=r"At edit\+40 no pair of the types, or none of a reference, is long enough: name"):
        find_stability(run, StabilityRequest(k=K, positions=(NONE_HAS,)))
    assert sorted(run.directory.path.iterdir()) == before


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"k": 0}, r"--k is from 1 to half of the model's 32 dimensions; got 0\."),
        ({"k": 17}, r"--k is from 1 to half of the model's 32 dimensions; got 17\."),
        ({"n_resamples": -1}, r"--resamples and --seed are 0 or more; got -1 and 42\."),
        ({"seed": -2}, r"--resamples and --seed are 0 or more; got 999 and -2\."),
        ({"sites": ("attn_out",)}, r"--sites names what the run has, resid_post, mlp_out; got 'attn_out'\."),
        (
            {"positions": ("edit", "edit+9")},
            r"--positions names what the run has, edit, edit\+1, edit\+12, edit\+40; got 'edit\+9'\.",
        ),
    ],
)
def test_what_does_not_fit_the_run_is_refused(run: FinishedContrast, changes: dict, message: str) -> None:
    before = sorted(run.directory.path.iterdir())
    with pytest.raises(RunError, match=message):
        find_stability(run, StabilityRequest(**{"k": K, **changes}))
    assert sorted(run.directory.path.iterdir()) == before


def test_a_run_that_is_not_finished_or_another_is_refused(run: FinishedContrast, tmp_path: Path) -> None:
    path = run.directory.path / "manifest.json"
    manifest = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps({**manifest, "status": "running"}), encoding="utf-8")
    with pytest.raises(RunError, match=r"is not finished: give the same 'layerscope contrast' command again, and it goes on\."):
        FinishedContrast.open(run.directory.path)
    path.write_text(json.dumps({**manifest, "kind": "sweep"}), encoding="utf-8")
    with pytest.raises(RunError, match="reads what 'layerscope contrast' made; '.*' is a sweep: name another folder"):
        FinishedContrast.open(run.directory.path)
    with pytest.raises(
        RunError, match="manifest.json; '.*' does not exist: name the folder that 'layerscope contrast' printed"
    ):
        FinishedContrast.open(tmp_path / "nowhere")


def test_a_run_that_lost_a_part_is_refused(run: FinishedContrast) -> None:
    (run.directory.path / GROUPS.name / "shard-00002.parquet").unlink()
    with pytest.raises(RunError, match=r"groups/shard-00002.parquet' is missing: the command that made the run, given"):
        find_stability(run, StabilityRequest(k=K, n_resamples=0))
