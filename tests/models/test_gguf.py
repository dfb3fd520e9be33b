"""GGUF files: converted to the bit, in one file or in parts; refused by name where what they should hold is missing."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers.modeling_rope_utils import ROPE_INIT_FUNCTIONS

from layerscope.errors import ModelError
from layerscope.models.loading import load_decoder
from layerscope.models.sources import resolve_model
from tests.gguf_files import N_LAYERS, gguf_tensors, tiny_llama, write_gguf

IDS = torch.arange(40)[None] % 250


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "cache"
    monkeypatch.setenv("LAYERSCOPE_CACHE", str(folder))
    return folder


def _files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def _logits(path: Path) -> torch.Tensor:
    return load_decoder(str(path)).logits(IDS)


def _refused(path: Path, cache: Path) -> str:
    with pytest.raises(ModelError) as error:
        resolve_model(str(path))
    assert not _files(cache)
    return str(error.value)


def test_a_file_gives_the_models_own_logits(tmp_path: Path) -> None:
    model = tiny_llama()
    with torch.inference_mode():
        own = model(input_ids=IDS).logits
    assert torch.equal(_logits(write_gguf(tmp_path / "tiny.gguf", model)), own)


def test_any_part_stands_for_all(tmp_path: Path) -> None:
    whole = _logits(write_gguf(tmp_path / "whole.gguf"))
    write_gguf(tmp_path / "tiny.gguf", tensors_a_part=12)
    parts = sorted(tmp_path.glob("tiny-*.gguf"))
    assert [part.name for part in parts] == [f"tiny-0000{number}-of-00003.gguf" for number in (1, 2, 3)]
    for part in parts:
        assert torch.equal(_logits(part), whole)
    assert len({resolve_model(str(part)).location for part in parts}) == 1


@pytest.mark.parametrize("missing", [1, 2, 3])
def test_a_part_that_is_not_there_is_named(tmp_path: Path, cache: Path, missing: int) -> None:
    write_gguf(tmp_path / "tiny.gguf", tensors_a_part=12)
    (tmp_path / f"tiny-0000{missing}-of-00003.gguf").unlink()
    for part in sorted(tmp_path.glob("tiny-*.gguf")):
        message = _refused(part, cache)
        assert f"in 3 parts needs all of them in one folder; 'tiny-0000{missing}-of-00003.gguf' is not beside" in message


@pytest.mark.parametrize(("part", "says"), [(1, "says that it is part 1 of 3"), (2, "says that it is part 2 of 3")])
def test_a_part_under_another_name(tmp_path: Path, cache: Path, part: int, says: str) -> None:
    write_gguf(tmp_path / "tiny.gguf", tensors_a_part=12)
    (tmp_path / f"tiny-0000{part}-of-00003.gguf").rename(tmp_path / "model.gguf")
    assert says in _refused(tmp_path / "model.gguf", cache)


def test_parts_in_the_wrong_order_and_of_other_models(tmp_path: Path, cache: Path) -> None:
    write_gguf(tmp_path / "tiny.gguf", tensors_a_part=12)
    write_gguf(tmp_path / "less.gguf", tensors_a_part=12, change=lambda tensors: tensors.pop("blk.2.ffn_down.weight"))
    names = [f"tiny-0000{number}-of-00003.gguf" for number in (1, 2, 3)]
    shutil.copy(tmp_path / "less-00003-of-00003.gguf", tmp_path / names[2])
    assert "they are parts of different models" in _refused(tmp_path / names[0], cache)
    shutil.copy(tmp_path / names[1], tmp_path / names[2])
    assert "'tiny-00003-of-00003.gguf' says that it is part 2 of 3" in _refused(tmp_path / names[0], cache)


def _without(name: str) -> Callable[[dict[str, np.ndarray]], object]:
    return lambda tensors: tensors.pop(name)


def _smaller(name: str) -> Callable[[dict[str, np.ndarray]], object]:
    return lambda tensors: tensors.update({name: tensors[name][:-2].copy()})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (_without("blk.1.attn_k.weight"), "it has no tensor blk.1.attn_k.weight"),
        (_without("token_embd.weight"), "it has no tensor token_embd.weight"),
        (_without("output_norm.weight"), "it has no tensor output_norm.weight"),
        (
            lambda tensors: [tensors.pop(name) for name in list(tensors) if name.startswith("blk.1.")],
            "its metadata count 3 layers and it has no tensor blk.1.*",
        ),
        (
            _smaller("blk.2.ffn_up.weight"),
            "its tensor blk.2.ffn_up.weight has the shape (46, 32) where its metadata say (48, 32)",
        ),
        (
            _smaller("blk.0.ffn_norm.weight"),
            "its tensor blk.0.ffn_norm.weight has the shape (30,) where its metadata say (32,)",
        ),
        (
            lambda tensors: tensors.update({"blk.0.ffn_up.weight": tensors["blk.0.ffn_up.weight"].T.copy()}),
            "the first is model.layers.0.mlp.up_proj.weight with (32, 48) in the files and (48, 32) in the model",
        ),
    ],
)
def test_a_weight_that_is_missing_or_of_another_size(tmp_path: Path, cache: Path, change: Any, message: str) -> None:
    assert message in _refused(write_gguf(tmp_path / "tiny.gguf", change=change), cache)


@pytest.mark.parametrize(
    ("metadata", "message"),
    [
        ({"llama.block_count": None}, "its metadata lack llama.block_count"),
        ({"llama.embedding_length": None}, "its metadata lack llama.embedding_length"),
        ({"llama.attention.head_count": None}, "its metadata lack llama.attention.head_count"),
        ({"llama.block_count": 2**31}, "its metadata count 2147483648 layers and it has no tensor blk.3.*"),
        ({"llama.feed_forward_length": 2**31}, "where its metadata say (2147483648, 32)"),
        ({"llama.vocab_size": 2**31}, "token_embd.weight has the shape (258, 32) where its metadata say (2147483648, 32)"),
        ({"llama.rope.scaling.type": "yarn"}, "scales them (rope.scaling.type is yarn)"),
        ({"llama.rope.scaling.type": "linear", "llama.rope.scaling.factor": 4.0}, "scales them (rope.scaling.type is linear)"),
    ],
)
def test_metadata_that_describe_another_model(tmp_path: Path, cache: Path, metadata: dict[str, Any], message: str) -> None:
    assert message in _refused(write_gguf(tmp_path / "tiny.gguf", metadata=metadata), cache)


def test_scaling_by_frequency_is_kept(tmp_path: Path) -> None:
    """Llama 3.1's scaling lies in a tensor, which transformers passes over."""
    scaling = {
        "rope_type": "llama3",
        "rope_theta": 10000.0,
        "factor": 8.0,
        "low_freq_factor": 1.0,
        "high_freq_factor": 4.0,
        "original_max_position_embeddings": 16,
    }
    model, plain = tiny_llama(rope_parameters=scaling), tiny_llama()
    frequencies = ROPE_INIT_FUNCTIONS["llama3"](model.config, torch.device("cpu"))[0]
    factors = (plain.model.rotary_emb.inv_freq / frequencies).numpy()
    assert factors.max() > 2
    path = write_gguf(tmp_path / "tiny.gguf", model, change=lambda tensors: tensors.update({"rope_freqs.weight": factors}))
    with torch.inference_mode():
        own, other = model(input_ids=IDS).logits, plain(input_ids=IDS).logits
    torch.testing.assert_close(_logits(path), own)
    assert (own - other).abs().max() > 0.01


def _cut(data: bytes) -> bytes:
    return data[:-1000]


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (_cut, "would end at byte"),
        (lambda data: data[:200], "its header is cut off or damaged"),
        (lambda data: b"", "its header is cut off or damaged"),
        (lambda data: b"not a model", "it does not begin with GGUF"),
        (lambda data: data[:4] + b"\x09\x00\x00\x00" + data[8:], "it is of version 9"),
        (lambda data: data[:8] + b"\xff" * 8 + data[16:], "cannot be read as a GGUF model"),
        (lambda data: data[:16] + b"\xff" * 8 + data[24:], "cannot be read as a GGUF model"),
        (lambda data: data.replace(b"blk.1.attn_q.weight", b"blk.1.attn_k.weight"), "the tensor 'blk.1.attn_k.weight' twice"),
        (lambda data: data.replace(b"general.architecture", b"general.something___"), "its metadata name no architecture"),
        (lambda data: b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 9\n", "is a Git LFS pointer"),
    ],
)
def test_a_damaged_file(tmp_path: Path, cache: Path, damage: Callable[[bytes], bytes], message: str) -> None:
    path = write_gguf(tmp_path / "tiny.gguf")
    path.write_bytes(damage(path.read_bytes()))
    assert message in _refused(path, cache)


@pytest.mark.parametrize("kind", [0, 8, 9], ids=["bytes", "strings", "arrays"])
@pytest.mark.parametrize("count", [2**22, 2**60])
def test_a_length_past_the_end_is_not_followed(tmp_path: Path, cache: Path, kind: int, count: int) -> None:
    path = write_gguf(tmp_path / "tiny.gguf")
    data = path.read_bytes()
    name = b"tokenizer.ggml.token_type"
    at = data.index(name) + len(name) + 4  # behind the name and the number of the type "array"
    path.write_bytes(data[:at] + kind.to_bytes(4, "little") + count.to_bytes(8, "little") + data[at + 12 :])
    assert "cannot be read as a GGUF model" in _refused(path, cache)


@pytest.mark.skipif(os.name != "posix", reason="permissions are POSIX's")
@pytest.mark.parametrize(("umask", "file_mode", "folder_mode"), [(0o022, 0o644, 0o755), (0o027, 0o640, 0o750)])
def test_the_conversion_has_the_permissions_of_the_umask(
    tmp_path: Path, cache: Path, umask: int, file_mode: int, folder_mode: int
) -> None:
    before = os.umask(umask)
    try:
        folder = Path(resolve_model(str(write_gguf(tmp_path / "tiny.gguf"))).location)
    finally:
        os.umask(before)
    assert stat.S_IMODE(folder.stat().st_mode) == folder_mode
    assert {path.name: stat.S_IMODE(path.stat().st_mode) for path in _files(folder)} == dict.fromkeys(
        (path.name for path in _files(folder)), file_mode
    )


def test_every_tensor_of_the_tiny_model_has_a_name() -> None:
    assert len(gguf_tensors(tiny_llama())) == 3 + 9 * N_LAYERS
