"""Whether a model's weights fit the device, told from its configuration before any of them is read."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from transformers import PretrainedConfig

from layerscope.errors import DeviceError
from layerscope.models.skeleton import WINDOW, count_parameters

_BYTES_A_WEIGHT = {"int8": 1.0, "nf4": 0.56}


@dataclass(frozen=True)
class WeightMemory:
    """Bytes that a model takes by itself."""

    weights: int
    """Once it is loaded; of a streamed one, what is resident at once."""
    loading: int
    """While it is loaded on the host: the mapped checkpoint, and the weights' copy in another dtype; 0 elsewhere."""


def weight_memory(
    config: PretrainedConfig,
    dtype: torch.dtype,
    *,
    stored: torch.dtype,
    device_type: str,
    quantize: str = "none",
    streamed: bool = False,
) -> WeightMemory | None:
    """What a model of a configuration takes; None if the family cannot be built without memory.

    Args:
        config: the model's configuration.
        dtype: in which it is loaded.
        stored: in which it lies in its file.
        device_type: ``cpu``, ``cuda`` or ``mps``.
        quantize: ``none``, ``int8`` or ``nf4``.
        streamed: whether layers are read when they run.
    """
    counts = count_parameters(config)
    if counts is None:
        return None
    resident = counts.outside + (WINDOW + 1) * max(counts.layers) if streamed else counts.total
    weights = int(resident * _BYTES_A_WEIGHT.get(quantize, dtype.itemsize))
    loading = counts.total * stored.itemsize + (weights if stored != dtype or quantize != "none" else 0)
    return WeightMemory(weights, loading if device_type == "cpu" and not streamed else 0)


def check_weights_fit(name: str, memory: WeightMemory | None, device: torch.device) -> None:
    """Refuse a model that does not fit by its weights alone.

    Args:
        name: as the user wrote it.
        memory: from ``weight_memory``; None passes.
        device: where weights go.

    Raises:
        DeviceError: what is needed, what there is, and what to do.
    """
    free = available_memory(device)
    if memory is None or free is None or (needed := max(memory.weights, memory.loading)) <= free:
        return
    raise DeviceError(
        f"The weights of '{name}' need about {needed / 2**30:.1f} GiB on {device} and {free / 2**30:.1f} GiB are free: load "
        "it in bfloat16 or quantized, stream it where the command can, or take a smaller model."
    )


def available_memory(device: torch.device) -> int | None:
    """Bytes that can still be had on a device; None where nobody knows."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    if device.type != "cpu":
        return None
    import psutil

    free = int(psutil.virtual_memory().available)
    limits = [limit - used for limit, used in (_cgroup_memory(), _address_space()) if limit is not None]
    return min([free, *limits])


def _cgroup_memory() -> tuple[int | None, int]:
    """Limit and use of the container, where there is one."""
    try:
        limit = Path("/sys/fs/cgroup/memory.max").read_text(encoding="ascii").strip()
        used = Path("/sys/fs/cgroup/memory.current").read_text(encoding="ascii")
        return (None if limit == "max" else int(limit)), int(used)
    except (OSError, ValueError):
        return None, 0


def _address_space() -> tuple[int | None, int]:
    """Limit and use of this process's address space, where ``ulimit -v`` set one."""
    try:
        import resource

        import psutil
    except ImportError:  # Windows has no such limit
        return None, 0
    soft, _ = resource.getrlimit(resource.RLIMIT_AS)
    return (None if soft == resource.RLIM_INFINITY else soft), int(psutil.Process().memory_info().vms)
