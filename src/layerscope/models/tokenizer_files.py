"""A tokenizer from its files, and a refusal where transformers would make another one of them than the model was trained with.

``tokenizer.json`` says all. A vendor's vocabulary alone (sentencepiece's ``tokenizer.model``, Mistral's ``tekken.json``, a
tiktoken file) says neither whether a BOS stands before a text nor what transformers makes of the first word, so what comes of
it is held against sentencepiece itself.
"""

from __future__ import annotations

from pathlib import Path

from transformers import AutoTokenizer, PreTrainedTokenizerBase

from layerscope.errors import ModelError
from layerscope.models.sentencepiece_files import as_sentencepiece

_WHOLE, _TEKKEN = "tokenizer.json", "tekken.json"
_VENDORS = ("tokenizer.model", "tiktoken.model", _TEKKEN)
TOKENIZER_FILES = (_WHOLE, "tokenizer_config.json", *_VENDORS)
"""What a folder with a tokenizer has one of."""


def read_tokenizer(
    location: str | Path, *, revision: str | None = None, trust_remote_code: bool = False, local_files_only: bool = False
) -> PreTrainedTokenizerBase:
    """The tokenizer of a folder or of an id on the Hub.

    ``tokenizer.json`` is read even where mistral-common is installed and a ``tekken.json`` lies beside it: what transformers
    takes in that case gives no offsets.

    Raises:
        ModelError: there is a vendor's vocabulary only, and it is not one that can be read as the vendor reads it.
    """
    folder = Path(location)
    if (folder / _TEKKEN).is_file() and not any((folder / name).is_file() for name in (_WHOLE, "tokenizer.model")):
        raise _refusal(location, _TEKKEN, "from which its BOS and its first word cannot be told")
    tokenizer: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(
        location,
        revision=revision,
        trust_remote_code=trust_remote_code,
        local_files_only=local_files_only,
        mistral_format=False,
    )
    return as_sentencepiece(tokenizer, folder)


def _refusal(location: str | Path, file: str, reason: str) -> ModelError:
    return ModelError(
        f"A tokenizer is read from {_WHOLE}; '{location}' has only {file}, {reason}: add the model's own {_WHOLE} and "
        "tokenizer_config.json."
    )
