"""At which depth each prediction is made up: the first one from which on the likeliest token is that of the whole model.

Depth −1 is the embeddings, depth k what stands after layer k, depth L − 1 the model itself.

Source: Baldock, Maennel & Neyshabur 2021, "Deep Learning Through the Lens of Example Difficulty" (arXiv 2106.09647); here of
the logit lens or a tuned one, instead of nearest neighbours.

Axes: ``depth`` (L + 1 of them), ``token``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from jaxtyping import Bool, Int

from layerscope.language.words import UPOS_TAGS
from layerscope.paths.families import DEPTHS
from layerscope.stats.ratio import ratio_interval
from layerscope.sweeps.analysis.parts_of_speech import CLASSES, FEWEST_ITEMS
from layerscope.sweeps.analysis.score_arrays import ScoreArrays
from layerscope.sweeps.analysis.words import WordIndex
from layerscope.sweeps.tables import DEPTH_BY_TAG, PREDICTION_DEPTH


def prediction_depth_table(shards: Iterable[ScoreArrays], families: Sequence[str]) -> pa.Table:
    """One row per family of depths and scored token, in the order of the texts.

    Args:
        shards: of the run, with all of its variants.
        families: family of each variant, in the order of the shards' rows; those of depths from the embeddings on.
    """
    there = [name for name in DEPTHS if name in families]
    rows = {name: [row for row, family in enumerate(families) if family == name] for name in there}
    parts: dict[str, list[pd.DataFrame]] = {name: [] for name in there}
    for shard in shards:
        for name in there:
            chosen = shard.of_variants(rows[name])
            changes = (chosen.top1_id[1:] != chosen.top1_id[:-1]).sum(axis=0)
            found = {"depth": prediction_depths(chosen.agrees_with_intact), "changes": changes}
            parts[name].append(pd.DataFrame({"family": name, "document": shard.document, "position": shard.position, **found}))
    tables = [pd.concat(parts[name]).sort_values(["document", "position"], kind="stable") for name in there]
    return PREDICTION_DEPTH.from_frame(pd.concat(tables))


def prediction_depths(agrees: Bool[np.ndarray, "depth token"]) -> Int[np.ndarray, " token"]:
    """The first depth from which on a prediction stays.

    Args:
        agrees: whether the likeliest token at each depth, from −1 on, is that of the whole model, which agrees with itself.
    """
    n_depths = len(agrees)
    # the last disagreement, counted from the end; where there is none, argmax of all False is 0 as well
    from_the_end = np.where(agrees.all(axis=0), n_depths, np.argmax(~agrees[::-1], axis=0))
    depths: np.ndarray = n_depths - from_the_end - 1
    return depths


def depth_by_tag(depths: pd.DataFrame, index: WordIndex, level: float) -> pa.Table:
    """Mean prediction depth of words by family and part of speech; a word's is the largest of its tokens'.

    Args:
        depths: prediction_depth.parquet.
        index: the run's words; those count whose every token is scored.
        level: coverage of intervals.
    """
    found = [
        {"family": str(family), **row}
        for family, rows in depths.groupby("family", sort=False, observed=True)
        for row in _by_tag(rows, index, level)
    ]
    return DEPTH_BY_TAG.from_frame(pd.DataFrame(found))


def _by_tag(depths: pd.DataFrame, index: WordIndex, level: float) -> Iterator[dict[str, Any]]:
    """The rows of one family."""
    word = index.word_of_token[index.rows(depths["document"].to_numpy(), depths["position"].to_numpy())]
    is_counted = (word >= 0) & index.is_whole[word]
    largest = depths["depth"].to_numpy()[is_counted]
    of_word = pd.Series(largest).groupby(word[is_counted]).max()
    upos = np.array(index.upos)[of_word.index]
    document, n_documents = index.document[of_word.index], len(index.start_of_document) - 1
    groups = [("tag", tag, (tag,)) for tag in UPOS_TAGS] + [("class", name, tags) for name, tags in CLASSES.items()]
    for kind, name, tags in groups:
        chosen = np.isin(upos, tags)
        if not chosen.any():
            continue
        values = of_word.to_numpy(dtype=float)[chosen]
        sums = np.bincount(document[chosen], values, minlength=n_documents)
        counts = np.bincount(document[chosen], minlength=n_documents)
        interval = ratio_interval(sums[None], counts, level=level)
        yield {
            "kind": kind,
            "tag": name,
            "words": len(values),
            "documents": int((counts > 0).sum()),
            "is_few": len(values) < FEWEST_ITEMS,
            "mean_depth": values.mean(),
            "mean_depth_low": interval.low[0],
            "mean_depth_high": interval.high[0],
            "median_depth": float(np.median(values)),
        }
