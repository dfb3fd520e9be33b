"""A search settled down to the last text before any weight is loaded; what can be refused is refused here."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from transformers import PretrainedConfig

from layerscope.corpora.catalogue import dataset_label, load_documents, resolved_split
from layerscope.corpora.parquet import ParquetTexts
from layerscope.corpora.protocols import Protocol, cut_windows
from layerscope.corpora.windows import Document, Window
from layerscope.engine.batching import Shard, make_shards
from layerscope.errors import DataError, PathError
from layerscope.models.checkpoint_files import MOST_LAYERS
from layerscope.models.decoder import context_length
from layerscope.models.encoder import TextEncoder
from layerscope.models.loading import LoadOptions, load_config, load_encoder, resolve_device, resolve_dtype
from layerscope.models.memory import available_memory
from layerscope.models.skeleton import count_layers
from layerscope.models.sources import ModelSource, check_model_name, resolve_model
from layerscope.paths.moves import parse_moves, written_size
from layerscope.paths.path import LayerPath
from layerscope.results.directory import RunDirectory, run_slug
from layerscope.searches.engine.objective import Objective
from layerscope.searches.methods.method import Method
from layerscope.searches.record import SearchRequestRecord
from layerscope.searches.space import Space
from layerscope.stats.looks import plan_looks
from layerscope.sweeps.prepare import BATCH_TOKENS, texts_digest

FIRST_LOOK = 16
"""Texts of a step's first round where candidates may be dropped."""
FEW_TEXTS_SHARE = 16
"""Of the calibration texts, evolution's first stage takes one in so many (EvoPress: 2,048 of 32,768 tokens)."""
FEWEST_TEXTS = 2
"""Of each purpose: with fewer there is no interval."""


@dataclass(frozen=True)
class SearchRequest:
    """A search as requested by the user; fields have the names of the command line's options.

    Examples:
        >>> ls.SearchRequest("smollm2-135m", "texts.txt", drop=6).method
        'greedy'
    """

    model: str
    """Built-in name, directory, GGUF file or Hub id."""
    dataset: str
    """Named data set or local file."""
    moves: tuple[str, ...] = ("removal",)
    """Kinds of change, in their written form."""
    method: str = "greedy"
    """``one-shot``, ``greedy``, ``beam:w``, ``evolution`` or ``random``."""
    drop: int | float | None = None
    """Number of layers to drop; half a layer is one attention or one MLP."""
    budget: int | float | None = None
    """Instead of ``drop``: number of layers to end with."""
    draws: int = 1
    """Sets of calibration texts on which the search is repeated."""
    calibration: int = 16
    """Texts per draw."""
    held_out: int = 32
    """Other texts, on which the paths are measured."""
    keep: tuple[int, ...] = ()
    """Layers that no move touches."""
    objective: Literal["auto", "nll", "kl"] = "auto"
    """What to minimise; ``auto`` is NLL, or KL for evolution."""
    until_ci: float | None = None
    """Drop candidates early, and end a step when the rest are within this many nats of the best; None to score all."""
    steps: int | None = None
    """Maximum number of steps of greedy and beam; as many as it takes if None."""
    random_paths: int = 5
    """Random paths per size to compare with; 0 for none."""
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
    seed: int = 42
    """Seed for the draw of texts and for random paths."""
    batch_tokens: int | None = None
    """Positions per batch; by device if None."""
    state_memory: float | None = None
    """GiB of hidden states to keep between steps; a quarter of free memory if None."""
    compile: Literal["on", "off"] = "off"
    """Whether layers go through ``torch.compile``."""
    output_dir: Path = Path("results")
    """Folder for run directories."""


@dataclass(frozen=True)
class Draw:
    """Calibration texts of one draw."""

    texts: tuple[int, ...]
    """Rows of the run's texts, in the order in which they are looked at."""
    rounds: tuple[tuple[Shard, ...], ...]
    """Batches of each round; ``documents`` of a shard are places in ``texts``."""
    round_ends: tuple[int, ...]
    """Texts up to and with each round."""


@dataclass(frozen=True)
class PreparedSearch:
    """A search that is settled, its weights not yet loaded."""

    request: SearchRequest
    """As asked."""
    source: ModelSource
    """Where the model is."""
    config: PretrainedConfig
    """The model's configuration."""
    encoder: TextEncoder
    """Its tokenizer and BOS policy."""
    space: Space
    """What may be tried."""
    method: Method
    """How."""
    objective: Objective
    """What is made small."""
    texts: tuple[Window, ...]
    """Held-out ones first, then those of each draw."""
    held_out: tuple[Shard, ...]
    """Batches of held-out texts; ``documents`` of a shard are rows of ``texts``."""
    draws: tuple[Draw, ...]
    """Calibration texts."""
    kept_bytes: int
    """What hidden states may take between steps."""
    directory: RunDirectory
    """Where it goes."""
    record: SearchRequestRecord
    """Everything that decides the numbers."""

    def seed_of(self, what: str) -> str:
        """Of a draw by a name, so that no two draws are the same."""
        return f"{self.request.seed}/{what}"


def prepare_search(request: SearchRequest, *, device_type: str | None = None) -> PreparedSearch:
    """Settle a request and check everything that can be checked before weights are loaded.

    Args:
        request: what is asked for.
        device_type: of the processes that will do the work, if this is not one of them; the request's device if None.

    Raises:
        LayerscopeError: whatever is wrong, in one sentence.

    Examples:
        >>> some = {"protocol": "windows:4", "calibration": 2, "held_out": 2}
        >>> prepared = ls.prepare_search(ls.SearchRequest("smollm2-135m", "texts.txt", drop=2, **some))
        >>> str(prepared.method), prepared.space.budget, len(prepared.texts)  # the budget in half layers
        ('greedy', 56, 4)
    """
    protocol, method, moves = Protocol.parse(request.protocol), Method.parse(request.method), parse_moves(request.moves)
    _check_request(request)
    device = resolve_device(request.options.device) if device_type is None else torch.device(device_type)
    check_model_name(request.model)
    documents = load_documents(request.dataset, protocol.unit, split=request.split, data_dir=request.data_dir)
    source = resolve_model(request.model, request.revision)
    config = load_config(source, request.options)
    n_layers = count_layers(config)
    space = Space(n_layers, moves, _budget(request, n_layers), frozenset(request.keep))
    method.check(space)
    directory = RunDirectory(request.output_dir / "search" / _slug(request, method, space))
    directory.check_writable()
    encoder = load_encoder(source, request.options)
    texts = _texts(documents, protocol, encoder, config, request)
    batch_tokens = request.batch_tokens or BATCH_TOKENS[device.type]
    held_out = make_shards(texts, batch_tokens, documents=range(request.held_out))
    starts = range(request.held_out, len(texts), request.calibration)
    draws = tuple(
        _draw(texts, range(start, start + request.calibration), _round_ends(request, method), batch_tokens) for start in starts
    )
    objective: Objective = ("kl" if method.name == "evolution" else "nll") if request.objective == "auto" else request.objective
    kept = request.state_memory
    record = SearchRequestRecord(
        model=source.name,
        model_fingerprint=getattr(config, "_commit_hash", None) or source.fingerprint,
        dtype=str(resolve_dtype(request.options.dtype, config)).removeprefix("torch."),
        quantize=request.options.quantize,
        device=device.type,
        bos=request.options.bos,
        prefix_ids=encoder.prefix_ids,
        seed=request.seed,
        batch_tokens=batch_tokens,
        dataset=request.dataset,
        split=resolved_split(request.dataset, request.split),
        protocol=str(protocol),
        texts_sha256=texts_digest(texts),
        draws=request.draws,
        calibration=request.calibration,
        held_out=request.held_out,
        moves=tuple(move.written for move in moves),
        method=str(method),
        objective=objective,
        budget_layers=space.budget / 2,
        keep=tuple(sorted(request.keep)),
        steps=request.steps,
        until_ci=request.until_ci,
        random_paths=request.random_paths,
        compile=request.compile == "on",
    )
    return PreparedSearch(
        request=request,
        source=source,
        config=config,
        encoder=encoder,
        space=space,
        method=method,
        objective=objective,
        texts=texts,
        held_out=tuple(held_out),
        draws=draws,
        kept_bytes=_kept_bytes(kept, device, is_here=device_type is None),
        directory=directory,
        record=record,
    )


def _kept_bytes(asked: float | None, device: torch.device, *, is_here: bool) -> int:
    """What states may take; of a device elsewhere nothing is known, and each worker asks its own."""
    if asked is not None:
        return int(asked * 2**30)
    free = available_memory(device) if is_here or device.type == "cpu" else None
    return (free or 2**32) // 4


def _check_request(request: SearchRequest) -> None:
    for option, value, least, most in (
        ("--draws", request.draws, 1, 1000),
        ("--calibration", request.calibration, FEWEST_TEXTS, 10**6),
        ("--held-out", request.held_out, FEWEST_TEXTS, 10**6),
        ("--random-paths", request.random_paths, 0, 10**4),
        ("--seed", request.seed, 0, None),
    ):
        if value < least or (most is not None and value > most):
            raise DataError(f"{option} is {least}{' or more' if most is None else f' to {most:,}'}; got {value}.")
    if request.batch_tokens is not None and request.batch_tokens < 1:
        raise DataError(f"--batch-tokens is 1 or more; got {request.batch_tokens}.")
    if request.until_ci is not None and not 0.0 < request.until_ci < math.inf:
        raise DataError(f"--until-ci is a half-width in nats above 0; got {request.until_ci}.")
    if request.until_ci is not None and Method.parse(request.method).name == "evolution":
        raise DataError("--until-ci drops candidates early, and evolution has stages of its own for that: leave one out.")
    if request.steps is not None and request.steps < 1:
        raise DataError(f"--steps is 1 or more; got {request.steps}.")
    if request.state_memory is not None and not 0.0 <= request.state_memory < math.inf:
        raise DataError(f"--state-memory is a number of GiB, 0 or more; got {request.state_memory}.")
    _check_layers(request)


def _check_layers(request: SearchRequest) -> None:
    """The size to get to, as far as it can be told without a model."""
    if (request.drop is None) == (request.budget is None):
        raise PathError("A search takes either --drop (layers to lose) or --budget (layers to get to); got both or neither.")
    option, given = ("--drop", request.drop) if request.budget is None else ("--budget", request.budget)
    if given is None or not 0.0 <= given < MOST_LAYERS or given * 2 != int(given * 2):
        raise PathError(f"{option} is a number of layers, whole or with a half, such as 6 or 5.5; got {given}.")


def _budget(request: SearchRequest, n_layers: int) -> int:
    """Half layers to get to."""
    layers = request.budget if request.budget is not None else n_layers - (request.drop or 0.0)
    if layers > 4 * n_layers:
        raise PathError(f"--budget is at most four times the model's {n_layers} layers; got {layers:g}.")
    return int(layers * 2)


def _texts(
    documents: Sequence[Document], protocol: Protocol, encoder: TextEncoder, config: PretrainedConfig, request: SearchRequest
) -> tuple[Window, ...]:
    """As many texts with something to score as are needed, in a random order that does not depend on how many those are.

    Raises:
        DataError: there are fewer.
    """
    wanted = request.held_out + request.draws * request.calibration
    generator = np.random.default_rng(request.seed)

    def cut(some: Sequence[Document]) -> list[Window]:
        corpus = cut_windows(
            some,
            protocol,
            encoder.encode,
            prefix_ids=encoder.prefix_ids,
            context_length=context_length(config),
            max_samples=None,
            seed=request.seed,
        )
        return list(corpus.windows)

    found: dict[str, Window] = {}  # each text once: a line that stands twice in a data set must not be on both sides
    if protocol.kind in ("lines", "documents"):
        order, n = generator.permutation(len(documents)).tolist(), 0
        while len(found) < wanted and n < len(order):
            some = order[n : n + max(wanted, 16)]
            drawn = documents.take(some) if isinstance(documents, ParquetTexts) else [documents[row] for row in some]
            for window in cut(drawn):
                if window.n_scored:
                    found.setdefault(window.text, window)
            n += len(some)
    else:
        every = cut(documents)
        for row in generator.permutation(len(every)):
            if every[row].n_scored:
                found.setdefault(every[row].text, every[row])
    if len(found) < wanted:
        raise DataError(
            f"A search takes {request.held_out} held-out and {request.draws} × {request.calibration} calibration texts, none "
            f"of them twice; '{request.dataset}' has {len(found)} different ones with something to score: take "
            "fewer by --held-out, --draws or --calibration, or a larger data set."
        )
    return tuple(found.values())[:wanted]


def _round_ends(request: SearchRequest, method: Method) -> tuple[int, ...]:
    """Texts up to and with each round of a step."""
    n = request.calibration
    if method.name == "evolution":
        few = max(1, n // FEW_TEXTS_SHARE)
        return (few, n) if few < n else (n,)
    return plan_looks(n, first=FIRST_LOOK).sizes if request.until_ci is not None else (n,)


def _draw(texts: Sequence[Window], rows: range, round_ends: tuple[int, ...], batch_tokens: int) -> Draw:
    own = [texts[row] for row in rows]
    rounds, n_shards = [], 0
    for start, end in zip((0, *round_ends), round_ends, strict=False):
        shards = tuple(make_shards(own, batch_tokens, documents=range(start, end), first_index=n_shards))
        rounds.append(shards)
        n_shards += len(shards)
    return Draw(tuple(rows), tuple(rounds), round_ends)


def _slug(request: SearchRequest, method: Method, space: Space) -> str:
    words = [*(move.written for move in space.moves), str(method), f"to {written_size(space.budget)}"]
    return f"{run_slug(request.model, dataset_label(request.dataset), request.calibration)}_" + "_".join(
        word.replace(":", "-").replace(" ", "-") for word in words
    )


def parse_kept(text: str | None) -> tuple[int, ...]:
    """Layers as ranges, such as ``0,28-29``.

    Raises:
        PathError: no such form.
    """
    if not text:
        return ()
    steps = LayerPath.parse(text).steps
    if any(str(step) != str(step.layers[0]) for step in steps):
        raise PathError(f"--keep names whole layers, such as 0,28-29; got '{text}'.")
    return tuple(sorted({step.layers[0] for step in steps}))
