"""A run in which one exchange and one removal overflow float16: every command works on it, and marks them."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pandas as pd
import pytest

from layerscope.cli.main import main
from layerscope.sweeps.finished import FinishedRun
from layerscope.sweeps.tables import POS
from tests.checkpoints import save_shifting_llama

pytestmark = pytest.mark.slow

BROKEN = {"removal-1", "exchange-1-2"}
"""Layer 0 adds 40,000 to a dimension, layer 1 takes it away, layer 2 adds it again: without layer 1 it is past float16."""


def run(*arguments: object) -> None:
    with pytest.raises(SystemExit) as ended:
        main([str(argument) for argument in arguments])
    assert not ended.value.code


@pytest.fixture(scope="module")
def sweeps(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The broken run, tagged, and one of a calm model to compare it with."""
    folder = tmp_path_factory.mktemp("overflow")
    texts = folder / "texts.txt"
    texts.write_text(
        "".join(f"Number {n} of the dogs saw {n + 3} old cats near a river.\n" for n in range(8)), encoding="utf-8"
    )
    found = []
    for name, shifts in (("loud", (4e4, -4e4, 4e4, 0.0)), ("calm", (4e4, -4e4, 0.0, 0.0))):
        model = save_shifting_llama(folder / name, shifts)
        run("sweep", "--model", model, "--dataset", texts, "--output-dir", folder / "runs", "--figures", "both")
        (path,) = (folder / "runs").glob(f"*/*{name}*")
        run("pos", path, "--figures", "both")
        found.append(path)
    return found[0], found[1]


def test_the_tables_mark_the_variants_and_keep_the_others(sweeps: tuple[Path, Path]) -> None:
    finished = FinishedRun.open(sweeps[0])
    layers = finished.layers.set_index("variant")
    assert set(layers.index[layers["tokens_not_finite"] > 0]) == BROKEN
    assert set(layers.index[layers["nll_nats"].isna()]) == BROKEN
    assert layers.loc[sorted(BROKEN), ["delta_nll_low_nats", "q_value"]].isna().all(axis=None)
    assert layers.drop(["intact", *BROKEN])["q_value"].notna().all()
    pos = finished.directory.read_table(POS).to_pandas()
    words = pos[(pos["unit"] == "word") & (pos["tag"] == "all")].set_index("variant")
    assert set(words.index[words["not_finite"] == words["items"]]) == BROKEN
    assert (words.drop(list(BROKEN))["not_finite"] == 0).all()
    summary = json.loads((sweeps[0] / "ppl.json").read_text(encoding="utf-8"))
    assert summary["exchanged"]["layer_1_with_2"]["ppl"] is None
    assert math.isfinite(summary["exchanged"]["layer_0_with_1"]["ppl"])


def test_sweep_says_which_are_not_finite(sweeps: tuple[Path, Path], tmp_path: Path, capsys) -> None:
    texts = sweeps[0].parents[2] / "texts.txt"
    model = sweeps[0].parents[2] / "loud"
    run("sweep", "--model", model, "--dataset", texts, "--output-dir", tmp_path, "--figures", "none")
    shown = capsys.readouterr().out
    rows = {
        line.split()[0]: line.split()[1:] for line in shown.splitlines() if line.strip().startswith(("removal-", "exchange-"))
    }
    for variant in BROKEN:
        assert rows[variant][:2] == ["not", "finite"]
        assert set(rows[variant][2:]) == {"-"}
    assert "nan" not in shown
    (n_tokens,) = {int(value) for value in FinishedRun.open(sweeps[0]).layers["tokens_scored"]}
    assert f"Not finite in float16: removal-1 ({n_tokens:,} of {n_tokens:,} tokens), exchange-1-2 (" in shown


def test_pos_leaves_them_out_and_says_so(sweeps: tuple[Path, Path], capsys) -> None:
    run("pos", sweeps[0], "--figures", "none")
    shown = capsys.readouterr().out
    assert "nan" not in shown
    assert "Left out where the NLL is not finite: removal-1, exchange-1-2." in shown


@pytest.mark.parametrize("variant", ["exchange-1-2", "removal-1", "removal-0"])
def test_words_counts_what_it_leaves_out(sweeps: tuple[Path, Path], capsys, variant: str) -> None:
    run("words", sweeps[0], "--variant", variant)
    shown = " ".join(capsys.readouterr().out.split())
    assert "nan" not in shown
    assert ("more have no finite NLL there" in shown) == (variant in BROKEN)


def test_compare_figures_and_report_work_on_it(sweeps: tuple[Path, Path], tmp_path: Path, capsys) -> None:
    run("compare", *sweeps, "--output-dir", tmp_path / "compared")
    shown = capsys.readouterr().out
    assert "nan" not in shown
    (table,) = (tmp_path / "compared").rglob("fragility.parquet")
    fragility = pd.read_parquet(table)
    assert not BROKEN & set(fragility.loc[fragility["model"].str.contains("loud"), "most_variant"])
    run("figures", sweeps[0], "--language", "ja")
    run("report", *sweeps, "--output", tmp_path / "page.html")
    assert (tmp_path / "page.html").stat().st_size > 10_000
