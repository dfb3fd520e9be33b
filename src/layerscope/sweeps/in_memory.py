"""The sweep on texts in memory: the Python interface's main job. Nothing is written unless the result is saved."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, overload

from transformers import PreTrainedModel, PreTrainedTokenizerBase

from layerscope.corpora.protocols import Protocol, WindowedCorpus, cut_windows
from layerscope.corpora.windows import Document
from layerscope.engine.batching import Shard, make_shards
from layerscope.engine.finite import check_intact, check_texts
from layerscope.errors import DataError, ModelError
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
from layerscope.sweeps.given import Given, checked_name, told_apart
from layerscope.sweeps.prepare import BATCH_TOKENS, check_scorable, texts_digest
from layerscope.sweeps.record import DataRecord, PlanRecord, SweepRecord, SweepRequestRecord, SweptModelRecord
from layerscope.sweeps.result import SweepResult, SweepTables
from layerscope.sweeps.rows import documents_table, scores_table, spans_table, tokens_table, vocabulary_table
from layerscope.sweeps.tabulating import unscored_summary

Texts = str | Iterable[str]
"""One text, or several: a list, an array or a column of them."""
IN_MEMORY = "texts in memory"
"""What stands in the place of a data set's name where the call gives none."""


@overload
def sweep(
    model: Decoder | str,
    texts: Texts,
    variants: Sequence[Variant] | None = None,
    /,
    *,
    name: str = IN_MEMORY,
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
    name: str = IN_MEMORY,
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
    name: str = IN_MEMORY,
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
    name: str = IN_MEMORY,
    protocol: str = "lines",
    batch_tokens: int | None = None,
    progress: Progress | None = None,
) -> SweepResult:
    """Run variants over texts in memory: ``sweep(model, tokenizer, texts)``, or ``sweep(decoder, texts)`` without a tokenizer.

    Args:
        model: a causal LM that transformers has loaded, a decoder from ``load_decoder``, or the name of a model.
        given: by position: the tokenizer if the model is a loaded one, the texts, the variants.
        tokenizer: of a loaded model; a decoder has its own.
        texts: one text or several (a list, an array, a column), scored as they are, each a text of its own (or joined, as the
            protocol says).
        variants: rearrangements; the removal of each layer if None. The intact model is added if it is not the first.
        name: of the texts, in headings and above figures.
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
    asked, name = told_apart(model, given, tokenizer=tokenizer, texts=texts, variants=variants), checked_name(name)
    if batch_tokens is not None and batch_tokens < 1:
        raise DataError(f"batch_tokens is a whole number from 1; got {batch_tokens}: leave it out.")
    decoder = _decoder_of(asked)
    chosen = build_variants(["removal"], [], decoder.n_layers) if asked.variants is None else asked.variants
    with progress_in_notebook(progress) as told:
        return _swept(decoder, asked.texts, chosen, name, protocol=protocol, batch_tokens=batch_tokens, progress=told)


def _decoder_of(asked: Given) -> Decoder:
    if isinstance(asked.model, PreTrainedModel):
        assert asked.tokenizer is not None, "a loaded model without one was refused"
        return load_decoder(model=asked.model, tokenizer=asked.tokenizer)
    decoder = load_decoder(asked.model) if isinstance(asked.model, str) else asked.model
    if decoder.encoder is None:
        raise ModelError("Sweeping texts needs a decoder with a tokenizer; this one has none: use load_decoder.")
    return decoder


def _swept(
    decoder: Decoder,
    texts: list[str],
    variants: Sequence[Variant],
    name: str,
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
    check_scorable(corpus.windows, helps=_longer(encoder))
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
    return SweepResult(tables, _record(decoder, encoder, plan, corpus, shards, name, protocol, batch_tokens))


def _longer(encoder: TextEncoder) -> str:
    """What helps where texts are too short to be scored."""
    if encoder.prefix_ids or encoder.tokenizer.bos_token_id is None:
        return "give longer texts"
    return "give longer texts, or a decoder that puts a BOS before each (load_decoder with LoadOptions(bos='always'))"


def _record(
    decoder: Decoder,
    encoder: TextEncoder,
    plan: SweepPlan,
    corpus: WindowedCorpus,
    shards: Sequence[Shard],
    name: str,
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
            dataset=name,
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
            name=name,
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
