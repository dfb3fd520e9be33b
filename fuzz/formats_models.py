"""Cases of model directories: configurations, tokenizers, safetensors, and GGUF files."""

from __future__ import annotations

import json

from fuzz.case import Case, Maker
from fuzz.formats_data import finished_sweep
from fuzz.mutation import mutated_json

_HEADER = 8
"""Bytes that hold the length of a safetensors header."""
_GGUF_HEADER = 12_000
"""Bytes of the GGUF seed before its tensors."""


def configuration(make: Maker) -> Case:
    """config.json and generation_config.json."""
    make.copied("model")
    name = make.chosen("config.json", "config.json", "config.json", "generation_config.json")
    make.in_json(f"model/{name}") if make.chance(0.9) else make.in_bytes(f"model/{name}", "published.json")
    return _read(make, whole=0.25)


def tokenizer(make: Maker) -> Case:
    """tokenizer.json and tokenizer_config.json."""
    make.copied("model")
    name = make.chosen("tokenizer.json", "tokenizer.json", "tokenizer_config.json")
    make.in_json(f"model/{name}") if make.chance(0.85) else make.in_bytes(f"model/{name}", "published.json")
    if make.chance(0.5):
        return _read(make, whole=0.1)
    pairs = str(make.seeds / "pairs.jsonl")
    return Case(("pairs", "check", pairs, "--tokenizer", "./model", "-o", "out.jsonl"), ("out.jsonl",))


def weights(make: Maker) -> Case:
    """Safetensors in one file or in several with an index: headers, tensors, files that are not there."""
    make.copied(make.chosen("model", "shards"), "model")
    files = sorted(path.name for path in (make.folder / "model").glob("model*.safetensors*"))
    name = f"model/{make.chosen(*files)}"
    if make.chance(0.07):
        make.gone(name)
    elif name.endswith(".json"):
        make.in_json(name)
    elif make.chance(0.6):
        _in_header(make, name)
    else:
        make.in_bytes(name)
    return _read(make, whole=0.9)


def gguf(make: Maker) -> Case:
    """GGUF: keys and tensors' descriptions for the most part."""
    name = make.copied("model.gguf")
    path = make.folder / name
    whole = path.read_bytes()
    if make.chance(0.8):
        path.write_bytes(whole[:_GGUF_HEADER])
        make.in_bytes(name)
        path.write_bytes(path.read_bytes() + whole[_GGUF_HEADER:])
    else:
        make.in_bytes(name)
    return _read(make, whole=0.1, model="./model.gguf")


def _in_header(make: Maker, name: str) -> None:
    """Another JSON header over the same tensors, with its true length or another."""
    path = make.folder / name
    data = path.read_bytes()
    size = int.from_bytes(data[:_HEADER], "little")
    if make.mutates:
        header = mutated_json(make.rng, json.loads(data[_HEADER : _HEADER + size]))
        written = make.chosen(len(header), len(header), len(header), len(header) + 1, size, 2**63)
        path.write_bytes(written.to_bytes(_HEADER, "little") + header + data[_HEADER + size :])


def _read(make: Maker, *, whole: float, model: str = "./model") -> Case:
    """A command that loads the model: only planned, or whole for that share of the cases."""
    arguments = ("sweep", "--model", model, "--dataset", str(make.seeds / "texts.txt"), "--output-dir", "out")
    if not make.chance(whole):
        return Case((*arguments, "--dry-run"))
    if make.chance(0.15):
        return Case(("export", "--model", model, "--path", "0,2", "--output-dir", "out"), ("out",))
    streamed = ("--stream",) if make.chance(0.3) else ()
    return Case((*arguments, *streamed, "--path", "0,2", "--figures", "none"), ("out",), finished_sweep("out"))
