"""The tables of a sweep's minimal pairs and of their analyses, column by column; those of texts are in ``tables``."""

from __future__ import annotations

import pyarrow as pa

from layerscope.results.schema import NAMES, Column, Table

SIDES = ("right", "wrong")
PARTS = ("edit", "continuation", "sentence")
"""Of the sentences of a pair: what differs, what both sides go on with, and all scored tokens."""

PAIRS = Table(
    "pairs.parquet",
    "a pair with a wrong side that was scored; only for a run with --pairs",
    (
        Column("pair", pa.int32(), "-", "Row number, from 0; other tables refer to it."),
        Column("id", pa.string(), "-", "Identifier of the pair, as in its file."),
        Column("subtype", NAMES, "-", "What differs."),
        Column("term", NAMES, "-", "The source's own name for it, such as a paradigm of BLiMP's; may be empty."),
        Column("template", NAMES, "-", "Pairs of one template are not independent."),
        Column("source", NAMES, "-", "Where it comes from."),
        Column("right", pa.string(), "-", "The right sentence."),
        Column("wrong", pa.string(), "-", "The wrong sentence."),
        Column("tokens_before", pa.int32(), "tokens", "Tokens that both sentences begin with, start tokens included."),
        Column("tokens_right", pa.int32(), "tokens", "Tokens of the edit on the right side; 0 where one is missing there."),
        Column("tokens_wrong", pa.int32(), "tokens", "The same on the wrong side."),
        Column("tokens_after", pa.int32(), "tokens", "Tokens that follow the edit in both sentences."),
    ),
)

PAIR_SCORES = Table(
    "pair_scores",
    "a variant and a pair, as computed by the engine",
    (
        Column("variant", NAMES, "-", "Name of the variant."),
        Column("pair", pa.int32(), "-", "Row of pairs.parquet."),
        *(
            Column(f"{part}_{side}_nats", pa.float64(), "nats", f"NLL of {what}, {side} side.", part != "sentence")
            for part, what in (
                ("edit", "the tokens that differ; missing if nothing precedes them, or there are none"),
                ("continuation", "the tokens that follow on both sides; missing if there are none"),
                ("sentence", "all scored tokens"),
            )
            for side in ("right", "wrong")
        ),
    ),
)

PAIR_EFFECTS = Table(
    "pair_effects.parquet",
    "a variant and a pair",
    (
        *PAIR_SCORES.columns,
        *(
            Column(
                f"{part}_margin_nats",
                pa.float64(),
                "nats",
                f"{part}_wrong_nats − {part}_right_nats: above 0 the right side is likelier.",
                part != "sentence",
            )
            for part in ("edit", "continuation", "sentence")
        ),
    ),
)

_OF_GROUP = "95% interval over templates (or pairs: see clusters_of); missing with fewer than two."

PREFERENCE = Table(
    "preference.parquet",
    "a variant, a group of pairs and a part of the sentence",
    (
        Column("variant", NAMES, "-", "Name of the variant."),
        Column("family", NAMES, "-", "Family that made it."),
        Column("span_first", pa.int32(), "-", "First layer that it changes; missing for intact.", True),
        Column("span_last", pa.int32(), "-", "Last layer that it changes; missing for intact.", True),
        Column("unit", NAMES, "-", "What NLLs are summed over: edit, continuation or sentence."),
        Column("kind", NAMES, "-", "all, subtype or term (the source's own name)."),
        Column("group", NAMES, "-", "The subtype or term; all for all pairs."),
        Column("pairs", pa.int32(), "pairs", "Pairs with the unit on both sides."),
        Column("clusters", pa.int32(), "-", "Templates, or pairs, that they belong to."),
        Column("clusters_of", NAMES, "-", "template; or pair, if there are fewer than ten templates."),
        Column("is_few", pa.bool_(), "-", "Fewer than 40 pairs: read with care."),
        Column("damage_nats", pa.float64(), "nats per token", "delta_nll_nats of the variant on neutral text."),
        Column("intact_accuracy", pa.float64(), "0..1", "Share of pairs whose right side the intact model finds likelier."),
        Column("accuracy", pa.float64(), "0..1", "The same for the variant."),
        Column("delta_accuracy", pa.float64(), "-1..1", "accuracy − intact_accuracy, pair by pair."),
        Column("delta_accuracy_low", pa.float64(), "-1..1", f"Lower end of its {_OF_GROUP}", True),
        Column("delta_accuracy_high", pa.float64(), "-1..1", "Upper end.", True),
        Column("intact_margin_nats", pa.float64(), "nats per pair", "Mean margin, wrong − right, in the intact model."),
        Column("margin_nats", pa.float64(), "nats per pair", "The same for the variant."),
        Column("delta_margin_nats", pa.float64(), "nats per pair", "margin_nats − intact_margin_nats, pair by pair."),
        Column("delta_margin_low_nats", pa.float64(), "nats per pair", f"Lower end of its {_OF_GROUP}", True),
        Column("delta_margin_high_nats", pa.float64(), "nats per pair", "Upper end.", True),
        Column("p_value", pa.float64(), "0..1", "Two-sided p of delta_margin_nats = 0; missing below 8 clusters.", True),
        Column(
            "q_value",
            pa.float64(),
            "0..1",
            "Benjamini-Hochberg over the unit's variants × groups of a kind, families of depths separately.",
            True,
        ),
        Column("not_finite", pa.int32(), "pairs", "Pairs whose NLL overflowed in the model's dtype."),
    ),
)

BEYOND_DAMAGE = Table(
    "beyond_damage.parquet",
    "a variant of a family with six or more, a group of pairs and a measure",
    (
        Column("variant", NAMES, "-", "Name of the variant."),
        Column("family", NAMES, "-", "Family that made it."),
        Column("unit", NAMES, "-", "What NLLs are summed over: edit, continuation or sentence."),
        Column("kind", NAMES, "-", "all, subtype or term (the source's own name)."),
        Column("group", NAMES, "-", "The subtype or term; all for all pairs."),
        Column("measure", NAMES, "-", "What the next columns refer to: margin, in nats per pair, or accuracy, 0..1."),
        Column("damage_nats", pa.float64(), "nats per token", "ΔNLL of the variant on neutral text."),
        Column("effect", pa.float64(), "as the measure", "variant − intact, pair by pair."),
        Column(
            "expected_low",
            pa.float64(),
            "as the measure",
            "Least effect allowed by a falling relation with damage, by the next three; missing for the two largest damages.",
            True,
        ),
        Column(
            "expected_high",
            pa.float64(),
            "as the measure",
            "Largest effect that it allows, by the three before; missing for the smallest damage.",
            True,
        ),
        Column("beyond", pa.float64(), "as the measure", "effect − the nearer bound; 0 between the bounds."),
        Column(
            "standard_error",
            pa.float64(),
            "as the measure",
            "Standard error of effect − the nearer bound, leaving templates out.",
            True,
        ),
        Column("p_value", pa.float64(), "0..1", "Two-sided p of lying within the bounds; missing below 8 clusters.", True),
        Column("q_value", pa.float64(), "0..1", "After Benjamini-Hochberg over a family's variants × groups of a kind.", True),
    ),
    made_by="layerscope preference",
)

PAIR_DEPTH = Table(
    "pair_depth.parquet",
    "a family of depths, a part of the sentence and a pair that has it; only for a run with --pairs",
    (
        Column("family", NAMES, "-", "depth; or tuned-depth, if a tuned lens was used as well."),
        Column("pair", pa.int32(), "-", "Row of pairs.parquet."),
        Column("unit", NAMES, "-", "What NLLs are summed over: edit, continuation or sentence."),
        Column("is_right", pa.bool_(), "-", "Whether the whole model finds the right side likelier."),
        Column(
            "depth",
            pa.int16(),
            "layers",
            "First depth from which on the side that is likelier is the whole model's: −1 embeddings, k after layer k.",
        ),
        Column("changes", pa.int16(), "-", "How often the likelier side changes from one depth to the next."),
        Column("flips_back", pa.bool_(), "-", "Whether the right side is likelier at some depth and not at a later one."),
    ),
)

PREFERENCE_DEPTH = Table(
    "preference_depth.parquet",
    "a family of depths, a part of the sentence and a group of pairs; only for a run with --pairs",
    (
        Column("family", NAMES, "-", "depth; or tuned-depth, if a tuned lens was used as well."),
        Column("unit", NAMES, "-", "What NLLs are summed over: edit, continuation or sentence."),
        Column("kind", NAMES, "-", "all, subtype or term (the source's own name)."),
        Column("group", NAMES, "-", "The subtype or term; all for all pairs."),
        Column("pairs", pa.int32(), "pairs", "Pairs with the unit on both sides, finite at every depth."),
        Column("clusters", pa.int32(), "-", "Templates, or pairs, that they belong to."),
        Column(
            "clusters_right", pa.int32(), "-", "How many of these have a pair whose right side the whole model finds likelier."
        ),
        Column("clusters_of", NAMES, "-", "template; or pair, if there are fewer than ten templates."),
        Column("pairs_right", pa.int32(), "pairs", "Pairs whose right side the whole model finds likelier."),
        Column("is_few", pa.bool_(), "-", "Fewer than 40 of these: read with care."),
        Column(
            "mean_depth",
            pa.float64(),
            "layers",
            "Mean depth of the pairs counted in pairs_right, as in pair_depth.parquet.",
            True,
        ),
        Column("mean_depth_low", pa.float64(), "layers", f"Lower end of its {_OF_GROUP}", True),
        Column("mean_depth_high", pa.float64(), "layers", "Upper end.", True),
        Column("median_depth", pa.float64(), "layers", "Median depth of these pairs.", True),
        Column("flips_back", pa.float64(), "0..1", "Share of all pairs that flip back, as in pair_depth.parquet."),
        Column("flips_back_low", pa.float64(), "0..1", f"Lower end of its {_OF_GROUP}", True),
        Column("flips_back_high", pa.float64(), "0..1", "Upper end.", True),
    ),
)
