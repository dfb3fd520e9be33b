"""The tables of a contrast run: activation differences over minimal pairs, and what is made of them."""

from __future__ import annotations

import pyarrow as pa

from layerscope.results.schema import NAMES, Column, Table

_GROUP = Column("group", NAMES, "-", "Subtype; a part of the random-word controls has -reference, -a or -b after it.")
_SITE = Column("site", NAMES, "-", "resid_post, update, read, attn_out or mlp_out.")
_POSITION = Column("position", NAMES, "-", "edit, edit+1, …, detection or last.")
_LAYER = Column("layer", pa.int16(), "-", "From 0.")
_DIM = Column("dim", pa.int32(), "-", "Dimension of the residual stream, from 0.")
_PAIR = Column("pair", pa.int32(), "-", "Row of the table pairs.")

GROUPS = Table(
    "groups",
    "a group of pairs",
    (
        _GROUP,
        Column("role", pa.string(), "-", "meaning, grammar, control (compared like a type), reference (its scale) or ladder."),
        Column("pairs", pa.int32(), "pairs", "Usable pairs."),
        Column("templates", pa.int32(), "-", "Templates that they come from."),
        Column("blocks", pa.int32(), "-", "Blocks of templates with a pair: what is resampled."),
        Column("blocks_of", pa.string(), "-", "template, or pair where too few templates tell pairs apart."),
        Column("unusable", pa.int32(), "pairs", "Pairs that the tokenizer does not allow to compare."),
        Column(
            "before_edit",
            pa.float32(),
            "activation",
            "Largest difference at tokens before an edit; 0 in theory.",
        ),
        Column("zero_share", pa.float32(), "0..1", "Share of differences, edit left out, that are exactly 0."),
    ),
)

PAIRS = Table(
    "pairs",
    "a usable pair",
    (
        _PAIR,
        Column("id", pa.string(), "-", "Twelve digits that depend on its content."),
        _GROUP,
        Column("block", pa.int16(), "-", "Block of templates."),
        Column("type", NAMES, "-", "meaning, grammar or control."),
        Column("subtype", NAMES, "-", "What differs."),
        Column("template", NAMES, "-", "Pairs of one template are not independent."),
        Column("source", NAMES, "-", "Where the pair comes from."),
        Column("right", pa.int8(), "-", "Which sentence is right where the other is wrong.", True),
        Column("sentence1", pa.string(), "-", "First sentence."),
        Column("sentence2", pa.string(), "-", "Second sentence."),
        Column("tokens", pa.int32(), "tokens", "Of the first sentence, BOS included."),
        Column("edit", pa.int32(), "-", "First token that differs, BOS counted."),
        Column("detection", pa.int32(), "-", "Token after the edit, from 0, whose NLL differs most.", True),
        Column("edit_nll1_nats", pa.float32(), "nats", "−ln p of the edit in the first sentence.", True),
        Column("edit_nll2_nats", pa.float32(), "nats", "The same in the second.", True),
        Column("rest_nll1_nats", pa.float32(), "nats", "−ln p of all after the edit in the first sentence."),
        Column("rest_nll2_nats", pa.float32(), "nats", "The same in the second."),
        Column("prefers", pa.int8(), "-", "The likelier sentence, 1 or 2.", True),
    ),
)

REFERENCE = Table(
    "reference.parquet",
    "a dimension of a site of a layer, over ordinary text",
    (
        _SITE,
        _LAYER,
        _DIM,
        Column("mean", pa.float32(), "activation", "Mean."),
        Column("spread", pa.float32(), "activation", "Standard deviation σ."),
        Column("size", pa.float32(), "activation", "Mean absolute value."),
        Column("unembedding", pa.float32(), "-", "Length of its column in the output matrix."),
    ),
)

DIFFERENCES = Table(
    "differences",
    "a group and a cell: site, position, layer and dimension",
    (
        _GROUP,
        _SITE,
        _POSITION,
        _LAYER,
        _DIM,
        Column("pairs", pa.int32(), "pairs", "Pairs that have the position."),
        Column("mean", pa.float32(), "activation", "Mean |a1 − a2|: the raw scale."),
        Column("variance", pa.float32(), "activation²", "Variance of it over pairs."),
        Column("z", pa.float32(), "σ", "mean / spread of the reference text; missing where that is 0.", True),
        Column("relative", pa.float32(), "0..2", "Mean 2|a1 − a2| / (|a1| + |a2|)."),
        Column("percentile", pa.float32(), "0..1", "Mean P(control < |a1 − a2|): the primary scale.", True),
        Column("zeros", pa.int32(), "pairs", "Pairs whose difference is exactly 0."),
        Column("q10", pa.float32(), "activation", "10 % of the pairs differ by less, to about an eighth."),
        Column("q50", pa.float32(), "activation", "Median, likewise."),
        Column("q90", pa.float32(), "activation", "90 %, likewise."),
    ),
)

BLOCKS = Table(
    "blocks",
    "a group, a block of templates, a site, a position and a layer",
    (
        _GROUP,
        Column("block", pa.int16(), "-", "Block of templates."),
        _SITE,
        _POSITION,
        _LAYER,
        Column("pairs", pa.int32(), "pairs", "Pairs of the block that have the position."),
        Column("z", pa.list_(pa.float16()), "σ", "By dimension: mean |a1 − a2| / spread."),
        Column("percentile", pa.list_(pa.float16()), "0..1", "By dimension: mean control percentile."),
    ),
)

PREDICTIONS = Table(
    "predictions",
    "a pair and a distance from its edit",
    (
        _PAIR,
        Column("distance", pa.int16(), "tokens", "0: the state that has read the edit."),
        Column("nll1_nats", pa.float32(), "nats", "−ln p of the next token in the first sentence.", True),
        Column("nll2_nats", pa.float32(), "nats", "The same in the second.", True),
        Column("kl_nats", pa.float32(), "nats", "KL(first ‖ second) of the next-token distributions."),
    ),
)

MOVEMENT = Table(
    "movement",
    "a pair, a position and a layer",
    (
        _PAIR,
        _POSITION,
        _LAYER,
        Column("size_before", pa.float32(), "0..2", "R = 2‖h1 − h2‖ / (‖h1‖ + ‖h2‖) of what the layer receives."),
        Column("size_after", pa.float32(), "0..2", "R of what it hands on."),
        Column("toward_first", pa.float32(), "-", "⟨Δh2, h1 − h2⟩ / ‖h1 − h2‖²; missing where both are equal.", True),
        Column("toward_second", pa.float32(), "-", "⟨Δh1, h2 − h1⟩ / ‖h1 − h2‖².", True),
    ),
)

VALUES = Table(
    "values",
    "a pair, a site, a position and a layer of those asked for with --values",
    (
        _PAIR,
        _SITE,
        _POSITION,
        _LAYER,
        Column("difference", pa.list_(pa.float32()), "activation", "By dimension: |a1 − a2|."),
    ),
)
