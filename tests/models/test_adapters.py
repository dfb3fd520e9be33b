"""Adapters: merged to what peft itself computes, from every place where people have them, or refused; never ignored."""

from __future__ import annotations

import importlib.util
import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from layerscope.errors import ModelError
from layerscope.models.loading import LoadOptions, load_config, load_decoder, load_streamed
from layerscope.models.sources import resolve_model

HAS_PEFT = importlib.util.find_spec("peft") is not None
needs_peft = pytest.mark.skipif(not HAS_PEFT, reason="peft is not installed: pip install 'layerscope[adapters]'")
IDS = torch.arange(20)[None]
SETTINGS = {"peft_type": "LORA", "task_type": "CAUSAL_LM", "r": 2, "lora_alpha": 8, "target_modules": ["q_proj", "up_proj"]}


def _write_adapter(folder: Path, base: str | None, **settings: Any) -> Path:
    """A LoRA adapter as peft saves one; written by hand, so that it is there without peft."""
    from safetensors.torch import save_file

    generator, tensors = torch.Generator().manual_seed(0), {}
    for layer in range(4):
        for module, n_out in (("self_attn.q_proj", 32), ("mlp.up_proj", 64)):
            name = f"base_model.model.model.layers.{layer}.{module}"
            tensors[f"{name}.lora_A.weight"] = torch.randn(2, 32, generator=generator)
            tensors[f"{name}.lora_B.weight"] = torch.randn(n_out, 2, generator=generator) / 10
    folder.mkdir(exist_ok=True)
    save_file(tensors, folder / "adapter_model.safetensors")
    text = json.dumps({**SETTINGS, "base_model_name_or_path": base, **settings})
    (folder / "adapter_config.json").write_text(text, encoding="utf-8")
    return folder


def _expected(checkpoint: Path, adapter: Path) -> Tensor:
    """The base with the products of the adapter's matrices added to its own."""
    from safetensors.torch import load_file

    decoder = load_decoder(str(checkpoint))
    tensors, parameters = load_file(adapter / "adapter_model.safetensors"), dict(decoder.model.named_parameters())
    with torch.no_grad():
        for name, matrix in tensors.items():
            if name.endswith("lora_A.weight"):
                target = parameters[name.removeprefix("base_model.model.").replace("lora_A.", "")]
                target += (8 / 2) * tensors[name.replace("lora_A", "lora_B")] @ matrix
    return decoder.logits(IDS)


@pytest.fixture
def beside(tiny_checkpoint: Path, tmp_path: Path) -> Path:
    """The tiny model with an adapter in its own folder."""
    return _write_adapter(Path(shutil.copytree(tiny_checkpoint, tmp_path / "beside")), "some/base-on-the-hub")


def _refused(folder: Path) -> str:
    with pytest.raises(ModelError) as error:
        load_decoder(str(folder))
    return str(error.value)


@needs_peft
def test_an_adapters_folder_is_its_base_with_the_adapter(tiny_checkpoint: Path, tmp_path: Path) -> None:
    adapter = _write_adapter(tmp_path / "lora", str(tiny_checkpoint))
    decoder = load_decoder(str(adapter))
    torch.testing.assert_close(decoder.logits(IDS), _expected(tiny_checkpoint, adapter))
    assert (decoder.logits(IDS) - load_decoder(str(tiny_checkpoint)).logits(IDS)).abs().max() > 0.1
    assert decoder.name == str(adapter)
    assert not any("lora" in name for name, _ in decoder.model.named_modules())


@needs_peft
def test_an_adapter_beside_its_base(beside: Path, tiny_checkpoint: Path) -> None:
    decoder = load_decoder(str(beside))
    torch.testing.assert_close(decoder.logits(IDS), _expected(tiny_checkpoint, beside))
    assert not any("lora" in name for name, _ in decoder.model.named_modules())


@needs_peft
def test_the_fingerprint_is_of_base_and_adapter(tiny_checkpoint: Path, tmp_path: Path) -> None:
    base = Path(shutil.copytree(tiny_checkpoint, tmp_path / "base"))
    adapter = _write_adapter(tmp_path / "lora", str(base))
    first = resolve_model(str(adapter)).fingerprint
    _write_adapter(tmp_path / "lora", str(base), lora_alpha=9)
    second = resolve_model(str(adapter)).fingerprint
    with (base / "config.json").open("a") as file:
        file.write("\n")
    assert len({first, second, resolve_model(str(adapter)).fingerprint, resolve_model(str(base)).fingerprint}) == 4


@needs_peft
def test_adapters_that_cannot_be_merged(tiny_checkpoint: Path, tmp_path: Path) -> None:
    base = str(tiny_checkpoint)
    cases: dict[str, tuple[str, dict[str, Any]]] = {
        "other": ("Target modules", {"target_modules": ["c_attn"]}),
        "wide": ("size mismatch|Error.* in loading", {"r": 4}),
        "lacks": ("missing adapter keys", {"target_modules": ["q_proj", "up_proj", "o_proj"]}),
        "magic": ("MAGIC", {"peft_type": "MAGIC"}),
        "prompt": ("", {"peft_type": "PROMPT_TUNING", "num_virtual_tokens": 3, "token_dim": 32, "num_layers": 4}),
    }
    for name, (reason, settings) in cases.items():
        message = _refused(_write_adapter(tmp_path / name, base, **settings))
        assert re.search(f"cannot be merged into 'llama': .*({reason})", message), message
    assert "names none" in _refused(_write_adapter(tmp_path / "none", None))
    message = _refused(_write_adapter(tmp_path / "gone", "./no/such/base"))
    assert "is an adapter of './no/such/base', which cannot be taken as its base" in message
    again = _write_adapter(tmp_path / "again", str(_write_adapter(tmp_path / "lora", base)))
    assert "is an adapter itself" in _refused(again)


@needs_peft
def test_an_adapter_is_neither_streamed_nor_quantised(tiny_checkpoint: Path, tmp_path: Path, monkeypatch) -> None:
    source = resolve_model(str(_write_adapter(tmp_path / "lora", str(tiny_checkpoint))))
    with pytest.raises(ModelError, match="is an adapter: leave out --stream"):
        load_streamed(source, load_config(source, LoadOptions()), None, LoadOptions())
    monkeypatch.setitem(__import__("sys").modules, "bitsandbytes", object())
    with pytest.raises(ModelError, match="merged into plain weights, .* leave out --quantize"):
        load_decoder(str(tmp_path / "lora"), options=LoadOptions(quantize="nf4"))


@pytest.mark.parametrize("place", ["alone", "beside"])
def test_an_adapter_is_never_ignored(
    place: str, beside: Path, tiny_checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = beside if place == "beside" else _write_adapter(tmp_path / "lora", str(tiny_checkpoint))
    found = importlib.util.find_spec
    monkeypatch.setattr("importlib.util.find_spec", lambda name, *more: None if name == "peft" else found(name, *more))
    message = _refused(folder)
    assert "holds an adapter of '" in message
    assert "pip install 'layerscope[adapters]'" in message


def test_an_adapter_that_is_not_whole(tiny_checkpoint: Path, tmp_path: Path) -> None:
    folder = _write_adapter(tmp_path / "lora", str(tiny_checkpoint))
    (folder / "adapter_config.json").rename(tmp_path / "kept.json")
    assert "An adapter has adapter_config.json beside its weights" in _refused(folder)
    shutil.copy(tmp_path / "kept.json", folder / "adapter_config.json")
    weights = folder / "adapter_model.safetensors"
    weights.write_bytes(b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n")
    assert "adapter_model.safetensors' is a Git LFS pointer" in _refused(folder)
    weights.write_bytes(b"\0" * 20)
    assert "adapter_model.safetensors' cannot be read" in _refused(folder)
    weights.unlink()
    assert "An adapter has its weights in adapter_model.safetensors" in _refused(folder)
    (folder / "adapter_model.bin").write_bytes(b"")
    assert "because a pickle can run code" in _refused(folder)
    (folder / "adapter_config.json").write_text("[]", encoding="utf-8")
    assert "adapter_config.json' must be a file with a JSON object" in _refused(folder)
