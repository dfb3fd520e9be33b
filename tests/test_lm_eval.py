"""PathLM against the harness's own HFLM: the intact model to the bit, a path against its exported checkpoint."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from lm_eval.api.instance import Instance
from lm_eval.api.registry import get_model
from transformers import AutoModelForCausalLM, AutoTokenizer

from layerscope.errors import ModelError, PathError
from layerscope.lm_eval import PathLM, batch_sizes, default_batch_tokens
from layerscope.models.decoder import Decoder
from layerscope.models.export import export_path
from layerscope.models.loading import load_decoder
from tests.harness_requests import TEXTS, WORDS, answers, byte_decoder, plain_lm, rolled

FAMILIES = ["llama", "llama-untied", "mistral-sliding", "qwen2", "qwen3", "gemma2", "gemma3_text", "gpt2", "gpt_neox", "opt",
            "falcon", "bloom", "phi", "mixtral", "olmo2", "cohere2", "mamba", "lfm2"]  # fmt: skip
PATHS = ["0,2,3", "0,1.mlp,2,3", "0,2,1,3", "0-1,0-3", "0,2.attn,3", "0,0,0"]


def likelihoods(found: list[tuple[float, bool]]) -> np.ndarray:
    return np.array([value for value, _ in found])


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("adds_bos", [False, True], ids=["without-bos", "with-bos"])
def test_the_intact_path_is_the_harness_s_own_to_the_bit(family: str, adds_bos: bool) -> None:
    decoder = byte_decoder(family, adds_bos=adds_bos)
    assert decoder.encoder is not None
    for add_bos in (None, True, False):
        plain = plain_lm(decoder.model, decoder.encoder.tokenizer, batch_size=3, add_bos_token=add_bos)
        ours = PathLM(decoder, batch_size=3, add_bos_token=add_bos)
        assert answers(ours) == answers(plain)
        assert rolled(ours) == rolled(plain)


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("family", ["llama", "gemma2", "gpt2", "qwen3", "opt"])
def test_a_path_is_its_exported_checkpoint_under_the_plain_harness(family: str, path: str, tmp_path: Path) -> None:
    decoder = byte_decoder(family)
    ours = PathLM(decoder, path, batch_size=2)
    export_path(decoder, ours.path, folder=tmp_path / "exported")
    exported = AutoModelForCausalLM.from_pretrained(tmp_path / "exported").eval()
    plain = plain_lm(exported, AutoTokenizer.from_pretrained(tmp_path / "exported"), batch_size=2)
    np.testing.assert_allclose(likelihoods(answers(ours)), likelihoods(answers(plain)), rtol=0, atol=1e-4)
    assert [likeliest for _, likeliest in answers(ours)] == [likeliest for _, likeliest in answers(plain)]
    np.testing.assert_allclose(rolled(ours), rolled(plain), rtol=0, atol=1e-4)
    intact = likelihoods(answers(PathLM(decoder, batch_size=2)))
    assert np.abs(likelihoods(answers(ours)) - intact).max() > 1e-3  # the path is seen


def test_layers_side_by_side_and_without_a_head_run_too() -> None:
    """They have no checkpoint: against the steps taken one by one."""
    decoder = byte_decoder("llama")
    for written in ("0,(1|2),3", "0,1.h0,2,3"):
        lm = PathLM(decoder, written, batch_size=1)
        ids = torch.tensor([[5, 6, 7, 8]])
        recording = decoder.record(ids)
        hidden = recording.embedded
        for step in lm.path.steps:
            hidden = decoder.run_step(step, hidden, recording)
        assert torch.equal(lm._model_call(ids), decoder.unembed(hidden))


@pytest.mark.parametrize("batch_size", [1, 2, 5, "auto", "auto:4"])
def test_batches_of_any_size_give_the_same_but_for_rounding(batch_size: int | str) -> None:
    decoder = byte_decoder("gemma3_text")
    one = PathLM(decoder, "0,2,3", batch_size=1)
    rows: list[int] = []
    other = PathLM(decoder, "0,2,3", batch_size=batch_size, batch_tokens=64, advance=rows.append)
    np.testing.assert_allclose(likelihoods(answers(other)), likelihoods(answers(one)), rtol=0, atol=1e-4)
    assert max(rows) == (batch_size if isinstance(batch_size, int) else 3)  # the size is used, not the harness's default of 1
    np.testing.assert_allclose(rolled(other), rolled(one), rtol=0, atol=1e-4)
    assert str(other.batch_size) == str(batch_size).split(":")[0]


def test_a_batch_keeps_within_its_positions() -> None:
    drawn = np.random.default_rng(0)
    for budget in (1, 17, 100, 4096):
        lengths = sorted(drawn.integers(1, 60, size=200).tolist(), reverse=True)
        sizes = batch_sizes(lengths, budget)
        first = 0
        for last, size in sizes.items():
            assert last - first + 1 == size
            assert size == 1 or size * lengths[first] <= budget
            assert last == len(lengths) - 1 or (size + 1) * lengths[first] > budget  # no smaller than need be
            first = last + 1
        assert first == len(lengths)
    assert batch_sizes([], 10) == {}


def test_logits_of_a_large_vocabulary_are_kept_small() -> None:
    assert default_batch_tokens("cpu", 262_144) * 262_144 <= 2**26
    assert default_batch_tokens("cpu", 256) == 4096


def test_the_model_and_its_tokenizer_are_left_as_they_were() -> None:
    decoder = byte_decoder("llama")
    assert decoder.encoder is not None
    before = {name: tensor.clone() for name, tensor in decoder.model.state_dict().items()}
    tokens = (len(decoder.encoder.tokenizer), decoder.encoder.tokenizer.pad_token)
    answers(PathLM(decoder, "0,1.mlp,3"))
    after = decoder.model.state_dict()
    assert all(torch.equal(after[name], tensor) for name, tensor in before.items())
    assert (len(decoder.encoder.tokenizer), decoder.encoder.tokenizer.pad_token) == tokens


def test_generation_is_refused_with_what_to_do() -> None:
    lm = PathLM(byte_decoder("llama"), "0,2,3")
    request = Instance("generate_until", {}, ("x", {}), 0, metadata=("gsm8k", 0, 1))
    with pytest.raises(ModelError, match=r"gsm8k generates text.*layerscope export --path 0,2-3\b"):
        lm.generate_until([request])


def test_what_cannot_be_a_path_or_a_batch_is_refused() -> None:
    decoder = byte_decoder("llama")
    with pytest.raises(PathError, match="layers 0-3"):
        PathLM(decoder, "0-4")
    for size in (0, -1, "many", "1.5", "²"):
        with pytest.raises(ModelError, match="batch_size is auto or a number"):
            PathLM(decoder, batch_size=size)
    with pytest.raises(ModelError, match="batch_tokens is 1 or more; got 0"):
        PathLM(decoder, batch_tokens=0)
    with pytest.raises(ModelError, match="without a tokenizer"):
        PathLM(Decoder(decoder.model, "bare"))
    with pytest.raises(ModelError, match="layers that have both"):
        PathLM(byte_decoder("mamba"), "0,1.mlp,2")


@pytest.mark.parametrize(
    "written",
    [
        "pretrained={model},path=0,2-3,dtype=float32",
        "pretrained={model},path='0,2-3'",
        'path="0,2-3",pretrained={model},device=cpu,trust_remote_code=False,batch_tokens=99',
    ],
)
def test_arguments_of_the_harness_s_own_form(written: str, tiny_checkpoint: Path) -> None:
    lm = get_model("layerscope").create_from_arg_string(
        written.format(model=tiny_checkpoint), {"batch_size": 2, "device": None}
    )
    assert isinstance(lm, PathLM)
    assert (str(lm.path), lm.batch_size) == ("0,2-3", 2)
    assert answers(lm) == answers(PathLM(load_decoder(str(tiny_checkpoint)), "0,2-3", batch_size=2))


def test_arguments_that_there_are_not(tiny_checkpoint: Path) -> None:
    made = get_model("layerscope")
    assert len(made.create_from_arg_obj({"pretrained": str(tiny_checkpoint), "path": 2}).path) == 1  # a number, as read
    assert len(made.create_from_arg_obj({"pretrained": str(tiny_checkpoint)}, {"max_batch_size": 4}).path) == 4
    with pytest.raises(ModelError, match=r"got 'paths'. Did you mean path.*commas"):
        made.create_from_arg_obj({"pretrained": "x", "paths": "0"})
    with pytest.raises(ModelError, match="needs pretrained=MODEL"):
        made.create_from_arg_string("path=0,1")


@pytest.mark.slow
def test_the_harness_s_command_line_runs_a_path(tiny_checkpoint: Path, tmp_path: Path) -> None:
    """In a process of its own, as a user would: quotes hold a path together."""
    (tmp_path / "tasks").mkdir()
    (tmp_path / "data.jsonl").write_text('{"good": "The keys are old.", "bad": "The keys is old."}\n' * 3, encoding="utf-8")
    (tmp_path / "tasks" / "own.yaml").write_text(
        "task: own\ndataset_path: json\noutput_type: multiple_choice\nvalidation_split: train\n"
        f"dataset_kwargs:\n  data_files: {{train: {tmp_path / 'data.jsonl'}}}\n"
        'doc_to_text: ""\ndoc_to_target: 0\ndoc_to_choice: "{{[good, bad]}}"\n'
        "metric_list:\n  - metric: acc\n    aggregation: mean\n    higher_is_better: true\n",
        encoding="utf-8",
    )
    arguments = ["run", "--model", "layerscope", "--model_args", f"pretrained={tiny_checkpoint},path='0,2-3'"]
    ended = subprocess.run(
        [sys.executable, "-m", "layerscope.lm_eval", *arguments, "--tasks", "own", "--include_path", str(tmp_path / "tasks")],
        capture_output=True, text=True, timeout=300, check=False, env={**os.environ, "HF_HOME": str(tmp_path)},
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr[-2000:]
    assert "|own" in ended.stdout
    assert "'path': '0,2-3'" in ended.stdout


@pytest.mark.slow
@pytest.mark.real
def test_real_models_are_the_harness_s_own_to_the_bit(real_decoder: Decoder) -> None:
    assert real_decoder.encoder is not None
    plain = plain_lm(real_decoder.model, real_decoder.encoder.tokenizer, batch_size=4)
    ours = PathLM(real_decoder, batch_size=4)
    assert answers(ours, WORDS) == answers(plain, WORDS)
    assert rolled(ours, TEXTS[:1]) == rolled(plain, TEXTS[:1])


@pytest.mark.real
@pytest.mark.slow
@pytest.mark.parametrize("path", ["0-9,12-{last}", "0-9,10.mlp,11-{last}", "0-8,10,9,11-{last}", "0-12,9-{last}"])
def test_real_paths_are_their_exported_checkpoints(real_decoder: Decoder, path: str, tmp_path: Path) -> None:
    ours = PathLM(real_decoder, path.format(last=real_decoder.n_layers - 1), batch_size=4)
    export_path(real_decoder, ours.path, folder=tmp_path / "exported")
    exported = AutoModelForCausalLM.from_pretrained(tmp_path / "exported").eval()
    plain = plain_lm(exported, AutoTokenizer.from_pretrained(tmp_path / "exported"), batch_size=4)
    np.testing.assert_allclose(likelihoods(answers(ours, WORDS)), likelihoods(answers(plain, WORDS)), rtol=0, atol=1e-3)
