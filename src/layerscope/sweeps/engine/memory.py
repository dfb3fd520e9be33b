"""How much memory a sweep will take, before it takes it. Pure arithmetic on a plan and a configuration."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from transformers import PretrainedConfig

from layerscope.engine.next_token import logits_bytes
from layerscope.models.loading import resolve_dtype
from layerscope.models.skeleton import WINDOW, count_parameters
from layerscope.paths.plan import SweepPlan
from layerscope.sweeps.engine.walk import group_size

_BYTES_A_WEIGHT = {"int8": 1.0, "nf4": 0.56}
_RUNTIME_BYTES = 600 * 2**20
"""Interpreter, torch, transformers, matplotlib; on an accelerator its own libraries, measured nowhere yet."""
_COMPILER_BYTES = 400 * 2**20
"""What torch's compiler keeps once it has run."""


@dataclass(frozen=True)
class MemoryEstimate:
    """Bytes at the worst moment, by what needs them."""

    weights: int | None
    """The model's parameters; None if its configuration does not tell."""
    states: int
    """Hidden states that the walk keeps (all that a chunk may keep, when streaming), and what one layer needs besides."""
    scoring: int
    """Final states held back, and the logits of one chunk in their several forms."""
    runtime: int
    """Interpreter and libraries, and the compiler where it is used."""
    loading: int
    """The checkpoint, which is mapped while weights are read from it, and their copy in another dtype; gone before the walk."""

    @property
    def total(self) -> int:
        """At the worst moment: while loading or while walking."""
        return self.runtime + max(self.loading, (self.weights or 0) + self.states + self.scoring)


def estimate_memory(
    plan: SweepPlan,
    config: PretrainedConfig,
    dtype: torch.dtype,
    *,
    device_type: str = "cpu",
    longest_batch: int,
    quantize: str = "none",
    stream_bytes: int | None = None,
    compiled: bool = False,
) -> MemoryEstimate:
    """Estimate the peak memory of a sweep on the device that holds the model, its head taken by slices.

    Args:
        plan: how many states are alive at once.
        config: the model's configuration.
        dtype: of weights and hidden states.
        device_type: ``cpu``, ``cuda`` or ``mps``; checkpoints and compilers need the memory of the first, not of the others.
        longest_batch: positions of the largest shard, pads included.
        quantize: ``none``, ``int8`` or ``nf4``.
        compiled: whether layers go through the compiler.
        stream_bytes: what a chunk's hidden states may take when weights are streamed; None if they are all in memory.
    """
    text_config: Any = config.get_text_config(decoder=True)
    width: int = text_config.hidden_size
    inner = _widest(getattr(text_config, "intermediate_size", None)) or 4 * width
    state = longest_batch * bytes_a_state(config, dtype)
    layer = longest_batch * (6 * width + 3 * inner) * dtype.itemsize
    held = min(group_size(state, plan), len(plan.variants)) * state
    chunk = logits_bytes(device_type) * (6 * 4 + dtype.itemsize) // 4
    kept = plan.peak_states * state if stream_bytes is None else max(plan.peak_states * state, stream_bytes)
    on_host = device_type == "cpu"
    runtime = _RUNTIME_BYTES + (_COMPILER_BYTES if compiled and on_host else 0)
    counts = count_parameters(config)
    if counts is None:
        return MemoryEstimate(None, kept + layer, held + chunk, runtime, 0)
    resident = counts.total if stream_bytes is None else counts.outside + (WINDOW + 1) * max(counts.layers)
    weights = int(resident * _BYTES_A_WEIGHT.get(quantize, dtype.itemsize))
    stored = resolve_dtype("auto", config)
    loading = counts.total * stored.itemsize + (weights if stored != dtype or quantize != "none" else 0)
    is_mapped = on_host and stream_bytes is None
    return MemoryEstimate(weights, kept + layer, held + chunk, runtime, loading if is_mapped else 0)


def _widest(size: int | Sequence[int] | None) -> int:
    """Of the layers, where a configuration names a size for each (Gemma 3n, OpenELM); 0 where it names none."""
    return max(size, default=0) if isinstance(size, Sequence) else int(size or 0)


def bytes_a_state(config: PretrainedConfig, dtype: torch.dtype) -> int:
    """Of one position's hidden state."""
    text_config: Any = config.get_text_config(decoder=True)
    return int(text_config.hidden_size) * dtype.itemsize


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
