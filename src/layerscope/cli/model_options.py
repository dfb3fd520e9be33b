"""Options that say which model and how to load it: declared once, for every command that takes them in the same words."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from layerscope.cli.console import one_of
from layerscope.errors import ModelError

if TYPE_CHECKING:
    from layerscope.models.loading import LoadOptions

MODEL = typer.Option(help="Built-in name, directory, .gguf file or Hub id; see 'layerscope models'.")
REVISION = typer.Option(help="Branch, tag or commit of a model on the Hub.")
BOS = typer.Option(help="Beginning-of-sequence token: auto (as the tokenizer does), always or never.")
DTYPE = typer.Option(help="auto (as stored), float32, bfloat16 or float16; fp32, bf16, fp16 for short.")
DEVICE = typer.Option(help="auto, cpu, cuda, cuda:N or mps.")
DEVICE_MAP = typer.Option(help="Spread the layers over devices, as in transformers: auto, balanced, …")
QUANTIZE = typer.Option(help="none, int8 or nf4 (needs the extra 'quantize').")
TRUST_REMOTE_CODE = typer.Option("--trust-remote-code", help="Allow running code that comes with a checkpoint.")


def load_options(
    *, dtype: str, device: str, device_map: str | None, quantize: str, bos: str, trust_remote_code: bool
) -> LoadOptions:
    """The options as one value.

    Raises:
        ModelError: a word that ``--quantize`` or ``--bos`` does not have.
    """
    from layerscope.models.loading import LoadOptions

    return LoadOptions(
        dtype=dtype,
        device=device,
        quantize=one_of("--quantize", quantize, ("none", "int8", "nf4"), ModelError),
        device_map=device_map,
        bos=one_of("--bos", bos, ("auto", "always", "never"), ModelError),
        trust_remote_code=trust_remote_code,
    )
