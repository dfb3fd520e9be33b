"""The commands of a user's day on both real models, one trained without a BOS and one with, and both laid over each other."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from layerscope.cli.main import main
from layerscope.contrasts.finished import FinishedContrast
from layerscope.models.sources import resolve_model
from layerscope.sweeps.finished import FinishedRun

pytestmark = pytest.mark.slow

TEXTS = [
    "Rain fell on the old town for three days.",
    "She said that nobody had seen the dog.",
    "The men who work here are tired of it.",
    "Snow melted early; birds sang in the trees.",
    "He wrote a letter to his sister in Rome.",
]


def command(*arguments: str | Path) -> None:
    with pytest.raises(SystemExit) as ended:
        main([str(argument) for argument in arguments])
    assert ended.value.code == 0


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Texts, and the runs that the tests leave for each other."""
    folder = tmp_path_factory.mktemp("real")
    (folder / "texts.txt").write_text("\n".join(TEXTS) + "\n", encoding="utf-8")
    return folder


def found(folder: Path) -> Path:
    (manifest,) = folder.rglob("manifest.json")
    return manifest.parent


@pytest.mark.real
def test_sweep_parts_of_speech_contrast_and_report(real_model: str, place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    here = place / real_model
    first = ("--model", real_model, "--dtype", "float32", "--output-dir", here)
    command("sweep", *first, "--dataset", place / "texts.txt", "--experiment", "block-removal:6", "--figures", "none")
    run = FinishedRun.open(found(here))
    has_bos = real_model == "gemma3-270m"
    # perplexity and bits per byte from transformers alone
    where = resolve_model(real_model).location
    tokenizer, model = AutoTokenizer.from_pretrained(where), AutoModelForCausalLM.from_pretrained(where, dtype=torch.float32)
    nats, n_tokens, n_bytes = 0.0, 0, 0
    for text in TEXTS:
        ids = torch.tensor([[tokenizer.bos_token_id] * has_bos + tokenizer(text, add_special_tokens=False)["input_ids"]])
        n_scored = ids.shape[1] - 1
        with torch.no_grad():
            nats += float(model(ids, labels=ids).loss) * n_scored
        n_tokens += n_scored
        n_bytes += len(text.encode()) - (0 if has_bos else len(tokenizer.decode(ids[0, :1]).encode()))
    intact = run.layers.iloc[0]
    assert intact["tokens_scored"] == n_tokens
    assert intact["nll_nats"] == pytest.approx(nats / n_tokens, abs=1e-4)
    assert intact["bits_per_byte"] == pytest.approx(nats / n_bytes / 0.6931471805599453, abs=1e-4)
    command("pos", run.directory.path, "--figures", "none")
    not_counted = json.loads((run.directory.path / "pos.json").read_text(encoding="utf-8"))["words_not_counted"]
    assert not_counted["first_token_without_context"] == (0 if has_bos else len(TEXTS))
    contrast = here / "contrast"
    sizes = ("--per-subtype", "6", "--subtypes", "tense,location", "--reference-tokens", "200")
    command("contrast", *first[:-1], contrast, *sizes, "--sites", "resid_post", "--positions", "edit,last")
    still = FinishedContrast.open(found(contrast))
    assert still.n_layers == run.record.model.layers
    differences = still.differences("resid_post", "edit")
    assert set(differences["layer"]) >= set(range(still.n_layers))
    assert (differences.loc[differences["pairs"] > 0, "mean"] >= 0).all()
    command("stability", found(contrast), "--k", "10", "--figures", "none")
    page = here / "report.html"
    command("report", run.directory.path, found(contrast), "--output", page)
    assert real_model in page.read_text(encoding="utf-8")
    capsys.readouterr()


@pytest.mark.real
def test_both_models_are_compared_per_byte_and_over_depth(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    runs = [found(next((place / name).glob("block-removal*"))) for name in ("smollm2-135m", "gemma3-270m")]
    command("compare", *runs, "--output-dir", place / "compared", "--figures", "en")
    out = " ".join(capsys.readouterr().out.split())
    assert (
        "gemma3-270m was trained with a BOS, so that the first token of each text counts there, and smollm2-135m without" in out
    )
    record = json.loads((place / "compared" / "comparison.json").read_text(encoding="utf-8"))
    assert (record["unit"], record["axis"]) == ("bits", "depth")
    fragility = pd.read_csv(place / "compared" / "fragility.csv")
    for run, name in zip(runs, record["runs"], strict=True):
        layers = FinishedRun.open(run).layers
        most = fragility[(fragility["model"] == name) & (fragility["unit"] == "token")].iloc[0]
        effects = layers["bits_per_byte"] - layers["bits_per_byte"].iloc[0]
        assert most["most_delta_bits"] == pytest.approx(effects.iloc[1:].max())
