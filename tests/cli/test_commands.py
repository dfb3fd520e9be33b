"""The commands as a user meets them: what they print, the dry run, the published command."""

from __future__ import annotations

import json
import os
import runpy
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

from layerscope.cli.main import main
from tests.checkpoints import has_bos, save_tiny_llama

ROOT = Path(__file__).parents[2]
PUBLISHED = ROOT / "src" / "experiments_layer_removal_and_exchange.py"


def run(*arguments: str) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 0


def test_models_lists_the_built_in_one(capsys: pytest.CaptureFixture[str]) -> None:
    run("models")
    out = capsys.readouterr().out
    assert "smollm2-135m" in out
    assert ".gguf" in out


def test_models_says_where_a_converted_model_is(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from layerscope.builtin import BUILT_IN

    monkeypatch.setenv("LAYERSCOPE_CACHE", str(tmp_path / "cache"))
    run("models", "--json")
    nothing = json.loads(capsys.readouterr().out)
    assert {row["folder"] for row in nothing["tables"][0]["rows"]} == {None}
    assert nothing["sentences"] == []
    folder = tmp_path / "cache" / "gguf-2" / BUILT_IN["gemma3-270m"].sha256
    folder.mkdir(parents=True)
    run("models")
    assert " is in " not in capsys.readouterr().out, "a conversion that did not end"
    (folder / "config.json").write_text("{}", encoding="utf-8")
    run("models")
    assert f"\ngemma3-270m is in {folder}\n" in capsys.readouterr().out
    run("models", "--json")
    rows = json.loads(capsys.readouterr().out)["tables"][0]["rows"]
    found = {row["name"]: row["folder"] for row in rows}
    assert found == {name: str(folder) if name == "gemma3-270m" else None for name in found}


def test_the_version_is_that_of_the_package(capsys: pytest.CaptureFixture[str]) -> None:
    run("--version")
    assert capsys.readouterr().out == f"layerscope {version('layerscope')}\n"


def test_datasets_lists_every_name(capsys: pytest.CaptureFixture[str]) -> None:
    run("datasets")
    out = capsys.readouterr().out
    for name in ("lee", "wiki-text-2", "wiki-text-103", "bookcorpus", "gpt2-output-dataset"):
        assert name in out


@pytest.mark.parametrize("command", ["models", "datasets", "--help"])
def test_listing_and_help_do_not_import_torch(command: str) -> None:
    code = f"import sys; sys.argv = ['layerscope', '{command}']\nfrom layerscope.cli.main import main\ntry: main()\n"
    code += "except SystemExit: pass\nprint('torch' in sys.modules)"
    result = subprocess.run([sys.executable, "-c", code], env=with_source(), capture_output=True, text=True, check=True)
    assert result.stdout.strip().endswith("False")


def test_dry_run_prints_the_plan_and_runs_nothing(
    either_checkpoint: Path, text_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ("sweep", "--model", str(either_checkpoint), "--dataset", str(text_file), "--output-dir", str(tmp_path / "r"))
    run(*arguments, "--dry-run")
    out = capsys.readouterr().out
    assert "8 variants, including the intact model, as 16 layer runs per batch" in out
    assert ("3 texts, 88 tokens, 88 scored" if has_bos(either_checkpoint) else "3 texts, 88 tokens, 85 scored") in out
    assert "Memory: about " in out
    assert not (tmp_path / "r").exists()


def test_sweep_prints_a_table_and_says_when_it_is_finished_already(
    either_checkpoint: Path, text_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ("sweep", "--model", str(either_checkpoint), "--dataset", str(text_file), "--output-dir", str(tmp_path / "r"))
    run(*arguments, "--experiment", "removal")
    out = capsys.readouterr().out
    assert "removal-3" in out
    assert ("Not scored: 3 first tokens" in out) == (not has_bos(either_checkpoint))
    said = " ".join(out.split())
    assert "No variant of removal is known to raise the loss" in said
    assert "Only 3 texts: with fewer than 8 there are no p- or q-values" in said
    run(*arguments, "--experiment", "removal")
    assert "Already finished: " in capsys.readouterr().out
    run(*arguments, "--experiment", "removal", "--force")
    assert "removal-3" in capsys.readouterr().out


def test_paths_alone_replace_the_experiments(either_checkpoint: Path, text_file: Path, tmp_path: Path) -> None:
    run(
        *("sweep", "--model", str(either_checkpoint), "--dataset", str(text_file), "--output-dir", str(tmp_path / "r")),
        *("--path", "0-1,3", "--path", "3,2,1,0"),
    )
    (folder,) = (tmp_path / "r").iterdir()
    assert folder.name == "path"


def test_paths_and_experiments_together(either_checkpoint: Path, text_file: Path, tmp_path: Path) -> None:
    run(
        *("sweep", "--model", str(either_checkpoint), "--dataset", str(text_file), "--output-dir", str(tmp_path / "r")),
        *("--path", "0-1,3", "--experiment", "removal,exchange"),
    )
    (folder,) = (tmp_path / "r").iterdir()
    assert folder.name == "removal+exchange+path"


def test_names_are_text_and_never_markup(
    either_checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "300")
    path = tmp_path / "[red]odd [link=x].txt"
    path.write_text("\na text long enough\n", encoding="utf-8")
    run(
        "sweep", "--model", str(either_checkpoint), "--dataset", str(path), "--path", "0-2", "--output-dir", str(tmp_path / "r")
    )
    out = capsys.readouterr().out
    assert "(1 texts without" not in out
    assert "1 texts without a token to score ([red]odd [link=x].txt[0])" in out
    assert f"on {path}, protocol lines" in out


def with_source(**more: str) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT / "src"), **more}


@pytest.fixture
def wikitext_folder(tmp_path: Path) -> Path:
    folder = tmp_path / "wikitext"
    folder.mkdir()
    lines = ["", " = Title = ", "", " A first paragraph of the text . ", "", " A second one , a little longer . "]
    (folder / "wiki.train.raw").write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return folder


@pytest.mark.slow
@pytest.mark.parametrize(("experiment", "key", "adds_bos"), [("removal", "removed", False), ("exchange", "exchanged", True)])
def test_the_published_command(wikitext_folder: Path, tmp_path: Path, experiment: str, key: str, adds_bos: bool) -> None:
    model = save_tiny_llama(tmp_path / "tiny-llama", adds_bos=adds_bos)
    command = [sys.executable, str(PUBLISHED), "--model_name", str(model), "--dataset_type", "wiki-text-2"]
    command += ["--max_samples", "6", "--experiment", experiment, "--output_dir", str(tmp_path / "results"), "--gpu_id", "0"]
    subprocess.run(command, env=with_source(LAYERSCOPE_DATA_DIR=str(wikitext_folder)), check=True, capture_output=True)
    folder = tmp_path / "results" / experiment / "tiny_llama_wiki-text-2_n6"
    summary = json.loads((folder / "ppl.json").read_text(encoding="utf-8"))
    assert summary["original"]["avg_ppl"] > 1
    assert len(summary[key]) == (4 if experiment == "removal" else 3)
    assert (folder / "figures" / f"{experiment}_en.png").is_file()
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    assert manifest["request"]["protocol"] == "lines"
    assert (manifest["request"]["split"], manifest["request"]["seed"]) == ("train", 42)
    assert manifest["data"]["unscored"]["texts_without_a_scored_token"] == 3  # the blank lines, sampled as published


def test_the_published_options_and_defaults(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = {}
    monkeypatch.setattr("layerscope.cli.swept.show_sweep", lambda request: seen.update(request=request))
    monkeypatch.setattr(sys, "argv", [str(PUBLISHED)])
    monkeypatch.delenv("LAYERSCOPE_DATA_DIR", raising=False)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    with pytest.raises(SystemExit):
        runpy.run_path(str(PUBLISHED), run_name="__main__")
    request = seen["request"]
    assert (request.model, request.dataset, request.max_samples) == ("meta-llama/Meta-Llama-3-8B", "wiki-text-2", 1000)
    assert (request.experiments, request.output_dir, request.split) == (("removal",), Path("results"), "train")
    assert os.environ["CUDA_VISIBLE_DEVICES"] == "0"


def test_until_ci_says_how_many_texts_it_took(either_checkpoint: Path, tmp_path: Path, capsys, monkeypatch) -> None:
    monkeypatch.setenv("COLUMNS", "120")
    texts = tmp_path / "texts.txt"
    texts.write_text("".join(f"line {number} of a small corpus\n" for number in range(60)), encoding="utf-8")
    options = ["sweep", "--model", str(either_checkpoint), "--dataset", str(texts), "--experiment", "removal"]
    options += ["--max-samples", "all", "--output-dir"]
    run(*options, str(tmp_path / "wide"), "--until-ci", "5")
    printed = " ".join(capsys.readouterr().out.split())
    assert "or fewer: until every interval is within ±5 nats, with at most 3 looks" in printed
    assert "tokens of 32 texts" in printed
    assert "Stopped after 32 of 60 texts: the widest interval is ±" in printed
    run(*options, str(tmp_path / "narrow"), "--until-ci", "1e-9")
    assert "Used all 60 texts without reaching ±1e-09 nats: the widest interval is ±" in " ".join(
        capsys.readouterr().out.split()
    )
