"""The sweep from a request to a finished run directory: settle everything, refuse what cannot work, run shard by shard, tabulate.

``prepare_sweep`` reads the corpus, the configuration and the tokenizer, and makes the plan; no weights are loaded.
``run_sweep`` obeys it. ``sweep`` is the same on texts in memory, with nothing written.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import platform
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from transformers import PretrainedConfig

from layerscope.analysis import layers_table, ppl_summary, proxies_table, sum_by_document
from layerscope.corpora import Document, Protocol, Window, WindowedCorpus, cut_windows, dataset_label, load_documents, resolved_split
from layerscope.engine import MemoryEstimate, Shard, available_memory, estimate_memory, make_shards, walk_shard, work_units
from layerscope.errors import DataError, DeviceError, ModelError
from layerscope.figures import sweep_figures
from layerscope.models import (
    Decoder,
    LoadOptions,
    ModelSource,
    TextEncoder,
    context_length,
    count_layers,
    load_config,
    load_encoder,
    load_weights,
    resolve_device,
    resolve_dtype,
    resolve_model,
)
from layerscope.paths import LayerPath, SweepPlan, Variant, build_variants, check_family, plan_sweep
from layerscope.results import (
    DOCUMENTS,
    LAYERS,
    PROXIES,
    SCORES,
    SPANS,
    TOKENS,
    RunDirectory,
    documents_table,
    run_slug,
    scores_table,
    spans_table,
    tokens_table,
)

Progress = Callable[[int, int], None]
"""Called with the work done so far and the work in all."""

BATCH_TOKENS = {"cpu": 1024, "mps": 4096, "cuda": 8192}
"""Default positions a shard, by kind of device."""

_PACKAGES = ("layerscope", "torch", "transformers", "tokenizers", "numpy", "scipy", "pyarrow", "pandas", "matplotlib")


@dataclass(frozen=True)
class SweepRequest:
    """What the user asks for; the command line's options in the same words."""

    model: str
    """Built-in name, directory, GGUF file or Hub id."""
    dataset: str
    """Named data set or local file."""
    experiments: tuple[str, ...] = ("removal", "exchange")
    """Families in their written form."""
    paths: tuple[str, ...] = ()
    """Explicit paths in their written form."""
    revision: str | None = None
    """Of the model, on the Hub."""
    options: LoadOptions = LoadOptions()
    """How to load the model."""
    split: str | None = None
    """Of the data set; its default if None."""
    data_dir: Path | None = None
    """Folder with the named data set."""
    protocol: str = "lines"
    """How texts become windows."""
    max_samples: int | None = 1000
    """Texts (or windows) drawn; None for all."""
    seed: int = 42
    """Of the draw and of the bootstrap."""
    batch_tokens: int | None = None
    """Positions a shard; by device if None."""
    output_dir: Path = Path("results")
    """Where run directories go."""


@dataclass(frozen=True)
class PreparedSweep:
    """A sweep that is settled down to the last batch, its weights not yet loaded."""

    request: SweepRequest
    """As asked."""
    source: ModelSource
    """Where the model is."""
    config: PretrainedConfig
    """The model's configuration."""
    encoder: TextEncoder
    """Its tokenizer and BOS policy."""
    corpus: WindowedCorpus
    """What is scored."""
    plan: SweepPlan
    """Variants and the walk over them."""
    shards: tuple[Shard, ...]
    """Units of work."""
    memory: MemoryEstimate
    """What it will take."""
    directory: RunDirectory
    """Where it goes."""
    record: dict[str, Any]
    """Everything that decides the numbers; two runs with the same record have the same tables."""

    @property
    def n_scored(self) -> int:
        """Scored tokens of the run."""
        return sum(shard.n_scored for shard in self.shards)


@dataclass(frozen=True)
class SweepResult:
    """What ``sweep`` returns."""

    layers: pd.DataFrame
    """One row a variant; columns as in layers.parquet."""
    proxies: pd.DataFrame
    """Rank correlation of each proxy with the effect, one row a family and proxy."""
    scores: pd.DataFrame
    """One row a (variant, scored token)."""


def prepare_sweep(request: SweepRequest) -> PreparedSweep:
    """Settle a request and check everything that can be checked before weights are loaded.

    Raises:
        LayerscopeError: whatever is wrong, in one sentence.
    """
    protocol = Protocol.parse(request.protocol)
    for written in request.experiments:
        check_family(written)
    for path in request.paths:
        LayerPath.parse(path)
    if request.max_samples is not None and request.max_samples < 1:
        raise DataError(f"--max-samples is 1 or more; got {request.max_samples}.")
    if request.batch_tokens is not None and request.batch_tokens < 1:
        raise DataError(f"--batch-tokens is 1 or more; got {request.batch_tokens}.")
    device = resolve_device(request.options.device)
    directory = RunDirectory(request.output_dir / _experiment_name(request) / _slug(request))
    directory.check_writable()
    documents = load_documents(request.dataset, protocol.unit, split=request.split, data_dir=request.data_dir)

    source = resolve_model(request.model, request.revision)
    config = load_config(source, request.options)
    dtype = resolve_dtype(request.options.dtype, config)
    variants = build_variants(request.experiments, request.paths, n_layers := count_layers(config))
    plan = plan_sweep(variants, n_layers)
    encoder = load_encoder(source, request.options)
    corpus = cut_windows(
        documents,
        protocol,
        encoder.encode,
        prefix_ids=encoder.prefix_ids,
        context_length=context_length(config),
        max_samples=request.max_samples,
        seed=request.seed,
    )
    check_scorable(corpus.windows)
    batch_tokens = request.batch_tokens or BATCH_TOKENS[device.type]
    shards = tuple(make_shards(corpus.windows, batch_tokens))
    memory = estimate_memory(
        plan, config, dtype, longest_batch=max(s.padded_tokens for s in shards), quantize=request.options.quantize
    )
    record = {
        "model": source.name,
        "model_fingerprint": getattr(config, "_commit_hash", None) or source.fingerprint,
        "dtype": str(dtype).removeprefix("torch."),
        "quantize": request.options.quantize,
        "device": device.type,
        "dataset": request.dataset,
        "split": resolved_split(request.dataset, request.split),
        "protocol": str(protocol),
        "max_samples": request.max_samples,
        "seed": request.seed,
        "bos": request.options.bos,
        "prefix_ids": list(encoder.prefix_ids),
        "texts_sha256": texts_digest(corpus.windows),
        "experiments": list(request.experiments),
        "paths": list(request.paths),
        "batch_tokens": batch_tokens,
    }
    return PreparedSweep(request, source, config, encoder, corpus, plan, shards, memory, directory, record)


def check_memory(prepared: PreparedSweep) -> None:
    """Refuse a plan that does not fit the device; nothing is checked where the layers are spread by a device map.

    Raises:
        DeviceError: what is needed, what there is, and what to do.
    """
    device = resolve_device(prepared.request.options.device)
    free = available_memory(device)
    if free is None or prepared.request.options.device_map is not None or prepared.memory.total <= free:
        return
    raise DeviceError(
        f"The plan needs about {_gib(prepared.memory.total)} GiB on {device} and {_gib(free)} GiB are free "
        f"(weights {_gib(prepared.memory.weights or 0)}, states {_gib(prepared.memory.states)}, scoring "
        f"{_gib(prepared.memory.scoring)}): take a smaller --batch-tokens, --dtype bfloat16, --quantize, or shorter texts."
    )


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
    if not force and directory.check_resumable(prepared.record):
        return False
    check_memory(prepared)
    decoder = load_weights(prepared.source, prepared.config, prepared.encoder, prepared.request.options)
    check_paths_run(decoder, prepared.plan)
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
        ppl_summary(layers.to_pandas(), model_name=request.model, dataset=request.dataset, protocol=prepared.record["protocol"]),
    )
    caption = f"{Path(request.model).name} · {dataset_label(request.dataset)} · n = {prepared.n_scored:,}"
    for name, figure in sweep_figures(layers.to_pandas(), proxies.to_pandas(), caption).items():
        directory.write_figure(name, figure)


def sweep(
    decoder: Decoder,
    texts: Sequence[str],
    variants: Sequence[Variant],
    *,
    protocol: str = "lines",
    seed: int = 42,
    batch_tokens: int | None = None,
    progress: Progress = lambda *_: None,
) -> SweepResult:
    """Run variants over texts in memory; nothing is written.

    Args:
        decoder: from ``load_decoder``.
        texts: scored as they are, each a text of its own (or joined, as the protocol says).
        variants: rearrangements; the intact model is added if it is not the first.
        protocol: ``lines``, ``documents``, ``windows:N`` or ``strided:N/S``.
        seed: of the bootstrap.
        batch_tokens: positions a batch, pads included.
        progress: called with work done and work in all.

    Returns:
        The layers table, the proxies' rank correlations, and every token's scores.

    Raises:
        DataError: nothing in the texts can be scored.
        PathError: a variant does not fit the model.

    Example:
        >>> decoder = load_decoder("smollm2-135m")                                       # doctest: +SKIP
        >>> variants = build_variants(["removal", "exchange"], [], decoder.n_layers)     # doctest: +SKIP
        >>> sweep(decoder, ["The cat sat on the mat."], variants).layers                 # doctest: +SKIP
    """
    if decoder.encoder is None:
        raise ModelError("Sweeping texts needs a decoder with a tokenizer; this one has none: use load_decoder.")
    intact = Variant.intact(decoder.n_layers)
    plan = plan_sweep([intact, *(variant for variant in variants if variant != intact)], decoder.n_layers)
    check_paths_run(decoder, plan)
    corpus = cut_windows(
        [Document(f"texts[{index}]", text) for index, text in enumerate(texts)],
        Protocol.parse(protocol),
        decoder.encoder.encode,
        prefix_ids=decoder.encoder.prefix_ids,
        context_length=decoder.context_length,
        max_samples=None,
        seed=seed,
    )
    check_scorable(corpus.windows)
    shards = make_shards(corpus.windows, batch_tokens or BATCH_TOKENS[decoder.device.type])
    total, done, scores, spans = len(shards) * work_units(plan), 0, [], []

    def advance(units: int) -> None:
        nonlocal done
        done += units
        progress(done, total)

    for shard in shards:
        result = walk_shard(decoder, plan, shard, progress=advance)
        scores.append(scores_table(result, plan.variants))
        spans.append(spans_table(result))
    totals = sum_by_document(documents_table(corpus.windows), scores, [variant.name for variant in plan.variants])
    layers = layers_table(totals, spans, plan.variants, plan.n_layers, seed=seed).to_pandas()
    return SweepResult(layers, proxies_table(layers).to_pandas(), pd.concat([table.to_pandas() for table in scores]))


def check_scorable(windows: Sequence[Window]) -> None:
    """Refuse a corpus without a single token to score.

    Raises:
        DataError: how many texts there are and what they lack.
    """
    if not any(window.n_scored for window in windows):
        longest = max((window.n_tokens for window in windows), default=0)
        raise DataError(
            f"A token is scored given one before it; none of the {len(windows)} text(s) sampled is long enough (the longest has "
            f"{longest} token(s)): take longer texts, more samples, or --bos always."
        )


def check_paths_run(decoder: Decoder, plan: SweepPlan) -> None:
    """Refuse, before anything is computed, a plan that this model cannot run.

    Raises:
        ModelError: halves of layers are asked for and cannot be told apart, or the configuration counts layers otherwise.
    """
    if decoder.n_layers != plan.n_layers:
        raise ModelError(f"'{decoder.name}' has {decoder.n_layers} layers and the plan was made for {plan.n_layers}.")
    if any(".attn" in str(variant.path) or ".mlp" in str(variant.path) for variant in plan.variants):
        _ = decoder.halves


def texts_digest(windows: Sequence[Window]) -> str:
    """SHA-256 over the texts of a run, in order, each with its length before it."""
    digest = hashlib.sha256()
    for window in windows:
        encoded = window.text.encode("utf-8")
        digest.update(f"{len(encoded)}\n".encode() + encoded)
    return digest.hexdigest()


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
            "packages": {name: _version(name) for name in _PACKAGES},
        },
    }


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:  # run from a source tree that is not installed
        return None


def _experiment_name(request: SweepRequest) -> str:
    names = [*request.experiments, *(["path"] if request.paths else [])]
    return "+".join(dict.fromkeys(name.replace(":", "-") for name in names)) or "none"


def _slug(request: SweepRequest) -> str:
    return run_slug(request.model, dataset_label(request.dataset), request.max_samples)


def _gib(n_bytes: int) -> str:
    return f"{n_bytes / 2**30:.1f}"
