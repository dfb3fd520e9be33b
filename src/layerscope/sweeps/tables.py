"""The tables of a sweep and of its analyses, column by column. The documentation of the run directory is made from it."""

from __future__ import annotations

import pyarrow as pa

from layerscope.results.schema import NAMES, Column, Table

DOCUMENTS = Table(
    "documents.parquet",
    "a text of the run: a line, a document or a window, as the protocol says",
    (
        Column("document", pa.int32(), "-", "Row number, from 0; other tables refer to it."),
        Column("name", pa.string(), "-", "Where the text comes from: data set, split and index, or token range of a window."),
        Column("text", pa.string(), "-", "The raw text."),
        Column("tokens", pa.int32(), "tokens", "Tokens of the text, without a BOS."),
        Column("tokens_scored", pa.int32(), "tokens", "Tokens whose probability counts; the next three columns hold the rest."),
        Column("tokens_without_context", pa.int32(), "tokens", "First token of a text without BOS: nothing precedes it."),
        Column("tokens_as_context", pa.int32(), "tokens", "Tokens that an earlier window scores (strided protocol)."),
        Column("tokens_cut", pa.int32(), "tokens", "Tokens past the model's context length."),
        Column("bytes_scored", pa.int64(), "UTF-8 bytes", "Bytes of the text that the scored tokens cover."),
    ),
)

TOKENS = Table(
    "tokens.parquet",
    "a token of a text, the BOS included where there is one",
    (
        Column("document", pa.int32(), "-", "Row of documents.parquet."),
        Column("position", pa.int32(), "-", "Place in the text's row of tokens, from 0, BOS included."),
        Column("id", pa.int32(), "-", "Token id."),
        Column("text", NAMES, "-", "The characters that it covers; for a BOS, its name in the vocabulary."),
        Column("char_start", pa.int32(), "characters", "First character in the raw text."),
        Column("char_end", pa.int32(), "characters", "One past the last character."),
        Column("scored", pa.bool_(), "-", "Whether its probability counts."),
        Column("starts_word", pa.bool_(), "-", "Whether it cannot continue a word: it begins with a space or punctuation."),
    ),
)

SCORES = Table(
    "scores",
    "a variant and a scored token",
    (
        Column("variant", NAMES, "-", "Name of the variant; 'intact' is the model as trained."),
        Column("document", pa.int32(), "-", "Row of documents.parquet."),
        Column("position", pa.int32(), "-", "Position of the token that is predicted, as in tokens.parquet."),
        Column("nll_nats", pa.float32(), "nats", "−ln p(token given those before it)."),
        Column("top1_id", pa.int32(), "-", "The token that the variant finds likeliest."),
        Column("is_top1", pa.bool_(), "-", "Whether top1_id is the token in the text."),
        Column("agrees_with_intact", pa.bool_(), "-", "Whether top1_id is the intact model's choice."),
        Column("kl_nats", pa.float32(), "nats", "KL(intact ‖ variant) of the next-token distributions."),
        Column(
            "boundary_nats",
            pa.float32(),
            "nats",
            "−ln p(any token that starts a word comes here); only with --word-boundaries.",
            True,
        ),
    ),
)

SPANS = Table(
    "spans",
    "a text and a span of layers that some variant touches; read off the intact model",
    (
        Column("span_first", pa.int32(), "-", "First layer of the span."),
        Column("span_last", pa.int32(), "-", "Last layer of the span."),
        Column("document", pa.int32(), "-", "Row of documents.parquet."),
        Column("tokens", pa.int32(), "tokens", "Tokens summed over, including BOS but not padding."),
        Column("cosine_sum", pa.float64(), "-", "Σ cos of the residual stream before and after the span."),
        Column("angle_sum", pa.float64(), "half turns", "Σ arccos of the same, over π."),
    ),
)

_INTERVAL = "95% interval of delta_nll_nats over documents (jackknife, corrected for skewness); missing with fewer than two."

LAYERS = Table(
    "layers.parquet",
    "a variant",
    (
        Column("variant", pa.string(), "-", "Name of the variant, for example removal-10."),
        Column("family", pa.string(), "-", "Family that made it; 'path' for an explicit one, 'intact' for the baseline."),
        Column("path", pa.string(), "-", "Its written form: the order in which the residual stream visits the layers."),
        Column("span_first", pa.int32(), "-", "First layer that it changes; missing for intact.", True),
        Column("span_last", pa.int32(), "-", "Last layer that it changes; missing for intact.", True),
        Column("documents", pa.int32(), "-", "Texts with at least one scored token."),
        Column("tokens_scored", pa.int64(), "tokens", "Scored tokens of the run."),
        Column("nll_nats", pa.float64(), "nats per token", "Σ NLL / scored tokens."),
        Column("ppl", pa.float64(), "-", "Corpus perplexity, exp(nll_nats)."),
        Column("ppl_text_mean", pa.float64(), "-", "Mean over texts of each text's own perplexity."),
        Column("bits_per_byte", pa.float64(), "bits per byte", "Σ NLL / ln 2 / UTF-8 bytes of the scored text."),
        Column("delta_nll_nats", pa.float64(), "nats per token", "nll_nats − nll_nats of the intact model, token by token."),
        Column("delta_nll_low_nats", pa.float64(), "nats per token", f"Lower end of the {_INTERVAL}", True),
        Column("delta_nll_high_nats", pa.float64(), "nats per token", f"Upper end of the {_INTERVAL}", True),
        Column(
            "p_value",
            pa.float64(),
            "0..1",
            "Two-sided p of delta_nll_nats = 0; missing for intact, and below 8 texts.",
            True,
        ),
        Column(
            "q_value",
            pa.float64(),
            "0..1",
            "Benjamini-Hochberg over the run's variants, families of depths separately.",
            True,
        ),
        Column("top1_accuracy", pa.float64(), "0..1", "Share of scored tokens that are the argmax."),
        Column("agreement", pa.float64(), "0..1", "Share of scored tokens where the argmax is the intact model's."),
        Column("kl_nats", pa.float64(), "nats per token", "Mean KL(intact ‖ variant)."),
        Column("block_influence", pa.float64(), "0..2", "1 − mean cos over the span (Men et al. 2024).", True),
        Column("angular_distance", pa.float64(), "0..1", "Mean arccos(cos)/π over the span (Gromov et al. 2024).", True),
        Column("tokens_not_finite", pa.int64(), "tokens", "Scored tokens whose NLL overflowed in the model's dtype."),
    ),
)

PROXIES = Table(
    "proxies.parquet",
    "a family of variants and a proxy",
    (
        Column("family", pa.string(), "-", "Family of variants."),
        Column("proxy", pa.string(), "-", "block_influence or angular_distance."),
        Column("variants", pa.int32(), "-", "Variants compared."),
        Column("spearman", pa.float64(), "-1..1", "Rank correlation of the proxy with delta_nll_nats; missing below 3.", True),
    ),
)

PREDICTION_DEPTH = Table(
    "prediction_depth.parquet",
    "a family of depths and a scored token; only for a run with depth or tuned-depth",
    (
        Column("family", NAMES, "-", "depth, or tuned-depth."),
        Column("document", pa.int32(), "-", "Row of documents.parquet."),
        Column("position", pa.int32(), "-", "Position of the token that is predicted, as in tokens.parquet."),
        Column(
            "depth",
            pa.int16(),
            "layers",
            "First depth from which on the likeliest token is the whole model's: −1 embeddings, k after layer k.",
        ),
        Column("changes", pa.int16(), "-", "How often the likeliest token changes from one depth to the next."),
    ),
)

WORDS = Table(
    "words.parquet",
    "a word of a text, as the tagger or the treebank has it",
    (
        Column("word", pa.int32(), "-", "Row number over all texts, from 0; other tables refer to it."),
        Column("document", pa.int32(), "-", "Row of documents.parquet."),
        Column("sentence", pa.int32(), "-", "Number of its sentence in the text, from 0."),
        Column("char_start", pa.int32(), "characters", "First character in the raw text."),
        Column("char_end", pa.int32(), "characters", "One past the last character."),
        Column("text", NAMES, "-", "The word as written."),
        Column("upos", NAMES, "-", "Universal part of speech."),
        Column("tag", NAMES, "-", "The tagger's or treebank's own, finer tag."),
        Column(
            "tokens", pa.int32(), "tokens", "Tokens that belong to it; 0 if a token that it shares was assigned to a neighbour."
        ),
        Column("tokens_scored", pa.int32(), "tokens", "How many of these are scored; a word counts if all are."),
    ),
    made_by="layerscope pos",
)

TOKEN_WORDS = Table(
    "token_words.parquet",
    "a token of a text, in the order of tokens.parquet",
    (
        Column("document", pa.int32(), "-", "Row of documents.parquet."),
        Column("position", pa.int32(), "-", "As in tokens.parquet."),
        Column(
            "word",
            pa.int32(),
            "-",
            "Row of words.parquet; missing if there is none: see role.",
            True,
        ),
        Column("role", NAMES, "-", "first, continuation, space (white space only), lost (no word found) or prefix (a BOS)."),
        Column("scored", pa.bool_(), "-", "As in tokens.parquet."),
        Column("is_boundary", pa.bool_(), "-", "Whether it shows that the word before it, which ends in a letter, has ended."),
    ),
    made_by="layerscope pos",
)

_UNIT = "word, first (tokens that begin a word), continuation (the others) or corrected (words, including their ends)."

POS = Table(
    "pos.parquet",
    "a variant, a unit and a part of speech or class of parts of speech",
    (
        Column("variant", NAMES, "-", "Name of the variant."),
        Column("family", NAMES, "-", "Family that made it."),
        Column("span_first", pa.int32(), "-", "First layer that it changes; missing for intact.", True),
        Column("unit", NAMES, "-", f"What is counted: {_UNIT}"),
        Column("kind", NAMES, "-", "tag or class."),
        Column("tag", NAMES, "-", "Universal part of speech of the predicted word; or open, closed, all."),
        Column("items", pa.int64(), "units", "Words or tokens counted."),
        Column("documents", pa.int32(), "-", "Texts that contain one."),
        Column("is_few", pa.bool_(), "-", "Fewer than 200 items: read with care."),
        Column("intact_nll_nats", pa.float64(), "nats per unit", "Mean NLL in the intact model, summed over a word's tokens."),
        Column("nll_nats", pa.float64(), "nats per unit", "The same in the variant."),
        Column("delta_nll_nats", pa.float64(), "nats per unit", "nll_nats − intact_nll_nats, unit by unit."),
        Column("delta_nll_low_nats", pa.float64(), "nats per unit", f"Lower end of the {_INTERVAL}", True),
        Column("delta_nll_high_nats", pa.float64(), "nats per unit", f"Upper end of the {_INTERVAL}", True),
        Column(
            "p_value", pa.float64(), "0..1", "Two-sided p of delta_nll_nats = 0; missing below 8 texts that have the tag.", True
        ),
        Column(
            "q_value",
            pa.float64(),
            "0..1",
            "Benjamini-Hochberg over the unit's variants × tags, families of depths separately.",
            True,
        ),
        Column(
            "contrast_nats", pa.float64(), "nats per unit", "delta_nll_nats − delta_nll_nats of all units of other tags.", True
        ),
        Column("contrast_low_nats", pa.float64(), "nats per unit", "Lower end of its 95% interval.", True),
        Column("contrast_high_nats", pa.float64(), "nats per unit", "Upper end of its 95% interval.", True),
        Column(
            "contrast_p_value",
            pa.float64(),
            "0..1",
            "Two-sided p of contrast_nats = 0; missing below 8 texts that have the tag.",
            True,
        ),
        Column(
            "contrast_q_value",
            pa.float64(),
            "0..1",
            "Benjamini-Hochberg over the unit's variants × tags, families of depths separately.",
            True,
        ),
        Column("intact_accuracy", pa.float64(), "0..1", "Share of units whose every token is the intact model's argmax."),
        Column("accuracy", pa.float64(), "0..1", "The same in the variant."),
        Column("agreement", pa.float64(), "0..1", "Share of units where every argmax is the intact model's."),
        Column("kl_nats", pa.float64(), "nats per unit", "Mean over units of KL(intact ‖ variant), summed over their tokens."),
        Column("relative_change", pa.float64(), "-", "delta_nll_nats / intact_nll_nats.", True),
        Column("change", NAMES, "-", "Published words: improved or degraded by 10%, largely so by 50%; else unchanged."),
        Column("not_finite", pa.int64(), "units", "Units whose NLL overflowed in the model's dtype."),
    ),
    made_by="layerscope pos",
)

DEPTH_BY_TAG = Table(
    "depth_by_tag.parquet",
    "a family of depths and a part of speech or class of parts of speech; only for a run with depth or tuned-depth",
    (
        Column("family", NAMES, "-", "depth, or tuned-depth."),
        Column("kind", NAMES, "-", "tag or class."),
        Column("tag", NAMES, "-", "Universal part of speech of the predicted word; or open, closed, all."),
        Column("words", pa.int64(), "words", "Words counted: those whose every token is scored."),
        Column("documents", pa.int32(), "-", "Texts that contain one."),
        Column("is_few", pa.bool_(), "-", "Fewer than 200 words: read with care."),
        Column("mean_depth", pa.float64(), "layers", "Mean prediction depth; for a word, the largest of its tokens."),
        Column("mean_depth_low", pa.float64(), "layers", "Lower end of its 95% interval over documents.", True),
        Column("mean_depth_high", pa.float64(), "layers", "Upper end.", True),
        Column("median_depth", pa.float64(), "layers", "Median prediction depth."),
    ),
    made_by="layerscope pos",
)

TRANSITIONS = Table(
    "transitions.parquet",
    "a variant and a pair of parts of speech: those of a word and of the next one, which is predicted",
    (
        Column("variant", NAMES, "-", "Name of the variant."),
        Column("family", NAMES, "-", "Family that made it."),
        Column("span_first", pa.int32(), "-", "First layer that it changes; missing for intact.", True),
        Column("tag", NAMES, "-", "Part of speech of the current word; START before the first of a text."),
        Column("next_tag", NAMES, "-", "Part of speech of the next word, whose prediction is measured."),
        Column("words", pa.int64(), "words", "Next words counted."),
        Column("documents", pa.int32(), "-", "Texts that contain one."),
        Column("is_few", pa.bool_(), "-", "Fewer than 200 words: no interval is made."),
        Column("intact_nll_nats", pa.float64(), "nats per word", "Mean NLL of the next word in the intact model."),
        Column("nll_nats", pa.float64(), "nats per word", "The same in the variant."),
        Column("delta_nll_nats", pa.float64(), "nats per word", "nll_nats − intact_nll_nats, word by word."),
        Column("delta_nll_low_nats", pa.float64(), "nats per word", f"Lower end of the {_INTERVAL}", True),
        Column("delta_nll_high_nats", pa.float64(), "nats per word", f"Upper end of the {_INTERVAL}", True),
        Column(
            "p_value", pa.float64(), "0..1", "Two-sided p of delta_nll_nats = 0; missing below 8 texts that have the tag.", True
        ),
        Column(
            "q_value",
            pa.float64(),
            "0..1",
            "Benjamini-Hochberg over variants × transitions that have a p, families of depths separately.",
            True,
        ),
    ),
    made_by="layerscope pos",
)

VOCABULARY = Table(
    "vocabulary.parquet",
    "a token that some variant found likeliest, or that occurs in a text",
    (
        Column("id", pa.int32(), "-", "Token id."),
        Column("text", pa.string(), "-", "The characters that it stands for on its own."),
    ),
)

FRAGILITY = Table(
    "fragility.parquet",
    "a model of a comparison, a family of variants and a part of speech, or all scored tokens together",
    (
        Column("family", pa.string(), "-", "Family of variants."),
        Column("unit", pa.string(), "-", "Unit of ΔNLL: token if tag is all, otherwise word."),
        Column("tag", pa.string(), "-", "Universal part of speech; all for all scored tokens together."),
        Column("model", pa.string(), "-", "The model, as named in the figures' legend."),
        Column("run", pa.string(), "-", "Its run directory or ppl.json, as given."),
        Column("layers", pa.int32(), "layers", "Layers of the model."),
        Column("variants", pa.int32(), "variants", "Variants of the family with a ΔNLL."),
        Column(
            "measured_on", pa.string(), "-", "corpus; or text means, where ΔNLL is ln(avg_ppl / avg_ppl of the intact model)."
        ),
        Column("most_variant", pa.string(), "-", "The variant with the largest ΔNLL: where the model is most fragile."),
        Column("most_depth", pa.float64(), "0..1", "Its relative depth: the middle of its layers / (layers − 1)."),
        Column("most_delta_nll_nats", pa.float64(), "nats per unit", "Its ΔNLL."),
        Column("most_delta_bits", pa.float64(), "bits per unit", "In bits per byte or word, where bytes are known.", True),
        Column("least_variant", pa.string(), "-", "The variant with the smallest ΔNLL."),
        Column("least_depth", pa.float64(), "0..1", "Its relative depth."),
        Column("least_delta_nll_nats", pa.float64(), "nats per unit", "Its ΔNLL."),
        Column(
            "least_delta_bits",
            pa.float64(),
            "bits per unit",
            "In bits per byte or word, where bytes are known.",
            True,
        ),
        Column("share_first_third", pa.float64(), "0..1", "Share of Σ abs(ΔNLL) at relative depths below 1/3.", True),
        Column("share_middle_third", pa.float64(), "0..1", "The same from 1/3 to 2/3.", True),
        Column("share_last_third", pa.float64(), "0..1", "The same above 2/3.", True),
        Column("compared_anyway", pa.string(), "-", "What is not comparable but was compared because of --anyway.", True),
    ),
)

PROFILE_CORRELATION = Table(
    "profile_correlation.parquet",
    "a pair of models of a comparison, a family of variants and a part of speech, or all scored tokens together",
    (
        Column("family", pa.string(), "-", "Family of variants."),
        Column("unit", pa.string(), "-", "Unit of ΔNLL: token if tag is all, otherwise word."),
        Column("tag", pa.string(), "-", "Universal part of speech; all for all scored tokens together."),
        Column("model_a", pa.string(), "-", "One model, as named in the figures' legend."),
        Column("model_b", pa.string(), "-", "The other."),
        Column("layers_a", pa.int32(), "layers", "Layers of the first model."),
        Column("layers_b", pa.int32(), "layers", "Layers of the second model."),
        Column(
            "alignment",
            pa.string(),
            "-",
            "layer by layer; or the model onto whose relative depths both profiles were interpolated.",
        ),
        Column("layers_compared", pa.int32(), "places", "Places ranked."),
        Column("spearman", pa.float64(), "-1..1", "Rank correlation of the two profiles; missing below 3 places.", True),
        Column("statement", pa.string(), "-", "The same in words."),
        Column("compared_anyway", pa.string(), "-", "What is not comparable but was compared because of --anyway.", True),
    ),
)
