"""``sweep --pairs`` and ``preference``: a layer that carries agreement is found, damage alone is not, and what is written."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from layerscope.cli.main import main
from layerscope.draw import draw_figures
from layerscope.errors import RunError
from layerscope.sweeps.finished import FinishedRun
from layerscope.sweeps.pair_tables import BEYOND_DAMAGE, PAIR_DEPTH, PREFERENCE
from layerscope.sweeps.preference import find_preference
from tests.sweeps.planted_agreement import (
    CARRIER,
    STRENGTH,
    save_agreeing_llama,
    write_agreement_pairs,
    write_frequent_text,
)

pytestmark = pytest.mark.slow


def run(*arguments: str) -> None:
    with pytest.raises(SystemExit) as ended:
        main(list(arguments))
    assert ended.value.code in (0, None)


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A run of each of the two models."""
    folder = tmp_path_factory.mktemp("planted")
    pairs, text = write_agreement_pairs(folder / "pairs.jsonl"), write_frequent_text(folder / "text.txt")
    found = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LAYERSCOPE_CACHE", str(folder / "cache"))
        for name in ("one layer", "damage"):
            model = save_agreeing_llama(folder / name.replace(" ", "-"), carried_by=name)
            run(
                *("sweep", "--model", str(model), "--dataset", str(text), "--pairs", str(pairs), "--experiment"),
                *(
                    "removal,exchange,depth",
                    "--max-samples",
                    "all",
                    "--figures",
                    "none",
                    "--output-dir",
                    str(folder / "results" / name),
                ),
            )
            (found[name],) = (folder / "results" / name / "removal+exchange+depth").iterdir()
    return found


def beyond(path: Path, family: str = "removal", measure: str = "margin") -> pd.DataFrame:
    table = FinishedRun.open(path).directory.read_table(BEYOND_DAMAGE).to_pandas()
    rows = table[(table["family"] == family) & (table["measure"] == measure) & (table["kind"] == "all")]
    return rows.astype({"variant": str}).set_index("variant")


def test_a_layer_that_carries_agreement_is_found_and_no_other(
    planted: dict[str, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    run("preference", str(planted["one layer"]), "--figures", "none")
    said = capsys.readouterr().out
    rows = beyond(planted["one layer"])
    damage = rows["damage_nats"].to_numpy()
    assert (np.argsort(damage) == np.argsort(STRENGTH)).all(), "damage is what a layer says of frequent words"
    found = rows.loc[f"removal-{CARRIER}"]
    assert found["q_value"] < 0.001
    assert found["beyond"] < -1.0
    assert rows.drop(f"removal-{CARRIER}")["beyond"].abs().max() < 0.1, "next to nothing of the others"
    assert found["beyond"] == pytest.approx(found["effect"] - found["expected_low"])
    assert re.search(rf"removing layer {CARRIER} \(-[\d.]+ ± [\d.]+ nats; the margin changes by -", " ".join(said.split()))


def test_where_layers_only_do_damage_none_is_found(planted: dict[str, Path]) -> None:
    found = find_preference(FinishedRun.open(planted["damage"]))
    rows = beyond(planted["damage"])
    assert rows["effect"].max() < 0.0, "each costs some of the preference"
    assert not (rows["q_value"] < 0.05).any()
    assert "No variant is outside what damage allows (q < 0.05)." in found.findings["removal"].en
    (explained,) = (one for one in found.explained if (one.family, one.kind, one.measure) == ("removal", "all", "margin"))
    assert explained.share > 0.95
    assert explained.p_value <= 0.002
    (at_random,) = (
        one
        for one in find_preference(FinishedRun.open(planted["one layer"])).explained
        if (one.family, one.kind, one.measure) == ("removal", "all", "margin")
    )
    assert at_random.p_value > 0.05


def test_the_depth_is_that_of_the_layer_that_carries_agreement(planted: dict[str, Path]) -> None:
    run_of = FinishedRun.open(planted["one layer"])
    depths = run_of.directory.read_table(PAIR_DEPTH).to_pandas()
    edit = depths[depths["unit"] == "edit"]
    assert edit["is_right"].all()
    assert set(edit["depth"]) == {-1, CARRIER}, "by chance from the start, or from the layer on"
    by_depth = (
        run_of.directory.read_table(PREFERENCE).to_pandas().query("unit == 'edit' and kind == 'all'").set_index("variant")
    )
    accuracy = [by_depth.loc[f"depth-{k}", "accuracy"] for k in range(-1, 10)]
    assert accuracy[: CARRIER + 1] == [accuracy[0]] * (CARRIER + 1)
    assert accuracy[CARRIER + 1 :] == [1.0] * (10 - CARRIER)
    assert accuracy[0] == pytest.approx((edit["depth"] == -1).mean())
    assert not edit["flips_back"].any()
    said = find_preference(run_of, unit="edit").findings["depth"].en
    assert f"from layer {edit['depth'].mean():.1f} [" in said
    assert "In 0% [0%, 21%] of all pairs" in said
    assert f"From layer {CARRIER} on, at least 75% of pairs are right" in said


def test_what_is_written_and_drawn(planted: dict[str, Path]) -> None:
    run_of = FinishedRun.open(planted["one layer"])
    found = find_preference(run_of, unit="edit")
    stored = json.loads((run_of.directory.path / "preference.json").read_text(encoding="utf-8"))
    assert stored["unit"] == "edit"
    assert stored["findings"] == {family: one._asdict() for family, one in found.findings.items()}
    assert set(stored["findings"]) == {"removal", "exchange", "depth"}
    preference = run_of.directory.read_table(PREFERENCE).to_pandas()
    rows = preference[(preference["unit"] == "edit") & (preference["kind"] == "all")].set_index("variant")
    effect = beyond(planted["one layer"])["effect"]
    np.testing.assert_allclose(effect, rows.loc[effect.index, "delta_margin_nats"])
    drawn = {path.name for path in draw_figures(run_of.directory.path, languages=("en", "ja"), of=("preference",))}
    names = ("preference_removal", "preference_exchange", "preference_damage", "preference_depth")
    assert {f"{name}_{language}.png" for name in names for language in ("en", "ja")} <= drawn


def test_what_is_refused(planted: dict[str, Path], runs) -> None:
    with pytest.raises(RunError, match="--unit is edit, continuation, sentence; got 'word'"):
        find_preference(FinishedRun.open(planted["damage"]), unit="word")
    with pytest.raises(RunError, match="is read from a sweep with --pairs"):
        find_preference(FinishedRun.open(runs.plain))
