"""How much memory a sweep will take, before it takes it. Pure arithmetic on a plan and a configuration."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from transformers import PretrainedConfig

from layerscope.engine.next_token import logits_bytes
from layerscope.models.loading import resolve_dtype
from layerscope.models.memory import weight_memory
from layerscope.paths.plan import SweepPlan
from layerscope.sweeps.engine.walk import group_size

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
    lens: int = 0
    """A tuned lens, from before the weights are loaded."""

    @property
    def total(self) -> int:
        """At the worst moment: while loading or while walking."""
        return self.runtime + self.lens + max(self.loading, (self.weights or 0) + self.states + self.scoring)


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
    lens_bytes: int = 0,
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
        lens_bytes: of a tuned lens.
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
    model = weight_memory(
        config,
        dtype,
        stored=resolve_dtype("auto", config),
        device_type=device_type,
        quantize=quantize,
        streamed=stream_bytes is not None,
    )
    if model is None:
        return MemoryEstimate(None, kept + layer, held + chunk, runtime, 0, lens_bytes)
    return MemoryEstimate(model.weights, kept + layer, held + chunk, runtime, model.loading, lens_bytes)


def _widest(size: int | Sequence[int] | None) -> int:
    """Of the layers, where a configuration names a size for each (Gemma 3n, OpenELM); 0 where it names none."""
    return max(size, default=0) if isinstance(size, Sequence) else int(size or 0)


def bytes_a_state(config: PretrainedConfig, dtype: torch.dtype) -> int:
    """Of one position's hidden state."""
    text_config: Any = config.get_text_config(decoder=True)
    return int(text_config.hidden_size) * dtype.itemsize
