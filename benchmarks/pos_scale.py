"""Time and memory of ``layerscope pos`` on a run of a thousand documents, whose scores are made up: only their number counts.

Texts are sentences of Lee's articles; the command runs in a process of its own, tagging included, and its peak is the operating
system's.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa

from benchmarks.common import MODEL, parser, record
from layerscope.corpora.catalogue import load_documents
from layerscope.corpora.windows import Document, make_window
from layerscope.engine.batching import Shard, make_shards, scored_tokens
from layerscope.models.loading import LoadOptions, load_config, load_encoder
from layerscope.models.sources import resolve_model
from layerscope.paths.families import build_variants
from layerscope.paths.variants import Variant
from layerscope.results.directory import RunDirectory
from layerscope.sweeps.rows import documents_table, tokens_table, vocabulary_table
from layerscope.sweeps.tables import DOCUMENTS, LAYERS, SCORES, TOKENS, VOCABULARY
from tests.made_up_records import sweep_record

N_LAYERS = 30


def main() -> None:
    """Make the run, analyse it, and write down what it took."""
    made = parser(__doc__)
    made.add_argument("--documents", type=int, default=1000)
    options = made.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        n_words, n_rows = make_run(Path(folder, "run"), options.documents)
        started = time.perf_counter()
        command = [sys.executable, "-m", "layerscope.cli.main", "pos", str(Path(folder, "run"))]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - started
        assert status == 0, "layerscope pos failed"
    record(
        "parts of speech",
        f"{options.documents} documents, {n_words} tokens scored, 60 variants, {n_rows / 1e6:.1f} million rows",
        f"{seconds:.0f} s ({usage.ru_utime + usage.ru_stime:.0f} s of processor time), peak {usage.ru_maxrss / 2**20:.2f} GiB",
    )


def make_run(folder: Path, n_documents: int) -> tuple[int, int]:
    """A finished run directory with made-up scores."""
    source = resolve_model(MODEL, None)
    encoder = load_encoder(source, LoadOptions())
    assert load_config(source, LoadOptions()).num_hidden_layers == N_LAYERS
    generator = np.random.default_rng(0)
    windows = [
        make_window(document.name, encoder.encode(document.text), encoder.prefix_ids)
        for document in made_up_documents(n_documents, generator)
    ]
    variants = build_variants(["removal", "exchange"], [], N_LAYERS)
    directory = RunDirectory(folder)
    record = sweep_record(request={"model": MODEL})
    directory.start(record)
    directory.write_table(DOCUMENTS, documents_table(windows))
    directory.write_table(TOKENS, tokens_table(windows, encoder.token_name, encoder.starts_word))
    directory.write_table(VOCABULARY, vocabulary_table(windows, [], encoder.token_text))
    directory.write_table(LAYERS, layers_of(variants))
    n_rows = 0
    for shard in make_shards(windows, 4096):
        scores = made_up_scores(shard, variants, generator)
        directory.write_part(SCORES, shard.index, scores)
        n_rows += scores.num_rows
    directory.finish(record)
    return sum(window.n_scored for window in windows), n_rows


def made_up_documents(n_documents: int, generator: np.random.Generator) -> list[Document]:
    """Articles of some 200 words, from sentences in any order."""
    sentences = [
        f"{sentence.strip()}."
        for article in load_documents("lee", "lines")
        for sentence in article.text.split(". ")
        if sentence
    ]
    return [Document(f"made-up[{i}]", " ".join(generator.choice(sentences, size=9))) for i in range(n_documents)]


def made_up_scores(shard: Shard, variants: list[Variant], generator: np.random.Generator) -> pa.Table:
    """Random scores in the form of a shard."""
    tokens = scored_tokens(shard)
    shape = (len(variants), len(tokens.row))
    intact = generator.gamma(1.0, 3.5, size=shape[1])
    nll = np.concatenate([intact[None], intact + generator.normal(0.3, 1.0, size=(shape[0] - 1, shape[1]))]).astype(np.float32)
    right = nll < 1.0
    names = pa.array([variant.name for variant in variants], pa.string())
    return SCORES.build(
        {
            "variant": pa.DictionaryArray.from_arrays(np.repeat(np.arange(shape[0], dtype=np.int32), shape[1]), names),
            "document": np.tile(np.asarray(shard.documents)[tokens.row], shape[0]),
            "position": np.tile(tokens.position, shape[0]),
            "nll_nats": nll.ravel(),
            "top1_id": generator.integers(0, 49_152, size=nll.size),
            "is_top1": right.ravel(),
            "agrees_with_intact": (right == right[:1]).ravel(),
            "kl_nats": np.abs(nll - nll[:1]).ravel(),
            "boundary_nats": pa.nulls(nll.size, pa.float32()),
        }
    )


def layers_of(variants: list[Variant]) -> pa.Table:
    """layers.parquet with the columns that are read; the others are zero."""
    columns: dict[str, object] = {column.name: [None if column.nullable else 0] * len(variants) for column in LAYERS.columns}
    names = [variant.name for variant in variants]
    families = [variant.family for variant in variants]
    places = [None, *range(N_LAYERS), *range(N_LAYERS - 1)]
    paths = [str(variant.path) for variant in variants]
    return LAYERS.build({**columns, "variant": names, "family": families, "path": paths, "span_first": places})


if __name__ == "__main__":
    main()
