"""The course of one draw: the method, and beside it the ranking that every method is compared with."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from layerscope.searches.methods.one_shot import one_shot
from layerscope.searches.methods.trail import Trail
from layerscope.searches.prepare import Draw, PreparedSearch
from layerscope.searches.race import Race, Scoring


@dataclass(frozen=True)
class Course:
    """What a draw came to."""

    race: Race
    """Every score of it."""
    trail: Trail
    """Of the method."""
    baseline: Trail
    """Of one-shot; the method's own where it is that."""


def run_course(prepared: PreparedSearch, number: int, scoring: Scoring) -> Course:
    """Search once.

    Args:
        prepared: the search.
        number: of the draw.
        scoring: of its calibration texts.
    """
    draw = prepared.draws[number]
    race = Race(scoring, token_counts(prepared, draw), draw.round_ends, until=prepared.request.until_ci)
    baseline = one_shot(
        prepared.space, race, at_least=prepared.method.width
    )  # first: it has more candidates to tell apart than a method
    if prepared.method.name == "one-shot":
        return Course(race, baseline, baseline)
    seed = prepared.seed_of(f"method/{number}")
    return Course(race, prepared.method.run(prepared.space, race, steps=prepared.request.steps, seed=seed), baseline)


def token_counts(prepared: PreparedSearch, draw: Draw) -> np.ndarray:
    """Scored tokens of each calibration text."""
    return np.array([prepared.texts[row].n_scored for row in draw.texts])
