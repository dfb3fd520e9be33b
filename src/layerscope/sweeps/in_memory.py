"""The sweep on texts in memory: the Python interface's main job. Nothing is written."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from layerscope.corpora.protocols import Protocol, cut_windows
from layerscope.corpora.windows import Document
from layerscope.engine.batching import make_shards
from layerscope.engine.finite import check_intact, check_texts
from layerscope.errors import ModelError
from layerscope.models.decoder import Decoder
from layerscope.paths.plan import plan_sweep
from layerscope.paths.variants import Variant
from layerscope.progress import Progress, nobody_asks
from layerscope.sweeps.analysis.layers import layers_table, proxies_table
from layerscope.sweeps.analysis.totals import sum_by_document
from layerscope.sweeps.checks import check_paths_run, check_tokens_fit
from layerscope.sweeps.engine.walk import walk_shard, work_steps
from layerscope.sweeps.prepare import BATCH_TOKENS, check_scorable
from layerscope.sweeps.rows import documents_table, scores_table, spans_table


@dataclass(frozen=True)
class SweepResult:
    """What ``sweep`` returns.

    Examples:
        >>> decoder = ls.load_decoder("smollm2-135m")
        >>> result = ls.sweep(decoder, ["The cat sat on the mat."], ls.build_variants([], ["0-9,12-29"], decoder.n_layers))
        >>> len(result.scores)  # two variants on six tokens
        12
    """

    layers: pd.DataFrame
    """One row a variant; columns as in layers.parquet."""
    proxies: pd.DataFrame
    """Rank correlation of each proxy with the effect, one row a family and proxy."""
    scores: pd.DataFrame
    """One row a (variant, scored token)."""


def sweep(
    decoder: Decoder,
    texts: Sequence[str],
    variants: Sequence[Variant],
    *,
    protocol: str = "lines",
    batch_tokens: int | None = None,
    progress: Progress = nobody_asks,
) -> SweepResult:
    """Run variants over texts in memory; nothing is written.

    Args:
        decoder: from ``load_decoder``.
        texts: scored as they are, each a text of its own (or joined, as the protocol says).
        variants: rearrangements; the intact model is added if it is not the first.
        protocol: ``lines``, ``documents``, ``windows:N`` or ``strided:N/S``.
        batch_tokens: positions a batch, pads included.
        progress: called as work is done.

    Returns:
        The layers table, the proxies' rank correlations, and every token's scores.

    Raises:
        DataError: nothing in the texts can be scored.
        ModelError: the model's own predictions are no numbers.
        PathError: a variant does not fit the model.

    Examples:
        >>> decoder = ls.load_decoder("smollm2-135m")
        >>> variants = ls.build_variants(["removal"], [], decoder.n_layers)
        >>> layers = ls.sweep(decoder, ["The cat sat on the mat.", "It rained all day."], variants).layers
        >>> layers["variant"].tolist()[:2], int(layers["tokens_scored"][0])
        (['intact', 'removal-0'], 11)
    """
    if decoder.encoder is None:
        raise ModelError("Sweeping texts needs a decoder with a tokenizer; this one has none: use load_decoder.")
    intact = Variant.intact(decoder.n_layers)
    plan = plan_sweep([intact, *(variant for variant in variants if variant != intact)], decoder.n_layers)
    check_paths_run(decoder, plan)
    corpus = cut_windows(
        [Document(f"texts[{index}]", text) for index, text in enumerate(texts)],
        Protocol.parse(protocol),
        decoder.encoder.encode,
        prefix_ids=decoder.encoder.prefix_ids,
        context_length=decoder.context_length,
        max_samples=None,
        seed=0,
    )
    check_scorable(corpus.windows)
    check_tokens_fit(decoder, corpus.windows)
    shards = make_shards(corpus.windows, batch_tokens or BATCH_TOKENS[decoder.device.type])
    check_texts(decoder, shards[0])
    total, done, scores, spans = len(shards) * work_steps(plan), 0, [], []

    def advance(steps: int) -> None:
        nonlocal done
        done += steps
        progress(f"Sweeping {len(plan.variants)} variants", done, total)

    for shard in shards:
        result = walk_shard(decoder, plan, shard, advance=advance)
        check_intact(decoder, shard, result.scores.nll_nats[0])
        scores.append(scores_table(result, plan.variants))
        spans.append(spans_table(result))
    totals = sum_by_document(documents_table(corpus.windows), scores, [variant.name for variant in plan.variants])
    layers = layers_table(totals, spans, plan.variants, plan.n_layers).to_pandas()
    return SweepResult(layers, proxies_table(layers).to_pandas(), pd.concat([table.to_pandas() for table in scores]))
