"""The sweep without any fast path: one text at a time, every variant from the embeddings on, whole logits, float64 after them.

Slow and plain on purpose: what ``walk_shard`` gives is held against it, by tests and by anyone who doubts a number.
"""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from layerscope.corpora.windows import Window
from layerscope.engine.batching import Shard, scored_tokens
from layerscope.models.decoder import Decoder
from layerscope.paths.plan import SweepPlan
from layerscope.progress import Advance, nobody_asks
from layerscope.sweeps.engine.proxies import ProxyMeter, ProxySums
from layerscope.sweeps.engine.scoring import TokenScores
from layerscope.sweeps.engine.walk import ShardScores, WordStarts, touched_spans, work_steps


@torch.inference_mode()
def plain_shard(
    decoder: Decoder,
    plan: SweepPlan,
    shard: Shard,
    *,
    word_starts: WordStarts = None,
    advance: Advance = nobody_asks,
) -> ShardScores:
    """The same as ``walk_shard``, the plain way; takes the same arguments."""
    tokens = scored_tokens(shard)
    shape = (len(plan.variants), len(tokens.row))
    nll, kl, boundary = np.full((3, *shape), np.nan, dtype=np.float32)
    top1 = np.full(shape, -1, dtype=np.int32)
    proxies: list[ProxySums] = []
    for row, window in enumerate(shard.windows):
        here = np.flatnonzero(tokens.row == row)
        sources, targets = torch.from_numpy(tokens.position[here] - 1), torch.from_numpy(tokens.token_id[here])
        intact: Tensor | None = None
        for index in range(len(plan.variants)):
            log_p = _log_probabilities(decoder, plan, index, window)[sources]
            intact = log_p if intact is None else intact
            nll[index, here] = -log_p.gather(1, targets[:, None])[:, 0].numpy()
            kl[index, here] = (intact.exp() * (intact - log_p)).sum(dim=-1).numpy()
            top1[index, here] = log_p.argmax(dim=-1).numpy()
            if word_starts is not None:
                boundary[index, here] = -log_p[:, torch.from_numpy(word_starts)].logsumexp(dim=-1).numpy()
        proxies.append(_proxies(decoder, plan, window))
    advance(work_steps(plan))
    is_top1, agrees = top1 == tokens.token_id[None, :], top1 == top1[:1]
    scores = TokenScores(nll, top1, is_top1, agrees, kl, None if word_starts is None else boundary)
    return ShardScores(shard, tokens, scores, _side_by_side(proxies))


def _log_probabilities(decoder: Decoder, plan: SweepPlan, variant: int, window: Window) -> Float[Tensor, "seq vocab"]:
    recording = decoder.record(_ids(decoder, window))
    hidden = recording.embedded
    for step in plan.variants[variant].path.steps:
        hidden = decoder.run_step(step, hidden, recording)
    translated = decoder.translate(hidden, plan.variants[variant].translator)
    return decoder.unembed(translated)[0].double().log_softmax(dim=-1).cpu()


def _proxies(decoder: Decoder, plan: SweepPlan, window: Window) -> ProxySums:
    recording = decoder.record(_ids(decoder, window))
    meter = ProxyMeter(touched_spans(plan), torch.ones((1, window.n_run), dtype=torch.bool))
    hidden = recording.embedded
    meter.observe(0, hidden)
    for depth, step in enumerate(plan.variants[0].path.steps, start=1):
        hidden = decoder.run_step(step, hidden, recording)
        meter.observe(depth, hidden)
    return meter.result()


def _ids(decoder: Decoder, window: Window) -> Tensor:
    return torch.from_numpy(window.ids[: window.n_run].astype(np.int64))[None].to(decoder.device)


def _side_by_side(rows: list[ProxySums]) -> ProxySums:
    return ProxySums(
        rows[0].spans,
        np.concatenate([row.cosine_sum for row in rows], axis=1),
        np.concatenate([row.angle_sum for row in rows], axis=1),
        np.concatenate([row.tokens for row in rows]),
    )
