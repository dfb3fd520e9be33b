"""Folders with a tokenizer in each form that people have: read as the vendor does, or refused with the name of the file."""

from __future__ import annotations

import base64
import importlib.util
import json
import shutil
from pathlib import Path

import pytest

from layerscope.errors import ModelError
from layerscope.models.encoder import TextEncoder
from layerscope.models.loading import load_decoder, load_tokenizer
from tests.checkpoints import BOS_ID, byte_tokenizer
from tests.real_tokenizers import package_file, real_tokenizer, save_with_tiny_model

LLAMA_CLASS = {"tokenizer_class": "LlamaTokenizer"}


@pytest.fixture
def vocabulary_only(tmp_path: Path) -> Path:
    """A folder with a sentencepiece model, as Llama 2's and Mistral's first releases are."""
    file = package_file("mistral_common", "data/tokenizer.model.v1")
    if file is None:
        pytest.skip("mistral-common is not installed: pip install --no-deps -r requirements-model.txt")
    if importlib.util.find_spec("google") is None or importlib.util.find_spec("google.protobuf") is None:
        pytest.skip("protobuf is not installed: pip install -r requirements.txt")
    shutil.copy(file, tmp_path / "tokenizer.model")
    (tmp_path / "config.json").write_text('{"model_type": "llama"}')
    return tmp_path


def configured(folder: Path, config: dict[str, object] | None) -> Path:
    if config is not None:
        (folder / "tokenizer_config.json").write_text(json.dumps(config))
    return folder


@pytest.mark.parametrize("config", [None, LLAMA_CLASS, {"add_bos_token": True}])
def test_a_vocabulary_without_settings_is_read_as_llamas_with_a_bos(
    vocabulary_only: Path, config: dict[str, object] | None
) -> None:
    encoder = TextEncoder.from_tokenizer(load_tokenizer(str(configured(vocabulary_only, config))))
    assert encoder.prefix_ids == (1,)
    ids = encoder.encode("The cat sat.").ids.tolist()
    assert [encoder.token_text(token_id) for token_id in ids] == [" The", " cat", " sat", "."]


def test_another_file_by_the_name_of_sentencepieces_is_refused(tmp_path: Path) -> None:
    """Llama 3's own is one of tiktoken's."""
    (tmp_path / "config.json").write_text('{"model_type": "llama"}')
    lines = (f"{base64.b64encode(bytes([byte])).decode()} {byte}" for byte in range(256))
    (tmp_path / "tokenizer.model").write_text("\n".join(lines) + "\n")
    with pytest.raises(ModelError, match="has only a tokenizer.model that is none: add the model's own tokenizer.json"):
        load_tokenizer(str(configured(tmp_path, LLAMA_CLASS)))


@pytest.mark.parametrize(("adds_bos", "prefix"), [(True, (1,)), (False, ())])
def test_a_vocabulary_that_is_read_as_its_vendor_reads_it_is_taken(
    vocabulary_only: Path, adds_bos: bool, prefix: tuple[int, ...]
) -> None:
    tokenizer = load_tokenizer(str(configured(vocabulary_only, {**LLAMA_CLASS, "add_bos_token": adds_bos})))
    encoder = TextEncoder.from_tokenizer(tokenizer)
    assert encoder.prefix_ids == prefix
    ids = encoder.encode("The cat sat.").ids.tolist()
    assert [encoder.token_text(token_id) for token_id in ids] == [" The", " cat", " sat", "."]


@pytest.mark.parametrize("with_config", [True, False])
def test_tekken_alone_is_refused_by_name(tmp_path: Path, with_config: bool) -> None:
    (tmp_path / "tekken.json").write_text("{}")
    if with_config:
        configured(tmp_path, {"tokenizer_class": "PreTrainedTokenizerFast"})
    with pytest.raises(ModelError, match="A tokenizer is read from tokenizer.json; .* has only tekken.json, from which"):
        load_tokenizer(str(tmp_path))


def test_a_tekken_file_beside_a_whole_tokenizer_is_left_alone(tmp_path: Path) -> None:
    """Where mistral-common is installed, transformers would take its own kind, which has no offsets."""
    byte_tokenizer(adds_bos=True).save_pretrained(tmp_path)
    (tmp_path / "tekken.json").write_text("{}")
    (tmp_path / "config.json").write_text('{"model_type": "mistral"}')
    encoder = TextEncoder.from_tokenizer(load_tokenizer(str(tmp_path)))
    assert encoder.prefix_ids == (BOS_ID,)
    assert encoder.encode("a b").spans.tolist() == [[0, 1], [1, 2], [2, 3]]


def test_a_folder_with_nothing_to_read_is_refused(tmp_path: Path) -> None:
    (tmp_path / "tokenizer_config.json").write_text("{}")
    with pytest.raises(ModelError, match="The tokenizer of '.*' cannot be loaded: "):
        load_tokenizer(str(tmp_path))


@pytest.mark.parametrize("name", ["gpt-2", "llama-3", "mistral-v1"])
def test_a_model_with_a_real_vocabulary_is_loaded_with_its_tokenizer(name: str, tmp_path: Path) -> None:
    real = real_tokenizer(name)
    decoder = load_decoder(str(save_with_tiny_model(name, tmp_path / name)))
    assert decoder.encoder is not None
    assert decoder.encoder.prefix_ids == real.bos
    text = "“東京” costs ¥1,200 🙂\r\n— she'd say."
    expected = real.tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
    found = decoder.encoder.encode(text)
    assert found.ids.tolist() == expected["input_ids"]
    assert found.spans.tolist()[1:] == [list(span) for span in expected["offset_mapping"]][1:]
