"""A sweep settled down to the last batch before any weight is loaded: corpus, configuration, tokenizer, plan, memory, place.

Everything that can be refused is refused here, in one sentence, with nothing written.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from transformers import PretrainedConfig

from layerscope.corpora.catalogue import dataset_label, load_documents, resolved_split
from layerscope.corpora.protocols import Protocol, WindowedCorpus, cut_windows
from layerscope.corpora.windows import Window
from layerscope.engine.batching import Shard, make_shards
from layerscope.errors import DataError, DeviceError
from layerscope.models.decoder import context_length
from layerscope.models.encoder import TextEncoder
from layerscope.models.head_counts import count_heads
from layerscope.models.loading import LoadOptions, load_config, load_encoder, resolve_device, resolve_dtype
from layerscope.models.memory import available_memory
from layerscope.models.skeleton import count_layers, count_parameters
from layerscope.models.sources import ModelSource, check_model_name, resolve_model
from layerscope.models.tuned_lens import TunedLens
from layerscope.models.tuned_lens_files import read_tuned_lens
from layerscope.pairs.judging_protocol import JudgingProtocol
from layerscope.paths.families import build_variants, check_family
from layerscope.paths.layer_major import layer_major
from layerscope.paths.path import LayerPath
from layerscope.paths.plan import SweepPlan, plan_sweep
from layerscope.results.directory import RunDirectory, run_slug
from layerscope.stats.looks import Looks, plan_looks
from layerscope.sweeps.engine.memory import MemoryEstimate, bytes_a_state, estimate_memory
from layerscope.sweeps.lens import check_lens_asked
from layerscope.sweeps.pair_texts import PairTexts, prepare_pairs
from layerscope.sweeps.record import SweepRequestRecord

BATCH_TOKENS = {"cpu": 4096, "mps": 4096, "cuda": 8192}
"""Default positions per shard, by kind of device."""


@dataclass(frozen=True)
class SweepRequest:
    """A sweep as requested by the user; fields have the names of the command line's options.

    Examples:
        >>> request = ls.SweepRequest("smollm2-135m", "texts.txt", experiments=("removal", "block-removal:2"))
        >>> request.protocol, request.max_samples
        ('lines', 1000)
    """

    model: str
    """Built-in name, directory, GGUF file or Hub id."""
    dataset: str
    """Named data set or local file."""
    experiments: tuple[str, ...] = ("removal", "exchange")
    """Families in their written form."""
    paths: tuple[str, ...] = ()
    """Explicit paths in their written form."""
    revision: str | None = None
    """Revision of the model on the Hub."""
    options: LoadOptions = field(default_factory=LoadOptions)
    """How to load the model."""
    split: str | None = None
    """Split of the data set; its default if None."""
    data_dir: Path | None = None
    """Folder with the named data set."""
    protocol: str = "lines"
    """How texts become windows."""
    max_samples: int | None = 1000
    """Texts (or windows) drawn; None for all."""
    seed: int = 42
    """Seed for the draw of texts."""
    pairs: Path | None = None
    """File or folder of minimal pairs (layerscope's or BLiMP's) whose sides every variant scores as well."""
    pair_protocol: str = "plain"
    """How a sentence of a pair is presented to the model: ``plain`` or ``lm-eval``."""
    tuned_lens: Path | None = None
    """Folder of the lens that ``tuned-depth`` reads the model through, as the package tuned-lens saves it."""
    batch_tokens: int | None = None
    """Positions per shard; by device if None."""
    until_ci: float | None = None
    """Stop as soon as every variant's interval is narrower than this half-width, in nats; None to score all samples."""
    compile: Literal["auto", "on", "off"] = "auto"
    """Whether layers go through ``torch.compile``; ``auto`` if the run is long enough to repay the time of compilation."""
    word_boundaries: bool = False
    """Also record how probable it was that a word begins at each token, for word probabilities of leading-space tokenizers."""
    plain: bool = False
    """Use no optimisation: slow, for checking."""
    stream: bool = False
    """Read each layer's weights from disk when they are needed."""
    stream_memory: float | None = None
    """GiB of hidden states to keep while streaming; half of free memory if None."""
    output_dir: Path = Path("results")
    """Folder for run directories."""


@dataclass(frozen=True)
class Round:
    """Texts that are scored before the intervals are looked at."""

    documents: int
    """Texts up to and with this round."""
    shards: tuple[Shard, ...]
    """Of this round alone."""


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
    pairs: PairTexts | None
    """Minimal pairs that are scored, too."""
    lens: TunedLens | None
    """What the family ``tuned-depth`` reads the model through; None without it."""
    rounds: tuple[Round, ...]
    """Units of work, in the order in which they run; one round unless a precision is asked for."""
    level: float
    """Of each interval: 0.95, or more where it is looked at more than once."""
    compile: bool
    """Whether layers go through a compiler."""
    memory: MemoryEstimate
    """What it will take."""
    bytes_a_state: int
    """Of one position's hidden state."""
    stream_bytes: int
    """What hidden states may take while weights are streamed; 0 where they are not."""
    directory: RunDirectory
    """Where it goes."""
    record: SweepRequestRecord
    """Everything that decides the numbers; two runs with the same record have the same tables."""

    @property
    def shards(self) -> tuple[Shard, ...]:
        """Of all rounds, then those of pairs."""
        texts = tuple(shard for some in self.rounds for shard in some.shards)
        return texts if self.pairs is None else texts + self.pairs.shards

    @property
    def n_text_shards(self) -> int:
        """Shards of texts; those of pairs are numbered after them."""
        return sum(len(some.shards) for some in self.rounds)

    @property
    def n_scored(self) -> int:
        """Scored tokens of the run's texts, if no round is left out."""
        return sum(shard.n_scored for some in self.rounds for shard in some.shards)


def prepare_sweep(request: SweepRequest, *, device_type: str | None = None) -> PreparedSweep:
    """Settle a request and check everything that can be checked before weights are loaded.

    Args:
        request: what is asked for.
        device_type: of the processes that will do the work, if this is not one of them; the request's device if None.

    Raises:
        LayerscopeError: whatever is wrong, in one sentence.

    Examples:
        >>> prepared = ls.prepare_sweep(ls.SweepRequest("smollm2-135m", "texts.txt", experiments=("removal",)))
        >>> len(prepared.plan.variants), prepared.n_scored
        (31, 20)
    """
    _check_request(request)
    protocol = Protocol.parse(request.protocol)
    device = resolve_device(request.options.device) if device_type is None else torch.device(device_type)
    check_model_name(request.model)
    lens = None if request.tuned_lens is None else read_tuned_lens(request.tuned_lens)
    directory = RunDirectory(request.output_dir / _experiment_name(request) / _slug(request))
    directory.check_writable()
    documents = load_documents(request.dataset, protocol.unit, split=request.split, data_dir=request.data_dir)

    source = resolve_model(request.model, request.revision)
    config = load_config(source, request.options)
    dtype = resolve_dtype(request.options.dtype, config)
    n_layers = count_layers(config)
    heads = [count.groups for count in count_heads(config, n_layers)]
    variants = build_variants(request.experiments, request.paths, n_layers, heads=heads)
    if lens is not None:
        lens.check_shape(n_layers, int(config.get_text_config(decoder=True).hidden_size))
    plan = plan_sweep(variants, n_layers)
    walked = layer_major(plan).sweep if request.stream else plan
    encoder = load_encoder(source, request.options)
    if request.word_boundaries:
        encoder.check_word_starts()
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
    sizes: tuple[int, ...] = (len(corpus.windows),)
    if request.until_ci is not None:
        corpus = replace(corpus, windows=_shuffled(corpus.windows, request.seed))
        sizes = plan_looks(len(corpus.windows)).sizes
    rounds = _rounds(corpus.windows, sizes, batch_tokens)
    pairs = None
    if request.pairs is not None:
        pairs = prepare_pairs(
            request.pairs,
            encoder,
            JudgingProtocol.parse(request.pair_protocol),
            context_length=context_length(config),
            batch_tokens=batch_tokens,
            first_index=sum(len(some.shards) for some in rounds),
        )
    stream_bytes = _stream_bytes(request, device)
    shards = [*(shard for some in rounds for shard in some.shards), *(() if pairs is None else pairs.shards)]
    longest_batch = max(shard.padded_tokens for shard in shards)
    compiles = not request.plain and _compiles(request, config, plan, shards, device)
    memory = estimate_memory(
        walked,
        config,
        dtype,
        device_type=device.type,
        longest_batch=longest_batch,
        quantize=request.options.quantize,
        stream_bytes=stream_bytes if request.stream else None,
        compiled=compiles,
        lens_bytes=0 if lens is None else lens.bytes_in(dtype, device.type),
    )
    record = SweepRequestRecord(
        model=source.name,
        model_fingerprint=getattr(config, "_commit_hash", None) or source.fingerprint,
        dtype=str(dtype).removeprefix("torch."),
        quantize=request.options.quantize,
        device=device.type,
        dataset=request.dataset,
        split=resolved_split(request.dataset, request.split),
        protocol=str(protocol),
        max_samples=request.max_samples,
        seed=request.seed,
        bos=request.options.bos,
        prefix_ids=encoder.prefix_ids,
        texts_sha256=texts_digest(corpus.windows),
        pairs_sha256=None if pairs is None else pairs.digest,
        pair_protocol=None if pairs is None else pairs.protocol.name,
        tuned_lens_sha256=None if lens is None else lens.digest,
        experiments=request.experiments,
        paths=request.paths,
        batch_tokens=batch_tokens,
        until_ci=request.until_ci,
        word_boundaries=request.word_boundaries,
        compile=compiles,
        plain=request.plain,
    )
    return PreparedSweep(
        request=request,
        source=source,
        config=config,
        encoder=encoder,
        corpus=corpus,
        plan=plan,
        pairs=pairs,
        lens=lens,
        rounds=rounds,
        level=Looks(tuple(some.documents for some in rounds)).level,
        compile=compiles,
        memory=memory,
        bytes_a_state=bytes_a_state(config, dtype),
        stream_bytes=stream_bytes,
        directory=directory,
        record=record,
    )


def _check_request(request: SweepRequest) -> None:
    """Every option by itself.

    Raises:
        LayerscopeError: the option, its rule and the value.
    """
    Protocol.parse(request.protocol)
    for written in request.experiments:
        check_family(written)
    for path in request.paths:
        LayerPath.parse(path)
    check_lens_asked(request.experiments, request.tuned_lens)
    if request.max_samples is not None and request.max_samples < 1:
        raise DataError(f"--max-samples is 1 or more; got {request.max_samples}.")
    if request.seed < 0:
        raise DataError(f"--seed is 0 or more; got {request.seed}.")
    if request.batch_tokens is not None and request.batch_tokens < 1:
        raise DataError(f"--batch-tokens is 1 or more; got {request.batch_tokens}.")
    if request.until_ci is not None and not 0.0 < request.until_ci < math.inf:
        raise DataError(f"--until-ci is a half-width in nats above 0; got {request.until_ci}.")
    if request.stream_memory is not None and not 0.0 < request.stream_memory < math.inf:
        raise DataError(f"--stream-memory is a number of GiB above 0; got {request.stream_memory}.")
    if request.stream and request.plain:
        raise DataError("--plain uses no fast path and --stream is one: take one of them.")


def check_memory(prepared: PreparedSweep) -> None:
    """Refuse a plan that does not fit the device; nothing is checked where the layers are spread by a device map.

    Raises:
        DeviceError: what is needed, what there is, and what to do.
    """
    device = resolve_device(prepared.request.options.device)
    free = available_memory(device)
    if free is None or prepared.request.options.device_map is not None or prepared.memory.total <= free:
        return
    lens = f", tuned lens {_gib(prepared.memory.lens)}" if prepared.memory.lens else ""
    raise DeviceError(
        f"The plan needs about {_gib(prepared.memory.total)} GiB on {device} and {_gib(free)} GiB are free "
        f"(weights {_gib(prepared.memory.weights or 0)}, states {_gib(prepared.memory.states)}, scoring "
        f"{_gib(prepared.memory.scoring)}{lens}): take a smaller --batch-tokens, --dtype bfloat16, --quantize, or shorter "
        "texts."
    )


def check_scorable(windows: Sequence[Window], helps: str = "take longer texts, more samples, or --bos always") -> None:
    """Refuse a corpus without a single token to score.

    Args:
        windows: of all texts.
        helps: what the user can do.

    Raises:
        DataError: how many texts there are and what they lack.
    """
    if not any(window.n_scored for window in windows):
        longest = max((window.n_tokens for window in windows), default=0)
        raise DataError(
            f"A token is scored given one before it; none of the {len(windows)} text(s) sampled is long enough "
            f"(the longest has {longest} token(s)): {helps}."
        )


def texts_digest(windows: Sequence[Window]) -> str:
    """SHA-256 over the texts of a run, in order, each with its length before it."""
    digest = hashlib.sha256()
    for window in windows:
        encoded = window.text.encode("utf-8")
        digest.update(f"{len(encoded)}\n".encode() + encoded)
    return digest.hexdigest()


def _shuffled(windows: Sequence[Window], seed: int) -> tuple[Window, ...]:
    """In a random order, so that the first of them are a sample of all."""
    order = np.random.default_rng(seed).permutation(len(windows))
    return tuple(windows[index] for index in order)


def _rounds(windows: Sequence[Window], sizes: Sequence[int], batch_tokens: int) -> tuple[Round, ...]:
    """The shards of each round; a round without a token to score joins the next."""
    rounds: list[Round] = []
    start = n_shards = 0
    for size in sizes:
        shards = make_shards(windows, batch_tokens, documents=range(start, size), first_index=n_shards)
        if shards:
            rounds.append(Round(size, tuple(shards)))
            start, n_shards = size, n_shards + len(shards)
    return tuple(rounds)


def _stream_bytes(request: SweepRequest, device: torch.device) -> int:
    """What hidden states may take."""
    if not request.stream:
        return 0
    if request.stream_memory is not None:
        return int(request.stream_memory * 2**30)
    return (available_memory(device) or 4 * 2**30) // 2


def _compiles(
    request: SweepRequest, config: PretrainedConfig, plan: SweepPlan, shards: Sequence[Shard], device: torch.device
) -> bool:
    """Whether layers go through a compiler: as asked, or where the work is long enough. Streaming waits for the disk anyway."""
    if request.compile != "auto":
        return request.compile == "on"
    counts = count_parameters(config)
    if counts is None or request.stream:
        return False
    positions = sum(shard.padded_tokens for shard in shards)
    a_layer = sum(counts.layers) / len(counts.layers)
    work = 2.0 * positions * (plan.layer_runs * a_layer + len(plan.variants) * counts.outside)
    return work > _compiling_costs(device)


def _compiling_costs(device: torch.device) -> float:
    """Floating-point operations in the minute that a compiler takes."""
    return 1e16 if device.type == "cuda" else 1e14


def _experiment_name(request: SweepRequest) -> str:
    names = [*request.experiments, *(["path"] if request.paths else [])]
    return "+".join(dict.fromkeys(name.replace(":", "-") for name in names)) or "none"


def _slug(request: SweepRequest) -> str:
    slug = run_slug(request.model, dataset_label(request.dataset), request.max_samples)
    return slug if request.pairs is None else f"{slug}_{dataset_label(str(request.pairs))}"


def _gib(n_bytes: int) -> str:
    return f"{n_bytes / 2**30:.1f}"
