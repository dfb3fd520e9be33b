"""Layers and reduction through ``torch.compile``, wherever a compiler is at hand and the scores stay what they were.

All layers share one compiled graph for every batch shape, and another for batches of one row, which the compiler treats apart.
Both are made from the first such shard of the whole run, also when that shard was finished by an earlier one: code may depend
on the first shapes seen, and a run that goes on must give the same bits.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float

from layerscope.engine.batching import Shard
from layerscope.models.decoder import Decoder
from layerscope.paths.plan import SweepPlan, plan_sweep
from layerscope.paths.variants import Variant
from layerscope.sweeps.engine.walk import walk_shard

_TOLERANCE_NATS = {torch.float32: 1e-4}
_TOLERANCE_NATS_HALF = 0.05
"""Change of the mean NLL between compiled code and the model's own, which rounds in other places."""


def compile_decoder(decoder: Decoder, shards: Sequence[Shard]) -> str | None:
    """Compile a decoder in place and hold it against the model's own code.

    Args:
        decoder: to be compiled.
        shards: of the whole run. The first of each kind that code is made for (one row, several rows) is tried.

    Returns:
        None if it is compiled now; else why it was left as it is, in a few words.
    """
    plan = plan_sweep([Variant.intact(decoder.n_layers)], decoder.n_layers)
    tried = list({len(shard.windows) == 1: shard for shard in reversed(shards)}.values())
    own = _nll(decoder, plan, tried)
    decoder.compiled = tuple(torch.compile(layer, dynamic=True) for layer in decoder.layers)
    try:
        fast = _nll(decoder, plan, tried)
    except Exception as error:  # whatever a compiler raises, the model's own code still runs
        decoder.compiled = None
        return f"{type(error).__name__}: {(str(error).strip() or 'no message').splitlines()[0][:160]}"
    reason = _disagreement(own, fast, _TOLERANCE_NATS.get(decoder.dtype, _TOLERANCE_NATS_HALF))
    if reason is not None:
        decoder.compiled = None
    return reason


def _nll(decoder: Decoder, plan: SweepPlan, shards: Sequence[Shard]) -> Float[np.ndarray, " token"]:
    return np.concatenate([walk_shard(decoder, plan, shard).scores.nll_nats[0] for shard in shards])


def _disagreement(own: Float[np.ndarray, " token"], fast: Float[np.ndarray, " token"], tolerance: float) -> str | None:
    """Where the model's own score of a token is a number, the compiled one must be; their means must agree."""
    is_number = np.isfinite(own)
    if not np.array_equal(is_number, np.isfinite(fast)):
        return f"it changes which scores are numbers, in {int((is_number != np.isfinite(fast)).sum())} of {len(own)} tokens"
    difference = abs(float((fast - own)[is_number].mean())) if is_number.any() else 0.0
    return None if difference <= tolerance else f"its scores differ by {difference:.3g} nats per token"
