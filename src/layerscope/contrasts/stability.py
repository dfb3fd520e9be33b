"""From a finished contrast run to what stays still: rankings, consistency, layer and type specificity, correction, a reading.

Everything is read from the run directory; no model is needed. Inference is on the primary scale, the percentile among changes
of similar size; the raw scale stands beside it with its values.
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field

import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits

from layerscope.bilingual import LANGUAGES, Bilingual
from layerscope.contrasts.analysis.place import Place, main_place
from layerscope.contrasts.analysis.reading import read_stability, stability_findings
from layerscope.contrasts.analysis.stability import correct, dimensions_table, movement_tables, place_tables, preferences_table
from layerscope.contrasts.figures.units import STABILITY_FIGURES
from layerscope.contrasts.finished import FinishedContrast
from layerscope.contrasts.tables import (
    DIMENSIONS,
    LAYER_AGREEMENT,
    PREFERENCES,
    RANKING,
    STABILITY_TABLES,
)
from layerscope.errors import RunError
from layerscope.progress import Progress, nobody_asks
from layerscope.results.schema import Table


@dataclass(frozen=True)
class StabilityRequest:
    """What to ask of a run.

    Examples:
        >>> ls.StabilityRequest(k=20, positions=("edit+1",)).n_resamples
        999
    """

    k: int = 50
    """How many dimensions per layer (and units over all layers) count as those that change least."""
    n_resamples: int = 999
    """Swaps with placebos, and bootstrap draws."""
    sites: tuple[str, ...] | None = None
    """Those of the run to analyse; all if None."""
    positions: tuple[str, ...] | None = None
    """Those of the run to analyse; all if None."""
    seed: int = 42
    """Seed of the resampling."""


@dataclass
class Stability:
    """What was found; each frame is a table of the run directory."""

    site: str
    """Of the figures and of the reading."""
    position: str
    """Likewise."""
    reading: Bilingual
    """The written reading, as Markdown."""
    refused: tuple[str, ...]
    """Groups without inference, with the reason."""
    frames: dict[str, pd.DataFrame] = field(default_factory=dict)
    """By file name."""

    def frame(self, table: Table) -> pd.DataFrame:
        """One of the tables."""
        return self.frames[table.name]


def find_stability(run: FinishedContrast, request: StabilityRequest, progress: Progress = nobody_asks) -> Stability:
    """Analyse what changes least, and write every table and the text that summarises them into the run directory.

    Raises:
        RunError: k does not fit the model, the run lacks a site or position that is asked for, or pairs that have one, or
            another process writes to the run directory.

    Examples:
        >>> run = ls.FinishedContrast.open(Path("results/contrast/my_model_pairs_nall"))
        >>> found = ls.find_stability(run, ls.StabilityRequest(k=5, n_resamples=19, positions=("edit+1",)))
        >>> found.site, found.reading.en.splitlines()[4]
        ('resid_post', '## Is it the same for every type of pair? (consistency)')
    """
    with run.directory.alone():
        return _find_stability(run, request, progress)


def _find_stability(run: FinishedContrast, request: StabilityRequest, progress: Progress) -> Stability:
    readings = {language: f"stability_{language}.md" for language in LANGUAGES}
    run.directory.check_places(*(table.name for table in STABILITY_TABLES), "stability.json", *readings.values())
    sites, positions = _check(run, request)
    places = [(site, position) for site in sites for position in positions]
    parts: dict[str, list[pd.DataFrame]] = {}
    n_cores = os.cpu_count() or 1
    n_workers = min(len(places), n_cores)
    # places side by side: threads of products within each would wait for one another
    with threadpool_limits(max(1, n_cores // n_workers), user_api="blas"), ThreadPoolExecutor(n_workers) as pool:
        seeds = np.random.SeedSequence(request.seed).spawn(len(places))
        tasks = [pool.submit(_analysed, run, request, place, seed) for place, seed in zip(places, seeds, strict=True)]
        for done, (task, (site, position)) in enumerate(zip(tasks, places, strict=True), start=1):
            for name, frame in task.result().items():
                parts.setdefault(name, []).append(frame.assign(site=site, position=position))
            progress("Comparing at each site and position", done, len(places))
    if RANKING.name not in parts:
        raise RunError(
            f"At {', '.join(positions)} no pair of the types, or none of a reference, is long enough: name other --positions."
        )
    frames = {name: pd.concat(found, ignore_index=True) for name, found in parts.items()}
    frames |= movement_tables(
        run.movement,
        run.predictions,
        run.pairs,
        positions=positions,
        n_layers=run.n_layers,
        n_resamples=request.n_resamples,
        generator=np.random.default_rng([request.seed, 1]),
    )
    frames[PREFERENCES.name] = preferences_table(run.pairs)
    correct(frames)
    if LAYER_AGREEMENT.name in frames:
        frames[DIMENSIONS.name] = dimensions_table(run.place, frames[LAYER_AGREEMENT.name])
    with_pairs = set(frames[RANKING.name]["position"])
    main = run.place(*main_place(sites, [name for name in positions if name in with_pairs]))
    found = Stability(main.site, main.position, Bilingual("", ""), refused(run.groups, main), frames)
    for table in STABILITY_TABLES:
        if table.name in frames:
            run.directory.write_table(table, table.from_frame(frames[table.name]))
        else:  # an earlier analysis of other places may have left it
            run.directory.remove_table(table)
    facts = run_facts(run, request, found)
    found.reading = read_stability(facts, frames)
    run.directory.write_json(
        "stability.json",
        {
            "request": asdict(request),
            "site": found.site,
            "position": found.position,
            "reading": found.reading._asdict(),
            "findings": [one._asdict() for one in stability_findings(facts, frames)],
            "refused": found.refused,
        },
    )
    for language, name in readings.items():
        run.directory.write_text(name, found.reading.of(language))
    run.directory.remove_figures(*STABILITY_FIGURES)
    return found


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


def run_facts(run: FinishedContrast, request: StabilityRequest, found: Stability) -> dict[str, object]:
    """What a reading says about the run itself."""
    return {
        "model": run.model,
        "pairs": run.record.request.pairs,
        "k": request.k,
        "width": run.width,
        "layers": run.n_layers,
        "site": found.site,
        "position": found.position,
        "n_resamples": request.n_resamples,
        "groups": run.groups,
        "refused": found.refused,
    }


def refused(groups: pd.DataFrame, place: Place) -> tuple[str, ...]:
    """Types that nothing is inferred about at a place, each with the reason."""
    there = {group.name: group.refusal for group in place.matched["percentile"]}
    found = []
    for row in groups.to_dict("records"):
        if row["role"] in ("meaning", "grammar"):
            reason = there.get(str(row["group"]), f"{row['group']}: no pair with a placebo")
            found += [] if reason is None else [reason]
    return tuple(found)


def _analysed(
    run: FinishedContrast, request: StabilityRequest, place: tuple[str, str], seed: np.random.SeedSequence
) -> dict[str, pd.DataFrame]:
    return place_tables(run.place(*place), request.k, n_resamples=request.n_resamples, generator=np.random.default_rng(seed))
