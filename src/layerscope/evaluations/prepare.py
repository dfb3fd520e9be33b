"""An evaluation settled before weights are loaded: model, paths, tasks with their data, and its place."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from importlib.metadata import version
from pathlib import Path

from transformers import PretrainedConfig

from layerscope.errors import DataError
from layerscope.evaluations.harness import FEWSHOT_SEED, SOFTMAX_DTYPE
from layerscope.evaluations.loaded_tasks import LoadedTask, load_tasks
from layerscope.evaluations.record import CellKey, EvaluationRequestRecord, GroupRecord
from layerscope.evaluations.task_names import find_tasks
from layerscope.lm_eval import default_batch_tokens
from layerscope.models.encoder import TextEncoder
from layerscope.models.head_counts import count_heads
from layerscope.models.loading import LoadOptions, load_config, load_encoder, resolve_device, resolve_dtype
from layerscope.models.skeleton import count_layers
from layerscope.models.sources import ModelSource, check_model_name, resolve_model
from layerscope.paths.path import LayerPath
from layerscope.results.directory import RunDirectory, model_slug


@dataclass(frozen=True)
class EvaluationRequest:
    """An evaluation as requested by the user; fields have the names of the command line's options.

    Examples:
        >>> request = ls.EvaluationRequest("smollm2-135m", ("blimp",), ("0-9,12-29",), data_dir=Path("blimp"), limit=2)
        >>> request.batch_size is None  # as many requests as fit
        True
    """

    model: str
    """Built-in name, directory, GGUF file or Hub id."""
    tasks: tuple[str, ...]
    """Names of tasks, groups or tags, or patterns."""
    paths: tuple[LayerPath | str, ...] = ()
    """Paths to evaluate; the intact model is always evaluated as well."""
    revision: str | None = None
    """Revision of the model on the Hub."""
    options: LoadOptions = field(default_factory=LoadOptions)
    """How to load the model."""
    limit: int | None = None
    """Samples per task, from its start; None for all."""
    data_dir: Path | None = None
    """Folder with BLiMP's files, to use as tasks."""
    include_path: Path | None = None
    """Folder with your own tasks in the harness's format."""
    batch_size: int | None = None
    """Requests per batch; as many as fit if None."""
    output_dir: Path = Path("results")
    """Folder for run directories."""
    directory: Path | None = None
    """The run directory itself; ``<output_dir>/evaluate/<model>`` if None."""


@dataclass(frozen=True)
class PreparedEvaluation:
    """An evaluation whose requests are made, its weights not yet loaded."""

    request: EvaluationRequest
    """As asked."""
    source: ModelSource
    """Where the model is."""
    config: PretrainedConfig
    """The model's configuration."""
    encoder: TextEncoder
    """Its tokenizer and BOS policy."""
    n_layers: int
    """Decoder layers."""
    paths: tuple[LayerPath, ...]
    """The intact model first, none twice."""
    tasks: dict[str, LoadedTask]
    """By name."""
    groups: dict[str, GroupRecord]
    """Names that stand for several tasks."""
    directory: RunDirectory
    """Where it goes."""
    record: EvaluationRequestRecord
    """What all its numbers have in common."""

    @cached_property
    def cells(self) -> tuple[CellKey, ...]:
        """Every path on every task: task by task, the intact model first."""
        return tuple(
            CellKey(str(path), task.name, self.request.limit, task.digest)
            for task in self.tasks.values()
            for path in self.paths
        )


def prepare_evaluation(request: EvaluationRequest) -> PreparedEvaluation:
    """Settle a request and check everything that can be checked before weights are loaded.

    Raises:
        LayerscopeError: whatever is wrong, in one sentence.

    Examples:
        >>> request = ls.EvaluationRequest("smollm2-135m", ("blimp",), ("0-9,12-29",), data_dir=Path("blimp"), limit=2)
        >>> prepared = ls.prepare_evaluation(request)
        >>> len(prepared.cells), [str(path) for path in prepared.paths]
        (4, ['0-29', '0-9,12-29'])
    """
    for name, value in (("limit", request.limit), ("batch-size", request.batch_size)):
        if value is not None and value < 1:
            raise DataError(f"--{name} is 1 or more; got {value}.")
    paths = [path if isinstance(path, LayerPath) else LayerPath.parse(path) for path in request.paths]
    device = resolve_device(request.options.device)
    check_model_name(request.model)
    directory = RunDirectory(request.directory or request.output_dir / "evaluate" / model_slug(request.model))
    directory.check_writable()
    found = find_tasks(request.tasks, data_dir=request.data_dir, include_path=request.include_path)
    source = resolve_model(request.model, request.revision)
    config = load_config(source, request.options)
    n_layers = count_layers(config)
    _check_paths(paths, config, n_layers)
    encoder = load_encoder(source, request.options)
    tasks, groups = load_tasks(found, request.limit)
    record = EvaluationRequestRecord(
        model=source.name,
        model_fingerprint=getattr(config, "_commit_hash", None) or source.fingerprint,
        dtype=str(resolve_dtype(request.options.dtype, config)).removeprefix("torch."),
        quantize=request.options.quantize,
        device=device.type,
        bos=request.options.bos,
        prefix_ids=encoder.prefix_ids,
        seed=FEWSHOT_SEED,
        batch_tokens=default_batch_tokens(device.type, int(config.get_text_config(decoder=True).vocab_size)),
        batch_size=request.batch_size,
        softmax_dtype=SOFTMAX_DTYPE,
        lm_eval=version("lm-eval"),
    )
    return PreparedEvaluation(
        request=request,
        source=source,
        config=config,
        encoder=encoder,
        n_layers=n_layers,
        paths=tuple(dict.fromkeys((LayerPath.intact(n_layers), *paths))),
        tasks=tasks,
        groups=groups,
        directory=directory,
        record=record,
    )


def _check_paths(paths: Sequence[LayerPath], config: PretrainedConfig, n_layers: int) -> None:
    heads = [count.groups for count in count_heads(config, n_layers)]
    for path in paths:
        path.check_fits(n_layers)
        path.check_heads(heads)
