"""From a finished contrast run to what stays still: rankings, consistency, layer and type specificity, correction, a reading.

Everything is read from the run directory; no model is needed. Inference is on the primary scale, the control percentile; the
raw scale stands beside it with its values.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field

import numpy as np
import pandas as pd

from layerscope.contrasts.analysis.consistency import consistency
from layerscope.contrasts.analysis.contraction import divergences, layer_effects, moves
from layerscope.contrasts.analysis.reading import read_stability
from layerscope.contrasts.analysis.rows import (
    consistency_rows,
    effect_rows,
    layer_agreement_rows,
    layer_share_rows,
    ranking_rows,
    with_q,
)
from layerscope.contrasts.analysis.specificity import layer_shares, type_specificity
from layerscope.contrasts.analysis.stillest import SCALES, spread_explains, standing_out
from layerscope.contrasts.enough import FEWEST_PAIRS_A_DIMENSION, is_enough, refusal
from layerscope.contrasts.figures.units import LIKE_CONTROL, stability_figures
from layerscope.contrasts.finished import FinishedContrast
from layerscope.contrasts.tables import (
    CONSISTENCY,
    CONTRACTION,
    DIMENSIONS,
    DIVERGENCE,
    LAYER_AGREEMENT,
    LAYER_SPECIFICITY,
    PREFERENCES,
    RANKING,
    SPREAD_EXPLAINS,
    TYPE_SPECIFICITY,
)
from layerscope.errors import RunError
from layerscope.progress import Progress, nobody_asks
from layerscope.results.schema import Table

LEVEL = 0.05
_WITH_BLOCKS = ("percentile", "raw", "z")
"""Scales whose blocks are kept, so that there is something to resample."""


@dataclass(frozen=True)
class StabilityRequest:
    """What to ask of a run."""

    k: int = 50
    """Dimensions a layer (and units over all layers) that count as those that change least."""
    n_resamples: int = 200
    """Bootstrap draws, and as many permutations."""
    sites: tuple[str, ...] | None = None
    """Of the run; all if None."""
    positions: tuple[str, ...] | None = None
    """Of the run; all if None."""
    seed: int = 42
    """Of the resampling."""


@dataclass
class Stability:
    """What was found; each frame is a table of the run directory."""

    site: str
    """Of the figures and of the reading."""
    position: str
    """Likewise."""
    reading: dict[str, str]
    """The written reading by language."""
    refused: tuple[str, ...]
    """Groups without inference, with the reason."""
    frames: dict[str, pd.DataFrame] = field(default_factory=dict)
    """By file name."""

    def frame(self, table: Table) -> pd.DataFrame:
        """One of the tables."""
        return self.frames[table.name]


def find_stability(run: FinishedContrast, request: StabilityRequest, progress: Progress = nobody_asks) -> Stability:
    """Write every table, figure and the reading into the run directory.

    Raises:
        RunError: k does not fit the model, or the run lacks a site or position that is asked for, or pairs that have one.
    """
    sites, positions = _check(run, request)
    places = [(site, position) for site in sites for position in positions]
    parts: dict[str, list[pd.DataFrame]] = {}
    with ThreadPoolExecutor(max_workers=min(len(places), os.cpu_count() or 1)) as pool:
        seeds = np.random.SeedSequence(request.seed).spawn(len(places))
        tasks = [pool.submit(_at_place, run, request, place, seed) for place, seed in zip(places, seeds, strict=True)]
        for done, (task, (site, position)) in enumerate(zip(tasks, places, strict=True), start=1):
            for name, frame in task.result().items():
                parts.setdefault(name, []).append(frame.assign(site=site, position=position))
            progress("Comparing at each site and position", done, len(places))
    if not parts:
        raise RunError(f"No pair of the run is long enough for {', '.join(positions)}: name other --positions.")
    frames = {name: pd.concat(found, ignore_index=True) for name, found in parts.items()}
    frames |= _movement(run, request, positions)
    frames[PREFERENCES.name] = _preferences(run)
    _correct(frames)
    if LAYER_AGREEMENT.name in frames:
        frames[DIMENSIONS.name] = _dimensions(run, frames[LAYER_AGREEMENT.name])
    with_pairs = set(frames[RANKING.name]["position"])
    site, position = main_place(sites, [name for name in positions if name in with_pairs])
    found = Stability(site, position, {}, refused(run, site, position), frames)
    for table in STABILITY_TABLES:
        if table.name in frames:
            run.directory.write_table(table, table.from_frame(frames[table.name]))
        else:  # an earlier analysis of other places may have left it
            run.directory.remove_table(table)
    found.reading.update(read_stability(run_facts(run, request, found), frames))
    run.directory.write_json("stability.json", {"request": asdict(request), "reading": found.reading, "refused": found.refused})
    for language, text in found.reading.items():
        run.directory.write_text(f"stability_{language}.md", text)
    _figures(run, request, found)
    return found


STABILITY_TABLES = (
    RANKING,
    SPREAD_EXPLAINS,
    CONSISTENCY,
    LAYER_AGREEMENT,
    LAYER_SPECIFICITY,
    TYPE_SPECIFICITY,
    DIMENSIONS,
    CONTRACTION,
    DIVERGENCE,
    PREFERENCES,
)
"""What an analysis leaves in the run directory, as far as there is material for it."""


def main_place(sites: Sequence[str], positions: Sequence[str]) -> tuple[str, str]:
    """Where figures and reading look: the residual stream just after the edit, or what comes nearest to it.

    The edit itself is mostly lexical, and last tokens of sentences are the strangest.
    """
    later = [position for position in positions if position.startswith("edit+")] or list(positions)
    return ("resid_post" if "resid_post" in sites else sites[0]), later[0]


def refused(run: FinishedContrast, site: str, position: str) -> tuple[str, ...]:
    """Groups that are too small for inference at a place, with the number that is needed."""
    there = {group.name: group.pairs for group in run.group_scores(site, position, "percentile")}
    found = []
    for row in run.groups.to_dict("records"):
        if row["role"] not in ("meaning", "grammar", "control"):
            continue
        of_block = there.get(str(row["group"]), np.zeros(0, dtype=np.int64))
        if not is_enough(int(of_block.sum()), len(of_block)):
            found.append(refusal(str(row["group"]), int(of_block.sum()), len(of_block)))
    return tuple(found)


def _check(run: FinishedContrast, request: StabilityRequest) -> tuple[tuple[str, ...], tuple[str, ...]]:
    if not 1 <= request.k <= run.width // 2:
        raise RunError(f"--k is from 1 to half of the model's {run.width} dimensions; got {request.k}.")
    if request.n_resamples < 0 or request.seed < 0:
        raise RunError(f"--resamples and --seed are 0 or more; got {request.n_resamples} and {request.seed}.")
    found = []
    for asked, there, option in ((request.sites, run.sites, "--sites"), (request.positions, run.positions, "--positions")):
        unknown = [name for name in asked or () if name not in there]
        if unknown:
            raise RunError(f"{option} names what the run has, {', '.join(there)}; got '{unknown[0]}'.")
        found.append(tuple(asked or there))
    return found[0], found[1]


def _at_place(
    run: FinishedContrast, request: StabilityRequest, place: tuple[str, str], seed: np.random.SeedSequence
) -> dict[str, pd.DataFrame]:
    """Everything about one site and position."""
    generator = np.random.default_rng(seed)
    site, position = place
    cells = run.cells(site, position)
    groups = {scale: run.group_scores(site, position, scale) for scale in _WITH_BLOCKS}
    roles = {group.name: group.role for group in groups["percentile"]}
    types = [name for name, role in roles.items() if role != "control"]
    sets = {"all": types} | {role: [name for name in types if roles[name] == role] for role in ("meaning", "grammar")}
    frames: dict[str, list[pd.DataFrame]] = {}
    for name, members in {**sets, **{name: [name] for name in types}}.items():
        if not members:
            continue
        scores = {scale: np.mean([cells[scale][member] for member in members], axis=0) for scale in SCALES}
        of_set = {scale: [group for group in groups[scale] if group.name in members] for scale in _WITH_BLOCKS}
        ranking = ranking_rows(
            name, scores, run.spread(site), of_set, k=request.k, within_layers=name in sets, generator=generator
        )
        frames.setdefault(RANKING.name, []).append(ranking)
        if name in sets:
            frames.setdefault(SPREAD_EXPLAINS.name, []).append(_spread_rows(name, scores, run.spread(site)))
    for scale in ("percentile", "raw"):
        n_resamples = request.n_resamples if scale == "percentile" else 0
        found = consistency(groups[scale], request.k, generator=generator, n_resamples=n_resamples)
        if found is None:
            continue
        share = layer_shares(groups[scale], request.k * run.n_layers, generator=generator, n_resamples=n_resamples)
        types_found = type_specificity(groups[scale], generator=generator, n_resamples=n_resamples)
        rows = {
            CONSISTENCY.name: consistency_rows(found, groups[scale], request.k),
            LAYER_AGREEMENT.name: layer_agreement_rows(found),
            LAYER_SPECIFICITY.name: layer_share_rows(share),
            **({} if types_found is None else {TYPE_SPECIFICITY.name: pd.DataFrame([asdict(types_found)])}),
        }
        for name, frame in rows.items():
            frames.setdefault(name, []).append(frame.assign(scale=scale))
    return {name: pd.concat(parts, ignore_index=True) for name, parts in frames.items()}


def _spread_rows(name: str, scores: dict[str, np.ndarray], spread: np.ndarray) -> pd.DataFrame:
    rows = []
    for scale in SCALES:
        by_layer, overall = spread_explains(scores[scale], spread)
        values = [overall, *by_layer]
        rows += [
            {"set": name, "scale": scale, "layer": layer, "spearman": value}
            for layer, value in zip([None, *range(len(by_layer))], values, strict=True)
        ]
    return pd.DataFrame(rows)


def _movement(run: FinishedContrast, request: StabilityRequest, positions: Sequence[str]) -> dict[str, pd.DataFrame]:
    generator = np.random.default_rng([request.seed, 1])
    parts = []
    for position in positions:
        found = moves(run.movement, run.pairs, position=position, n_layers=run.n_layers)
        effects = effect_rows(layer_effects(found, generator=generator, n_resamples=request.n_resamples))
        parts.append(effects.assign(position=position))
    falls = [
        pd.DataFrame(asdict(one)).assign(distance=lambda frame: np.arange(len(frame)))
        for one in divergences(run.predictions, run.pairs, generator=generator, n_resamples=request.n_resamples)
    ]
    return {
        CONTRACTION.name: pd.concat(parts, ignore_index=True),
        DIVERGENCE.name: pd.concat(falls, ignore_index=True).dropna(subset=["kl_nats"]),
    }


def _preferences(run: FinishedContrast) -> pd.DataFrame:
    """Pairs with a wrong side, and those whose wrong side the model finds likelier."""
    judged = run.pairs[run.pairs["right"].notna() & run.pairs["prefers"].notna()]
    rows = []
    for name, some in judged.groupby("group", observed=True, sort=False):
        against = some["right"] != some["prefers"]
        rows.append(
            {
                "group": str(name),
                "pairs": len(some),
                "agreed": float(1.0 - against.mean()),
                "disagreeing": some["pair"][against].astype(int).tolist(),
            }
        )
    return pd.DataFrame(rows, columns=["group", "pairs", "agreed", "disagreeing"])


def _correct(frames: dict[str, pd.DataFrame]) -> None:
    """Benjamini-Hochberg over each family of tests."""
    families = {
        CONSISTENCY.name: ("scale", "measure"),
        LAYER_SPECIFICITY.name: ("set", "scale", "site", "position"),
        CONTRACTION.name: ("set", "quantity", "position"),
    }
    for name, family in families.items():
        if name in frames:
            with_q(frames[name], family)
    if LAYER_AGREEMENT.name in frames:
        layers = frames[LAYER_AGREEMENT.name]
        # of one place its layers, of the means over layers the places
        layers["family"] = np.where(layers["layer"].isna(), "", layers["site"] + "/" + layers["position"])
        frames[LAYER_AGREEMENT.name] = with_q(layers, ("set", "scale", "measure", "family")).drop(columns="family")
    if TYPE_SPECIFICITY.name in frames:
        types = frames[TYPE_SPECIFICITY.name]
        with_q(types, ("scale",), p="subtype_p", q="subtype_q")
        with_q(types, ("scale",), p="type_p", q="type_q")


def _dimensions(run: FinishedContrast, layers: pd.DataFrame) -> pd.DataFrame:
    """Single dimensions, inside layers whose stillest ones agree across subtypes more than the controls' do."""
    found = [pd.DataFrame(columns=[column.name for column in DIMENSIONS.columns])]
    passed = layers[
        (layers["measure"] == "jaccard")
        & (layers["scale"] == "percentile")
        & (layers["q_value"] < LEVEL)
        & layers["layer"].notna()
    ]
    for (site, position), of_place in passed.groupby(["site", "position"], sort=False):
        groups = run.group_scores(str(site), str(position), "percentile")
        cells = run.cells(str(site), str(position))
        controls = [group.name for group in groups if group.role == "control"]
        for name, rows in of_place.groupby("set", sort=False):
            members = [group for group in groups if group.role != "control" and name in ("all", group.role)]
            n_pairs = int(sum(group.pairs.sum() for group in members))
            if n_pairs < FEWEST_PAIRS_A_DIMENSION:
                continue
            chosen = [group for group in groups if group.role == "control"]
            units = standing_out([*members, *chosen], rows["layer"].astype(int).tolist(), level=LEVEL)
            at = (units.layer, units.dim)
            percentile = np.mean([cells["percentile"][group.name] for group in members], axis=0)[at]
            control = np.mean([cells["median"][other] for other in controls], axis=0)[at]
            with np.errstate(divide="ignore", invalid="ignore"):
                ratios = np.mean([np.log(cells["median"][group.name][at] / control) for group in members], axis=0)
            found.append(
                pd.DataFrame(
                    {
                        "set": name,
                        "site": site,
                        "position": position,
                        "layer": units.layer,
                        "dim": units.dim,
                        "pairs": n_pairs,
                        "percentile": percentile,
                        "cliffs_delta": 2 * percentile - 1,
                        "log_ratio_of_medians": np.where(np.isfinite(ratios), ratios, np.nan),
                        "p_value": units.p_value,
                        "q_value": units.q_value,
                    }
                )
            )
    return pd.concat([frame for frame in found if len(frame)] or found, ignore_index=True)


def run_facts(run: FinishedContrast, request: StabilityRequest, found: Stability) -> dict[str, object]:
    """What a reading says about the run itself."""
    return {
        "model": run.model,
        "pairs": run.request["pairs"],
        "k": request.k,
        "width": run.width,
        "layers": run.n_layers,
        "site": found.site,
        "position": found.position,
        "n_resamples": request.n_resamples,
        "groups": run.groups,
        "refused": found.refused,
        "below_control": _below_control(run, found),
    }


def _below_control(run: FinishedContrast, found: Stability) -> float | None:
    """Share of all units that change less than under a random word, all types together, at the main place."""
    types = set(run.groups["group"][run.groups["role"].isin(["meaning", "grammar"])].astype(str))
    cells = run.cells(found.site, found.position)["percentile"]
    of_types = [values for name, values in cells.items() if name in types]
    return float((np.mean(of_types, axis=0) < LIKE_CONTROL).mean()) if of_types else None


def _figures(run: FinishedContrast, request: StabilityRequest, found: Stability) -> None:
    cells = run.cells(found.site, found.position)
    roles = dict(zip(run.groups["group"].astype(str), run.groups["role"], strict=True))

    def mean(scale: str, wanted: Sequence[str]) -> np.ndarray:
        return np.asarray(np.mean([values for name, values in cells[scale].items() if roles[name] in wanted], axis=0))

    there = {role for name, role in roles.items() if name in cells["raw"]}
    types = [role for role in ("meaning", "grammar") if role in there]
    figures = stability_figures(
        ranking=found.frame(RANKING),
        consistency=found.frames.get(CONSISTENCY.name),
        layer_agreement=found.frames.get(LAYER_AGREEMENT.name),
        layer_specificity=found.frames.get(LAYER_SPECIFICITY.name),
        contraction=found.frame(CONTRACTION),
        divergence=found.frame(DIVERGENCE),
        cells={"percentile": mean("percentile", types), "raw": mean("raw", types), "spread": run.spread(found.site)},
        by_type={role: mean("raw", (role,)) for role in (*types, "control") if role in there},
        roles=roles,
        model=run.model,
        pairs=run.request["pairs"],
        site=found.site,
        position=found.position,
        k=request.k,
    )
    for name, figure in figures.items():
        run.directory.write_figure(name, figure)
