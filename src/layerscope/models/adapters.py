"""LoRA and its kin: an adapter's folder, the model that it was trained on, and both as one model, through ``peft``.

An adapter is merged into the weights, so that a layer is an ordinary layer. Where it cannot be, it is refused: a model without
the adapter that lies beside it is another model.
"""

from __future__ import annotations

import importlib.util
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from transformers import PreTrainedModel

from layerscope.errors import ModelError, first_line
from layerscope.models.checkpoint_files import check_file, read_names, read_object

SETTINGS = "adapter_config.json"
_WEIGHTS = "adapter_model.safetensors"
_PICKLE = "adapter_model.bin"


def is_adapter(folder: Path) -> bool:
    """True for a folder with an adapter, whether or not its base lies there too."""
    return (folder / SETTINGS).exists() or (folder / _WEIGHTS).exists() or (folder / _PICKLE).exists()


def check_adapter(folder: Path) -> tuple[str | None, str | None]:
    """Refuse an adapter that could not be merged.

    Returns:
        The base that it names, and the base's revision on the Hub; None where it names none.

    Raises:
        ModelError: peft is not installed, or the adapter is not whole.
    """
    if not (folder / SETTINGS).exists():
        raise ModelError(f"An adapter has {SETTINGS} beside its weights; '{folder}' has none: fetch it too.")
    settings = read_object(folder / SETTINGS)
    named, revision = settings.get("base_model_name_or_path"), settings.get("revision")
    base = named if isinstance(named, str) and named else None
    if not (folder / _WEIGHTS).exists():
        if (folder / _PICKLE).exists():
            raise ModelError(
                f"Weights are read from safetensors only, because a pickle can run code; '{folder}' has {_PICKLE}: convert it "
                "with peft's save_pretrained on a machine where you trust it."
            )
        raise ModelError(f"An adapter has its weights in {_WEIGHTS}; '{folder}' has none: fetch it too.")
    check_file(folder / _WEIGHTS)
    read_names(folder / _WEIGHTS)
    if importlib.util.find_spec("peft") is None:
        raise ModelError(
            f"'{folder}' holds an adapter of '{base or 'the model beside it'}', which is merged with peft: "
            "pip install 'layerscope[adapters]', or merge it yourself and give the merged model."
        )
    return base, revision if isinstance(revision, str) and revision else None


@contextmanager
def without_adapter(folder: Path) -> Iterator[Path]:
    """A folder with all files of another but its adapter, which transformers would attach to the model without merging it."""
    with tempfile.TemporaryDirectory(prefix="layerscope-base-") as name:
        for path in folder.iterdir():
            if path.name not in (SETTINGS, _WEIGHTS, _PICKLE):
                (Path(name) / path.name).symlink_to(path.resolve())
        yield Path(name)


def merged(model: PreTrainedModel, folder: Path) -> PreTrainedModel:
    """A model with an adapter in its weights.

    Args:
        model: the base; changed.
        folder: with the adapter.

    Raises:
        ModelError: the adapter is not one of this model, or of a kind that has no place in the weights.
    """
    from peft import PeftModel

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # what peft still calls in transformers
            warnings.filterwarnings("error", message="Found missing adapter keys")
            adapted = PeftModel.from_pretrained(model, str(folder), local_files_only=True)
        whole: PreTrainedModel = adapted.merge_and_unload(safe_merge=True)
    except Exception as error:  # of peft, on a stranger's settings
        raise ModelError(
            f"An adapter is merged into the weights of its own base; that of '{folder}' cannot be merged into "
            f"'{model.config.model_type}': {first_line(error)}."
        ) from error
    return whole
