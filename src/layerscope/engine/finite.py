"""Whether a model predicts real texts in numbers: random tokens at load may not overflow where a text does."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float

from layerscope.engine.batching import Shard, padded_ids, scored_tokens
from layerscope.engine.next_token import nll_of
from layerscope.models.decoder import Decoder
from layerscope.models.finite import final_states, overflow


@torch.inference_mode()
def check_texts(decoder: Decoder, shard: Shard) -> None:
    """Refuse a model whose intact path gives something else than numbers for the tokens of a shard.

    Raises:
        ModelError: the first layer that does, and which dtype would not.
    """
    lengths = torch.tensor([window.n_run for window in shard.windows])
    ids = padded_ids(shard)
    final = final_states(decoder, ids, torch.arange(ids.shape[1])[None] < lengths[:, None])
    tokens = scored_tokens(shard)
    chosen = final[torch.from_numpy(tokens.row), torch.from_numpy(tokens.position - 1)]
    if not np.isfinite(nll_of(decoder, chosen, torch.from_numpy(tokens.token_id))).all():
        raise overflow(decoder, "the output matrix")


def check_intact(decoder: Decoder, shard: Shard, nll_nats: Float[np.ndarray, " token"]) -> None:
    """The same for a shard that has been scored: looked into only where a score of the intact model is no number.

    Raises:
        ModelError: as in ``check_texts``.
    """
    if not np.isfinite(nll_nats).all():
        check_texts(decoder, shard)
