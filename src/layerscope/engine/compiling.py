"""Layers and reduction through ``torch.compile``, wherever a compiler is at hand and the scores stay what they were.

All layers share one compiled graph for every batch shape. It is made from the shapes of the first shard, also when that shard
was finished by an earlier run: code may depend on the first shapes seen, and a run that goes on must give the same bits.
"""

from __future__ import annotations

import numpy as np
import torch

from layerscope.engine.batching import Shard
from layerscope.engine.walk import walk_shard
from layerscope.models import Decoder
from layerscope.paths import Variant, plan_sweep

_TOLERANCE_NATS = {torch.float32: 1e-4}
_TOLERANCE_NATS_HALF = 0.05
"""Change of the mean NLL between compiled code and the model's own, which rounds in other places."""


def compile_decoder(decoder: Decoder, shard: Shard) -> str | None:
    """Compile a decoder in place and hold it against the model's own code on one shard.

    Returns:
        None if it is compiled now; else why it was left as it is, in a few words.
    """
    plan = plan_sweep([Variant.intact(decoder.n_layers)], decoder.n_layers)
    own = walk_shard(decoder, plan, shard).scores.nll_nats
    decoder.compiled = tuple(torch.compile(layer, dynamic=True) for layer in decoder.layers)
    try:
        fast = walk_shard(decoder, plan, shard).scores.nll_nats
    except Exception as error:  # whatever a compiler raises, the model's own code still runs
        decoder.compiled = None
        return f"{type(error).__name__}: {(str(error).strip() or 'no message').splitlines()[0][:160]}"
    difference = abs(float((fast - own).mean())) if np.isfinite(own).all() else 0.0
    if not difference <= _TOLERANCE_NATS.get(decoder.dtype, _TOLERANCE_NATS_HALF):
        decoder.compiled = None
        return f"its scores differ by {difference:.3g} nats a token"
    return None
