"""From final hidden states of many paths to one number per text: NLL, or the divergence from the intact model.

Logits are the model's own, by slices of the vocabulary, as in a sweep; a slice of the output matrix serves all the paths of a
group before the next one is read. NLL alone takes half the time of a sweep's scores, so it has a way of its own.

Axes: ``token`` (scored tokens of a batch), ``path``, ``row`` (texts of a batch).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from layerscope.engine.batching import ScoredTokens
from layerscope.engine.next_token import nll_of_several
from layerscope.models.decoder import Decoder
from layerscope.sweeps.engine.reduction import slice_reducer
from layerscope.sweeps.engine.scoring import Scorer

Objective = Literal["nll", "kl"]
GROUP_BYTES = 128 * 2**20
"""Final states that are held back and scored together."""


def text_sums(
    decoder: Decoder,
    objective: Objective,
    finals: Sequence[Float[Tensor, "token ..."]],
    tokens: ScoredTokens,
    *,
    n_rows: int,
    intact: Float[Tensor, "token ..."] | None,
) -> Float[np.ndarray, "path row"]:
    """Sums over each text's scored tokens, in nats.

    Args:
        decoder: gives the logits.
        objective: ``nll``, −ln p of the token that is there; ``kl``, KL(intact ‖ path) of what comes next.
        finals: the states that predict each token, one array a path.
        tokens: which tokens are scored.
        n_rows: texts of the batch.
        intact: the intact model's states, for ``kl``.
    """
    targets = torch.from_numpy(tokens.token_id)
    if objective == "nll":
        values = nll_of_several(decoder, finals, targets)
    else:
        assert intact is not None, "the divergence is from something"
        reducer = slice_reducer(compiled=decoder.compiled is not None)
        scorer = Scorer(decoder, targets, reducer=reducer, n_variants=len(finals) + 1, group_size=len(finals) + 1)
        scorer.add((0,), intact)
        for index, final in enumerate(finals, start=1):
            scorer.add((index,), final)
        values = scorer.result().kl_nats[1:]
    return np.stack([tokens.row_sums(of_path, n_rows) for of_path in values])
