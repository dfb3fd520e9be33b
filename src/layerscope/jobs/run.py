"""Running a prepared sweep into its run directory: shard by shard, then tables and figures. A run that was killed goes on."""

from __future__ import annotations

import importlib.metadata
import platform
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch

from layerscope.analysis import layers_table, ppl_summary, proxies_table, sum_by_document
from layerscope.corpora import Window, WindowedCorpus, dataset_label
from layerscope.engine import walk_shard, work_units
from layerscope.errors import ModelError
from layerscope.figures import sweep_figures
from layerscope.jobs.prepare import PreparedSweep, check_memory
from layerscope.models import Decoder, context_length, load_weights
from layerscope.paths import SweepPlan
from layerscope.results import (
    DOCUMENTS,
    LAYERS,
    PROXIES,
    SCORES,
    SPANS,
    TOKENS,
    documents_table,
    scores_table,
    spans_table,
    tokens_table,
)

Progress = Callable[[int, int], None]
"""Called with the work done so far and the work in all."""

_PACKAGES = ("layerscope", "torch", "transformers", "tokenizers", "numpy", "scipy", "pyarrow", "pandas", "matplotlib")


def run_sweep(prepared: PreparedSweep, *, force: bool = False, progress: Progress = lambda *_: None) -> bool:
    """Run a prepared sweep, or what is left of it.

    Args:
        prepared: what to do.
        force: replace whatever the run directory holds.
        progress: called as work is done.

    Returns:
        False if the run was finished before and nothing was done.

    Raises:
        LayerscopeError: the run cannot start; nothing has been written then.
    """
    directory = prepared.directory
    if not force and directory.check_resumable(prepared.record, _package_versions()):
        return False
    check_memory(prepared)
    decoder = load_weights(prepared.source, prepared.config, prepared.encoder, prepared.request.options)
    check_paths_run(decoder, prepared.plan)
    check_tokens_fit(decoder, prepared.corpus.windows)
    if force:
        directory.clear()
    manifest = _manifest(prepared)
    directory.start(manifest)
    directory.write_table(DOCUMENTS, documents_table(prepared.corpus.windows))
    directory.write_table(TOKENS, tokens_table(prepared.corpus.windows, prepared.encoder.token_name))
    seconds, resumed = _run_shards(prepared, decoder, progress)
    tabulate(prepared)
    directory.finish({**manifest, "seconds": round(seconds, 2), "shards_resumed": resumed})
    return True


def tabulate(prepared: PreparedSweep) -> None:
    """From finished shards to tables, ppl.json and figures; needs no model."""
    directory, plan, n_shards = prepared.directory, prepared.plan, len(prepared.shards)
    names = [variant.name for variant in plan.variants]
    totals = sum_by_document(directory.read_table(DOCUMENTS), directory.read_shards(SCORES, n_shards), names)
    layers = layers_table(
        totals, directory.read_shards(SPANS, n_shards), plan.variants, plan.n_layers, seed=prepared.request.seed
    )
    proxies = proxies_table(layers.to_pandas())
    directory.write_table(LAYERS, layers)
    directory.write_table(PROXIES, proxies)
    request = prepared.request
    directory.write_json(
        "ppl.json",
        ppl_summary(
            layers.to_pandas(), model_name=request.model, dataset=request.dataset, protocol=prepared.record["protocol"]
        ),
    )
    figures = sweep_figures(
        layers.to_pandas(), proxies.to_pandas(), model=Path(request.model).name, dataset=dataset_label(request.dataset)
    )
    for name, figure in figures.items():
        directory.write_figure(name, figure)


def check_paths_run(decoder: Decoder, plan: SweepPlan) -> None:
    """Refuse, before anything is computed, a plan that this model cannot run.

    Raises:
        ModelError: halves of layers are asked for and cannot be told apart, or the configuration counts layers otherwise.
    """
    if decoder.n_layers != plan.n_layers:
        raise ModelError(f"'{decoder.name}' has {decoder.n_layers} layers and the plan was made for {plan.n_layers}.")
    if any(".attn" in str(variant.path) or ".mlp" in str(variant.path) for variant in plan.variants):
        _ = decoder.halves


def check_tokens_fit(decoder: Decoder, windows: Sequence[Window]) -> None:
    """Refuse a tokenizer that belongs to another model.

    Raises:
        ModelError: it gives a token that the model has no embedding for.
    """
    largest = max((int(window.ids.max()) for window in windows if len(window.ids)), default=0)
    if largest >= decoder.vocab_size:
        raise ModelError(
            f"Token ids stay below the model's vocabulary of {decoder.vocab_size}; the tokenizer of '{decoder.name}' gives "
            f"{largest}: they belong to different models."
        )


def unscored_summary(corpus: WindowedCorpus) -> dict[str, Any]:
    """What could not be scored, counted and named."""
    silent = [window.name for window in corpus.windows if not window.n_scored]
    return {
        "texts_without_a_scored_token": len(silent),
        "their_names": silent[:100],
        "first_tokens_without_context": sum(window.n_without_context for window in corpus.windows),
        "tokens_past_the_context_length": sum(window.n_cut for window in corpus.windows),
        "tokens_of_the_dropped_tail": corpus.tail_tokens,
    }


def _run_shards(prepared: PreparedSweep, decoder: Decoder, progress: Progress) -> tuple[float, int]:
    """Run the shards that are not there yet; seconds spent, and how many were there."""
    plan, directory = prepared.plan, prepared.directory
    units = work_units(plan)
    total = units * sum(shard.padded_tokens for shard in prepared.shards)
    done, resumed, started = 0, 0, time.monotonic()
    progress(done, total)
    for shard in prepared.shards:
        if directory.has_shard(shard.index, len(plan.variants) * shard.n_scored):
            resumed += 1
            done += units * shard.padded_tokens
            progress(done, total)
            continue

        def advance(steps: int, weight: int = shard.padded_tokens) -> None:
            nonlocal done
            done += steps * weight
            progress(done, total)

        result = walk_shard(decoder, plan, shard, progress=advance)
        directory.write_shard(shard.index, scores_table(result, plan.variants), spans_table(result))
    return time.monotonic() - started, resumed


def _manifest(prepared: PreparedSweep) -> dict[str, Any]:
    config, plan = prepared.config, prepared.plan
    return {
        "request": prepared.record,
        "model": {
            "name": prepared.source.name,
            "family": config.model_type,
            "revision": prepared.source.revision,
            "fingerprint": prepared.record["model_fingerprint"],
            "dtype": prepared.record["dtype"],
            "layers": plan.n_layers,
            "context_length": context_length(config),
        },
        "data": {
            "name": prepared.request.dataset,
            "split": prepared.record["split"],
            "texts_sha256": prepared.record["texts_sha256"],
            "documents": len(prepared.corpus.windows),
            "tokens": sum(window.n_tokens for window in prepared.corpus.windows),
            "tokens_scored": prepared.n_scored,
            "unscored": unscored_summary(prepared.corpus),
        },
        "plan": {
            "variants": len(plan.variants),
            "layer_runs_a_batch": plan.layer_runs,
            "layer_runs_without_sharing": plan.layer_runs_without_sharing,
            "shards": len(prepared.shards),
        },
        "environment": {
            "python": platform.python_version(),
            "platform": platform.platform(),
            "threads": torch.get_num_threads(),
            "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
            "packages": _package_versions(),
        },
    }


def _package_versions() -> dict[str, str | None]:
    return {name: _version(name) for name in _PACKAGES}


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:  # run from a source tree that is not installed
        return None
