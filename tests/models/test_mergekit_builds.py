"""mergekit itself, in a process of its own, builds from our recipes the checkpoints of ``export``, tensor by tensor."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from torch import Tensor
from transformers import AutoModelForCausalLM

from layerscope.cli.main import main
from layerscope.models.export import export_path
from layerscope.models.loading import LoadOptions, load_decoder
from layerscope.paths.path import LayerPath
from tests.checkpoints import save_tiny_llama

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
MERGEKIT = ROOT / "build" / "mergekit"
SILENT = {"attn": "mlp.down_proj.weight", "mlp": "self_attn.o_proj.weight"}
"""Of a Llama, what is zero where only that half runs."""


@pytest.fixture(scope="module", autouse=True)
def installed() -> None:
    if not (MERGEKIT / "mergekit").is_dir():
        pytest.skip("mergekit is not in build/mergekit: make mergekit")


def merge(recipe: Path, folder: Path) -> dict[str, Tensor]:
    """What ``mergekit-yaml`` builds where the source model lies in the working folder."""
    command = [sys.executable, "-m", "mergekit.scripts.run_yaml", str(recipe), str(folder), "--no-write-model-card", "--quiet"]
    environment = {**os.environ, "PYTHONPATH": str(MERGEKIT), "HF_HUB_OFFLINE": "1", "CUDA_VISIBLE_DEVICES": ""}
    done = subprocess.run(
        [*command, "--clone-tensors"], cwd=folder.parent, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-3_000:]
    return tensors_in(folder)


def tensors_in(folder: Path) -> dict[str, Tensor]:
    found: dict[str, Tensor] = {}
    for file in folder.glob("*.safetensors"):
        with safe_open(file, framework="pt") as tensors:
            found |= {name: tensors.get_tensor(name) for name in tensors.keys()}  # noqa: SIM118
    return found


def check_equal(merged: dict[str, Tensor], exported: dict[str, Tensor], path: LayerPath) -> None:
    """Bit for bit; zeros that mergekit makes by a product with 0 have the sign of what they were."""
    zeros = {f"model.layers.{place}.{SILENT[step.part]}" for place, step in enumerate(path.steps) if step.part != "whole"}
    assert merged.keys() == exported.keys()
    assert zeros <= exported.keys()
    for name, tensor in exported.items():
        assert (merged[name].dtype, merged[name].shape) == (tensor.dtype, tensor.shape), name
        if name in zeros:
            assert not merged[name].any(), name
            assert not tensor.any(), name
        else:
            assert torch.equal(merged[name].view(torch.uint8), tensor.view(torch.uint8)), name


@pytest.mark.parametrize(
    ("written", "dtype"),
    [
        ("0,2-3", "float32"),
        ("0,2,1,3", "float32"),
        ("0-2,1-3", "float32"),
        ("3,3.mlp,0,2.attn,1,1", "float32"),
        ("3,3.mlp,0,2.attn,1,1", "bfloat16"),
    ],
)
def test_mergekit_builds_what_export_writes(written: str, dtype: str, tmp_path: Path) -> None:
    """A removal, an exchange, a repetition, and halves among all of them."""
    save_tiny_llama(tmp_path / "tiny")
    path = LayerPath.parse(written)
    decoder = load_decoder(str(tmp_path / "tiny"), options=LoadOptions(dtype=dtype))
    export_path(decoder, path, folder=tmp_path / "exported")
    merged = merge(tmp_path / "exported" / "mergekit.yaml", tmp_path / "merged")
    check_equal(merged, tensors_in(tmp_path / "exported"), path)
    token_ids = torch.arange(40)[None] * 5
    with torch.no_grad():
        first, second = (AutoModelForCausalLM.from_pretrained(tmp_path / name)(token_ids) for name in ("merged", "exported"))
    assert torch.equal(first.logits, second.logits)


def test_a_converted_recipe_builds_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save_tiny_llama(tmp_path / "tiny", n_layers=6)
    monkeypatch.chdir(tmp_path)
    Path("sleb.txt").write_text("# Total Blocks: 6\nBlock Removal Order: [4, 1]\n", encoding="utf-8")
    with pytest.raises(SystemExit) as ended:
        main(["paths", "convert", "sleb.txt", "--to", "mergekit", "--model", "./tiny", "-o", "recipe.yaml"])
    assert ended.value.code == 0
    export_path(load_decoder("./tiny"), LayerPath.parse("0,2-3,5"), folder=tmp_path / "exported")
    check_equal(merge(tmp_path / "recipe.yaml", tmp_path / "merged"), tensors_in(tmp_path / "exported"), LayerPath(()))


@pytest.mark.real
@pytest.mark.parametrize("real_model", ["smollm2-135m"], indirect=True)
def test_of_a_real_model_too(real_model: str, tmp_path: Path) -> None:
    """Exported whole, so that it lies in a folder as transformers writes one, and taken apart from there."""
    options = LoadOptions(dtype="bfloat16")
    export_path(load_decoder(real_model, options=options), LayerPath.intact(30), folder=tmp_path / "intact")
    path = LayerPath.parse("0-9,12,11,13.mlp,14-20,18-28,29.attn")
    export_path(load_decoder(str(tmp_path / "intact"), options=options), path, folder=tmp_path / "exported")
    check_equal(merge(tmp_path / "exported" / "mergekit.yaml", tmp_path / "merged"), tensors_in(tmp_path / "exported"), path)
