"""What the benchmarks share: texts, models, sides that take turns, and the dated table of results.

Machines are shared and their speed drifts, so the sides of a comparison always alternate within one run and only ratios are
quoted, as a median with the smallest and the largest.
"""

from __future__ import annotations

import argparse
import contextlib
import datetime
import os
import platform
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import torch
from transformers import AutoConfig, AutoModelForCausalLM, LlamaConfig, PreTrainedConfig

from layerscope.corpora.catalogue import load_documents
from layerscope.corpora.protocols import Protocol, cut_windows
from layerscope.corpora.windows import Window
from layerscope.engine.batching import Shard, make_shards
from layerscope.models.decoder import Decoder
from layerscope.models.loading import LoadOptions, load_decoder, load_encoder
from layerscope.models.sources import resolve_model

TABLE = Path(__file__).with_name("results.md")
MODEL = "smollm2-135m"
WIKITEXT = Path(__file__).parents[2] / "shared" / "data" / "wikitext-2-raw"


def real_decoder(dtype: str) -> Decoder:
    """SmolLM2-135M."""
    return load_decoder(MODEL, options=LoadOptions(dtype=dtype))


def smollm2_of_depth(n_layers: int, dtype: torch.dtype = torch.bfloat16) -> Decoder:
    """Random weights in the shape of SmolLM2-135M with another number of layers."""
    config = AutoConfig.from_pretrained(resolve_model(MODEL).location)
    config.num_hidden_layers = n_layers
    return random_decoder(config, dtype)


def random_decoder(config: PreTrainedConfig, dtype: torch.dtype, device: str = "cpu") -> Decoder:
    """Random weights of any shape."""
    torch.manual_seed(0)
    with torch.device(device):
        model = AutoModelForCausalLM.from_config(config, dtype=dtype)
    return Decoder(model, f"random {config.model_type}")


def llama_config(*, layers: int, width: int, inner: int, heads: int, kv_heads: int, vocabulary: int) -> LlamaConfig:
    """A Llama of some shape."""
    return LlamaConfig(
        num_hidden_layers=layers,
        hidden_size=width,
        intermediate_size=inner,
        num_attention_heads=heads,
        num_key_value_heads=kv_heads,
        vocab_size=vocabulary,
        max_position_embeddings=8192,
        tie_word_embeddings=False,
    )


def windows(n_texts: int, *, longest: int = 2048) -> tuple[tuple[Window, ...], str]:
    """Lines of WikiText-2's test split where it is at hand, else of the Lee news corpus; and which it is."""
    encoder = load_encoder(resolve_model(MODEL), LoadOptions())
    if WIKITEXT.is_dir():
        name, documents = "WikiText-2", load_documents("wiki-text-2", "lines", split="test", data_dir=WIKITEXT)
    else:
        name, documents = "Lee", load_documents("lee", "lines")
    corpus = cut_windows(
        documents,
        Protocol.parse("lines"),
        encoder.encode,
        prefix_ids=(),
        context_length=longest,
        max_samples=n_texts,
        seed=42,
    )
    return corpus.windows, name


def shards_of(n_texts: int, token_budget: int) -> tuple[list[Shard], str]:
    """Shards of some texts, and the texts' name."""
    found, name = windows(n_texts)
    return make_shards(found, token_budget), name


def random_shard(rows: int, length: int, vocabulary: int) -> Shard:
    """Texts of random tokens, all of one length."""
    from layerscope.corpora.windows import EncodedText, make_window

    generator = torch.Generator().manual_seed(0)
    ids = torch.randint(0, vocabulary, (rows, length), generator=generator).numpy()
    spans = torch.arange(length)[:, None].expand(-1, 2).numpy()
    made = [make_window(f"random {row}", EncodedText("x" * length, ids[row], spans), ()) for row in range(rows)]
    (shard,) = make_shards(made, rows * length)
    return shard


def in_turn(rounds: int, *sides: Callable[[], float]) -> list[list[float]]:
    """Seconds of each side, one list a side; the sides take turns, and each starts every other round."""
    seconds: list[list[float]] = [[] for _ in sides]
    for number in range(rounds):
        order = list(range(len(sides)))
        for index in order if number % 2 == 0 else reversed(order):
            seconds[index].append(sides[index]())
    return seconds


def timed(action: Callable[[], object]) -> Callable[[], float]:
    """A side of a comparison: seconds that an action takes."""

    def run() -> float:
        started = time.perf_counter()
        action()
        return time.perf_counter() - started

    return run


def spread(values: Sequence[float], digits: int = 2) -> str:
    """Median, smallest and largest."""
    return f"{statistics.median(values):.{digits}f} ({min(values):.{digits}f} to {max(values):.{digits}f})"


def ratios(slower: Sequence[float], faster: Sequence[float]) -> list[float]:
    """How many times longer the first side took, round by round."""
    return [a / b for a, b in zip(slower, faster, strict=True)]


def machine() -> str:
    """The processor (or GPU) and the threads."""
    if torch.cuda.is_available():
        return torch.cuda.get_device_name()
    name = platform.processor() or platform.machine()
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(encoding="ascii", errors="replace").splitlines():
            if line.startswith("model name"):
                name = line.partition(":")[2].strip()
                break
    flags = "AMX" if torch.cpu._is_amx_tile_supported() else torch.backends.cpu.get_cpu_capability()
    return f"{name}, {torch.get_num_threads()} threads, {flags}"


def record(benchmark: str, what: str, result: str) -> None:
    """Print a result and append it to the table, unless LAYERSCOPE_BENCH_DRY is set."""
    print(f"{benchmark} | {what} | {result}", flush=True)
    if os.environ.get("LAYERSCOPE_BENCH_DRY"):
        return
    today = datetime.datetime.now(tz=datetime.UTC).date()
    with TABLE.open("a", encoding="utf-8") as table:
        table.write(f"| {today} | {benchmark} | {what} | {machine()} | {result} |\n")


@contextlib.contextmanager
def stopwatch(owner: object, name: str, seconds: list[float]) -> Iterator[None]:
    """Within the context, a method's time is added to ``seconds[0]``."""
    original = getattr(owner, name)

    def clocked(*args: object, **kwargs: object) -> object:
        started = time.perf_counter()
        try:
            return original(*args, **kwargs)
        finally:
            seconds[0] += time.perf_counter() - started

    setattr(owner, name, clocked)
    try:
        yield
    finally:
        setattr(owner, name, original)


def parser(description: str | None, *, rounds: int | None = None) -> argparse.ArgumentParser:
    """A parser; with ``--rounds`` where a default is given."""
    made = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    if rounds is not None:
        made.add_argument("--rounds", type=int, default=rounds, help="how often each side runs")
    return made
