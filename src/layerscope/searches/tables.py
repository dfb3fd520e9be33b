"""The tables of a search, column by column. The documentation of the run directory is made from it."""

from __future__ import annotations

import pyarrow as pa

from layerscope.results.schema import NAMES, Column, Table

TEXTS = Table(
    "texts.parquet",
    "a text of the search; no text serves two purposes",
    (
        Column("text", pa.int32(), "-", "Row number, from 0; the scores refer to it."),
        Column("role", NAMES, "-", "'calibration' if paths were chosen on it, 'held-out' if they were measured on it."),
        Column("draw", pa.int16(), "-", "Draw that it belongs to; −1 for held-out texts."),
        Column("name", pa.string(), "-", "Where it comes from: data set, split and index, or token range of a window."),
        Column("characters", pa.string(), "-", "The text itself."),
        Column("tokens_scored", pa.int32(), "tokens", "Tokens whose probability counts."),
        Column("bytes_scored", pa.int64(), "UTF-8 bytes", "Bytes of the text that these tokens cover."),
    ),
)

CALIBRATION_SCORES = Table(
    "calibration_scores",
    "a path and a calibration text; one part for up to eight paths of a step on a batch of texts",
    (
        Column("path", NAMES, "-", "The path, in its written form."),
        Column("text", pa.int32(), "-", "Row of texts.parquet."),
        Column("sum_nats", pa.float64(), "nats", "The objective summed over the text's scored tokens."),
    ),
)

HELD_OUT_SCORES = Table(
    "held_out_scores",
    "a path and a held-out text; one part for up to eight paths on a batch of texts",
    (
        Column("path", NAMES, "-", "The path, in its written form."),
        Column("text", pa.int32(), "-", "Row of texts.parquet."),
        Column("nll_sum_nats", pa.float64(), "nats", "NLL summed over the text's scored tokens."),
    ),
)

CANDIDATES = Table(
    "candidates.parquet",
    "a path that a step of the search compared with others of its size",
    (
        Column("draw", pa.int16(), "-", "Draw of calibration texts, from 0."),
        Column("way", NAMES, "-", "What compared it: the requested method, or 'one-shot' for comparison."),
        Column("step", pa.int32(), "-", "Step, from 1."),
        Column("layers", pa.float32(), "layers", "Layers that the path runs; a half counts 0.5."),
        Column("path", NAMES, "-", "The path, in its written form."),
        Column("moves", pa.string(), "-", "The moves that led to it from the intact model, first to last."),
        Column("texts", pa.int32(), "texts", "Calibration texts that it was scored on."),
        Column(
            "objective_nats",
            pa.float64(),
            "nats per token",
            "Mean objective over these texts; missing if not a number.",
            True,
        ),
        Column(
            "distance_nats",
            pa.float64(),
            "nats per token",
            "objective_nats − that of the best path of its size, on the same texts.",
            True,
        ),
        Column(
            "distance_low_nats",
            pa.float64(),
            "nats per token",
            "Lower end of its interval; intervals of a size hold simultaneously.",
            True,
        ),
        Column("distance_high_nats", pa.float64(), "nats per token", "Upper end.", True),
        Column("is_best", pa.bool_(), "-", "Whether it was chosen: one of the best of its size after the step."),
        Column("is_tied", pa.bool_(), "-", "Whether the interval does not distinguish it from the best."),
        Column("is_dropped", pa.bool_(), "-", "Whether it was dropped before the last text."),
    ),
)

FRONTIER = Table(
    "frontier.parquet",
    "a path that was measured on the held-out texts",
    (
        Column("way", NAMES, "-", "Where it comes from: 'intact', 'search', 'one-shot' or 'random'."),
        Column("draw", pa.int16(), "-", "Draw of calibration texts; for random paths, their number; 0 for the intact model."),
        Column("layers", pa.float32(), "layers", "Layers that it runs; a half counts 0.5."),
        Column("parameters", pa.int64(), "parameters", "Parameters on the path, including embeddings and output matrix."),
        Column("path", NAMES, "-", "The path, in its written form."),
        Column("moves", pa.string(), "-", "The moves that led to it from the intact model, first to last."),
        Column("calibration_nats", pa.float64(), "nats per token", "Mean objective over its draw's calibration texts.", True),
        Column(
            "all_draws_nats", pa.float64(), "nats per token", "Mean objective over the calibration texts of all draws.", True
        ),
        Column(
            "is_best", pa.bool_(), "-", "Whether all_draws_nats is the lowest of its way and size: what '@RUN/best-…' means."
        ),
        Column("nll_nats", pa.float64(), "nats per token", "Mean NLL of the held-out texts; missing if not a number.", True),
        Column("ppl", pa.float64(), "-", "exp(nll_nats).", True),
        Column("delta_nll_nats", pa.float64(), "nats per token", "nll_nats − the intact model's.", True),
        Column("delta_nll_low_nats", pa.float64(), "nats per token", "Lower end of its 95% interval over texts.", True),
        Column("delta_nll_high_nats", pa.float64(), "nats per token", "Upper end.", True),
    ),
)

GAINS = Table(
    "gains.parquet",
    "the search's path of a size compared with a simpler way, on the held-out texts",
    (
        Column("layers", pa.float32(), "layers", "Layers that the paths run."),
        Column("against", NAMES, "-", "'one-shot' (of the same draw), or 'random' (the mean of all random paths of the size)."),
        Column("draw", pa.int16(), "-", "Draw of calibration texts; −1 for the mean over draws."),
        Column(
            "gain_nats",
            pa.float64(),
            "nats per token",
            "NLL of the simpler way − NLL of the search; above 0 the search is better.",
            True,
        ),
        Column("gain_low_nats", pa.float64(), "nats per token", "Lower end of its 95% interval over texts.", True),
        Column("gain_high_nats", pa.float64(), "nats per token", "Upper end.", True),
        Column(
            "p_value",
            pa.float64(),
            "-",
            "Two-sided p of a gain of 0; missing with fewer than 8 texts or for one and the same path.",
            True,
        ),
        Column("q_value", pa.float64(), "-", "p adjusted over the sizes of a kind and draw (Benjamini and Hochberg).", True),
        Column("same_path", pa.bool_(), "-", "Whether both are one and the same path (for the mean: in every draw)."),
        Column("random_paths", pa.int32(), "paths", "Random paths of the size; 0 for one-shot."),
        Column("random_as_good", pa.int32(), "paths", "Random paths whose held-out NLL is as low as the search's, or lower."),
    ),
)

LEFT_OUT = Table(
    "left_out.parquet",
    "a layer and a size: in how many draws the search's path leaves the layer out",
    (
        Column("layers", pa.float32(), "layers", "Layers that the paths run."),
        Column("layer", pa.int32(), "-", "Layer of the model, from 0."),
        Column("draws", pa.int32(), "draws", "Draws with a path of the size."),
        Column("without_layer", pa.int32(), "draws", "Draws whose path does not run the layer at all."),
        Column(
            "without_attention",
            pa.int32(),
            "draws",
            "Draws whose path does not run its attention, including draws without the layer.",
        ),
        Column("without_mlp", pa.int32(), "draws", "Draws whose path does not run its MLP, including draws without the layer."),
    ),
)

SPEED = Table(
    "speed.parquet",
    "a path that was timed beside the intact model",
    (
        Column("path", NAMES, "-", "The path, in its written form."),
        Column("layers", pa.float32(), "layers", "Layers that it runs."),
        Column("positions", pa.int32(), "positions", "Positions of the batch that was run, all read at once."),
        Column("seconds_a_token", pa.float64(), "s per token", "Layers and output matrix, the median of the rounds."),
        Column("ratio", pa.float64(), "-", "That time / the intact model's in the same round, the median of the rounds."),
        Column("ratio_low", pa.float64(), "-", "The smallest ratio of the rounds."),
        Column("ratio_high", pa.float64(), "-", "The largest ratio of the rounds."),
    ),
)
