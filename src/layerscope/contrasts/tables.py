"""The tables of a contrast run: activation differences over minimal pairs, and what is made of them."""

from __future__ import annotations

import pyarrow as pa

from layerscope.results.schema import NAMES, Column, Table

_GROUP = Column(
    "group",
    NAMES,
    "-",
    "Subtype; with -reference-1 or -reference-2 after it for the random-word controls of the scale, -placebo for placebos.",
)
_SITE = Column("site", NAMES, "-", "resid_post, update, read, attn_out or mlp_out.")
_POSITION = Column("position", NAMES, "-", "edit, edit+1, …, detection or last.")
_LAYER = Column("layer", pa.int16(), "-", "Number of the layer, from 0.")
_DIM = Column("dim", pa.int32(), "-", "Dimension of the residual stream, from 0.")
_PAIR = Column("pair", pa.int32(), "-", "Number of the pair in its run; if no placebo was found, its number is left out.")

GROUPS = Table(
    "groups",
    "a group of pairs",
    (
        _GROUP,
        Column(
            "role",
            pa.string(),
            "-",
            "meaning, grammar, placebo (what these are compared with), control (random words), reference (the scale) or bound "
            "(the smallest and largest changes there are).",
        ),
        Column("placebo_of", pa.string(), "-", "For placebos: the group of the pairs that they belong to.", True),
        Column("without_placebo", pa.int32(), "pairs", "For meaning and grammar: pairs for which no placebo was found.", True),
        Column("pairs", pa.int32(), "pairs", "Usable pairs."),
        Column("templates", pa.int32(), "-", "Templates that they come from."),
        Column("blocks", pa.int32(), "-", "Blocks of templates with a pair; these are resampled."),
        Column("blocks_of", pa.string(), "-", "template; or pair, if there are too few templates."),
        Column("unusable", pa.int32(), "pairs", "Pairs that cannot be compared with this tokenizer."),
        Column(
            "before_edit",
            pa.float32(),
            "activation",
            "Largest difference at tokens before an edit; 0 in theory.",
        ),
        Column("zero_share", pa.float32(), "0..1", "Share of differences, excluding the edit, that are exactly 0."),
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
        Column("placebo_of", pa.int32(), "-", "For a placebo: number of the pair whose sentence and place it uses.", True),
        Column("type", NAMES, "-", "meaning, grammar or control."),
        Column("subtype", NAMES, "-", "What differs."),
        Column("template", NAMES, "-", "Pairs of one template are not independent."),
        Column("source", NAMES, "-", "Where the pair comes from."),
        Column("right", pa.int8(), "-", "Which sentence is right if the other is wrong.", True),
        Column("sentence1", pa.string(), "-", "First sentence."),
        Column("sentence2", pa.string(), "-", "Second sentence."),
        Column("tokens", pa.int32(), "tokens", "Tokens of the first sentence, BOS included."),
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
        Column("variance", pa.float32(), "activation²", "Variance of |a1 − a2| over pairs."),
        Column("z", pa.float32(), "σ", "mean / spread of the reference text; missing if the spread is 0.", True),
        Column("relative", pa.float32(), "0..2", "Mean 2|a1 − a2| / (|a1| + |a2|)."),
        Column(
            "percentile",
            pa.float32(),
            "0..1",
            "Mean P(reference < |a1 − a2|) among reference pairs of about the same size: the primary scale.",
            True,
        ),
        Column("zeros", pa.int32(), "pairs", "Pairs whose difference is exactly 0."),
        Column("q10", pa.float32(), "activation", "10th percentile over pairs, accurate to about an eighth."),
        Column("q50", pa.float32(), "activation", "Median, likewise."),
        Column("q90", pa.float32(), "activation", "90th percentile, likewise."),
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
        Column(
            "pairs", pa.int32(), "pairs", "Pairs of the block that have the position and, if placebos are wanted, a placebo."
        ),
        Column("log_size", pa.float32(), "-", "Mean over these pairs of ln ‖(a1 − a2) / σ‖."),
        Column("z", pa.list_(pa.float16()), "σ", "By dimension: mean |a1 − a2| / spread."),
        Column("percentile1", pa.list_(pa.float16()), "0..1", "By dimension: mean percentile by the first reference."),
        Column("percentile2", pa.list_(pa.float16()), "0..1", "By the second."),
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
        Column("size_after", pa.float32(), "0..2", "R of what the layer passes on."),
        Column("toward_first", pa.float32(), "-", "⟨Δh2, h1 − h2⟩ / ‖h1 − h2‖²; missing if both are equal.", True),
        Column("toward_second", pa.float32(), "-", "⟨Δh1, h2 − h1⟩ / ‖h1 − h2‖².", True),
    ),
)

VALUES = Table(
    "values",
    "a pair, a site, a position and a layer requested with --values",
    (
        _PAIR,
        _SITE,
        _POSITION,
        _LAYER,
        Column("difference", pa.list_(pa.float32()), "activation", "By dimension: |a1 − a2|."),
    ),
)

_SET = Column("set", NAMES, "-", "all, meaning or grammar: their subtypes together, each counting the same; or one group.")
_SCALE = Column("scale", NAMES, "-", "percentile (primary), raw, z or relative; see differences.")
_VALUE = Column("value", pa.float64(), "-", "The statistic.")
_LOW = Column(
    "low", pa.float64(), "-", "Lower end of the 95% interval of excess: the values that the swap test does not reject.", True
)
_HIGH = Column("high", pa.float64(), "-", "Upper end.", True)
_CHANCE = Column("chance", pa.float64(), "-", "Expected for random orders.")
_PLACEBO = Column("placebo", pa.float64(), "-", "The same for the types' placebos; missing for a group with itself.", True)
_EXCESS = Column("excess", pa.float64(), "-", "value − placebo.", True)
_P = Column(
    "p_value", pa.float64(), "0..1", "Two-sided, by swapping blocks with those of placebos; missing where refused.", True
)
_Q = Column("q_value", pa.float64(), "0..1", "After Benjamini-Hochberg over the tests of its family.", True)

RANKING = Table(
    "ranking.parquet",
    "one of the k units that change least",
    (
        _SET,
        _SITE,
        _POSITION,
        _SCALE,
        Column("scope", NAMES, "-", "layer (ranked within its layer) or all (ranked over all layers together)."),
        Column("rank", pa.int32(), "-", "From 1: smallest difference first."),
        _LAYER,
        _DIM,
        Column("score", pa.float64(), "-", "Value on the scale of the ranking: mean over the set's subtypes."),
        Column("low", pa.float64(), "-", "Lower end of its 95% interval, bootstrap over blocks; scope all only.", True),
        Column("high", pa.float64(), "-", "Upper end.", True),
        Column("percentile", pa.float64(), "0..1", "Value on the primary scale."),
        Column("raw", pa.float64(), "activation", "Value on the raw scale."),
        Column("z", pa.float64(), "σ", "Value in spreads.", True),
        Column("relative", pa.float64(), "0..2", "Value on the relative scale."),
        Column("spread", pa.float64(), "activation", "σ over ordinary text."),
    ),
    made_by="layerscope stability",
)

SPREAD_EXPLAINS = Table(
    "spread.parquet",
    "a set, a scale, a place and a layer",
    (
        _SET,
        _SITE,
        _POSITION,
        _SCALE,
        Column("layer", pa.int16(), "-", "Number of the layer; missing: all layers together.", True),
        Column("spearman", pa.float64(), "-1..1", "Rank correlation of the scale with the dimension's own spread.", True),
    ),
    made_by="layerscope stability",
)

CONSISTENCY = Table(
    "consistency.parquet",
    "a measure of agreement and two groups, mean over layers; a group with itself is its split-half value",
    (
        _SITE,
        _POSITION,
        _SCALE,
        Column("measure", NAMES, "-", "jaccard (of the k dimensions that change least), spearman or rbo."),
        Column("first", NAMES, "-", "A group."),
        Column("second", NAMES, "-", "Another group, or the same."),
        _VALUE,
        _CHANCE,
        _PLACEBO,
        _EXCESS,
        _LOW,
        _HIGH,
        _P,
        _Q,
        Column(
            "overlap",
            pa.float64(),
            "dimensions",
            "Mean number of shared dimensions among the k of a layer that change least.",
            True,
        ),
        Column("overlap_expected", pa.float64(), "dimensions", "k²/D, the hypergeometric expectation."),
        Column(
            "layers_above_chance",
            pa.int32(),
            "layers",
            "Layers whose overlap exceeds the hypergeometric expectation (q < 0.05).",
            True,
        ),
    ),
    made_by="layerscope stability",
)

LAYER_AGREEMENT = Table(
    "layer_agreement.parquet",
    "a set, a measure and a layer: how far the set's subtypes agree",
    (
        _SET,
        Column(
            "subtypes",
            pa.int16(),
            "-",
            "Subtypes that represent the set: those that allow inference, if there are at least two.",
        ),
        _SITE,
        _POSITION,
        _SCALE,
        Column("measure", NAMES, "-", "jaccard, spearman, rbo (means over pairs of subtypes) or kendall_w."),
        Column("layer", pa.int16(), "-", "Number of the layer; missing: mean over layers.", True),
        _VALUE,
        _CHANCE,
        _PLACEBO,
        _EXCESS,
        _LOW,
        _HIGH,
        _P,
        _Q,
    ),
    made_by="layerscope stability",
)

LAYER_SPECIFICITY = Table(
    "layer_specificity.parquet",
    "a set and a layer: the share of the k × L units that change least that lies in it",
    (
        _SET,
        _SITE,
        _POSITION,
        _SCALE,
        _LAYER,
        Column("share", pa.float64(), "0..1", "Share of those units; 1/L if layers did not matter."),
        _PLACEBO,
        _EXCESS,
        _LOW,
        _HIGH,
        _P,
        _Q,
        Column("distance", pa.float64(), "0..1", "For the whole set: ½ Σ |share − placebo| over layers."),
        Column("distance_p", pa.float64(), "0..1", "p of the distance, by swaps.", True),
    ),
    made_by="layerscope stability",
)

TYPE_SPECIFICITY = Table(
    "type_specificity.parquet",
    "a place and a scale",
    (
        _SITE,
        _POSITION,
        _SCALE,
        Column(
            "within_subtype",
            pa.float64(),
            "-1..1",
            "Correlation of percentiles between halves of one subtype, mean over layers.",
        ),
        Column("between_subtypes", pa.float64(), "-1..1", "Between halves of different subtypes."),
        Column("within_placebo", pa.float64(), "-1..1", "Between halves of one subtype's placebos."),
        Column("between_placebos", pa.float64(), "-1..1", "Between halves of different subtypes' placebos."),
        Column(
            "subtype_p",
            pa.float64(),
            "0..1",
            "Two-sided, by swaps: within − between for subtypes, compared with the same for placebos.",
            True,
        ),
        Column("within_type", pa.float64(), "-2..2", "Between subtypes of one type, minus the same for their placebos.", True),
        Column("between_types", pa.float64(), "-2..2", "Between subtypes of different types, likewise.", True),
        Column("type_p", pa.float64(), "0..1", "p over labellings of the subtypes.", True),
        Column("labellings", pa.int32(), "-", "Number of labellings; no p can be below one over it."),
        Column("subtype_q", pa.float64(), "0..1", "After Benjamini-Hochberg over places.", True),
        Column("type_q", pa.float64(), "0..1", "Likewise.", True),
    ),
    made_by="layerscope stability",
)

DIMENSIONS = Table(
    "dimensions.parquet",
    "a dimension that changes less than the others of its layer, more so than under placebos (q < 0.05)",
    (
        _SET,
        _SITE,
        _POSITION,
        _LAYER,
        _DIM,
        Column("pairs", pa.int32(), "pairs", "Pairs of the set."),
        Column("percentile", pa.float64(), "0..1", "Mean percentile of the set."),
        Column("placebo", pa.float64(), "0..1", "Mean percentile of its placebos."),
        Column(
            "log_ratio_of_medians", pa.float64(), "-", "ln(median of the pairs / of the placebos); mean over subtypes.", True
        ),
        _P,
        _Q,
    ),
    made_by="layerscope stability",
)

BALANCE = Table(
    "balance.parquet",
    "a group compared with its placebos, or placebos compared with second placebos, at a place",
    (
        _SITE,
        _POSITION,
        _GROUP,
        Column("placebos", NAMES, "-", "The group of placebos that it is compared with."),
        Column("pairs", pa.int32(), "pairs", "Pairs of both groups that have the position."),
        Column("blocks", pa.int32(), "-", "Blocks of templates with such pairs."),
        Column("log_ratio", pa.float64(), "-", "Mean over pairs and layers of ln(size of the placebo / of the pair)."),
        Column("refused", pa.string(), "-", "Why there is no inference at this place; missing if there is.", True),
    ),
    made_by="layerscope stability",
)

CHECK = Table(
    "placebo_check.parquet",
    "a measure and a layer: how far placebos agree beyond second placebos, which should be nowhere",
    LAYER_AGREEMENT.columns,
    made_by="layerscope stability",
)

CONTRACTION = Table(
    "contraction.parquet",
    "a set of pairs, a quantity, a position and a layer",
    (
        Column(
            "set",
            NAMES,
            "-",
            "control, meaning, error (one side is wrong), a subtype of these, or error-meaning: at equal size.",
        ),
        Column(
            "quantity",
            NAMES,
            "-",
            "size (R received), contraction (ln R out / R in), toward_right (the wrong side's way to the right one; elsewhere "
            "the mean of both sides' ways) or asymmetry (that less the right side's way to the wrong one).",
        ),
        _POSITION,
        _LAYER,
        Column("pairs", pa.int32(), "pairs", "Pairs counted."),
        _VALUE,
        Column(
            "median", pa.float64(), "-", "Median over pairs; for error-meaning, the difference of medians at equal size.", True
        ),
        Column(
            "low",
            pa.float64(),
            "-",
            "Lower end of the value's 95% interval over blocks of these subtypes; none for error-meaning.",
            True,
        ),
        Column("high", pa.float64(), "-", "Upper end.", True),
        Column("p_value", pa.float64(), "0..1", "Two-sided p of 0; for error-meaning, over labellings of subtypes.", True),
        _Q,
    ),
    made_by="layerscope stability",
)

DIVERGENCE = Table(
    "divergence.parquet",
    "a set of pairs and a distance from the edit",
    (
        Column("set", NAMES, "-", "control, meaning, error, or a group."),
        Column("distance", pa.int16(), "tokens", "0: the state that has read the edit."),
        Column("pairs", pa.int32(), "pairs", "Pairs counted."),
        Column("kl_nats", pa.float64(), "nats", "Mean KL between the sides' next-token distributions."),
        Column("median_nats", pa.float64(), "nats", "Median."),
        Column("low", pa.float64(), "nats", "Lower end of its 95% interval, bootstrap over blocks.", True),
        Column("high", pa.float64(), "nats", "Upper end.", True),
    ),
    made_by="layerscope stability",
)

PREFERENCES = Table(
    "preferences.parquet",
    "a group of pairs with a wrong side",
    (
        _GROUP,
        Column("pairs", pa.int32(), "pairs", "Pairs that the model can judge."),
        Column("agreed", pa.float64(), "0..1", "Share of pairs whose right side is likelier."),
        Column("disagreeing", pa.list_(pa.int32()), "-", "Rows of the table pairs whose wrong side is likelier."),
    ),
    made_by="layerscope stability",
)

INTERVENTION = Table(
    "intervention.parquet",
    "a replacement, an outcome and a set of units: the stable set or a matched random one",
    (
        Column("replacement", NAMES, "-", "mean or resample."),
        Column("outcome", NAMES, "-", "did_nats, accuracy, damage_nats, change_nats or gap_nats; see the JSON file."),
        Column("set", pa.int32(), "-", "0: the stable set; from 1: random sets, for damage_nats perhaps fewer."),
        Column("value", pa.float64(), "-", "Ablated − intact."),
    ),
    made_by="layerscope intervene",
)

ALL, WITHOUT_STABLE, WITHOUT_RANDOM, CARRIED = "all", "without-stable", "without-random", "carried"
"""What was patched, in the table ``restoring``; the last is the third less the second."""

RESTORING = Table(
    "restoring.parquet",
    "a layer, a position and the values of the right side that were put into the wrong one there",
    (
        _LAYER,
        _POSITION,
        Column(
            "set",
            NAMES,
            "-",
            "all (every dimension), without-stable, without-random (mean over sets), or carried: without-random minus "
            "without-stable.",
        ),
        Column("pairs", pa.int32(), "pairs", "Pairs that have the position."),
        Column("restored_nats", pa.float64(), "nats", "Mean decrease of the NLL of what follows the wrong form.", True),
        Column("low", pa.float64(), "nats", "Lower end of its 95% interval over templates.", True),
        Column("high", pa.float64(), "nats", "Upper end.", True),
        Column("share", pa.float64(), "-", "Fraction of the margin: NLL after the wrong form − NLL after the right one.", True),
        Column("p_value", pa.float64(), "0..1", "Two-sided, of 0.", True),
        Column("q_value", pa.float64(), "0..1", "After Benjamini-Hochberg over layers and positions.", True),
    ),
    made_by="layerscope intervene --patch",
)

STABILITY_TABLES = (
    RANKING,
    SPREAD_EXPLAINS,
    CONSISTENCY,
    LAYER_AGREEMENT,
    LAYER_SPECIFICITY,
    TYPE_SPECIFICITY,
    DIMENSIONS,
    BALANCE,
    CHECK,
    CONTRACTION,
    DIVERGENCE,
    PREFERENCES,
)
"""What an analysis leaves in the run directory, as far as there is material for it."""
