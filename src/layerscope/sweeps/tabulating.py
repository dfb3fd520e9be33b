"""From finished shards to the tables of a sweep, its summary and what the manifest says of its texts; no model."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd

from layerscope.corpora.protocols import WindowedCorpus
from layerscope.paths.families import DEPTHS
from layerscope.sweeps.analysis.layers import layers_table, proxies_table
from layerscope.sweeps.analysis.prediction_depth import prediction_depth_table
from layerscope.sweeps.analysis.preference import effects_table, preference_table
from layerscope.sweeps.analysis.preference_depth import pair_depth_table, preference_depth_table
from layerscope.sweeps.analysis.score_arrays import score_arrays
from layerscope.sweeps.analysis.summary import ppl_summary
from layerscope.sweeps.pair_rows import pairs_table
from layerscope.sweeps.pair_tables import PAIR_DEPTH, PAIR_EFFECTS, PAIR_SCORES, PAIRS, PREFERENCE, PREFERENCE_DEPTH
from layerscope.sweeps.pair_texts import PairTexts
from layerscope.sweeps.prepare import PreparedSweep
from layerscope.sweeps.record import DataRecord, PrecisionRecord, UnscoredRecord
from layerscope.sweeps.rounds import document_totals
from layerscope.sweeps.rows import documents_table, tokens_table, vocabulary_table
from layerscope.sweeps.tables import DOCUMENTS, LAYERS, PREDICTION_DEPTH, PROXIES, SCORES, SPANS, TOKENS, VOCABULARY

SUMMARY = "ppl.json"
AT_THE_END = (
    *(table.name for table in (DOCUMENTS, TOKENS, VOCABULARY, LAYERS, PROXIES, PREDICTION_DEPTH)),
    *(table.name for table in (PAIRS, PAIR_EFFECTS, PREFERENCE, PAIR_DEPTH, PREFERENCE_DEPTH)),
    SUMMARY,
)
OWN = (SCORES.name, SPANS.name, PAIR_SCORES.name, *AT_THE_END)
"""Files and folders that a run writes itself; others are added by commands that read it."""


def tabulate(prepared: PreparedSweep, *, rounds: int | None = None) -> None:
    """From finished shards to tables and ppl.json; needs no model.

    Args:
        prepared: the run.
        rounds: how many rounds were run; all of them if None.
    """
    directory, request = prepared.directory, prepared.request
    done = prepared.rounds[:rounds]
    n_shards = sum(len(some.shards) for some in done)
    windows = prepared.corpus.windows[: done[-1].documents]
    directory.write_table(DOCUMENTS, documents_table(windows))
    encoder = prepared.encoder
    directory.write_table(TOKENS, tokens_table(windows, encoder.token_name, encoder.starts_word))
    likeliest = (shard["top1_id"].to_numpy() for shard in directory.parts(SCORES, n_shards))
    directory.write_table(VOCABULARY, vocabulary_table(windows, likeliest, encoder.token_text))
    spans = directory.parts(SPANS, n_shards)
    totals = document_totals(prepared, windows, n_shards)
    layers = layers_table(totals, spans, prepared.plan.variants, prepared.plan.n_layers, level=prepared.level)
    proxies = proxies_table(layers.to_pandas())
    directory.write_table(LAYERS, layers)
    directory.write_table(PROXIES, proxies)
    families = [variant.family for variant in prepared.plan.variants]
    if any(family in DEPTHS for family in families):
        names = [variant.name for variant in prepared.plan.variants]
        scores = score_arrays(directory.parts(SCORES, n_shards), names)
        directory.write_table(PREDICTION_DEPTH, prediction_depth_table(scores, families))
    if prepared.pairs is not None:
        _tabulate_pairs(prepared, prepared.pairs, layers.to_pandas())
    directory.write_json(
        SUMMARY,
        ppl_summary(layers.to_pandas(), model_name=request.model, dataset=request.dataset, protocol=prepared.record.protocol),
    )


def _tabulate_pairs(prepared: PreparedSweep, pairs: PairTexts, layers: pd.DataFrame) -> None:
    directory = prepared.directory
    table = pairs_table(pairs.pairs)
    parts = directory.parts(PAIR_SCORES, len(pairs.shards))
    effects = effects_table(parts, layers["variant"].tolist(), len(pairs.pairs))
    directory.write_table(PAIRS, table)
    directory.write_table(PAIR_EFFECTS, effects)
    read, of_pairs, is_tie_right = effects.to_pandas(), table.to_pandas(), pairs.protocol.is_tie_right
    directory.write_table(PREFERENCE, preference_table(read, of_pairs, layers, is_tie_right=is_tie_right))
    if layers["family"].isin(DEPTHS).any():
        depths = pair_depth_table(read, layers, len(of_pairs), is_tie_right=is_tie_right)
        directory.write_table(PAIR_DEPTH, depths)
        directory.write_table(
            PREFERENCE_DEPTH, preference_depth_table(depths.to_pandas(), of_pairs, prepared.plan.n_layers - 1)
        )


def precision_reached(prepared: PreparedSweep, asked: float) -> PrecisionRecord:
    """How narrow the intervals of a finished run are: the widest one's half-width, whose it is, and the texts it took."""
    layers = prepared.directory.read_table(LAYERS).to_pandas()
    half_widths = ((layers["delta_nll_high_nats"] - layers["delta_nll_low_nats"]) / 2.0).dropna()
    widest = None if half_widths.empty else half_widths.idxmax()
    return PrecisionRecord(
        asked_nats=asked,
        reached_nats=None if widest is None else float(half_widths[widest]),
        widest=None if widest is None else str(layers["variant"][widest]),
        documents=int(layers["documents"].iloc[0]),
        cap=len(prepared.corpus.windows),
        looks=len(prepared.rounds),
        level_of_each_look=prepared.level,
    )


def unscored_summary(corpus: WindowedCorpus) -> UnscoredRecord:
    """What could not be scored, counted and named."""
    silent = [window.name for window in corpus.windows if not window.n_scored]
    return UnscoredRecord(
        texts_without_a_scored_token=len(silent),
        their_names=tuple(silent[:100]),
        first_tokens_without_context=sum(window.n_without_context for window in corpus.windows),
        tokens_past_the_context_length=sum(window.n_cut for window in corpus.windows),
        tokens_of_the_dropped_tail=corpus.tail_tokens,
    )


def data_record(prepared: PreparedSweep, rounds: int | None = None) -> DataRecord:
    """What was scored in the first rounds."""
    done = prepared.rounds[:rounds]
    corpus = replace(prepared.corpus, windows=prepared.corpus.windows[: done[-1].documents])
    return DataRecord(
        name=prepared.request.dataset,
        split=prepared.record.split,
        texts_sha256=prepared.record.texts_sha256,
        documents=len(corpus.windows),
        tokens=sum(window.n_tokens for window in corpus.windows),
        tokens_scored=sum(shard.n_scored for some in done for shard in some.shards),
        unscored=unscored_summary(corpus),
    )
