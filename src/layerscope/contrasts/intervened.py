"""What an intervention is asked and comes to, and how that is written into the run directory."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
from jaxtyping import Int

from layerscope.bilingual import Bilingual
from layerscope.contrasts.analysis.choosing import AgainstPlacebos
from layerscope.contrasts.analysis.intervention import InterventionEffects, PlaceboSetEffect, Placed
from layerscope.contrasts.analysis.intervention_verdict import conclusion, joint_conclusion, read_apart
from layerscope.contrasts.enough import FEWEST_SETS
from layerscope.contrasts.finished import FinishedContrast
from layerscope.contrasts.tables import INTERVENTION, RESTORING

Members = Literal["all", "meaning", "grammar"]


@dataclass(frozen=True)
class InterveneRequest:
    """What to ablate, and against what.

    Examples:
        >>> request = ls.InterveneRequest(stable=20, members="grammar", layer=5)
        >>> request.n_sets, request.position  # None: the run's main place
        (200, None)
    """

    stable: int = 50
    """How many of the units that change least to ablate, over all layers together or in one."""
    site: str | None = None
    """Site at which they are chosen and ablated; the run's main place if None."""
    position: str | None = None
    """Position at which they are chosen; likewise."""
    layer: int | None = None
    """Choose units in this layer only."""
    members: Members = "all"
    """Pairs by which units are chosen."""
    n_sets: int = FEWEST_SETS
    """Number of random sets."""
    max_pairs: int = 60
    """Pairs with a wrong side to score, and half as many meaning pairs."""
    text_tokens: int = 1000
    """Tokens of neutral text to score."""
    patch: bool = False
    """Whether the wrong side is patched with the right one, layer by layer."""
    damage_margin: float = 0.02
    """Nats per token: neutral text that is shown to lose less than that more than without random sets counts as unharmed."""
    seed: int = 42
    """Seed for the halves, the sets and all other draws."""
    device: str = "auto"
    """Device on which the model runs."""
    dtype: str | None = None
    """Type of weights; the run's if None."""
    device_map: str | None = None
    """Spread the layers over devices, as in transformers."""
    trust_remote_code: bool = False
    """Allow running code that comes with a checkpoint."""
    data_dir: Path | None = None
    """Folder with the reference data set."""


@dataclass(frozen=True)
class Intervention:
    """What came of it."""

    layer: Int[np.ndarray, " unit"]
    """Of each unit that was ablated."""
    dim: Int[np.ndarray, " unit"]
    """Likewise."""
    effects: dict[str, InterventionEffects]
    """By replacement."""
    verdicts: dict[str, Bilingual]
    """One sentence by replacement."""
    joint: Bilingual
    """What both replacements come to together."""
    n_alike: int
    """Units beside each member that random sets are drawn from."""
    balance: dict[str, float]
    """Standardised mean difference between the set and those units, by covariate; beyond ±0.1 nothing is inferred."""
    beside_placebos: AgainstPlacebos | None
    """Units that stand still under edits or placebos alone; None where the run has no placebos, or both choose the same."""
    apart: dict[str, PlaceboSetEffect]
    """By replacement, what ablating the ones does more than ablating the others."""
    restoring: pd.DataFrame | None
    """Table ``restoring``; None where nothing was patched."""
    restored: list[Bilingual]
    """What it says."""


OUTCOMES = {"did_nats": "did", "accuracy": "accuracy", "damage_nats": "damage", "change_nats": "change", "gap_nats": "gap"}
"""Columns of the table ``intervention`` to attributes of the effects."""


def write_intervention(run: FinishedContrast, request: InterveneRequest, found: Intervention, site: str, position: str) -> None:
    """Tables and intervention.json; figures of an earlier one go.

    Args:
        run: that was intervened on.
        request: what was asked.
        found: what came of it.
        site: where units were chosen and ablated.
        position: where they were chosen.
    """
    frames = []
    for replace, effects in found.effects.items():
        for outcome, name in OUTCOMES.items():
            placed: Placed = getattr(effects, name)
            values = np.concatenate([[placed.effect], placed.random_effects])
            frames.append(
                pd.DataFrame({"replacement": replace, "outcome": outcome, "set": np.arange(len(values)), "value": values})
            )
    frame = pd.concat(frames, ignore_index=True)
    run.directory.write_table(INTERVENTION, INTERVENTION.from_frame(frame))
    if found.restoring is None:  # an earlier intervention may have left it
        run.directory.remove_table(RESTORING)
    else:
        run.directory.write_table(RESTORING, RESTORING.from_frame(found.restoring))
    run.directory.write_json(
        "intervention.json",
        {
            "request": {**asdict(request), "data_dir": None if request.data_dir is None else str(request.data_dir)},
            "site": site,
            "position": position,
            "units": [{"layer": int(a), "dim": int(b)} for a, b in zip(found.layer, found.dim, strict=True)],
            "n_alike": found.n_alike,
            "beside_placebos": None if found.beside_placebos is None else _beside_placebos(found),
            "restored": [one._asdict() for one in found.restored],
            "balance": {name: _plain(value) for name, value in found.balance.items()},
            "conclusion": {replace: conclusion(effects) for replace, effects in found.effects.items()}
            | {"both": joint_conclusion(found.effects)},
            "verdict": {replace: both._asdict() for replace, both in found.verdicts.items()} | {"both": found.joint._asdict()},
            "effects": {
                replace: {name: _summary(getattr(effects, attribute)) for name, attribute in OUTCOMES.items()}
                | {
                    "sets": len(effects.did.random_effects),
                    "text_sets": len(effects.damage.random_effects),
                    "accuracy_intact": _plain(effects.accuracy_intact),
                    "damage_excess": {name: _plain(getattr(effects.damage_excess, name)) for name in ("effect", "low", "high")},
                }
                for replace, effects in found.effects.items()
            },
        },
    )
    run.directory.remove_figures("intervention", "restoring")


def _beside_placebos(found: Intervention) -> dict[str, Any]:
    assert found.beside_placebos is not None, "asked for where it is there"
    beside = found.beside_placebos
    return {
        "units": len(beside.of_edits),
        "shared": beside.n_shared,
        "balance": {name: _plain(value) for name, value in beside.balance.items()},
        "effects": {
            replace: {name: value if isinstance(value, int) else _plain(value) for name, value in asdict(one).items()}
            for replace, one in found.apart.items()
        },
        "verdict": read_apart(beside, found.apart)._asdict(),
    }


def _summary(placed: Placed) -> dict[str, float | int | None]:
    return {
        "effect": _plain(placed.effect),
        "low": _plain(placed.low),
        "high": _plain(placed.high),
        "random_mean": _plain(placed.random_mean),
        "z": _plain(placed.z),
        "p_greater": _plain(placed.p_greater),
        "p_two_sided": _plain(placed.p_two_sided),
        "items": placed.n_items,
        "groups": placed.n_groups,
    }


def _plain(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
