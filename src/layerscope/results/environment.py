"""What a run was made with: versions, platform, device. Goes into every manifest."""

from __future__ import annotations

import importlib.metadata
import platform

import torch

from layerscope.models.decoder import Decoder
from layerscope.results.record import EnvironmentRecord

_PACKAGES = ("layerscope", "torch", "transformers", "tokenizers", "numpy", "scipy", "pyarrow", "pandas", "matplotlib")


def environment(decoder: Decoder) -> EnvironmentRecord:
    """Where and with what a decoder runs."""
    return EnvironmentRecord(
        python=platform.python_version(),
        platform=platform.platform(),
        threads=torch.get_num_threads(),
        compiled=decoder.compiled is not None,
        streamed=decoder.streamed is not None,
        gpu=torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        packages=package_versions(),
    )


def package_versions() -> dict[str, str | None]:
    """Versions of the packages that decide the last bits of numbers."""
    return {name: _version(name) for name in _PACKAGES}


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:  # run from a source tree that is not installed
        return None
