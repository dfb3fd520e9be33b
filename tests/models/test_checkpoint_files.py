"""A folder that is no whole checkpoint is refused by the file at fault, whatever the fault, before weights are loaded."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from layerscope.errors import LayerscopeError, ModelError
from layerscope.models.load_errors import loading
from layerscope.models.loading import LoadOptions, load_config, load_decoder, load_encoder, load_tokenizer
from layerscope.models.skeleton import count_layers, count_parameters
from layerscope.models.sources import ModelSource, resolve_model
from tests.checkpoints import byte_tokenizer, save_tiny_llama

POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1\nsize 134\n"


@pytest.fixture
def folder(tiny_checkpoint: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny_checkpoint, tmp_path / "model"))


@pytest.fixture
def sharded(folder: Path) -> Path:
    """The tiny model in two files."""
    tensors = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    names, where = sorted(tensors), {}
    for number, part in enumerate((names[:20], names[20:]), start=1):
        file = f"model-0000{number}-of-00002.safetensors"
        save_file({name: tensors[name] for name in part}, folder / file, metadata={"format": "pt"})
        where |= dict.fromkeys(part, file)
    _write(folder / "model.safetensors.index.json", {"metadata": {}, "weight_map": where})
    return folder


@contextmanager
def tolerated() -> Iterator[list[str]]:
    """What the block was refused with, if it was."""
    messages: list[str] = []
    try:
        yield messages
    except LayerscopeError as error:
        messages.append(str(error))


def _write(path: Path, value: Any) -> None:
    path.write_text(json.dumps(value), encoding="utf-8")


def _edit(path: Path, **changes: Any) -> None:
    _write(path, {**json.loads(path.read_text(encoding="utf-8")), **changes})


def _refused(folder: Path) -> str:
    with pytest.raises(ModelError) as error:
        load_decoder(str(folder))
    assert "\n" not in str(error.value)
    return str(error.value)


def test_shards_give_the_model(sharded: Path, tiny_checkpoint: Path) -> None:
    ids = torch.arange(20)[None]
    assert torch.equal(load_decoder(str(sharded)).logits(ids), load_decoder(str(tiny_checkpoint)).logits(ids))


def test_a_missing_shard(sharded: Path) -> None:
    (sharded / "model-00002-of-00002.safetensors").unlink()
    assert "lacks model-00002-of-00002.safetensors: fetch it too" in _refused(sharded)


def test_an_index_that_names_what_its_file_does_not_hold(sharded: Path) -> None:
    index = json.loads((sharded / "model.safetensors.index.json").read_text(encoding="utf-8"))
    index["weight_map"]["model.layers.9.mlp.up_proj.weight"] = "model-00001-of-00002.safetensors"
    _write(sharded / "model.safetensors.index.json", index)
    assert "model-00001-of-00002.safetensors' has no model.layers.9.mlp.up_proj.weight" in _refused(sharded)


@pytest.mark.parametrize("place", ["../other.safetensors", "/etc/other.safetensors", "a/../../b.safetensors", "..", ""])
def test_an_index_that_points_outside(sharded: Path, place: str) -> None:
    shutil.copy(sharded / "model-00002-of-00002.safetensors", sharded.parent / "other.safetensors")
    index = json.loads((sharded / "model.safetensors.index.json").read_text(encoding="utf-8"))
    index["weight_map"] = {name: place if "00002" in file else file for name, file in index["weight_map"].items()}
    _write(sharded / "model.safetensors.index.json", index)
    assert f"names '{place}', outside of it" in _refused(sharded)


@pytest.mark.parametrize("index", [[], {}, {"weight_map": []}, {"weight_map": {}}, {"weight_map": {"a": 5}}])
def test_an_index_that_is_none(sharded: Path, index: Any) -> None:
    _write(sharded / "model.safetensors.index.json", index)
    assert "model.safetensors.index.json' must" in _refused(sharded)


def test_weights_of_another_shape(folder: Path) -> None:
    tensors = load_file(folder / "model.safetensors")
    tensors["model.layers.2.mlp.up_proj.weight"] = torch.zeros(60, 32)
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    message = _refused(folder)
    assert "the first is model.layers.2.mlp.up_proj.weight with (60, 32) in the files and (64, 32) in the model" in message


def test_weights_under_another_name(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "consolidated.safetensors")
    message = _refused(folder)
    assert "has neither, but consolidated.safetensors" in message
    assert "pickle" not in message


def test_only_pickles_are_called_pickles(tmp_path: Path) -> None:
    folder = save_tiny_llama(tmp_path / "pickled", safe=False)
    assert "because a pickle can run code" in _refused(folder)
    (folder / "pytorch_model.bin").unlink()
    assert "has no .safetensors file" in _refused(folder)


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        OSError(12, "Cannot allocate memory", "model.safetensors"),
        RuntimeError("[enforce fail at alloc_cpu.cpp:127] DefaultCPUAllocator: can't allocate memory: you tried to allocate"),
        torch.OutOfMemoryError("CUDA out of memory"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_memory_is_not_the_files_fault(tiny_checkpoint: Path, error: Exception) -> None:
    source = ModelSource(str(tiny_checkpoint), str(tiny_checkpoint), None, "")
    with (
        pytest.raises(LayerscopeError, match="The weights of .* do not fit in memory: load them in bfloat16"),
        loading(source, "weights"),
    ):
        raise RuntimeError("Unable to load weights from safetensors checkpoint file") from error


@pytest.mark.parametrize("name", ["model.safetensors", "tokenizer.json", "config.json", "tokenizer_config.json"])
def test_a_git_lfs_pointer(folder: Path, name: str) -> None:
    (folder / name).write_bytes(POINTER)
    message = _refused(folder)
    assert f"{name}' is a Git LFS pointer" in message
    assert "run 'git lfs pull'" in message


def test_a_pointer_among_shards(sharded: Path) -> None:
    (sharded / "model-00001-of-00002.safetensors").write_bytes(POINTER)
    assert "model-00001-of-00002.safetensors' is a Git LFS pointer" in _refused(sharded)


@pytest.mark.parametrize("name", ["model.safetensors", "tokenizer.json", "config.json", "tokenizer_config.json"])
def test_a_folder_where_a_file_belongs(folder: Path, name: str) -> None:
    (folder / name).unlink()
    (folder / name).mkdir()
    assert f"{name}' must be a file, and is a folder" in _refused(folder)


def test_a_folder_without_a_tokenizer(folder: Path) -> None:
    for path in folder.glob("tokenizer*"):
        path.unlink()
    assert "is read with its own tokenizer; " in _refused(folder)
    assert "holds none (tokenizer.json, tokenizer.model, vocab.json)" in _refused(folder)


NO_OBJECTS: dict[str, bytes] = {
    "empty": b"",
    "cut": b'{"model_type": "llama", "hidden_size": 3',
    "list": b"[]",
    "null": b"null",
    "nested": b'{"a":' * 1000 + b"1" + b"}" * 1000,
    "nested, just": b'{"a":' + b"[" * 200 + b"]" * 200 + b"}",
    "digits": b'{"hidden_size": ' + b"9" * 5000 + b"}",
    "digits, few": b'{"hidden_size": ' + b"9" * 400 + b"}",
    "surrogate": b'{"model_type": "\\ud800"}',
    "surrogate key": b'{"\\udfff": 1}',
    "not UTF-8": b'{"model_type": "\xff"}',
}


@pytest.mark.parametrize("name", ["config.json", "generation_config.json", "tokenizer_config.json", "special_tokens_map.json"])
@pytest.mark.parametrize("data", NO_OBJECTS.values(), ids=NO_OBJECTS)
def test_settings_that_are_no_object(folder: Path, name: str, data: bytes) -> None:
    (folder / name).write_bytes(data)
    assert f"{name}' must be a file with a JSON object, and " in _refused(folder)


MALFORMED: dict[str, dict[str, Any]] = {
    "text for a number": {"hidden_size": "32"},
    "list for a number": {"hidden_size": [32]},
    "nothing for a number": {"hidden_size": None},
    "fraction": {"hidden_size": 32.5},
    "no width": {"hidden_size": 0},
    "negative width": {"hidden_size": -32},
    "wide": {"hidden_size": 2**62},
    "no heads": {"num_attention_heads": 0},
    "negative heads": {"num_attention_heads": -4},
    "heads that do not divide": {"num_attention_heads": 5},
    "no keys": {"num_key_value_heads": 0},
    "head of nothing": {"head_dim": 0},
    "unknown activation": {"hidden_act": "wave"},
    "activation as a number": {"hidden_act": 3},
    "dtype as a number": {"dtype": 5},
    "dtype as a list": {"dtype": ["float32"]},
    "unknown dtype": {"dtype": "float33"},
    "dtype of integers": {"dtype": "int64"},
    "negative layers": {"num_hidden_layers": -1},
    "no layers": {"num_hidden_layers": 0},
    "layers as text": {"num_hidden_layers": "4"},
    "layers true": {"num_hidden_layers": True},
    "negative vocabulary": {"vocab_size": -1},
    "no vocabulary": {"vocab_size": 0},
    "vocabulary as a list": {"vocab_size": [260]},
    "large vocabulary": {"vocab_size": 2**62},
    "rope as a list": {"rope_parameters": [1, 2]},
    "unknown rope": {"rope_parameters": {"rope_type": "spiral", "rope_theta": 1.0}},
    "rope without a base": {"rope_parameters": {"rope_type": "default", "rope_theta": "x"}},
    "model_type a list": {"model_type": ["llama"]},
    "model_type a number": {"model_type": 5},
    "no model_type": {"model_type": None},
    "model_type with control characters": {"model_type": "\x1b[31mred\x00"},
    "model_type of 100 kB": {"model_type": "x" * 100_000},
    "architectures a number": {"architectures": 5},
    "padding outside": {"pad_token_id": 10**9},
    "quantisation unknown": {"quantization_config": {"quant_method": "magic"}},
    "quantisation a list": {"quantization_config": []},
    "eps as text": {"rms_norm_eps": "small"},
    "text_config a list": {"text_config": []},
    "tie as text": {"tie_word_embeddings": "perhaps"},
    "id2label a list": {"id2label": [1]},
    "no positions": {"max_position_embeddings": 0},
    "positions as text": {"max_position_embeddings": "512"},
}


@pytest.mark.parametrize("changes", MALFORMED.values(), ids=MALFORMED)
def test_a_malformed_configuration_never_ends_in_a_traceback(folder: Path, changes: dict[str, Any]) -> None:
    """Refused in one sentence, or harmless: then the model is the one it was."""
    _edit(folder / "config.json", **changes)
    with tolerated() as errors:
        source = resolve_model(str(folder))
        config = load_config(source, LoadOptions())
        count_layers(config)
        count_parameters(config)
        load_encoder(source, LoadOptions())
        decoder = load_decoder(str(folder))
        assert decoder.n_layers == 4
        assert decoder.logits(torch.arange(8)[None]).isfinite().all()
    for error in errors:
        assert str(folder) in error or "'llama'" in error
        assert len(error) < 2200
        assert error.isprintable()


@pytest.mark.parametrize("name", ["num_hidden_layers", "n_layers", "encoder_layers"])
@pytest.mark.parametrize("count", [4097, 10**6, 10**12])
def test_layers_without_end_are_refused_at_once(folder: Path, name: str, count: int) -> None:
    _edit(folder / "config.json", **{name: count})
    assert f"says {name}: {count}" in _refused(folder)


TOKENIZERS: dict[str, Any] = {
    "list": [],
    "text": "tokenizer",
    "empty": {},
    "no model": {"version": "1.0"},
    "model of no kind": {"version": "1.0", "model": {}},
    "model unknown": {"version": "1.0", "model": {"type": "Magic"}},
    "vocabulary a number": {"version": "1.0", "model": {"type": "BPE", "vocab": 5, "merges": []}},
    "merges of unknown tokens": {"version": "1.0", "model": {"type": "BPE", "vocab": {"a": 0}, "merges": ["x y"]}},
    "added token without text": {"version": "1.0", "added_tokens": [{"id": 1}], "model": {"type": "BPE"}},
}


@pytest.mark.parametrize("value", TOKENIZERS.values(), ids=TOKENIZERS)
def test_a_tokenizer_of_the_wrong_shape(folder: Path, value: Any) -> None:
    _write(folder / "tokenizer.json", value)
    assert "tokenizer" in _refused(folder)


@pytest.mark.parametrize(
    "changes",
    [
        {"tokenizer_class": 5},
        {"tokenizer_class": "Magic"},
        {"added_tokens_decoder": []},
        {"added_tokens_decoder": {"x": {"content": "y"}}},
        {"bos_token": 5},
        {"bos_token": ["<bos>"]},
        {"model_max_length": "many"},
        {"extra_special_tokens": 5},
    ],
    ids=str,
)
def test_tokenizer_settings_never_end_in_a_traceback(folder: Path, changes: dict[str, Any]) -> None:
    _edit(folder / "tokenizer_config.json", **changes)
    with tolerated() as errors:
        encoder = load_encoder(resolve_model(str(folder)), LoadOptions())
        assert encoder.encode("ab").ids.tolist() == byte_tokenizer()("ab")["input_ids"]
    assert all("The tokenizer of " in error for error in errors)


def test_a_folder_with_nothing_but_a_tokenizer(tmp_path: Path) -> None:
    byte_tokenizer().save_pretrained(tmp_path / "tokenizer")
    assert load_tokenizer(str(tmp_path / "tokenizer")).bos_token == "<bos>"
    (tmp_path / "tokenizer" / "tokenizer.json").write_text("[]", encoding="utf-8")
    with pytest.raises(ModelError, match="The tokenizer of .* cannot be loaded"):
        load_tokenizer(str(tmp_path / "tokenizer"))


@pytest.mark.parametrize(
    "name",
    [
        "~nouser/x",
        "~nouser",
        "x" * 300,
        "a/" + "x" * 300,
        "/" + "x" * 5000,
        "x\x00y",
        "x\ny",
        "\ud800",
        " ",
        ".",
        "x" * 300 + ".gguf",
    ],
    ids=lambda name: name[:12].encode("unicode_escape").decode(),
)
def test_names_that_no_file_can_have(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    ask: Callable[[], object]
    for ask in (lambda: resolve_model(name), lambda: load_tokenizer(name)):
        with pytest.raises(ModelError) as error:
            ask()
        assert str(error.value).isprintable()
