"""Where weights come from, and Decoder: the uniform view of a Hugging Face causal LM."""

from layerscope.models.checks import check_decoder
from layerscope.models.decoder import Decoder, LayerCall, Recording, context_length
from layerscope.models.encoder import BosPolicy, TextEncoder
from layerscope.models.export import ExportReport, check_export_folder, export_path
from layerscope.models.gguf import cache_folder
from layerscope.models.loading import (
    DTYPES,
    LoadOptions,
    Quantization,
    load_config,
    load_decoder,
    load_encoder,
    load_streamed,
    load_tokenizer,
    load_weights,
    resolve_device,
    resolve_dtype,
)
from layerscope.models.sites import SITES, Site, SiteMap, check_sites
from layerscope.models.skeleton import WINDOW, ParameterCounts, count_layers, count_parameters
from layerscope.models.sources import ModelSource, resolve_model

__all__ = [
    "DTYPES",
    "SITES",
    "WINDOW",
    "BosPolicy",
    "Decoder",
    "ExportReport",
    "LayerCall",
    "LoadOptions",
    "ModelSource",
    "ParameterCounts",
    "Quantization",
    "Recording",
    "Site",
    "SiteMap",
    "TextEncoder",
    "cache_folder",
    "check_decoder",
    "check_export_folder",
    "check_sites",
    "context_length",
    "count_layers",
    "count_parameters",
    "export_path",
    "load_config",
    "load_decoder",
    "load_encoder",
    "load_streamed",
    "load_tokenizer",
    "load_weights",
    "resolve_device",
    "resolve_dtype",
    "resolve_model",
]
