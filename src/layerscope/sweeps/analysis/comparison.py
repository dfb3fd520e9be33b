"""Several models over one axis: each one's profile, the effect or perplexity of every variant of a family, in one unit.

Relative depth puts models with different numbers of layers L over one axis: the middle of the layers that a variant touches,
divided by L − 1. Removing layer i lies at i / (L − 1), exchanging i and i+1 at (i + 0.5) / (L − 1).

Nats per token depend on how a tokenizer cuts the text. Bits per byte do not: nats × scored tokens / ln 2 / bytes that those
tokens cover. Parts of speech are per word, in nats or in bits, because a word is the same word to every tokenizer.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from jaxtyping import Float

from layerscope.language.words import UPOS_TAGS
from layerscope.sweeps.analysis.places import stands_at

Measure = Literal["delta", "ppl"]
Unit = Literal["nats", "bits"]
Axis = Literal["layer", "depth"]

OVERALL = "all"
"""Stands where a tag stands, for all scored tokens together."""


@dataclass(frozen=True, eq=False)
class ComparedModel:
    """One model of a comparison, with all that is known of its run."""

    name: str
    """As the legend has it; no two models of a comparison share one."""
    source: str
    """The run directory or file, as the user wrote it."""
    n_layers: int
    """Layers of the model."""
    layers: pd.DataFrame
    """The rows of layers.parquet, the intact model among them."""
    tokens_scored: int | None = None
    """Scored tokens; None where it is not known."""
    bytes_scored: float | None = None
    """UTF-8 bytes that they cover; None where it is not known."""
    words: pd.DataFrame | None = None
    """The rows of pos.parquet for words and single parts of speech; None where the run is not tagged."""
    places: tuple[int, ...] | None = None
    """Number of each layer in the model that this one was exported from; None where layers stand by their own numbers."""
    of_layers: int | None = None
    """Layers of that model."""

    @property
    def axis_layers(self) -> int:
        """Layers of the model whose numbers stand on the axis."""
        return self.n_layers if self.of_layers is None else self.of_layers


@dataclass(frozen=True)
class View:
    """What is shown, over what and in which unit."""

    measure: Measure
    """``delta``: variant − intact; ``ppl``: how well the variant itself predicts."""
    unit: Unit
    """``nats`` per token and per word, perplexity as their exponential; ``bits`` per byte and per word."""
    axis: Axis
    """Layer number, or relative depth."""
    of_text_means: bool = False
    """True where all that is known are means over texts of each text's perplexity."""


def relative_depth(
    first: Float[np.ndarray, " variant"], last: Float[np.ndarray, " variant"], n_layers: int
) -> Float[np.ndarray, " variant"]:
    """Where in a model its variants change it.

    Args:
        first: first layer that each touches.
        last: last layer that each touches.
        n_layers: L, the number of layers of the model.

    Returns:
        The middle of those layers / (L − 1): 0 for the first layer, 1 for the last.
    """
    depth: np.ndarray = (first + last) / 2.0 / max(n_layers - 1, 1)
    return depth


def profile(model: ComparedModel, family: str, *, tag: str = OVERALL) -> pd.DataFrame:
    """What each variant of a family does to one model, in the order of the layers.

    Args:
        model: where from.
        family: in its written form.
        tag: a universal part of speech that the model's ``words`` have, or ``OVERALL``.

    Returns:
        One row per variant: ``variant``, ``layer``, ``depth``; in nats per token, or per word for a tag, ``intact_nll_nats``,
        ``nll_nats``, ``delta_nll_nats`` and its interval ``low_nats``, ``high_nats`` (NaN where there is none).
    """
    layers = model.layers
    if tag == OVERALL:
        intact = float(layers.loc[layers["family"] == "intact", "nll_nats"].iloc[0])
        rows = layers[layers["family"] == family].assign(intact_nll_nats=intact)
    else:
        assert model.words is not None, f"'{model.source}' has no parts of speech"
        chosen = model.words[(model.words["family"] == family) & (model.words["tag"] == tag)]
        spans = layers.set_index("variant")["span_last"]
        rows = chosen.assign(span_last=spans.loc[chosen["variant"].astype(str)].to_numpy())
    first, last = (_on_axis(stands_at(rows, name), model) for name in ("span_first", "span_last"))
    numbers = {
        "intact_nll_nats": "intact_nll_nats",
        "nll_nats": "nll_nats",
        "delta_nll_nats": "delta_nll_nats",
        "low_nats": "delta_nll_low_nats",
        "high_nats": "delta_nll_high_nats",
    }
    return (
        pd.DataFrame(
            {
                "variant": rows["variant"].astype(str).to_numpy(),
                "layer": first.astype(int),
                "depth": relative_depth(first, last, model.axis_layers),
                **{name: rows[column].to_numpy(dtype=float) for name, column in numbers.items()},
            }
        )
        .sort_values("layer", kind="stable")
        .reset_index(drop=True)
    )


def curves(models: Sequence[ComparedModel], families: Sequence[str], view: View, *, tags: Sequence[str] = ()) -> pd.DataFrame:
    """The lines of a comparison's figures.

    Args:
        models: in the order of the legend.
        families: that every model has.
        view: what is shown; bits need ``bytes_scored`` of every model.
        tags: parts of speech that every model's ``words`` have.

    Returns:
        One row per family, tag (``OVERALL`` first), model and variant: ``family``, ``tag``, ``model``, ``variant``, ``layer``,
        ``depth``; in the view's unit ``value``, its interval ``low``, ``high``, and ``intact``, the intact model's value.
    """
    frames = []
    for family in families:
        for tag in (OVERALL, *tags):
            for model in models:
                rows = profile(model, family, tag=tag)
                shown = _in_unit(rows, view, bits=bits_a_nat(model, tag) if view.unit == "bits" else None)
                frames.append(shown.assign(family=family, tag=tag, model=model.name))
    return pd.concat(frames, ignore_index=True)


def bits_a_nat(model: ComparedModel, tag: str) -> float:
    """What nats per token are multiplied with to give bits per byte; for a tag, nats per word to give bits per word."""
    if tag != OVERALL:
        return 1.0 / math.log(2.0)
    assert model.tokens_scored is not None, f"'{model.source}' does not say how many tokens were scored"
    assert model.bytes_scored, f"'{model.source}' does not say how many bytes were scored"
    return model.tokens_scored / math.log(2.0) / model.bytes_scored


def often_everywhere(models: Sequence[ComparedModel]) -> list[str]:
    """Parts of speech with 200 words or more in every model's run; none where a run is not tagged."""
    often = [
        set() if model.words is None else set(model.words.loc[~model.words["is_few"].astype(bool), "tag"].astype(str))
        for model in models
    ]
    return [tag for tag in UPOS_TAGS if all(tag in tags for tags in often)]


def _on_axis(at: Float[np.ndarray, " variant"], model: ComparedModel) -> Float[np.ndarray, " variant"]:
    """Layers by the numbers of the axis; the embeddings, −1, stay before them."""
    if model.places is None:
        return at
    return np.where(at < 0, at, np.take(np.array(model.places, dtype=float), np.maximum(at, 0).astype(int)))


def _in_unit(rows: pd.DataFrame, view: View, *, bits: float | None) -> pd.DataFrame:
    """A profile's values, intervals and intact line as they are drawn; ``bits`` is the factor from nats, None for nats."""
    shown = rows[["variant", "layer", "depth"]].copy()
    delta = rows[["delta_nll_nats", "low_nats", "high_nats"]].to_numpy()
    intact = rows["intact_nll_nats"].to_numpy()
    with np.errstate(over="ignore"):  # a perplexity past the range of doubles is infinite
        if view.measure == "delta":
            drawn, baseline = delta * (bits or 1.0), np.zeros_like(intact)
        else:
            levels = np.column_stack([rows["nll_nats"], intact[:, None] + delta[:, 1:]])
            drawn, baseline = (
                (np.exp(levels), np.exp(intact)) if bits is None else (levels * bits, intact * bits)
            )  # perplexity is an exponential of nats; bits per byte are shown as they are
    shown["value"], shown["low"], shown["high"] = drawn.T
    shown["intact"] = baseline
    return shown
