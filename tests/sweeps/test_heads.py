"""Single heads through every command: the tables of a sweep, parts of speech, preference, figures, comparison, the page."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from matplotlib.figure import Figure
from transformers import AutoModelForCausalLM

from layerscope.cli.main import main
from layerscope.draw import draw_figures
from layerscope.errors import PathError, RunError
from layerscope.models.loading import LoadOptions, load_decoder, load_encoder
from layerscope.models.sources import resolve_model
from layerscope.pairs.format import write_pairs
from layerscope.paths.families import build_variants
from layerscope.report.packing import Packing
from layerscope.report.sweep_data import sweep_data
from layerscope.sweeps.analysis.headlines import family_headline
from layerscope.sweeps.analysis.places import head_of, layer_families, stands_at
from layerscope.sweeps.compare import CompareRequest, compare_runs
from layerscope.sweeps.figures.heads import heads_figure
from layerscope.sweeps.figures.layers import sweep_figures
from layerscope.sweeps.finished import FinishedRun
from layerscope.sweeps.in_memory import sweep
from layerscope.sweeps.parts_of_speech import TagRequest, tag_run
from layerscope.sweeps.preference import find_preference
from layerscope.sweeps.prepare import SweepRequest, prepare_sweep
from layerscope.sweeps.run import run_sweep
from layerscope.sweeps.tables import POS, PROXIES, SCORES
from tests.drawn import in_each_language
from tests.letter_pairs import pairs_of_names
from tests.models.test_heads import without
from tests.oracles import without_columns_logits
from tests.tiny_models import build_tiny

TEXTS = [f"Number {n} of the dogs saw {n + 3} old cats near the river." for n in range(12)]
HEADS = "head-removal:0-3"


def swept(model: Path, folder: Path, *experiments: str, **changes: object) -> FinishedRun:
    folder.mkdir(parents=True, exist_ok=True)
    texts = folder / "texts.jsonl"
    texts.write_text("".join(json.dumps({"text": text}) + "\n" for text in TEXTS), encoding="utf-8")
    prepared = prepare_sweep(SweepRequest(str(model), str(texts), experiments, output_dir=folder / "results", **changes))
    run_sweep(prepared)
    return FinishedRun.open(prepared.directory.path)


@pytest.fixture(scope="module")
def run(tiny_checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> FinishedRun:
    """Heads of all layers, of one, and removed layers, with pairs and parts of speech."""
    folder = tmp_path_factory.mktemp("heads")
    write_pairs(list(pairs_of_names()), folder / "pairs.jsonl")
    found = swept(tiny_checkpoint, folder, HEADS, "removal", paths=("0,1.h0,2.h1,3",), pairs=folder / "pairs.jsonl")
    tag_run(found, TagRequest())
    find_preference(found)
    return found


def test_a_row_a_head_that_stands_at_its_layer(run: FinishedRun) -> None:
    rows = run.layers[run.layers["family"] == HEADS]
    assert rows["variant"].tolist() == [f"head-removal-{layer}-{head}" for layer in range(4) for head in range(2)]
    assert rows["path"].tolist()[:3] == ["0.h0,1-3", "0.h1,1-3", "0,1.h0,2-3"]
    assert stands_at(rows, "span_first").tolist() == stands_at(rows, "span_last").tolist() == [0, 0, 1, 1, 2, 2, 3, 3]
    assert head_of(rows).tolist() == [0, 1] * 4
    assert run.layers.set_index("variant").loc["0,1.h0,2.h1,3", ["span_first", "span_last"]].tolist() == [1, 2]
    assert (rows["delta_nll_nats"].abs() > 1e-6).all()


def test_scores_are_those_of_a_model_with_zeroed_columns(run: FinishedRun, tiny_checkpoint: Path) -> None:
    model = AutoModelForCausalLM.from_pretrained(tiny_checkpoint)
    encoder = load_encoder(resolve_model(str(tiny_checkpoint)), LoadOptions())
    scores = run.directory.read_part(SCORES, 0).to_pandas()
    for layer, head in ((0, 1), (3, 0)):
        ids = torch.tensor([encoder.encode(TEXTS[5]).ids.tolist()])
        logits = without_columns_logits(model, ids, layer, slice(head * 16, (head + 1) * 16))
        expected = -logits[0, :-1].double().log_softmax(-1).gather(1, ids[0, 1:, None])[:, 0]
        of_text = scores[(scores["variant"] == f"head-removal-{layer}-{head}") & (scores["document"] == 5)]
        np.testing.assert_allclose(of_text.sort_values("position")["nll_nats"], expected, atol=2e-5)


def test_the_plain_way_and_the_streamed_way_give_the_same(run: FinishedRun, tiny_checkpoint: Path, tmp_path: Path) -> None:
    expected = run.layers.set_index("variant")["nll_nats"]
    for option in ("plain", "stream"):
        other = swept(tiny_checkpoint, tmp_path / option, HEADS, **{option: True}).layers.set_index("variant")["nll_nats"]
        np.testing.assert_allclose(other, expected.loc[other.index], atol=1e-5)


def test_texts_in_memory(tiny_checkpoint: Path) -> None:
    decoder = load_decoder(str(tiny_checkpoint))
    variants = build_variants(["head-removal:2"], [], decoder.n_layers, heads=decoder.head_counts)
    assert sweep(decoder, TEXTS[:3], variants).layers["variant"].tolist() == ["intact", "head-removal-2-0", "head-removal-2-1"]
    other = build_variants([], ["0,1.h2,2-3"], decoder.n_layers)
    with pytest.raises(PathError, match="layer 1 has heads 0-1"):
        sweep(decoder, TEXTS[:3], other)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--experiment", "head-removal:4"), "ascends within 0-3 for this model; got 'head-removal:4'"),
        (("--experiment", "head-removal:2-1"), "ascends within 0-3"),
        (("--path", "0,1.h2,2-3"), "layer 1 has heads 0-1 (key-value groups); got '1.h2'"),
    ],
)
def test_what_is_not_there_is_refused_without_weights(
    tiny_checkpoint: Path, text_file: Path, tmp_path: Path, options: tuple[str, ...], message: str, capsys
) -> None:
    out = tmp_path / "out"
    with pytest.raises(SystemExit) as ended:
        main(
            [
                *("sweep", "--model", str(tiny_checkpoint), "--dataset", str(text_file), "--dry-run"),
                *("--output-dir", str(out), *options),
            ]
        )
    assert ended.value.code == 2
    assert message in re.sub(r"\s+", " ", capsys.readouterr().err)
    assert not out.exists()


@pytest.mark.parametrize(
    ("name", "families", "paths", "message"),
    [
        ("falcon", ("head-removal:1",), (), "layer 1 has one, which all its query heads read: take attention-removal"),
        ("mamba", ("head-removal:1",), (), "layer 1 has none"),
        ("mamba", (), ("0,1.h0,2-3",), "layer 1 has no heads"),
    ],
)
def test_families_without_single_heads_are_refused_by_their_configuration(
    name: str, families: tuple[str, ...], paths: tuple[str, ...], message: str
) -> None:
    from layerscope.models.head_counts import count_heads

    heads = [count.groups for count in count_heads(build_tiny(name).config, 4)]
    with pytest.raises(PathError, match=message):
        build_variants(families, paths, 4, heads=heads)


def test_heads_have_no_proxies_and_no_place_among_families_over_layers(run: FinishedRun) -> None:
    assert layer_families(run.layers) == ["removal"]
    proxies = run.directory.read_table(PROXIES).to_pandas()
    assert HEADS not in set(proxies["family"])
    rows = run.layers[run.layers["family"] == HEADS]
    assert rows.groupby("span_first")["block_influence"].nunique().tolist() == [1, 1, 1, 1]


def test_pos_and_preference_have_every_head(run: FinishedRun) -> None:
    pos = run.directory.read_table(POS).to_pandas()
    assert pos.loc[pos["family"] == HEADS, "variant"].nunique() == 8
    found = json.loads((run.directory.path / "preference.json").read_text(encoding="utf-8"))
    assert set(found["findings"]) >= {HEADS}
    assert "permuted variants" in found["findings"][HEADS]["en"]
    assert "変種の並べ替え" in found["findings"][HEADS]["ja"]


def test_figures_of_a_run_with_heads(run: FinishedRun) -> None:
    names = {path.stem for path in draw_figures(run.directory.path, languages=("ja",), formats=("png",))}
    assert {"head-removal-0-3_ja", "removal_ja", "variants_ja"} <= names
    assert {"pos_removal_ja", "preference_removal_ja", "preference_damage_ja"} <= names
    assert not any("head-removal" in name for name in names if name.startswith(("pos", "preference", "accuracy")))


def test_a_run_of_heads_alone_has_its_map_and_goes_through_every_command(tiny_checkpoint: Path, tmp_path: Path) -> None:
    write_pairs(list(pairs_of_names()), tmp_path / "pairs.jsonl")
    found = swept(tiny_checkpoint, tmp_path / "one", "head-removal:2", pairs=tmp_path / "pairs.jsonl")
    tag_run(found, TagRequest())
    find_preference(found)
    assert {path.stem for path in draw_figures(found.directory.path, languages=("en",))} == {"head-removal-2_en"}
    with pytest.raises(SystemExit) as ended:
        main(["report", str(found.directory.path), "--output", str(tmp_path / "page.html")])
    assert ended.value.code in (0, None)
    assert "head-removal" in (tmp_path / "page.html").read_text(encoding="utf-8")
    other = swept(tiny_checkpoint, tmp_path / "other", "head-removal:2")
    both = [found.directory.path, other.directory.path]
    with pytest.raises(
        RunError, match="a head of one model has no counterpart in another; .* no other: name a family over layers"
    ):
        compare_runs(both, CompareRequest(output_dir=tmp_path / "compared"))


def test_a_comparison_leaves_heads_out_and_says_so(run: FinishedRun, tiny_checkpoint: Path, tmp_path: Path) -> None:
    other = swept(tiny_checkpoint, tmp_path / "other", "head-removal:1", "removal", seed=7)
    both = [run.directory.path, other.directory.path]
    compared = compare_runs(both, CompareRequest(output_dir=tmp_path / "compared"))
    assert set(compared.curves["family"]) == set(compared.fragility["family"]) == {"removal"}
    (note,) = [note for note in compared.notes if note.startswith("Left out")]
    assert note == "Left out: head-removal:0-3, head-removal:1, because a head of one model has no counterpart in another."
    with pytest.raises(RunError, match="got 'head-removal:1'"):
        compare_runs(both, CompareRequest(("head-removal:1",), output_dir=tmp_path / "again"))


def test_the_page_has_every_head_at_its_layer(run: FinishedRun) -> None:
    proxies = run.directory.read_table(PROXIES).to_pandas()
    data = sweep_data(run.layers, proxies, None, n_layers=4, packing=Packing())
    assert HEADS in data["families"]
    assert re.match(r"Removing head \d of layer \d raises the loss most", data["needs"][HEADS]["en"])
    assert re.match(r"損失が最も増えるのは層 \d のヘッド \d を除去する場合", data["needs"][HEADS]["ja"])


def table(layers: int, heads: int, *, n_tested: int = 40) -> pd.DataFrame:
    """Effects that fall with the layer and alternate with the head."""
    rows = [
        {
            "variant": f"head-removal-{layer}-{head}",
            "family": f"head-removal:0-{layers - 1}",
            "span_first": layer,
            "delta_nll_nats": (-1) ** head * np.exp(-layer / 2),
            "delta_nll_low_nats": (-1) ** head * np.exp(-layer / 2) - 0.01,
            "delta_nll_high_nats": (-1) ** head * np.exp(-layer / 2) + 0.01,
            "q_value": 0.001 if layer < 2 else 0.5,
            "p_value": 0.001,
            "top1_accuracy": 0.3,
            "agreement": 0.6,
        }
        for layer in range(layers)
        for head in range(heads)
    ]
    frame = pd.DataFrame([{"variant": "intact", "family": "intact", "delta_nll_nats": 0.0, "top1_accuracy": 0.4}, *rows])
    return frame.assign(ppl=20 * np.exp(frame["delta_nll_nats"]), tokens_scored=999, documents=n_tested)


NO_PROXIES = pd.DataFrame(columns=["family", "proxy", "variants", "spearman"])


@pytest.mark.parametrize(("layers", "heads"), [(1, 2), (2, 3), (30, 3), (32, 8), (12, 64)])
def test_the_map_shows_the_tables_numbers(layers: int, heads: int, tmp_path: Path) -> None:
    rows = table(layers, heads)
    figures = in_each_language(sweep_figures, rows, NO_PROXIES, model="tiny", dataset="texts")
    assert set(figures) == {f"head-removal-0-{layers - 1}_{language}" for language in ("en", "ja")}
    figure: Figure = figures[f"head-removal-0-{layers - 1}_en"]
    axes = figure.axes[0]
    (image,) = axes.get_images()
    np.testing.assert_array_equal(image.get_array(), rows["delta_nll_nats"].to_numpy()[1:].reshape(layers, heads))
    (dots,) = axes.collections
    assert len(dots.get_offsets()) == min(layers, 2) * heads
    numbers = [text.get_text() for text in axes.texts]
    assert numbers[:2] == (["+1", "-1"] if heads <= 6 else [])
    assert axes.get_ylabel() == "Layer"
    assert axes.get_xlabel() == "Head left out (key-value group)"
    for name, one in figures.items():
        one.savefig(tmp_path / f"{name}.png")  # what would be cut off fails there


def test_a_map_of_untested_heads_says_so() -> None:
    rows = table(3, 2).assign(q_value=np.nan)
    figure = heads_figure(rows[rows["family"] != "intact"], "caption", "en")
    assert figure.get_supxlabel() == "Too few texts for a test of any cell"
    assert not figure.axes[0].collections


def test_layers_with_fewer_heads_have_gaps() -> None:
    rows = table(3, 4)
    figure = heads_figure(rows[(rows["family"] != "intact") & (rows["variant"] != "head-removal-1-3")], "caption", "ja")
    assert np.isnan(np.ma.filled(figure.axes[0].get_images()[0].get_array(), np.nan)).sum() == 1
    assert len(figure.axes[0].texts) == 11


def test_the_reading_names_the_head_whose_loss_costs_most() -> None:
    rows = table(2, 2)
    found = family_headline(rows[rows["family"] != "intact"]).said
    assert found.en.startswith(
        "Removing head 0 of layer 0 raises the loss most, by +1 nats per token [+0.99, +1.01]; next comes 1.h0 (+0.607)"
    )
    assert found.ja.startswith(
        "損失が最も増えるのは層 0 のヘッド 0 を除去する場合（1 トークンあたり +1 nat [+0.99, +1.01]）、続いて 1.h0（+0.607）"
    )


def test_paths_are_written_as_the_oracle_reads_them() -> None:
    assert without(1, 0) == "0,1.h0,2,3"
