"""From files to a Decoder that has passed its checks. Safetensors only; no remote code unless asked for."""

from __future__ import annotations

import logging
import os
from contextlib import ExitStack
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Literal, overload

import torch
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    BitsAndBytesConfig,
    PretrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)

from layerscope.builtin import BUILT_IN
from layerscope.errors import DeviceError, ModelError, check_text
from layerscope.models.adapters import merged, without_adapter
from layerscope.models.checkpoint_files import check_settings, check_tokenizer_files
from layerscope.models.checks import check_decoder
from layerscope.models.decoder import Decoder
from layerscope.models.encoder import BosPolicy, TextEncoder
from layerscope.models.load_errors import loading
from layerscope.models.loaded import wrapped
from layerscope.models.memory import check_weights_fit, weight_memory
from layerscope.models.sources import ModelSource, local_path, resolve_model
from layerscope.models.tokenizer_files import TOKENIZER_FILES, read_tokenizer
from layerscope.models.weights_found import check_weights_found

log = logging.getLogger(__name__)

Quantization = Literal["none", "int8", "nf4"]
DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
_SHORT_DTYPES = {"fp32": "float32", "bf16": "bfloat16", "fp16": "float16"}
"""Names that other tools give them."""


@dataclass(frozen=True)
class LoadOptions:
    """How to load a model, besides which.

    Examples:
        >>> ls.LoadOptions(dtype="bfloat16", device="cuda:1").bos
        'auto'
    """

    dtype: str = "auto"
    """``auto`` (as the checkpoint is stored), ``float32``, ``bfloat16`` or ``float16``, or ``fp32``, ``bf16`` or ``fp16``."""
    device: str = "auto"
    """``auto``, ``cpu``, ``cuda``, ``cuda:1`` or ``mps``."""
    quantize: Quantization = "none"
    """``int8`` or ``nf4`` through bitsandbytes."""
    device_map: str | None = None
    """As in transformers, for example ``auto``: spreads the layers over several devices."""
    bos: BosPolicy = "auto"
    """Whether a BOS stands before every text."""
    trust_remote_code: bool = False
    """Run code that comes with a checkpoint."""


@overload
def load_decoder(name: str, *, revision: str | None = None, options: LoadOptions | None = None) -> Decoder: ...
@overload
def load_decoder(
    *, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, options: LoadOptions | None = None
) -> Decoder: ...
def load_decoder(
    name: str | None = None,
    *,
    model: Any = None,
    tokenizer: Any = None,
    revision: str | None = None,
    options: LoadOptions | None = None,
) -> Decoder:
    """Load a model by name, or take one that is already loaded, and check that it can be swept.

    A loaded model is neither copied nor changed: it stays on its device and in its dtype, and one in training mode is refused.

    Args:
        name: a built-in name, a local directory, a ``.gguf`` file or an id on the Hub.
        model: in place of a name, a causal LM of transformers that is loaded, in evaluation mode.
        tokenizer: that belongs to ``model``.
        revision: on the Hub.
        options: dtype, device and so on; for a loaded model only ``bos``.

    Returns:
        A decoder with its encoder, in evaluation mode.

    Raises:
        ModelError: it cannot be found, loaded or swept, or options are given that a loaded model cannot follow.
        HubError: the Hub is needed and cannot be reached.
        DeviceError: the device is not there.

    Examples:
        >>> decoder = ls.load_decoder("smollm2-135m", options=ls.LoadOptions(dtype="float32"))
        >>> decoder.n_layers, decoder.dtype, decoder.encoder.prefix_ids  # trained without a BOS
        (30, torch.float32, ())
        >>> again = ls.load_decoder(model=decoder.model, tokenizer=decoder.encoder.tokenizer)  # as transformers loads them
        >>> again.model is decoder.model, again.encoder == decoder.encoder
        (True, True)
    """
    options = options or LoadOptions()
    if name is None:
        _check_only_bos(options, revision)
        return wrapped(model, tokenizer, options.bos)
    name = os.fspath(name) if isinstance(name, os.PathLike) else name
    check_text(name, "A model", BUILT_IN, ModelError)
    if model is not None or tokenizer is not None:
        raise ModelError(f"A model is given by name or loaded; got '{name}' and a loaded one, too: leave one of them out.")
    source = resolve_model(name, revision)
    encoder = load_encoder(source, options)
    return load_weights(source, load_config(source, options), encoder, options)


def _check_only_bos(options: LoadOptions, revision: str | None) -> None:
    """Refuse options that would have to change a model that is loaded."""
    given = [field.name for field in fields(options) if getattr(options, field.name) != field.default and field.name != "bos"]
    if revision is not None:
        given.append("revision")
    if given:
        raise ModelError(
            f"A loaded model stays as it is; got {', '.join(given)} for one: leave it out, or load the model so beforehand."
        )


def load_tokenizer(name: str, *, revision: str | None = None) -> PreTrainedTokenizerBase:
    """A tokenizer by the name of its model, or from a folder that holds a tokenizer and no model.

    Raises:
        ModelError: it cannot be found or loaded.
        HubError: the Hub is needed and cannot be reached.
    """
    folder = local_path(name)
    if folder is not None and _holds_tokenizer_only(folder):
        check_settings(folder)
        with loading(ModelSource(name, str(folder), None, ""), "tokenizer"):
            return read_tokenizer(folder, local_files_only=True)
    return load_encoder(resolve_model(name, revision), LoadOptions()).tokenizer


def _holds_tokenizer_only(folder: Path) -> bool:
    return any((folder / file).is_file() for file in TOKENIZER_FILES) and not any(folder.glob("*.safetensors"))


def load_config(source: ModelSource, options: LoadOptions) -> PretrainedConfig:
    """A model's configuration, without its weights."""
    with loading(source, "configuration") as local:
        config: PretrainedConfig = AutoConfig.from_pretrained(
            source.location, revision=source.revision, trust_remote_code=options.trust_remote_code, local_files_only=local
        )
    return config


def load_encoder(source: ModelSource, options: LoadOptions) -> TextEncoder:
    """A model's tokenizer with its BOS policy settled."""
    location = source.location
    if source.adapter is not None and (Path(source.adapter) / "tokenizer_config.json").exists():
        check_settings(Path(source.adapter))
        location = source.adapter  # training may have added tokens
    if Path(location).is_dir():
        check_tokenizer_files(Path(location))
    with loading(source, "tokenizer") as local:
        tokenizer = read_tokenizer(
            location, revision=source.revision, trust_remote_code=options.trust_remote_code, local_files_only=local
        )
        tokenizer("a", add_special_tokens=False)  # settings of the wrong kind show here and not before
    return TextEncoder.from_tokenizer(tokenizer, options.bos)


def load_weights(source: ModelSource, config: PretrainedConfig, encoder: TextEncoder | None, options: LoadOptions) -> Decoder:
    """Weights on their device, and the checks at load.

    Raises:
        DeviceError: they do not fit it.
        ModelError: it cannot be loaded or swept.
    """
    _check_fits(source, config, options, streamed=False)
    decoder = Decoder(_load_model(source, config, options), source.name, encoder)
    check_decoder(decoder)
    return decoder


def load_streamed(source: ModelSource, config: PretrainedConfig, encoder: TextEncoder | None, options: LoadOptions) -> Decoder:
    """A decoder whose layers are read from disk each time they run, and the checks at load, which run them a few times.

    Raises:
        DeviceError: two layers and what lies outside the layers do not fit it.
        ModelError: it cannot be loaded or swept, its weights are not plain ones, or streaming them gives another model.
    """
    from layerscope.models.resident_part import first_layers_config, take_over
    from layerscope.models.streaming import StreamedLayers, checkpoint_files, empty_model, quiet_load

    if options.quantize != "none" or options.device_map is not None or options.trust_remote_code:
        raise ModelError(
            "Streaming reads plain weights onto one device: leave out --quantize, --device-map and --trust-remote-code."
        )
    if source.adapter is not None:
        raise ModelError(f"Streaming reads weights from one folder, and '{source.name}' is an adapter: leave out --stream.")
    _check_not_quantised(source, config)
    _check_fits(source, config, options, streamed=True)
    device = resolve_device(options.device)
    with loading(source, "weights") as local:
        model = empty_model(config, resolve_dtype(options.dtype, config), device)
        with quiet_load():
            resident = _load_model(source, first_layers_config(config, model), options)
        files = checkpoint_files(source.location, config, revision=source.revision, local_only=local)
        streamed = StreamedLayers(model, files, device)
        trace = take_over(resident, model, streamed.prefixes)
        del resident
        decoder = Decoder(model, source.name, encoder, streamed=streamed)
        trace.check(decoder)
    check_decoder(decoder)
    return decoder


def _load_model(source: ModelSource, config: PretrainedConfig, options: LoadOptions) -> PreTrainedModel:
    """A model of a configuration from a checkpoint, every weight from the file."""
    arguments: dict[str, Any] = {
        "config": config,
        "dtype": resolve_dtype(options.dtype, config),
        "use_safetensors": True,
        "trust_remote_code": options.trust_remote_code,
        "revision": source.revision,
        "output_loading_info": True,
        "ignore_mismatched_sizes": True,  # they are refused below, by name
    }
    device = resolve_device(options.device)
    if options.device_map is not None or device.type != "cpu" or options.quantize != "none":
        arguments["device_map"] = options.device_map or {"": str(device)}
    if options.quantize != "none":
        arguments["quantization_config"] = quantization_config(options.quantize)
    if source.adapter is not None and options.quantize != "none":
        raise ModelError(f"An adapter is merged into plain weights, and '{source.name}' is one: leave out --quantize.")
    with ExitStack() as stack:
        local = stack.enter_context(loading(source, "weights"))
        location = source.location
        if source.adapter == location:
            location = str(stack.enter_context(without_adapter(Path(location))))
        loaded: Any = AutoModelForCausalLM.from_pretrained(location, local_files_only=local, **arguments)
    model: PreTrainedModel = loaded[0]
    check_weights_found(source.name, loaded[1])
    if getattr(model, "_hf_peft_config_loaded", False):
        raise ModelError(
            f"An adapter is merged from a folder; '{source.name}' on the Hub has one: fetch it and give its folder."
        )
    if source.adapter is not None:
        model = merged(model, Path(source.adapter))
    return model


def _check_fits(source: ModelSource, config: PretrainedConfig, options: LoadOptions, *, streamed: bool) -> None:
    if options.device_map is not None:  # spreads what does not fit
        return
    device = resolve_device(options.device)
    memory = weight_memory(
        config,
        resolve_dtype(options.dtype, config),
        stored=resolve_dtype("auto", config),
        device_type=device.type,
        quantize=options.quantize,
        streamed=streamed,
    )
    check_weights_fit(source.name, memory, device)


def _check_not_quantised(source: ModelSource, config: PretrainedConfig) -> None:
    for some in (config, config.get_text_config(decoder=True)):
        settings = getattr(some, "quantization_config", None)
        if settings is not None:
            method = settings.get("quant_method") if isinstance(settings, dict) else getattr(settings, "quant_method", None)
            raise ModelError(
                f"Streaming reads plain weights; those of '{source.name}' are stored in a quantised form "
                f"({getattr(method, 'value', method) or 'of no name'}): leave out --stream."
            )


def resolve_dtype(name: str, config: PretrainedConfig) -> torch.dtype:
    """The dtype that weights and hidden states will have; ``auto`` is the checkpoint's own.

    Raises:
        ModelError: an unknown name.
    """
    if name == "auto":
        stored = getattr(config.get_text_config(decoder=True), "dtype", None) or getattr(config, "dtype", None)
        return stored if isinstance(stored, torch.dtype) else torch.float32
    full = _SHORT_DTYPES.get(name.lower(), name)
    if full not in DTYPES:
        raise ModelError(f"A dtype is auto, {', '.join(DTYPES)}; got '{name}'.")
    return DTYPES[full]


def resolve_device(name: str) -> torch.device:
    """The device asked for; ``auto`` takes a GPU where there is one.

    Raises:
        DeviceError: it is not there.
    """
    if name == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    kind, _, index = name.partition(":")
    if kind not in ("cpu", "cuda", "mps") or (
        index and not (kind == "cuda" and index.isascii() and index.isdigit() and len(index) < 5)
    ):
        raise DeviceError(f"A device is auto, cpu, cuda, cuda:N or mps; got '{name}'.")
    if kind == "cuda":
        count = torch.cuda.device_count() if torch.cuda.is_available() else 0
        if count == 0:
            raise DeviceError(f"--device {name} needs a CUDA GPU and torch sees none: take --device cpu, or auto.")
        if index and int(index) >= count:
            raise DeviceError(f"--device {name} does not exist: torch sees {count} GPU(s), numbered from 0.")
    if kind == "mps" and not torch.backends.mps.is_available():
        raise DeviceError("--device mps needs an Apple GPU and torch sees none: take --device cpu, or auto.")
    return torch.device(name)


def quantization_config(quantize: Quantization) -> BitsAndBytesConfig:
    """Bitsandbytes in 8 bits, or in 4-bit NormalFloat with double quantisation (Dettmers et al. 2023, QLoRA).

    Raises:
        ModelError: bitsandbytes is not installed.
    """
    try:
        import bitsandbytes  # noqa: F401
    except ImportError as error:
        raise ModelError(f"--quantize {quantize} needs bitsandbytes: pip install 'layerscope[quantize]'.") from error
    if quantize == "int8":
        return BitsAndBytesConfig(load_in_8bit=True)  # type: ignore[no-untyped-call]
    return BitsAndBytesConfig(  # type: ignore[no-untyped-call]
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=torch.bfloat16,
    )
