"""The sweep on texts in memory: the Python interface's main job. Nothing is written unless the result is saved."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, overload

from transformers import PreTrainedModel, PreTrainedTokenizerBase

from layerscope.corpora.protocols import Protocol, WindowedCorpus, cut_windows
from layerscope.corpora.windows import Document
from layerscope.engine.batching import Shard, make_shards
from layerscope.engine.finite import check_intact, check_texts
from layerscope.errors import DataError, ModelError, PathError
from layerscope.models.decoder import Decoder
from layerscope.models.encoder import TextEncoder
from layerscope.models.loading import load_decoder
from layerscope.notebook import progress_in_notebook
from layerscope.paths.families import build_variants
from layerscope.paths.plan import SweepPlan, plan_sweep
from layerscope.paths.variants import Variant
from layerscope.progress import Progress
from layerscope.results.environment import environment
from layerscope.results.schema import SCHEMA_VERSION
from layerscope.sweeps.analysis.layers import layers_table, proxies_table
from layerscope.sweeps.analysis.totals import sum_by_document
from layerscope.sweeps.checks import check_paths_run, check_tokens_fit
from layerscope.sweeps.engine.walk import walk_shard, work_steps
from layerscope.sweeps.prepare import BATCH_TOKENS, check_scorable, texts_digest
from layerscope.sweeps.record import DataRecord, PlanRecord, SweepRecord, SweepRequestRecord, SweptModelRecord
from layerscope.sweeps.result import SweepResult, SweepTables
from layerscope.sweeps.rows import documents_table, scores_table, spans_table, tokens_table, vocabulary_table
from layerscope.sweeps.tabulating import unscored_summary

Texts = str | Sequence[str]
"""One text, or several."""
IN_MEMORY = "texts in memory"
"""What stands in the place of a data set's name."""


@overload
def sweep(
    model: Decoder | str,
    texts: Texts,
    variants: Sequence[Variant] | None = None,
    /,
    *,
    protocol: str = "lines",
    batch_tokens: int | None = None,
    progress: Progress | None = None,
) -> SweepResult: ...
@overload
def sweep(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    texts: Texts,
    variants: Sequence[Variant] | None = None,
    /,
    *,
    protocol: str = "lines",
    batch_tokens: int | None = None,
    progress: Progress | None = None,
) -> SweepResult: ...
@overload
def sweep(
    model: Decoder | PreTrainedModel | str,
    *,
    texts: Texts,
    tokenizer: PreTrainedTokenizerBase | None = None,
    variants: Sequence[Variant] | None = None,
    protocol: str = "lines",
    batch_tokens: int | None = None,
    progress: Progress | None = None,
) -> SweepResult: ...
def sweep(
    model: Any,
    *given: Any,
    tokenizer: Any = None,
    texts: Any = None,
    variants: Any = None,
    protocol: str = "lines",
    batch_tokens: int | None = None,
    progress: Progress | None = None,
) -> SweepResult:
    """Run variants over texts in memory: ``sweep(model, tokenizer, texts)``, or ``sweep(decoder, texts)`` without a tokenizer.

    Args:
        model: a causal LM that transformers has loaded, a decoder from ``load_decoder``, or the name of a model.
        given: by position: the tokenizer if the model is a loaded one, the texts, the variants.
        tokenizer: of a loaded model; a decoder has its own.
        texts: one text or several, scored as they are, each a text of its own (or joined, as the protocol says).
        variants: rearrangements; the removal of each layer if None. The intact model is added if it is not the first.
        protocol: ``lines``, ``documents``, ``windows:N`` or ``strided:N/S``.
        batch_tokens: positions per batch, pads included.
        progress: called as work is done; in a notebook a bar is shown if None, elsewhere nothing is.

    Returns:
        The layers table, the proxies' rank correlations, and every token's scores; it shows itself in a notebook.

    Raises:
        DataError: nothing in the texts can be scored, or there are none.
        ModelError: the model cannot be swept, its own predictions are no numbers, or its tokenizer is missing.
        PathError: a variant does not fit the model.

    Examples:
        >>> decoder = ls.load_decoder("smollm2-135m")
        >>> variants = ls.build_variants(["removal"], [], decoder.n_layers)
        >>> layers = ls.sweep(decoder, ["The cat sat on the mat.", "It rained all day."], variants).layers
        >>> layers["variant"].tolist()[:2], int(layers["tokens_scored"][0])
        (['intact', 'removal-0'], 11)
        >>> model, tokenizer = decoder.model, decoder.encoder.tokenizer  # as transformers loads them
        >>> ls.sweep(model, tokenizer, ["The cat sat on the mat.", "It rained all day."]).layers.equals(layers)
        True
    """
    rest = list(given)
    if tokenizer is None and isinstance(model, PreTrainedModel):
        tokenizer = rest.pop(0) if rest else None
    if texts is None:
        texts = rest.pop(0) if rest else None
    if variants is None:
        variants = rest.pop(0) if rest else None
    if rest:
        raise DataError(f"A sweep takes a model, its tokenizer, texts and variants; got {len(rest)} more: leave it out.")
    listed = _listed(texts)
    decoder = _decoder_of(model, tokenizer)
    if variants is None:
        variants = build_variants(["removal"], [], decoder.n_layers)
    elif not all(isinstance(variant, Variant) for variant in variants):
        raise PathError(
            "Variants are made by build_variants, and one of these was not: ls.build_variants(['removal'], [], n_layers)."
        )
    with progress_in_notebook(progress) as told:
        return _swept(decoder, listed, variants, protocol=protocol, batch_tokens=batch_tokens, progress=told)


def _listed(texts: Any) -> list[str]:
    """Texts as a list of their own."""
    listed = [texts] if isinstance(texts, str) else list(texts) if isinstance(texts, Sequence) else None
    if listed is None or not all(isinstance(text, str) for text in listed):
        raise DataError(
            f"Texts are one string or a list of strings; got {type(texts).__name__}: ls.sweep(model, tokenizer, texts), or "
            "ls.sweep(decoder, texts) for a decoder or a name."
        )
    return listed


def _decoder_of(model: Any, tokenizer: Any) -> Decoder:
    if not isinstance(model, Decoder | str):
        return load_decoder(model=model, tokenizer=tokenizer)
    if tokenizer is not None:
        raise ModelError("A decoder and a model given by name have their tokenizer: leave it out.")
    decoder = load_decoder(model) if isinstance(model, str) else model
    if decoder.encoder is None:
        raise ModelError("Sweeping texts needs a decoder with a tokenizer; this one has none: use load_decoder.")
    return decoder


def _swept(
    decoder: Decoder,
    texts: list[str],
    variants: Sequence[Variant],
    *,
    protocol: str,
    batch_tokens: int | None,
    progress: Progress,
) -> SweepResult:
    encoder = decoder.encoder
    assert encoder is not None, "a decoder without one was refused"
    intact = Variant.intact(decoder.n_layers)
    plan = plan_sweep([intact, *(variant for variant in variants if variant != intact)], decoder.n_layers)
    check_paths_run(decoder, plan)
    corpus = cut_windows(
        [Document(f"texts[{index}]", text) for index, text in enumerate(texts)],
        Protocol.parse(protocol),
        encoder.encode,
        prefix_ids=encoder.prefix_ids,
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
    documents = documents_table(corpus.windows)
    totals = sum_by_document(documents, scores, [variant.name for variant in plan.variants])
    layers = layers_table(totals, spans, plan.variants, plan.n_layers)
    tables = SweepTables(
        documents=documents,
        tokens=tokens_table(corpus.windows, encoder.token_name, encoder.starts_word),
        vocabulary=vocabulary_table(corpus.windows, (table["top1_id"].to_numpy() for table in scores), encoder.token_text),
        layers=layers,
        proxies=proxies_table(layers.to_pandas()),
        scores=tuple(scores),
        spans=tuple(spans),
    )
    return SweepResult(tables, _record(decoder, encoder, plan, corpus, shards, protocol, batch_tokens))


def _record(
    decoder: Decoder,
    encoder: TextEncoder,
    plan: SweepPlan,
    corpus: WindowedCorpus,
    shards: Sequence[Shard],
    protocol: str,
    batch_tokens: int | None,
) -> SweepRecord:
    """What a manifest would say."""
    own = TextEncoder.from_tokenizer(encoder.tokenizer).prefix_ids
    dtype, digest = str(decoder.dtype).removeprefix("torch."), texts_digest(corpus.windows)
    quantised = getattr(decoder.model, "is_loaded_in_8bit", False), getattr(decoder.model, "is_loaded_in_4bit", False)
    return SweepRecord(
        schema_version=SCHEMA_VERSION,
        status="running",
        request=SweepRequestRecord(
            model=decoder.name,
            model_fingerprint="none: the model was in memory",
            dtype=dtype,
            quantize="int8" if quantised[0] else "nf4" if quantised[1] else "none",
            device=decoder.device.type,
            bos="auto" if encoder.prefix_ids == own else "always" if encoder.prefix_ids else "never",
            prefix_ids=encoder.prefix_ids,
            seed=0,
            batch_tokens=batch_tokens or BATCH_TOKENS[decoder.device.type],
            dataset=IN_MEMORY,
            protocol=str(Protocol.parse(protocol)),
            max_samples=None,
            texts_sha256=digest,
            experiments=(),
            paths=tuple(str(variant.path) for variant in plan.variants if variant.family != "intact"),
            compile=decoder.compiled is not None,
            in_memory=True,
        ),
        model=SweptModelRecord(
            name=decoder.name,
            family=decoder.model.config.model_type,
            dtype=dtype,
            layers=plan.n_layers,
            context_length=decoder.context_length,
        ),
        data=DataRecord(
            name=IN_MEMORY,
            texts_sha256=digest,
            documents=len(corpus.windows),
            tokens=sum(window.n_tokens for window in corpus.windows),
            tokens_scored=sum(shard.n_scored for shard in shards),
            unscored=unscored_summary(corpus),
        ),
        plan=PlanRecord(
            variants=len(plan.variants),
            layer_runs_a_batch=plan.layer_runs,
            layer_runs_without_sharing=plan.layer_runs_without_sharing,
            shards=len(shards),
        ),
        environment=environment(decoder),
    )
