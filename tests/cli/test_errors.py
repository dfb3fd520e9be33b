"""Bad input: one clear sentence on standard error, exit code 2, nothing half-written."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest
import torch

from layerscope.cli.main import main
from tests.checkpoints import byte_tokenizer, has_bos, save_tiny_llama
from tests.tiny_models import build_tiny


@pytest.fixture
def refused(capsys: pytest.CaptureFixture[str], tmp_path: Path, either_checkpoint: Path, text_file: Path):
    """Run ``layerscope sweep`` with changed options and return the sentence that it ended with."""

    def run(expected_code: int = 2, **changes: str | None) -> str:
        options = {"model": str(either_checkpoint), "dataset": str(text_file), "output_dir": str(tmp_path / "results")}
        arguments = ["sweep"]
        for name, value in {**options, **changes}.items():
            arguments += [f"--{name.replace('_', '-')}", *([] if value is None else [value])]
        with pytest.raises(SystemExit) as ended:
            main(arguments)
        captured = capsys.readouterr()
        assert ended.value.code == expected_code
        assert captured.out == ""
        (line,) = captured.err.strip().splitlines()
        assert line.startswith("layerscope: ")
        assert not (tmp_path / "results").exists()
        return captured.err.strip()

    return run


def test_unknown_model_has_near_names(refused) -> None:
    assert refused(model="smollm2-135") == (
        "layerscope: Unknown model 'smollm2-135'. Did you mean smollm2-135m? Known: smollm2-135m, gemma3-270m, a directory, a "
        ".gguf file, or a Hub id such as meta-llama/Meta-Llama-3-8B."
    )


def test_unknown_data_set_has_near_names(refused) -> None:
    assert "Unknown data set 'wikitext-2'. Did you mean wiki-text-2" in refused(dataset="wikitext-2")


def test_hub_out_of_reach_says_what_to_do(refused, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("layerscope.connection.hub_resolves", lambda: False)
    message = refused(model="meta-llama/Meta-Llama-3-8B")
    assert "'meta-llama/Meta-Llama-3-8B' is not on this machine and the Hugging Face Hub cannot be reached: connect" in message
    message = refused(dataset="bookcorpus")
    assert "could not be fetched from the Hugging Face Hub" in message
    assert "--data-dir" in message


@pytest.mark.parametrize("name", ["./no/such/model", "missing.gguf", "/nowhere/at/all"])
def test_no_such_model_file(refused, name: str) -> None:
    assert f"No such model file or directory: '{name}'." in refused(model=name)


def test_no_such_data_file(refused) -> None:
    assert "No such file: 'missing.txt'." in refused(dataset="missing.txt")


def test_empty_corpus(refused, tmp_path: Path) -> None:
    (tmp_path / "empty.txt").write_text("\n\n", encoding="utf-8")
    assert "A corpus holds at least one text that is not blank" in refused(dataset=str(tmp_path / "empty.txt"))


def test_text_too_short(refused, either_checkpoint: Path, tmp_path: Path) -> None:
    texts = tmp_path / "short.txt"
    texts.write_text("a\n\nb\n", encoding="utf-8")
    if has_bos(either_checkpoint):  # what stands before a text is context enough
        texts.write_text("\n\n", encoding="utf-8")
        assert "A corpus holds at least one text that is not blank" in refused(dataset=str(texts))
    else:
        message = refused(dataset=str(texts))
        assert "none of the 3 text(s) sampled is long enough (the longest has 1 token(s))" in message


def test_path_outside_the_model(refused) -> None:
    assert "stays within the model's layers 0-3; '0-9' visits 4, 5, 6, 7, 8, 9." in refused(path="0-9")


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("experiment", "removals", "Unknown experiment 'removals'. Did you mean removal"),
        ("path", "3-1", "A range ascends; '3-1'"),
        ("protocol", "windows", "A protocol is lines, documents, windows:N or strided:N/S"),
        ("protocol", "windows:1024", "fit the model's context of 512|have \\d+ tokens and 'windows:1024' needs 1024"),
        ("dtype", "float8", "A dtype is auto, float32, bfloat16, float16; got 'float8'."),
        ("device", "tpu", "A device is auto, cpu, cuda, cuda:N or mps; got 'tpu'."),
        ("quantize", "int4", "--quantize is none, int8 or nf4; got 'int4'."),
        ("bos", "maybe", "--bos is auto, always or never; got 'maybe'."),
        ("max_samples", "0", "--max-samples is 1 or more; got 0."),
        ("max_samples", "many", "--max-samples is a number or 'all'; got 'many'."),
        ("batch_tokens", "0", "--batch-tokens is 1 or more; got 0."),
        ("seed", "x", "Invalid value for '--seed'"),
        ("seed", "-1", "--seed is 0 or more; got -1."),
        ("revision", "main", "A revision belongs to models on the Hub"),
        ("split", None, "requires an argument|No such option"),
        ("colour", "red", "No such option: --colour"),
    ],
)
def test_bad_options(refused, option: str, value: str | None, message: str) -> None:
    import re

    assert re.search(message if "|" in message or "\\" in message else re.escape(message), refused(**{option: value}))


def test_missing_options(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["sweep", "--model", "smollm2-135m"])
    assert ended.value.code == 2
    assert "Missing option '--dataset'" in capsys.readouterr().err


def test_unknown_command(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["swep"])
    assert ended.value.code == 2
    assert "No such command 'swep'" in capsys.readouterr().err


def test_unwritable_directory(refused, tmp_path: Path) -> None:
    (tmp_path / "a-file").write_text("x", encoding="utf-8")
    assert "is not a folder that can be written: name another --output-dir." in refused(
        output_dir=str(tmp_path / "a-file" / "x")
    )


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
def test_no_gpu_where_one_was_asked_for(refused) -> None:
    assert "--device cuda:1 needs a CUDA GPU and torch sees none: take --device cpu, or auto." in refused(device="cuda:1")


def test_not_enough_memory(refused, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("layerscope.sweeps.prepare.available_memory", lambda _: 2**20)
    assert "GiB are free" in refused()


@pytest.mark.slow
def test_a_model_larger_than_memory_is_refused_by_its_configuration_alone(
    refused, either_checkpoint: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "huge"
    shutil.copytree(either_checkpoint, folder)
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    config.update(hidden_size=32768, intermediate_size=131072, num_hidden_layers=200, num_attention_heads=256, head_dim=128)
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    message = refused(model=str(folder))
    assert "The plan needs about " in message
    assert "take a smaller --batch-tokens, --dtype bfloat16, --quantize" in message


def test_pickle_checkpoint(refused, tmp_path: Path) -> None:
    folder = save_tiny_llama(tmp_path / "pickled", safe=False)
    message = refused(model=str(folder))
    assert "Weights are read from safetensors only, because a pickle can run code" in message
    assert "pytorch_model.bin" in message


def test_pickle_file_is_no_model(refused, tmp_path: Path) -> None:
    folder = save_tiny_llama(tmp_path / "pickled", safe=False)
    assert "is another kind of file" in refused(model=str(folder / "pytorch_model.bin"))


def test_directory_without_a_model(refused, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    assert "has no config.json" in refused(model=str(tmp_path / "folder"))


def test_remote_code_is_refused_unless_asked_for(refused, either_checkpoint: Path, tmp_path: Path) -> None:
    folder = tmp_path / "remote"
    shutil.copytree(either_checkpoint, folder)
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    config["model_type"] = "homemade"
    config["auto_map"] = {"AutoConfig": "code.HomemadeConfig", "AutoModelForCausalLM": "code.Homemade"}
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    (folder / "code.py").write_text("raise SystemExit('this code must not run')\n", encoding="utf-8")
    message = refused(model=str(folder))
    assert "needs code that comes with its checkpoint, which is not run unless you ask" in message
    assert "--trust-remote-code" in message


def test_unknown_family(refused, either_checkpoint: Path, tmp_path: Path) -> None:
    folder = tmp_path / "unknown"
    shutil.copytree(either_checkpoint, folder)
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    config["model_type"] = "homemade"
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    assert "The configuration of " in refused(model=str(folder))


def test_a_model_that_is_no_decoder(refused, either_checkpoint: Path, tmp_path: Path) -> None:
    folder = tmp_path / "t5"
    shutil.copytree(either_checkpoint, folder)
    (folder / "config.json").write_text(json.dumps({"model_type": "t5", "d_model": 8, "vocab_size": 260}), encoding="utf-8")
    assert "needs a decoder-only language model; transformers has none of the family 't5'" in refused(model=str(folder))


def test_weights_that_are_missing(refused, either_checkpoint: Path, tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    folder = tmp_path / "lacking"
    shutil.copytree(either_checkpoint, folder)
    tensors = load_file(folder / "model.safetensors")
    del tensors["model.layers.2.mlp.up_proj.weight"]
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    assert "lacks 1, the first is model.layers.2.mlp.up_proj.weight" in refused(model=str(folder))


def test_weights_that_are_cut_off(refused, either_checkpoint: Path, tmp_path: Path) -> None:
    folder = tmp_path / "cut"
    shutil.copytree(either_checkpoint, folder)
    data = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(data[: len(data) // 2])
    assert "The weights of " in refused(model=str(folder))


def test_a_tokenizer_of_another_model(refused, either_checkpoint: Path, tmp_path: Path) -> None:
    folder = tmp_path / "mixed"
    shutil.copytree(either_checkpoint, folder)
    build_tiny("llama").save_pretrained(folder)  # 112 tokens, and the tokenizer has 257
    assert "Token ids stay below the model's vocabulary of 112; the tokenizer of " in refused(model=str(folder))


def test_quantisation_without_its_library(refused) -> None:
    try:
        import bitsandbytes  # noqa: F401
    except ImportError:
        assert "--quantize nf4 needs bitsandbytes: pip install 'layerscope[quantize]'." in refused(quantize="nf4")
    else:
        pytest.skip("bitsandbytes is installed")


def test_halves_that_the_model_does_not_have(refused, tmp_path: Path) -> None:
    folder = tmp_path / "mamba"
    build_tiny("mamba").save_pretrained(folder)
    byte_tokenizer().save_pretrained(folder)
    message = refused(model=str(folder), experiment="mlp-removal")
    assert "needs layers that have both; in 'mamba' layer 0 does not" in message


def test_a_bug_of_ours_is_not_dressed_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("layerscope.cli.sweep.show_sweep", lambda *_, **__: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        main(["sweep", "--model", "m", "--dataset", "d"])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"until_ci": "0"}, "--until-ci is a half-width in nats above 0; got 0.0"),
        ({"until_ci": "narrow"}, "Invalid value for '--until-ci'"),
        ({"compile": "yes"}, "--compile is auto, on or off; got 'yes'"),
        ({"stream": None, "plain": None}, "--plain uses no fast path and --stream is one: take one of them"),
        ({"stream": None, "reference": None}, "--plain uses no fast path and --stream is one: take one of them"),
        ({"stream": None, "stream_memory": "0"}, "--stream-memory is a number of GiB above 0; got 0.0"),
        ({"stream": None, "experiment": "reversal:0-3"}, "'reversal-0-3' needs layer 1 when layer 3 has been reached"),
        ({"stream": None, "quantize": "int8"}, "leave out --quantize, --device-map and --trust-remote-code"),
    ],
)
def test_engine_options_that_cannot_be(refused, options: dict[str, str | None], message: str) -> None:
    assert re.search(message, refused(**options))
