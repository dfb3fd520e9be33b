"""Running a prepared sweep into its run directory: shard by shard, then tables. A run that was killed goes on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pandas as pd

from layerscope.corpora.protocols import WindowedCorpus
from layerscope.corpora.windows import Window
from layerscope.engine.finite import check_texts
from layerscope.errors import ModelError
from layerscope.models.decoder import Decoder, context_length
from layerscope.models.tuned_lens import attach_lens
from layerscope.paths.families import DEPTHS
from layerscope.paths.plan import SweepPlan
from layerscope.progress import Progress, nobody_asks
from layerscope.results.environment import environment, package_versions
from layerscope.results.kernels import check_same_kernels
from layerscope.results.schema import SCHEMA_VERSION
from layerscope.sweeps.analysis.layers import layers_table, proxies_table
from layerscope.sweeps.analysis.prediction_depth import prediction_depth_table
from layerscope.sweeps.analysis.preference import effects_table, preference_table
from layerscope.sweeps.analysis.preference_depth import pair_depth_table, preference_depth_table
from layerscope.sweeps.analysis.score_arrays import score_arrays
from layerscope.sweeps.analysis.summary import ppl_summary
from layerscope.sweeps.lens import lens_record
from layerscope.sweeps.pair_rows import pairs_table
from layerscope.sweeps.pair_tables import PAIR_DEPTH, PAIR_EFFECTS, PAIR_SCORES, PAIRS, PREFERENCE, PREFERENCE_DEPTH
from layerscope.sweeps.pair_texts import PairTexts
from layerscope.sweeps.prepare import PreparedSweep, check_memory
from layerscope.sweeps.record import (
    DataRecord,
    PairsRecord,
    PlanRecord,
    PrecisionRecord,
    SweepRecord,
    SweptModelRecord,
    TunedLensRecord,
    UnscoredRecord,
)
from layerscope.sweeps.rounds import document_totals, run_rounds
from layerscope.sweeps.rows import documents_table, tokens_table, vocabulary_table
from layerscope.sweeps.runner import compile_as_asked, load_as_asked
from layerscope.sweeps.tables import DOCUMENTS, LAYERS, PREDICTION_DEPTH, PROXIES, SCORES, SPANS, TOKENS, VOCABULARY

_SUMMARY = "ppl.json"
_AT_THE_END = (
    *(table.name for table in (DOCUMENTS, TOKENS, VOCABULARY, LAYERS, PROXIES, PREDICTION_DEPTH)),
    *(table.name for table in (PAIRS, PAIR_EFFECTS, PREFERENCE, PAIR_DEPTH, PREFERENCE_DEPTH)),
    _SUMMARY,
)
_OWN = (SCORES.name, SPANS.name, PAIR_SCORES.name, *_AT_THE_END)
"""Files and folders that a run writes itself; others are added by commands that read it."""


def run_sweep(prepared: PreparedSweep, *, force: bool = False, progress: Progress = nobody_asks) -> bool:
    """Run a prepared sweep, or what is left of it.

    Args:
        prepared: what to do.
        force: replace whatever the run directory holds.
        progress: called as work is done.

    Returns:
        False if the run was finished before and nothing was done.

    Raises:
        LayerscopeError: the run cannot start; nothing has been written then.

    Examples:
        >>> request = ls.SweepRequest("smollm2-135m", "texts.txt", experiments=("removal",), output_dir=Path("sweeps"))
        >>> prepared = ls.prepare_sweep(request)
        >>> ls.run_sweep(prepared), ls.run_sweep(prepared)  # finished the second time
        (True, False)
        >>> sorted(path.name for path in prepared.directory.path.glob("*.parquet"))[:2]
        ['documents.parquet', 'layers.parquet']
    """
    with prepared.directory.alone():
        return _run(prepared, force=force, progress=progress)


def _run(prepared: PreparedSweep, *, force: bool, progress: Progress) -> bool:
    directory = prepared.directory
    if not force and directory.check_resumable(SweepRecord, prepared.record, package_versions(), own=_OWN):
        return False
    if not force:
        directory.check_places(*_AT_THE_END)
    check_memory(prepared)
    decoder = load_as_asked(prepared)
    lens = None if prepared.lens is None else lens_record(prepared.lens, attach_lens(decoder, prepared.lens))
    check_paths_run(decoder, prepared.plan)
    check_tokens_fit(decoder, [window for shard in prepared.shards for window in shard.windows])
    check_texts(decoder, prepared.shards[0])
    compile_as_asked(prepared, decoder)
    if force:
        directory.clear()
    check_same_kernels(directory, SweepRecord, compiled=decoder.compiled is not None)
    record = _record(prepared, decoder, lens)
    directory.start(record)
    outcome = run_rounds(prepared, decoder, progress)
    tabulate(prepared, rounds=outcome.rounds)
    asked = prepared.request.until_ci
    precision = None if asked is None else precision_reached(prepared, asked)
    directory.finish(
        record,
        data=_data(prepared, outcome.rounds),
        precision=precision,
        seconds=round(outcome.seconds, 2),
        shards_resumed=outcome.resumed,
    )
    return True


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
        _SUMMARY,
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


def check_paths_run(decoder: Decoder, plan: SweepPlan) -> None:
    """Refuse, before anything is computed, a plan that this model cannot run.

    Raises:
        PathError: a head is left out that a layer does not have.
        ModelError: halves or heads of layers are asked for and cannot be told apart, a tuned lens is and there is none, or the
            configuration counts layers otherwise.
    """
    check_layers(decoder, plan.n_layers)
    if any(".attn" in str(variant.path) or ".mlp" in str(variant.path) for variant in plan.variants):
        _ = decoder.halves
    if decoder.lens is None and any(variant.translator is not None for variant in plan.variants):
        raise ModelError(
            f"Variants of tuned-depth are read through a tuned lens, and '{decoder.name}' has none: use attach_lens."
        )
    steps = {member for variant in plan.variants for step in variant.path.steps for member in step.members}
    with_heads = sorted({step.layer for step in steps if step.missing_head is not None})
    for variant in plan.variants if with_heads else ():
        variant.path.check_heads(decoder.head_counts)
    for layer in with_heads:
        decoder.heads_of(layer)


def check_layers(decoder: Decoder, n_layers: int) -> None:
    """Refuse a model that has another number of layers than its configuration says.

    Raises:
        ModelError: it has.
    """
    if decoder.n_layers != n_layers:
        raise ModelError(f"'{decoder.name}' has {decoder.n_layers} layers and the plan was made for {n_layers}.")


def check_tokens_fit(decoder: Decoder, windows: Sequence[Window]) -> None:
    """Refuse a tokenizer that belongs to another model.

    Raises:
        ModelError: it gives a token that the model has no embedding for.
    """
    largest = max((int(window.ids.max()) for window in windows if len(window.ids)), default=0)
    if largest >= decoder.vocab_size:
        raise ModelError(
            f"Token ids stay below the model's vocabulary of {decoder.vocab_size}; the tokenizer of '{decoder.name}' gives "
            f"{largest}: they belong to different models."
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


def _data(prepared: PreparedSweep, rounds: int | None = None) -> DataRecord:
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


def _pairs(prepared: PreparedSweep) -> PairsRecord | None:
    if prepared.pairs is None:
        return None
    first = prepared.pairs.pairs[0].sides[0]
    return PairsRecord(
        file=str(prepared.request.pairs),
        protocol=prepared.pairs.protocol.name,
        start=tuple(prepared.encoder.token_name(int(token_id)) for token_id in first.ids[: first.n_prefix]),
        pairs=len(prepared.pairs.pairs),
        left_out=prepared.pairs.left_out,
    )


def _record(prepared: PreparedSweep, decoder: Decoder, lens: TunedLensRecord | None) -> SweepRecord:
    config, plan = prepared.config, prepared.plan
    return SweepRecord(
        schema_version=SCHEMA_VERSION,
        status="running",
        request=prepared.record,
        model=SweptModelRecord(
            name=prepared.source.name,
            family=config.model_type,
            revision=prepared.source.revision,
            fingerprint=prepared.record.model_fingerprint,
            dtype=prepared.record.dtype,
            layers=plan.n_layers,
            context_length=context_length(config),
        ),
        data=_data(prepared),
        plan=PlanRecord(
            variants=len(plan.variants),
            layer_runs_a_batch=plan.layer_runs,
            layer_runs_without_sharing=plan.layer_runs_without_sharing,
            shards=len(prepared.shards),
        ),
        pairs=_pairs(prepared),
        tuned_lens=lens,
        environment=environment(decoder),
    )
