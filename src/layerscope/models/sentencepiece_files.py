"""A tokenizer of which there is only ``tokenizer.model``: read so that it gives what sentencepiece itself gives.

Without the settings that lie beside such a file on the Hub, transformers builds a tokenizer of no kind from it, which leaves
out the space that sentencepiece puts before a text, and the BOS. In any case it joins pieces in the order of their ids, where
sentencepiece goes by their scores.
"""

from __future__ import annotations

import json
from pathlib import Path

from sentencepiece import SentencePieceProcessor
from tokenizers import Tokenizer
from transformers import LlamaTokenizer, PreTrainedTokenizerBase, PreTrainedTokenizerFast
from transformers.convert_slow_tokenizer import generate_merges

from layerscope.errors import ModelError
from layerscope.models.checkpoint_files import read_object

_FILE, _SETTINGS = "tokenizer.model", "tokenizer_config.json"
_PROBE = " It rained  all day,\nhe said: naïve 3.14"
_SPACES = {
    "type": "Sequence",
    "normalizers": [
        {"type": "Prepend", "prepend": "▁"},
        {"type": "Replace", "pattern": {"String": " "}, "content": "▁"},
    ],
}
"""One space before every text, as in the tokenizer.json of Llama 2 and Mistral; transformers' own rule adds none to a text that
begins with one."""


def as_sentencepiece(tokenizer: PreTrainedTokenizerBase, folder: Path) -> PreTrainedTokenizerBase:
    """The tokenizer; in place of Llama's or one of no kind, Llama's as sentencepiece reads the same file.

    Args:
        tokenizer: as transformers chose it.
        folder: where it was read from; one with a ``tokenizer.json`` needs no check.

    Raises:
        ModelError: it does not give sentencepiece's own tokens.
    """
    if (folder / "tokenizer.json").exists() or not (folder / _FILE).exists():
        return tokenizer
    processor = SentencePieceProcessor()
    try:
        processor.Load(str(folder / _FILE))
    except (RuntimeError, OSError) as error:  # a file of tiktoken's goes by the same name, and does not say its BOS
        raise ModelError(
            f"A tokenizer is read from tokenizer.json, or from sentencepiece's {_FILE}; '{folder}' has only a {_FILE} that "
            "is none: add the model's own tokenizer.json."
        ) from error
    if type(tokenizer) in (LlamaTokenizer, PreTrainedTokenizerFast):
        tokenizer = _llama_tokenizer(folder, processor)
    if _ids(tokenizer) != processor.EncodeAsIds(_PROBE):
        raise ModelError(
            f"A tokenizer gives the tokens of its own file; transformers reads '{folder / _FILE}' otherwise than sentencepiece "
            "does: add the model's tokenizer.json."
        )
    return tokenizer


def _llama_tokenizer(folder: Path, processor: SentencePieceProcessor) -> LlamaTokenizer:
    """Llama's tokenizer, with a BOS unless the settings say otherwise, and pieces joined in the order of their scores.

    Runs of spaces have early ids and the lowest scores.
    """
    settings = read_object(folder / _SETTINGS) if (folder / _SETTINGS).exists() else {}
    bos = processor.IdToPiece(processor.bos_id()) if processor.bos_id() >= 0 else None
    adds_bos = settings.get("add_bos_token", bos is not None)
    tokenizer: LlamaTokenizer = LlamaTokenizer.from_pretrained(
        folder, local_files_only=True, bos_token=bos, add_bos_token=adds_bos
    )
    ids = {processor.IdToPiece(number): number for number in range(processor.GetPieceSize())}
    parts = json.loads(tokenizer.backend_tokenizer.to_str())
    parts["model"]["merges"] = generate_merges(ids, {piece: processor.GetScore(number) for piece, number in ids.items()})
    parts["pre_tokenizer"], parts["normalizer"] = None, _SPACES
    vars(tokenizer)["_tokenizer"] = Tokenizer.from_str(json.dumps(parts))  # it has no setter
    return tokenizer


def _ids(tokenizer: PreTrainedTokenizerBase) -> list[int]:
    ids: list[int] = tokenizer(_PROBE, add_special_tokens=False)["input_ids"]
    return ids
