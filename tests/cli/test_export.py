"""``layerscope export`` as a user meets it: what it prints, and what it refuses before any weight is loaded."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from transformers import AutoModelForCausalLM

from layerscope.cli.main import main


def run(*arguments: str, code: int = 0) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["export", *arguments])
    assert ended.value.code == code


def test_export_says_what_it_wrote(either_checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run("--model", str(either_checkpoint), "--path", "0, 2,1", "--output-dir", str(tmp_path / "out"), "--dtype", "bfloat16")
    name, written, verified, where = capsys.readouterr().out.strip().splitlines()
    assert name == f"{either_checkpoint}, path 0,2,1: 4 layers before, 3 after"
    assert written.startswith("Written: 44,")
    assert " parameters in bfloat16, 0 MiB" in written
    assert verified.startswith("Verified: reloaded with transformers alone, it gives the path's logits for 24 random tokens (")
    assert "largest difference 0, largest logit" in verified
    assert where == f"Checkpoint: {tmp_path / 'out'} (the same path for mergekit: mergekit.yaml)"
    assert AutoModelForCausalLM.from_pretrained(tmp_path / "out").config.num_hidden_layers == 3
    record = json.loads((tmp_path / "out" / "layerscope.json").read_text(encoding="utf-8"))
    assert record["fingerprint"].startswith("sha256:")
    assert (record["model"], record["revision"], record["dtype"]) == ("tiny-llama", None, "bfloat16")


def test_export_again_needs_force(either_checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ("--model", str(either_checkpoint), "--output-dir", str(tmp_path / "out"), "--path")
    run(*arguments, "0-2")
    capsys.readouterr()
    run(*arguments, "0", code=2)
    assert capsys.readouterr().err.startswith("layerscope: An export goes into a new or empty folder; ")
    run(*arguments, "0", "--force")
    assert "path 0: 4 layers before, 1 after" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("--path", "0,(1|2),3", "has layers side by side: (1|2)"),
        ("--path", "none", "'none' visits none"),
        ("--path", "0-4", "stays within the model's layers 0-3; '0-4' visits 4."),
        ("--path", "3-1", "A range ascends; '3-1'"),
        ("--dtype", "float8", "A dtype is auto, float32, bfloat16, float16; got 'float8'."),
        ("--revision", "main", "A revision belongs to models on the Hub"),
        ("--model", "missing.gguf", "No such model file or directory: 'missing.gguf'."),
    ],
)
def test_refusals_come_before_anything_is_written(
    option: str, value: str, message: str, either_checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = {"--model": str(either_checkpoint), "--path": "0-2", "--output-dir": str(tmp_path / "out"), option: value}
    run(*[word for pair in options.items() for word in pair], code=2)
    captured = capsys.readouterr()
    assert captured.out == ""
    (line,) = captured.err.strip().splitlines()
    assert message in line
    assert not list(tmp_path.iterdir())


def test_a_path_that_does_not_fit_is_refused_before_weights_are_loaded(
    either_checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("layerscope.models.loading.load_weights", lambda *_: pytest.fail("weights are not needed to see this"))
    run("--model", str(either_checkpoint), "--path", "0-4", "--output-dir", str(tmp_path / "out"), code=2)
