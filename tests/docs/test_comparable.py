"""The commands of the page on comparing numbers: each is prepared on a model of the same number of layers, up to its plan."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import pytest

from layerscope.cli.main import main
from layerscope.pairs.judging_protocol import JudgingProtocol
from tests.checkpoints import save_tiny_llama
from tests.docs.pages import DOCS, shown_commands

PAGE = (DOCS / "comparable.md").read_text(encoding="utf-8")
LAYERS = {
    "meta-llama/Llama-2-7b-hf": 32,
    "meta-llama/Llama-3.1-8B": 32,
    "openai-community/gpt2": 12,
    "openai-community/gpt2-medium": 24,
    "EleutherAI/pythia-410m": 24,
}
SWEEPS = [line for line in shown_commands(PAGE) if line.startswith("layerscope sweep ")]
TEXT = "She has written three books about birds, and the fourth will be published in spring. " * 30


def option(words: list[str], name: str) -> int:
    return words.index(name) + 1


def test_every_published_table_has_its_command() -> None:
    assert len(SWEEPS) == 8
    assert {shlex.split(line)[3] for line in SWEEPS} == set(LAYERS)


@pytest.mark.parametrize("line", SWEEPS)
def test_a_command_that_is_shown_can_be_planned(line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    words = shlex.split(line)[1:]
    n_layers = LAYERS[words[option(words, "--model")]]
    words[option(words, "--model")] = str(save_tiny_llama(tmp_path / "model", n_layers=n_layers, context=4096, adds_bos=True))
    dataset = Path(words[option(words, "--dataset")])
    if dataset.suffix == ".jsonl":
        dataset.write_text(f"{json.dumps({'text': TEXT})}\n" * 2, encoding="utf-8")
    elif dataset.suffix == ".txt":
        dataset.write_text(f"{TEXT}\n", encoding="utf-8")
    else:
        Path("wiki.test.raw").write_text(f" {TEXT}\n", encoding="utf-8")
        words += ["--data-dir", "."]
    with pytest.raises(SystemExit) as ended:
        main([*words, "--dry-run"])
    assert ended.value.code == 0


def test_the_judging_protocols_that_are_named_exist() -> None:
    judged = [shlex.split(line) for line in shown_commands(PAGE) if line.startswith("layerscope pairs judge ")]
    assert [JudgingProtocol.parse(words[option(words, "--protocol")]).name for words in judged] == ["lm-eval"]
