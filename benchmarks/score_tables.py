"""What a run's tables cost beyond the model: bytes of a score, and how fast one process adds up the scores of many.

Scores are made up, in the shape of a large model's: 160 variants, batches of 8,192 tokens, 128,256 tokens of vocabulary. They
are written and read by the code that runs use.
"""

from __future__ import annotations

import tempfile
import time
import tracemalloc
from pathlib import Path

import numpy as np
import pyarrow as pa

from benchmarks.common import parser, record
from layerscope.corpora.windows import EncodedText, Window, make_window
from layerscope.results.directory import RunDirectory
from layerscope.sweeps.analysis.totals import sum_by_document
from layerscope.sweeps.rows import documents_table, tokens_table, vocabulary_table
from layerscope.sweeps.tables import SCORES, TOKENS

VARIANTS = [f"variant-{number}" for number in range(160)]
VOCABULARY = 128_256
TEXT, BATCH = 512, 8192
"""Tokens."""


def made_up_part(generator: np.random.Generator, first_document: int) -> pa.Table:
    """Scores of one batch."""
    n_rows = len(VARIANTS) * BATCH
    is_top1 = generator.random(n_rows) < 0.5
    return SCORES.build(
        {
            "variant": pa.DictionaryArray.from_arrays(np.repeat(np.arange(len(VARIANTS), dtype=np.int32), BATCH), VARIANTS),
            "document": np.tile(np.repeat(np.arange(BATCH // TEXT) + first_document, TEXT), len(VARIANTS)),
            "position": np.tile(np.arange(TEXT), len(VARIANTS) * BATCH // TEXT),
            "nll_nats": generator.exponential(2.5, n_rows).astype(np.float32),
            "top1_id": np.minimum(generator.zipf(1.3, n_rows), VOCABULARY - 1),
            "is_top1": is_top1,
            "agrees_with_intact": generator.random(n_rows) < 0.8,
            "kl_nats": generator.lognormal(-2.0, 2.0, n_rows).astype(np.float32),
            "boundary_nats": pa.nulls(n_rows, pa.float32()),
        }
    )


def made_up_texts(generator: np.random.Generator, n_texts: int) -> list[Window]:
    """Texts of random tokens of four characters."""
    spans = np.stack([np.arange(TEXT) * 4, np.arange(1, TEXT + 1) * 4], axis=1)
    ids = generator.integers(0, VOCABULARY, (n_texts, TEXT))
    return [make_window(f"text-{n}", EncodedText("abc " * TEXT, ids[n], spans), ()) for n in range(n_texts)]


def starts_word(token_id: int) -> bool:
    """As a tokenizer would say."""
    return token_id % 2 == 0


def main() -> None:
    """Write and read some batches."""
    made = parser(__doc__)
    made.add_argument("--batches", type=int, default=8)
    options = made.parse_args()
    generator = np.random.default_rng(0)
    texts = made_up_texts(generator, options.batches * BATCH // TEXT)
    with tempfile.TemporaryDirectory() as folder:
        directory = RunDirectory(Path(folder) / "run")
        directory.path.mkdir()
        writing = 0.0
        for number in range(options.batches):
            part = made_up_part(generator, number * BATCH // TEXT)
            started = time.process_time()
            directory.write_part(SCORES, number, part)
            writing += time.process_time() - started
        n_rows = options.batches * len(VARIANTS) * BATCH
        n_bytes = sum(path.stat().st_size for path in (directory.path / SCORES.name).iterdir())
        started = time.process_time()
        sum_by_document(documents_table(texts), directory.parts(SCORES), VARIANTS)
        vocabulary_table(texts, (part["top1_id"].to_numpy() for part in directory.parts(SCORES)), str)
        reading = time.process_time() - started
        started = time.process_time()
        directory.write_table(TOKENS, tokens_table(texts, str, starts_word))
        tokens = time.process_time() - started
        tracemalloc.start()
        tokens_table(texts, str, starts_word)
        peak = tracemalloc.get_traced_memory()[1]
    n_tokens = options.batches * BATCH
    record(
        "score tables",
        f"made-up scores of {len(VARIANTS)} variants on {n_tokens:,} tokens in {options.batches} batches, one process",
        f"{n_bytes / n_rows:.1f} bytes a score; a batch is written in {writing / options.batches:.2f} s of processor time; "
        f"{n_rows / reading / 1e6:.1f} million scores a second are added up; the table of tokens takes "
        f"{tokens / n_tokens * 1e6:.1f} µs and {peak / n_tokens:.0f} bytes of memory a token",
    )


if __name__ == "__main__":
    main()
