"""What the contrast engine returns, as the tables that are written a group at a time: pure conversion, no disk."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
from jaxtyping import Float, Int

from layerscope.contrasts.blocks import N_BLOCKS
from layerscope.contrasts.engine.groups import GroupContrast, PairValues
from layerscope.contrasts.engine.reference import Reference
from layerscope.contrasts.tables import BLOCKS, DIFFERENCES, MOVEMENT, PREDICTIONS, REFERENCE, VALUES


def reference_table(reference: Reference, unembedding: Float[np.ndarray, " d_model"]) -> pa.Table:
    """One row per site, layer and dimension."""
    sites = list(reference.mean)
    shape = (len(sites), *reference.mean[sites[0]].shape)
    site, layer, dim = _axes(shape)
    return REFERENCE.build(
        {
            "site": _names(site, sites),
            "layer": layer,
            "dim": dim,
            "mean": _flat([reference.mean[name] for name in sites]),
            "spread": _flat([reference.spread[name] for name in sites]),
            "size": _flat([reference.size[name] for name in sites]),
            "unembedding": np.broadcast_to(unembedding.astype(np.float32), shape).ravel(),
        }
    )


def differences_table(
    group: str,
    contrast: GroupContrast,
    *,
    sites: Sequence[str],
    positions: Sequence[str],
    spread: Float[np.ndarray, "site layer d_model"],
) -> pa.Table:
    """One row per cell of a group."""
    sums = contrast.sums
    shape = sums.mean.shape
    site, position, layer, dim = _axes(shape)
    n_rows = site.size
    weights = sums.block_pairs[:, None, :, None, None]
    is_read = sums.block_percentile is not None
    percentile = np.zeros(shape)
    if sums.block_percentile is not None:
        total = np.nansum(weights * sums.block_percentile.mean(axis=0), axis=0, dtype=np.float64)
        percentile = total / np.maximum(sums.pairs, 1)[None, :, None, None]
    is_there = np.broadcast_to((sums.pairs > 0)[None, :, None, None], shape)
    low, middle, high = sums.quantiles
    with np.errstate(divide="ignore", invalid="ignore"):
        z = sums.mean / spread[:, None]
    return DIFFERENCES.build(
        {
            "group": _names(np.zeros(n_rows, dtype=np.int32), [group]),
            "site": _names(site, sites),
            "position": _names(position, positions),
            "layer": layer,
            "dim": dim,
            "pairs": np.broadcast_to(sums.pairs[None, :, None, None], shape).ravel(),
            "mean": _flat(sums.mean),
            "variance": _flat(sums.variance),
            "z": _with_gaps(z, is_there & np.isfinite(z)),
            "relative": _flat(sums.relative),
            "percentile": _with_gaps(percentile, is_there & is_read),
            "zeros": sums.zeros.ravel(),
            "q10": _flat(low),
            "q50": _flat(middle),
            "q90": _flat(high),
        }
    )


def blocks_table(
    group: str,
    contrast: GroupContrast,
    *,
    sites: Sequence[str],
    positions: Sequence[str],
    spread: Float[np.ndarray, "site layer d_model"],
) -> pa.Table:
    """One row per site, position, block and layer that holds a pair: what is read together lies together."""
    sums = contrast.sums
    assert sums.block_percentile is not None, "reference controls are not compared"
    by_place = np.moveaxis(sums.block_mean[:N_BLOCKS], 0, 2)
    shape = by_place.shape[:-1]
    site, position, block, layer = _axes(shape)
    pairs = np.broadcast_to(sums.block_pairs[:N_BLOCKS].T[None, :, :, None], shape).ravel()
    there = np.flatnonzero(pairs > 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        z = np.where(spread[:, None, None] > 0, by_place / spread[:, None, None], 0.0)
    return BLOCKS.build(
        {
            "group": _names(np.zeros(len(there), dtype=np.int32), [group]),
            "block": block[there],
            "site": _names(site[there], sites),
            "position": _names(position[there], positions),
            "layer": layer[there],
            "pairs": pairs[there],
            "log_size": np.moveaxis(sums.block_log_size[:N_BLOCKS], 0, 2).ravel()[there],
            "z": _lists(z, there, np.float16),
            **{
                f"percentile{number}": _lists(np.moveaxis(by_reference[:N_BLOCKS], 0, 2), there, np.float16)
                for number, by_reference in enumerate(sums.block_percentile, start=1)
            },
        }
    )


def predictions_table(contrast: GroupContrast, pairs: Int[np.ndarray, " pair"]) -> pa.Table:
    """One row per pair and distance."""
    measures = contrast.measures
    row, distance = np.nonzero(np.isfinite(measures.kl_nats) | np.isfinite(measures.nll_nats).any(axis=0))
    nll = measures.nll_nats[:, row, distance]
    return PREDICTIONS.build(
        {
            "pair": pairs[row],
            "distance": distance,
            "nll1_nats": _with_gaps(nll[0], np.isfinite(nll[0])),
            "nll2_nats": _with_gaps(nll[1], np.isfinite(nll[1])),
            "kl_nats": measures.kl_nats[row, distance],
        }
    )


def movement_table(contrast: GroupContrast, pairs: Int[np.ndarray, " pair"], *, positions: Sequence[str]) -> pa.Table:
    """One row per pair, position and layer."""
    measures = contrast.measures
    has = np.isfinite(measures.size[:, :, :1]) & np.ones(measures.toward_first.shape, dtype=bool)
    row, position, layer = np.nonzero(has)
    first, second = measures.toward_first[row, position, layer], measures.toward_second[row, position, layer]
    return MOVEMENT.build(
        {
            "pair": pairs[row],
            "position": _names(position, positions),
            "layer": layer,
            "size_before": measures.size[row, position, layer],
            "size_after": measures.size[row, position, layer + 1],
            "toward_first": _with_gaps(first, np.isfinite(first)),
            "toward_second": _with_gaps(second, np.isfinite(second)),
        }
    )


def values_table(values: Sequence[PairValues], pairs: Int[np.ndarray, " pair"], *, positions: Sequence[str]) -> pa.Table:
    """One row per pair, site, position and layer that were kept."""
    sites = sorted({one.site for one in values})
    columns: dict[str, list[np.ndarray]] = {name: [] for name in ("pair", "site", "position", "layer", "difference")}
    for one in values:
        row, position = np.nonzero(np.isfinite(one.difference).all(axis=2))
        columns["pair"].append(pairs[one.members[row]])
        columns["site"].append(np.full(len(row), sites.index(one.site), dtype=np.int32))
        columns["position"].append(position)
        columns["layer"].append(np.full(len(row), one.layer))
        columns["difference"].append(one.difference[row, position])
    joined = {name: np.concatenate(parts) for name, parts in columns.items()}
    return VALUES.build(
        {
            "pair": joined["pair"],
            "site": _names(joined["site"], list(sites)),
            "position": _names(joined["position"], positions),
            "layer": joined["layer"],
            "difference": _lists(joined["difference"], np.arange(len(joined["pair"])), np.float32),
        }
    )


def _axes(shape: tuple[int, ...]) -> list[Int[np.ndarray, " row"]]:
    return [axis.ravel().astype(np.int32) for axis in np.indices(shape, sparse=False)]


def _names(codes: Int[np.ndarray, " row"], names: Sequence[str]) -> pa.Array:
    return pa.DictionaryArray.from_arrays(pa.array(codes.astype(np.int32)), pa.array(list(names)))


def _flat(values: object) -> np.ndarray:
    return np.asarray(values, dtype=np.float32).ravel()


def _with_gaps(values: np.ndarray, is_there: np.ndarray) -> pa.Array:
    return pa.array(_flat(values), mask=~np.broadcast_to(is_there, np.shape(values)).ravel())


def _lists(values: np.ndarray, rows: Int[np.ndarray, " row"], dtype: type) -> pa.Array:
    width = values.shape[-1]
    flat = values.reshape(-1, width)[rows].astype(dtype).ravel()
    offsets = np.arange(len(rows) + 1, dtype=np.int32) * width
    return pa.ListArray.from_arrays(pa.array(offsets), pa.array(flat))
