"""The method of a search, as it is written on the command line."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from layerscope.errors import PathError, did_you_mean
from layerscope.searches.methods.at_random import random_search
from layerscope.searches.methods.beam import beam
from layerscope.searches.methods.evolution import check_evolution, evolution
from layerscope.searches.methods.one_shot import one_shot
from layerscope.searches.methods.trail import Trail
from layerscope.searches.race import Race
from layerscope.searches.space import Space

_FORMS = {
    "one-shot": "one-shot",
    "greedy": "greedy",
    "beam": "beam:w with w of 1 or more",
    "evolution": "evolution or evolution:g with g generations",
    "random": "random or random:n with n paths of each size",
}
RANDOM_PATHS = 8
"""Of each size, where no number is given."""


@dataclass(frozen=True)
class Method:
    """How to search."""

    name: Literal["one-shot", "greedy", "beam", "evolution", "random"]
    """The word before the colon."""
    number: int | None
    """Width, generations or paths; None where none was given."""

    @classmethod
    def parse(cls, written: str) -> Method:
        """Read ``greedy``, ``beam:8`` and so on.

        Raises:
            PathError: no such method (with near names), or the wrong number.
        """
        name, colon, number = written.strip().partition(":")
        if name not in _FORMS:
            raise PathError(f"Unknown method '{written}'.{did_you_mean(name, _FORMS)} Known: {', '.join(_FORMS.values())}.")
        fits = bool(re.fullmatch(r"[1-9]\d{0,5}", number, re.ASCII)) if colon else name != "beam"
        if not fits or (colon and name in ("one-shot", "greedy")):
            raise PathError(f"The method '{name}' is written {_FORMS[name]}; got '{written}'.")
        return cls(name, int(number) if colon else None)  # type: ignore[arg-type]

    def __str__(self) -> str:
        return self.name if self.number is None else f"{self.name}:{self.number}"

    @property
    def width(self) -> int:
        """Best paths of a size that are extended."""
        return self.number or 1 if self.name == "beam" else 1

    def check(self, space: Space) -> None:
        """Refuse moves that the method cannot make.

        Raises:
            PathError: which, and what to do.
        """
        if self.name == "evolution":
            check_evolution(space)
        elif self.name in ("one-shot", "random") and (lost := [move for move in space.moves if move not in space.towards]):
            raise PathError(
                f"The method '{self}' takes moves towards the budget only; {lost[0].written} is none: take greedy or beam:w."
            )

    def run(self, space: Space, race: Race, *, steps: int | None, seed: str) -> Trail:
        """Search.

        Args:
            space: what may be tried.
            race: scores paths.
            steps: of greedy and beam, after which to end; None for as many as it takes.
            seed: of whatever is drawn.
        """
        if self.name == "one-shot":
            return one_shot(space, race)
        if self.name == "random":
            return random_search(space, race, n_chains=self.number or RANDOM_PATHS, seed=seed)
        if self.name == "evolution":
            return evolution(space, race, generations=self.number, seed=seed)
        return beam(space, race, width=self.width, steps=steps)
