"""A path as an ordinary checkpoint, which transformers loads without this project.

A layer of the path becomes a layer of the checkpoint: its tensors are renamed, one that is visited twice is written twice, and
half a layer is a layer whose other half has zeros for output weights. The model itself is neither copied nor changed. The
configuration is made in ``rearranging.py``, and what was written is proved in ``reloading.py`` before it is moved into place.
"""

from __future__ import annotations

import importlib.metadata
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor
from transformers import PreTrainedModel

from layerscope.errors import ModelError, RunError
from layerscope.lock import alone
from layerscope.models.decoder import Decoder
from layerscope.models.layers import find_layers
from layerscope.models.origin import EXPORT_FILE
from layerscope.models.rearranging import rearranged_config
from layerscope.models.reloading import Agreement, check_reloaded
from layerscope.models.silent_weights import find_silent_weights
from layerscope.models.sources import ModelSource
from layerscope.paths.formats.mergekit import mergekit_recipe
from layerscope.paths.path import LayerPath
from layerscope.paths.sequential import sequential_steps
from layerscope.paths.steps import LayerStep
from layerscope.whole_folder import whole_folder

_RECIPE = "mergekit.yaml"
_PACKAGES = ("layerscope", "torch", "transformers", "safetensors")


@dataclass(frozen=True)
class ExportReport:
    """What was written, and how it was proved."""

    folder: Path
    """As asked for."""
    path: LayerPath
    """The layers of the checkpoint, by their number in the model that they come from."""
    layers_before: int
    """Layers of that model."""
    bytes_written: int
    """Size of the weights on disk."""
    dtype: str
    """Of the weights, as torch names it."""
    agreement: Agreement
    """The reloaded checkpoint against the path."""

    @property
    def layers_after(self) -> int:
        """Layers of the checkpoint."""
        return len(self.path)


def export_path(
    decoder: Decoder, path: LayerPath, *, folder: Path, source: ModelSource | None = None, force: bool = False
) -> ExportReport:
    """Write a path of a model as a checkpoint, and prove that it is one.

    Args:
        decoder: bit-identical afterwards; its tokenizer, if it has one, is written beside the weights.
        path: whole layers and halves, one after the other; any order, each as often as wanted.
        folder: new, empty, or with ``force`` an earlier export.
        source: where the model came from, for the record.
        force: replace an earlier export.

    Returns:
        What was written. The folder is whole when this returns; if it raises, nothing is left behind.

    Raises:
        PathError: the path visits no layer, one that the model does not have, or several side by side.
        ModelError: the checkpoint would not be the path, or the weights are not at hand as they are.
        RunError: the folder holds something else, or cannot be written.
    """
    steps = sequential_steps(path)
    path.check_fits(decoder.n_layers)
    check_export_folder(folder, force=force)
    _check_weights(decoder)
    silent = {step: find_silent_weights(decoder, step) for step in steps if step.part != "whole"}
    with whole_folder(folder) as unfinished:
        _check_replaceable(folder, force=force)  # another process may have written it meanwhile
        _save(decoder, steps, silent, unfinished)
        agreement = check_reloaded(decoder, path, folder=unfinished)
        report = ExportReport(
            folder=folder,
            path=path,
            layers_before=decoder.n_layers,
            bytes_written=sum(file.stat().st_size for file in unfinished.glob("*.safetensors")),
            dtype=str(decoder.dtype).removeprefix("torch."),
            agreement=agreement,
        )
        _describe(decoder, report, silent, source, unfinished)
    return report


def check_export_folder(folder: Path, *, force: bool) -> None:
    """Refuse a folder that an export must not replace.

    Raises:
        RunError: it holds something, and is no earlier export or was not to be replaced, or another process is writing it.
    """
    with alone(folder):  # takes away the lock of one that was killed when all was done
        _check_replaceable(folder, force=force)


def _check_replaceable(folder: Path, *, force: bool) -> None:
    if folder.exists() and not folder.is_dir():
        raise RunError(f"An export is a folder; '{folder}' is a file: name another --output-dir.")
    held = sorted(entry.name for entry in folder.iterdir()) if folder.is_dir() else []
    if held and not force:
        raise RunError(
            f"An export goes into a new or empty folder; '{folder}' holds {held[0]}: name another --output-dir, or use --force "
            "to replace an earlier export."
        )
    if held and EXPORT_FILE not in held:
        raise RunError(
            f"--force replaces an earlier export, which holds {EXPORT_FILE}; '{folder}' holds {held[0]} and no such file: name "
            "another --output-dir."
        )


def _check_weights(decoder: Decoder) -> None:
    if getattr(decoder.model, "hf_quantizer", None) is not None or hasattr(decoder.model.config, "quantization_config"):
        raise ModelError(
            f"An export writes plain weights; those of '{decoder.name}' are quantised: load the model as it was before that."
        )
    if any(parameter.is_meta for parameter in decoder.model.parameters()):
        raise ModelError(
            f"An export needs every weight in memory; some of '{decoder.name}' are on disk: load it without streaming or "
            "off-loading."
        )


def _save(decoder: Decoder, steps: Sequence[LayerStep], silent: Mapping[LayerStep, Sequence[str]], folder: Path) -> None:
    """Weights, configuration, generation settings and tokenizer, in transformers' own form."""
    order = [step.layer for step in steps]
    config = rearranged_config(decoder.model.config, order, n_layers=decoder.n_layers)
    tensors = _tensors(decoder, steps, silent)
    try:
        with torch.device("meta"):
            model: PreTrainedModel = type(decoder.model)(config)
        _check_fit(model, tensors, steps)
        model.load_state_dict(tensors, assign=True)
        model.generation_config = decoder.model.generation_config
        model.save_pretrained(folder)
    except (ValueError, KeyError, RuntimeError, TypeError, AttributeError, NotImplementedError, IndexError) as error:
        raise ModelError(
            f"A path becomes a checkpoint through transformers' own code, which fails for '{config.model_type}' in the order "
            f"{LayerPath(tuple(steps))}: {(str(error).strip() or type(error).__name__).splitlines()[0][:240]}"
        ) from error
    if decoder.encoder is not None:
        decoder.encoder.tokenizer.save_pretrained(folder)


def _tensors(decoder: Decoder, steps: Sequence[LayerStep], silent: Mapping[LayerStep, Sequence[str]]) -> dict[str, Tensor]:
    """The new model's tensors: the old one's own, but for zeros and for second visits, which need memory of their own."""
    layers = find_layers(decoder.model)
    prefix = next(name for name, module in decoder.model.named_modules() if module is layers) + "."
    tensors: dict[str, Tensor] = {}
    of_layer: list[dict[str, Tensor]] = [{} for _ in layers]
    for name, tensor in decoder.model.state_dict().items():
        if name.startswith(prefix):
            number, _, rest = name.removeprefix(prefix).partition(".")
            of_layer[int(number)][rest] = tensor
        else:
            tensors[name] = tensor
    visited: set[int] = set()
    for place, step in enumerate(steps):
        for rest, tensor in of_layer[step.layer].items():
            if rest in silent.get(step, ()):
                new = torch.zeros_like(tensor)
            else:
                new = tensor.clone() if step.layer in visited else tensor
            tensors[f"{prefix}{place}.{rest}"] = new
        visited.add(step.layer)
    return tensors


def _check_fit(model: PreTrainedModel, tensors: Mapping[str, Tensor], steps: Sequence[LayerStep]) -> None:
    """Each layer of the new model must be of its source's kind: the same tensors, of the same shapes."""
    shapes = {name: tensor.shape for name, tensor in model.state_dict().items()}
    given = {name: tensor.shape for name, tensor in tensors.items()}
    wrong = [name for name in {**given, **shapes} if shapes.get(name) != given.get(name)]
    if wrong:
        raise ModelError(
            f"A configuration must say what each layer is; that of '{model.config.model_type}' cannot for "
            f"'{LayerPath(tuple(steps))}' ({wrong[0]} would be of another kind), so it cannot be exported: the path can be "
            "measured (layerscope sweep --path)."
        )


def _describe(
    decoder: Decoder,
    report: ExportReport,
    silent: Mapping[LayerStep, Sequence[str]],
    source: ModelSource | None,
    folder: Path,
) -> None:
    """What the checkpoint is and where it comes from, with no path of this machine."""
    local = Path(decoder.name).expanduser()
    model = local.resolve().name if local.exists() else decoder.name
    record = {
        "model": model,
        "revision": source.revision if source else None,
        "fingerprint": source.fingerprint if source else None,
        "path": str(report.path),
        "layers": {"before": report.layers_before, "after": report.layers_after},
        "zeroed": {str(step): list(names) for step, names in silent.items()},
        "dtype": report.dtype,
        "parameters": report.agreement.parameters,
        "reloaded": {
            "tokens": report.agreement.n_tokens,
            "largest_difference_of_logits": report.agreement.largest_difference,
            "largest_logit": report.agreement.largest_logit,
        },
        "packages": {name: _version(name) for name in _PACKAGES},
    }
    (folder / EXPORT_FILE).write_text(json.dumps(record, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    modules = {step: modules_of(names) for step, names in silent.items()}
    recipe = mergekit_recipe(report.path, model, dtype=report.dtype, silent=modules)
    (folder / _RECIPE).write_text(recipe, encoding="utf-8")


def modules_of(parameters: Sequence[str]) -> list[str]:
    """The names that maps' weights and biases have in common, each once."""
    return list(dict.fromkeys(name.removesuffix(".weight").removesuffix(".bias").removesuffix("_bias") for name in parameters))


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:  # run from a source tree that is not installed
        return None
