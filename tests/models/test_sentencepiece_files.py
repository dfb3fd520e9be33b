"""A folder that has only ``tokenizer.model`` gives sentencepiece's own tokens, whatever settings lie beside the file."""

from __future__ import annotations

import importlib.util
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from sentencepiece import SentencePieceProcessor
from transformers import LlamaConfig, Phi3Config, PretrainedConfig

from layerscope.models.loading import LoadOptions, load_encoder
from layerscope.models.sources import ModelSource

TEXTS = ("It rained all day.", " He said:  so", "naïve Zürich 東京 3.14\n\ttabs")


@pytest.fixture(scope="module")
def vocabulary() -> Path:
    """Mistral 7B's sentencepiece file, from mistral-common."""
    found = importlib.util.find_spec("mistral_common")
    files = (
        [path for root in (found.submodule_search_locations or ()) for path in Path(root).rglob("tokenizer.model.v1")]
        if found
        else []
    )
    if not files:
        pytest.skip("no real sentencepiece file: pip install --no-deps mistral-common")
    return files[0]


@pytest.mark.parametrize(
    ("config", "settings"),
    [
        (LlamaConfig, {"tokenizer_class": "LlamaTokenizer", "add_bos_token": True}),
        (LlamaConfig, {"tokenizer_class": "LlamaTokenizer", "add_bos_token": False}),
        (LlamaConfig, None),
        (Phi3Config, {"tokenizer_class": "LlamaTokenizer"}),
        (Phi3Config, None),
    ],
)
def test_tokens_are_those_of_sentencepiece(
    vocabulary: Path, tmp_path: Path, config: type[PretrainedConfig], settings: dict[str, Any] | None
) -> None:
    shutil.copy(vocabulary, tmp_path / "tokenizer.model")
    config().save_pretrained(tmp_path)
    if settings is not None:
        (tmp_path / "tokenizer_config.json").write_text(json.dumps(settings), encoding="utf-8")
    encoder = load_encoder(ModelSource("spm", str(tmp_path), None, ""), LoadOptions())
    own = SentencePieceProcessor(model_file=str(vocabulary))
    adds_bos = (settings or {}).get("add_bos_token", True)  # Llama's default
    assert encoder.prefix_ids == ((own.bos_id(),) if adds_bos else ())
    for text in TEXTS:
        assert encoder.encode(text).ids.tolist() == own.encode(text)
