"""From files to a Decoder that has passed its checks. Safetensors only; no remote code unless asked for."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from safetensors import SafetensorError
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoTokenizer,
    BitsAndBytesConfig,
    PretrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)

from layerscope.connection import offline_if_unreachable
from layerscope.errors import DeviceError, HubError, LayerscopeError, ModelError
from layerscope.models.checks import check_decoder
from layerscope.models.decoder import Decoder
from layerscope.models.encoder import BosPolicy, TextEncoder
from layerscope.models.memory import check_weights_fit, weight_memory
from layerscope.models.sources import ModelSource, resolve_model

log = logging.getLogger(__name__)

Quantization = Literal["none", "int8", "nf4"]
DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


@dataclass(frozen=True)
class LoadOptions:
    """How to load a model, besides which.

    Examples:
        >>> ls.LoadOptions(dtype="bfloat16", device="cuda:1").bos
        'auto'
    """

    dtype: str = "auto"
    """``auto`` (as the checkpoint is stored), ``float32``, ``bfloat16`` or ``float16``."""
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


def load_decoder(name: str, *, revision: str | None = None, options: LoadOptions | None = None) -> Decoder:
    """Load a model by name and prove that it can be swept.

    Args:
        name: a built-in name, a local directory, a ``.gguf`` file or an id on the Hub.
        revision: on the Hub.
        options: dtype, device and so on.

    Returns:
        A decoder with its encoder, in evaluation mode.

    Raises:
        ModelError: it cannot be found, loaded or swept.
        HubError: the Hub is needed and cannot be reached.
        DeviceError: the device is not there.

    Examples:
        >>> decoder = ls.load_decoder("smollm2-135m", options=ls.LoadOptions(dtype="float32"))
        >>> decoder.n_layers, decoder.dtype, decoder.encoder.prefix_ids  # trained without a BOS
        (30, torch.float32, ())
    """
    options = options or LoadOptions()
    source = resolve_model(name, revision)
    encoder = load_encoder(source, options)
    return load_weights(source, load_config(source, options), encoder, options)


def load_tokenizer(name: str, *, revision: str | None = None) -> PreTrainedTokenizerBase:
    """A tokenizer by the name of its model, or from a folder that holds a tokenizer and no model.

    Raises:
        ModelError: it cannot be found or loaded.
        HubError: the Hub is needed and cannot be reached.
    """
    folder = Path(name).expanduser()
    if (folder / "tokenizer_config.json").is_file() and not any(folder.glob("*.safetensors")):
        tokenizer: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(folder, local_files_only=True)
        return tokenizer
    return load_encoder(resolve_model(name, revision), LoadOptions()).tokenizer


def load_config(source: ModelSource, options: LoadOptions) -> PretrainedConfig:
    """A model's configuration, without its weights."""
    with _loading(source, "configuration") as local:
        config: PretrainedConfig = AutoConfig.from_pretrained(
            source.location, revision=source.revision, trust_remote_code=options.trust_remote_code, local_files_only=local
        )
    return config


def load_encoder(source: ModelSource, options: LoadOptions) -> TextEncoder:
    """A model's tokenizer with its BOS policy settled."""
    with _loading(source, "tokenizer") as local:
        tokenizer = AutoTokenizer.from_pretrained(
            source.location, revision=source.revision, trust_remote_code=options.trust_remote_code, local_files_only=local
        )
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
    _check_not_quantised(source, config)
    _check_fits(source, config, options, streamed=True)
    device = resolve_device(options.device)
    with _loading(source, "weights") as local:
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
    }
    device = resolve_device(options.device)
    if options.device_map is not None or device.type != "cpu" or options.quantize != "none":
        arguments["device_map"] = options.device_map or {"": str(device)}
    if options.quantize != "none":
        arguments["quantization_config"] = quantization_config(options.quantize)
    with _loading(source, "weights") as local:
        loaded: Any = AutoModelForCausalLM.from_pretrained(source.location, local_files_only=local, **arguments)
    model: PreTrainedModel = loaded[0]
    missing = sorted(loaded[1]["missing_keys"])
    if missing:
        raise ModelError(
            f"A checkpoint holds every weight of its model; '{source.name}' lacks {len(missing)}, the first is {missing[0]}."
        )
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
    if name not in DTYPES:
        raise ModelError(f"A dtype is auto, {', '.join(DTYPES)}; got '{name}'.")
    return DTYPES[name]


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
    if kind not in ("cpu", "cuda", "mps") or (index and not (kind == "cuda" and index.isdigit())):
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


@contextmanager
def _loading(source: ModelSource, what: str) -> Iterator[bool]:
    """Turn what transformers raises into one sentence; gives True if only local files can be used."""
    offline = False
    try:
        if source.is_local:
            yield True
        else:
            with offline_if_unreachable() as offline:
                yield offline
    except LayerscopeError:
        raise
    except (OSError, ValueError, KeyError, RuntimeError, ImportError, TypeError, AttributeError, SafetensorError) as error:
        raise _explained(error, source, what, offline) from error


def _explained(error: Exception, source: ModelSource, what: str, offline: bool) -> LayerscopeError:
    text = str(error)
    first_line = (text.strip() or type(error).__name__).splitlines()[0][:240].rstrip(".")
    if isinstance(error, torch.OutOfMemoryError):
        return DeviceError(
            f"The weights of '{source.name}' do not fit the device: take --dtype bfloat16, --quantize or --device-map auto."
        )
    if "trust_remote_code" in text:
        return ModelError(
            f"'{source.name}' needs code that comes with its checkpoint, which is not run unless you ask: read that code, "
            "then add --trust-remote-code."
        )
    if not source.is_local and offline:
        return HubError(
            f"The model '{source.name}' is not on this machine and the Hugging Face Hub cannot be reached: connect and try "
            "again, or give a local directory or .gguf file."
        )
    if not source.is_local and ("gated" in text or "401" in text or "403" in text):
        return HubError(f"The Hub refuses '{source.name}': accept its licence there, then set HF_TOKEN or run 'hf auth login'.")
    if not source.is_local and ("not a local folder" in text or "404" in text or "not a valid model identifier" in text):
        return ModelError(f"Unknown model '{source.name}': the Hub has none of that name (or none that you may read).")
    if "safetensors" in text:
        return ModelError(f"Weights are read from safetensors only, because a pickle can run code; '{source.name}' has none.")
    return ModelError(f"The {what} of '{source.name}' cannot be loaded: {first_line}.")
