"""What the page shows of a sweep: every variant's measures, proxies, parts of speech, and what is needed most, in words."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from layerscope.paths.families import DEPTHS
from layerscope.report.packing import Packing, rounded
from layerscope.sweeps.analysis.comparison import relative_depth
from layerscope.sweeps.analysis.few_texts import with_warning
from layerscope.sweeps.analysis.headlines import family_headline
from layerscope.sweeps.analysis.places import stands_at
from layerscope.sweeps.analysis.tag_findings import tag_finding
from layerscope.sweeps.record import OriginRecord

_FIRST_LAYERS = 2
"""Layers without which a model always breaks: the page does not open on them."""
_LATE = 0.8
_MEASURES = {
    "ppl": "ppl",
    "nll": "nll_nats",
    "delta": "delta_nll_nats",
    "low": "delta_nll_low_nats",
    "high": "delta_nll_high_nats",
    "q": "q_value",
    "bpb": "bits_per_byte",
    "accuracy": "top1_accuracy",
    "agreement": "agreement",
    "kl": "kl_nats",
    "block_influence": "block_influence",
    "angular_distance": "angular_distance",
    "not_finite": "tokens_not_finite",
}
_OF_TAGS = {
    "variant": "variant",
    "unit": "unit",
    "tag": "tag",
    "kind": "kind",
    "items": "items",
    "few": "is_few",
    "intact": "intact_nll_nats",
    "delta": "delta_nll_nats",
    "delta_low": "delta_nll_low_nats",
    "delta_high": "delta_nll_high_nats",
    "delta_q": "q_value",
    "contrast": "contrast_nats",
    "contrast_low": "contrast_low_nats",
    "contrast_high": "contrast_high_nats",
    "contrast_q": "contrast_q_value",
    "relative": "relative_change",
    "agreement": "agreement",
}


_OF_DEPTHS = {
    "family": "family",
    "tag": "tag",
    "words": "words",
    "few": "is_few",
    "mean": "mean_depth",
    "low": "mean_depth_low",
    "high": "mean_depth_high",
    "median": "median_depth",
}


def sweep_data(
    layers: pd.DataFrame,
    proxies: pd.DataFrame,
    pos: pd.DataFrame | None,
    *,
    n_layers: int,
    origin: OriginRecord | None = None,
    packing: Packing,
    depths: pd.DataFrame | None = None,
    depth_by_tag: pd.DataFrame | None = None,
) -> dict[str, Any]:
    """The tables of a sweep as the page reads them.

    Args:
        layers: layers.parquet, the intact model first.
        proxies: proxies.parquet.
        pos: pos.parquet; None where the run was not tagged.
        n_layers: of the model.
        origin: what it was exported from.
        packing: takes what is large.
        depths: prediction_depth.parquet; None without a family of depths.
        depth_by_tag: depth_by_tag.parquet; None where that was not made.
    """
    first, last = (stands_at(layers, name) for name in ("span_first", "span_last"))
    variants = layers[["variant", "family", "path"]].rename(columns={"variant": "name"})
    variants = variants.assign(first=first, last=last, depth=relative_depth(first, last, n_layers))
    variants = variants.assign(**{name: layers[column] for name, column in _MEASURES.items()})
    if depths is not None:
        of_family = {str(family): rows["depth"] for family, rows in depths.groupby("family", observed=True)}
        variants["stays"] = [
            float((of_family[family] <= at).mean()) if family in of_family else None
            for family, at in zip(layers["family"].astype(str), last, strict=True)
        ]
    families = list(dict.fromkeys(layers["family"][1:].astype(str)))
    n_texts = int(layers["documents"].iloc[0])
    keys = variant_keys(variants)
    return {
        "layers": n_layers,
        "origin": _origin(origin),
        "families": families,
        "keys": {family: keys[(variants["family"] == family).to_numpy()].tolist() for family in families},
        "key_of": dict(zip(variants["name"].astype(str), keys, strict=True)),
        "opens": {family: opening_key(variants, keys, family) for family in families},
        "variants": packing.table(variants),
        "proxies": rounded(proxies.astype(object).to_dict("records")),
        "needs": {family: _finding(layers[layers["family"] == family]) for family in families},
        "pos": None if pos is None else packing.table(_tags(pos)),
        "depth_by_tag": None if depth_by_tag is None else _depths(depth_by_tag),
        "tags_found": {} if pos is None else {name: _tag_finding(pos, name, n_texts) for name in families},
    }


def variant_keys(variants: pd.DataFrame) -> np.ndarray:
    """What an address calls each variant: the layer where it is the only one of its family there, else its name."""
    alone = ~variants.duplicated(["family", "first"], keep=False) & variants["first"].notna()
    return np.array(
        [
            f"{first:.0f}" if is_alone else str(name)
            for first, name, is_alone in zip(variants["first"], variants["name"], alone, strict=True)
        ]
    )


def opening_key(variants: pd.DataFrame, keys: np.ndarray, family: str) -> str:
    """The variant that the page opens on: the largest effect outside the first two layers; of depths one that is late."""
    rows = np.flatnonzero((variants["family"] == family).to_numpy())
    if family.split(":")[0] in DEPTHS:
        return str(keys[rows[int(len(rows) * _LATE)]])
    effects = variants["delta"].to_numpy(dtype=np.float64, na_value=np.nan)[rows]
    first = variants["first"].to_numpy(dtype=np.float64, na_value=np.nan)[rows]
    effects = np.where(np.isfinite(effects), effects, -np.inf)
    later = np.where(first >= _FIRST_LAYERS, effects, -np.inf)
    return str(keys[rows[int(np.argmax(later if np.isfinite(later).any() else effects))]])


def _origin(origin: OriginRecord | None) -> dict[str, Any] | None:
    """Numbers of an exported model's layers in the model that it comes from, where they kept their order."""
    places = None if origin is None else origin.places()
    return (
        None if origin is None or places is None else {"model": origin.model, "layers": origin.layers, "places": list(places)}
    )


def _tags(pos: pd.DataFrame) -> pd.DataFrame:
    shown = pos[pos["variant"] != "intact"]
    return pd.DataFrame({name: shown[column] for name, column in _OF_TAGS.items()})


def _depths(by_tag: pd.DataFrame) -> list[dict[str, Any]]:
    """Mean prediction depths, all words first."""
    rows = by_tag.astype({"family": str, "kind": str, "tag": str})
    rows = pd.concat([rows[rows["tag"] == "all"], rows[rows["kind"] == "tag"]])
    shown = pd.DataFrame({name: rows[column] for name, column in _OF_DEPTHS.items()})
    found: list[dict[str, Any]] = rounded(shown.astype(object).to_dict("records"))
    return found


def _finding(family: pd.DataFrame) -> dict[str, str]:
    """What a family comes to, by language; nothing of a single variant."""
    if len(family) < 2:
        return {"en": "", "ja": ""}
    return with_warning(family_headline(family).said, int(family["documents"].iloc[0]))._asdict()


def _tag_finding(pos: pd.DataFrame, family: str, n_texts: int) -> dict[str, str]:
    return with_warning(tag_finding(pos[pos["family"] == family]), n_texts)._asdict()
