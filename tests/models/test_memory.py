"""A model that plainly does not fit is refused before a weight is read, whichever command asks for it."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from transformers import AutoConfig, AutoModelForCausalLM

from layerscope.cli.main import main
from layerscope.errors import DeviceError, ModelError
from layerscope.models.loading import LoadOptions, load_config, load_streamed, load_weights
from layerscope.models.memory import check_weights_fit, weight_memory
from layerscope.models.sources import resolve_model
from layerscope.pairs.format import write_pairs
from tests.letter_pairs import pairs_of_names
from tests.tiny_models import build_tiny


def test_the_estimate_is_that_of_the_model() -> None:
    model = build_tiny("llama-untied")
    total = sum(parameter.numel() for parameter in model.parameters())
    layer = sum(parameter.numel() for parameter in model.model.layers[0].parameters())
    as_stored = {"stored": torch.float32, "device_type": "cpu"}
    found = weight_memory(model.config, torch.float32, **as_stored)
    assert found is not None
    assert (found.weights, found.loading) == (4 * total, 4 * total)
    converted = weight_memory(model.config, torch.bfloat16, **as_stored)
    assert converted is not None
    assert (converted.weights, converted.loading) == (2 * total, 6 * total)
    streamed = weight_memory(model.config, torch.float32, **as_stored, streamed=True)
    assert streamed is not None
    assert (streamed.weights, streamed.loading) == (4 * (total - layer), 0)  # three of four layers at once
    on_gpu = weight_memory(model.config, torch.float32, stored=torch.float32, device_type="cuda", quantize="int8")
    assert on_gpu is not None
    assert (on_gpu.weights, on_gpu.loading) == (total, 0)


def test_what_fits_exactly_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    memory = weight_memory(build_tiny("llama").config, torch.float32, stored=torch.float32, device_type="cpu")
    assert memory is not None
    monkeypatch.setattr("layerscope.models.memory.available_memory", lambda _: memory.weights)
    check_weights_fit("m", memory, torch.device("cpu"))
    monkeypatch.setattr("layerscope.models.memory.available_memory", lambda _: memory.weights - 1)
    with pytest.raises(DeviceError, match=r"weights of 'm' need about 0\.0 GiB on cpu"):
        check_weights_fit("m", memory, torch.device("cpu"))
    monkeypatch.setattr("layerscope.models.memory.available_memory", lambda _: None)
    check_weights_fit("m", memory, torch.device("cpu"))


@pytest.fixture
def nothing_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """Less memory than any model takes, and a loader that must not be asked."""
    monkeypatch.setattr("layerscope.models.memory.available_memory", lambda _: 1000)

    def read(*_: object, **__: object) -> None:
        raise AssertionError("weights are read")

    monkeypatch.setattr(AutoModelForCausalLM, "from_pretrained", read)


@pytest.mark.usefixtures("nothing_is_read")
@pytest.mark.parametrize("load", [load_weights, load_streamed])
def test_both_ways_of_loading_refuse(tmp_path: Path, load) -> None:
    build_tiny("llama").save_pretrained(tmp_path)
    source = resolve_model(str(tmp_path))
    with pytest.raises(
        DeviceError, match=r"The weights of .* need about .* GiB on cpu and 0\.0 GiB are free: load it in bfloat16"
    ):
        load(source, AutoConfig.from_pretrained(tmp_path), None, LoadOptions())


@pytest.mark.usefixtures("nothing_is_read")
def test_a_device_map_spreads_what_does_not_fit(tmp_path: Path) -> None:
    build_tiny("llama").save_pretrained(tmp_path)
    source = resolve_model(str(tmp_path))
    with pytest.raises(ModelError, match="cannot be loaded: weights are read"):
        load_weights(source, load_config(source, LoadOptions()), None, LoadOptions(device_map="auto"))


@pytest.mark.usefixtures("nothing_is_read")
@pytest.mark.parametrize(
    "command",
    [
        "contrast --model {model} --pairs {pairs} --output-dir {out}",
        "pairs judge {pairs} --model {model} -o {out}",
        "export --model {model} --path 0-2 --output-dir {out}",
    ],
)
def test_commands_refuse_before_they_load(
    tiny_checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    write_pairs(pairs_of_names(), tmp_path / "pairs.jsonl")
    filled = command.format(model=tiny_checkpoint, pairs=tmp_path / "pairs.jsonl", out=tmp_path / "out")
    with pytest.raises(SystemExit) as ended:
        main(filled.split())
    assert ended.value.code == 2
    assert "GiB are free: load it in bfloat16" in " ".join(capsys.readouterr().err.split())
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["pairs.jsonl"]
