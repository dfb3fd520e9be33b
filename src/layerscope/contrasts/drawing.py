"""The figures of a finished contrast, from its tables."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from layerscope.bilingual import Language
from layerscope.contrasts.analysis.place import main_place
from layerscope.contrasts.figures.intervention import intervention_figures
from layerscope.contrasts.figures.restoring import restoring_figures
from layerscope.contrasts.figures.units import stability_figures
from layerscope.contrasts.finished import FinishedContrast
from layerscope.contrasts.tables import (
    CONSISTENCY,
    CONTRACTION,
    DIVERGENCE,
    INTERVENTION,
    LAYER_AGREEMENT,
    LAYER_SPECIFICITY,
    RANKING,
    RESTORING,
)
from layerscope.figures.style import Width
from layerscope.results.schema import Table

Draw = Callable[..., dict[str, Figure]]
"""Takes ``language`` and ``width`` and gives figures by name."""


def of_stability(run: FinishedContrast) -> Draw | None:
    """What ``layerscope stability`` found; None where it did not run."""
    found = run.directory.read_json("stability.json", made_by="layerscope stability", needs=["request"])
    if found is None:
        return None
    ranking = run.directory.read_table(RANKING).to_pandas()
    # version 0.1.0 did not note the place that the figures are of
    site, position = found.get("site"), found.get("position")
    if site is None or position is None:
        site, position = main_place(*(list(dict.fromkeys(ranking[axis].astype(str))) for axis in ("site", "position")))
    cells = run.cells(site, position)
    roles = dict(zip(run.groups["group"].astype(str), run.groups["role"], strict=True))

    def mean(scale: str, wanted: Sequence[str]) -> np.ndarray:
        return np.asarray(np.mean([values for name, values in cells[scale].items() if roles[name] in wanted], axis=0))

    there = {role for name, role in roles.items() if name in cells["raw"]}
    types = [role for role in ("meaning", "grammar") if role in there]
    return partial(
        stability_figures,
        ranking=ranking,
        consistency=_table(run, CONSISTENCY),
        layer_agreement=_table(run, LAYER_AGREEMENT),
        layer_specificity=_table(run, LAYER_SPECIFICITY),
        contraction=run.directory.read_table(CONTRACTION).to_pandas(),
        divergence=run.directory.read_table(DIVERGENCE).to_pandas(),
        cells={"percentile": mean("percentile", types), "raw": mean("raw", types), "spread": run.spread(site)},
        by_type={role: mean("raw", (role,)) for role in (*types, "control") if role in there},
        roles=roles,
        model=run.model,
        pairs=run.record.request.pairs,
        site=site,
        position=position,
        k=int(found["request"]["k"]),
    )


def of_intervention(run: FinishedContrast) -> Draw | None:
    """What ``layerscope intervene`` found; None where it did not run."""
    found = run.directory.read_json("intervention.json", made_by="layerscope intervene", needs=["effects"])
    table = _table(run, INTERVENTION)
    if found is None or table is None:
        return None
    accuracy = found["effects"]["mean"]["accuracy_intact"]
    is_matched = found.get("conclusion", {}).get("both") != "not matched"
    about = {"model": run.model, "pairs": run.record.request.pairs, "intact_accuracy": accuracy, "with_p": is_matched}
    among_random = partial(intervention_figures, table, **about)
    restoring = _table(run, RESTORING)
    if restoring is None:
        return among_random

    def both(*, language: Language, width: Width | None = None) -> dict[str, Figure]:
        carried = restoring_figures(restoring, model=run.model, pairs=run.record.request.pairs, language=language, width=width)
        return {**among_random(language=language, width=width), **carried}

    return both


DRAWN: dict[str, Callable[[FinishedContrast], Draw | None]] = {"stability": of_stability, "intervention": of_intervention}
"""By what is drawn, the function that finds its tables."""


def _table(run: FinishedContrast, table: Table) -> pd.DataFrame | None:
    if not run.directory.has_table(table):
        return None
    found: pd.DataFrame = run.directory.read_table(table).to_pandas()
    return found
