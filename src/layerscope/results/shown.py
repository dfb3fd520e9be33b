"""What results have in common for those who work in Python: they say what they found, give their table, and show themselves."""

from __future__ import annotations

import sys
from abc import ABC, abstractmethod

import pandas as pd

from layerscope.bilingual import Bilingual, Language
from layerscope.finding import Finding
from layerscope.notebook import show_html
from layerscope.reading import checked_language


def counted(n: int, what: str) -> str:
    """A number of things.

    Examples:
        >>> counted(1, "text"), counted(1200, "text")
        ('1 text', '1,200 texts')
    """
    return f"{n:,} {what}{'' if n == 1 else 's'}"


class Shown(ABC):
    """A result that shows itself: as HTML in a notebook, as text elsewhere."""

    @abstractmethod
    def heading(self) -> Bilingual:
        """What was measured, in a sentence."""

    @abstractmethod
    def findings(self) -> tuple[Finding, ...]:
        """What was found, as far as the tables go: five sentences at most, the most important first."""

    def summary(self, *, language: Language = "en") -> str:
        """What was measured and found, in sentences that say no more than the tables.

        Args:
            language: ``en`` or ``ja``.

        Raises:
            DataError: the language is another.
        """
        language = checked_language(language)
        return "\n".join([self.heading().of(language), *(finding.said.of(language) for finding in self.findings())])

    @abstractmethod
    def to_pandas(self) -> pd.DataFrame:
        """The main table."""

    @abstractmethod
    def _repr_html_(self) -> str:
        """What a notebook shows: nothing in it comes from a network, and no script."""

    def show(self) -> None:
        """In a notebook the same as what a cell shows; elsewhere the summary and the table on standard output."""
        if not show_html(self._repr_html_()):
            sys.stdout.write(f"{self.as_text()}\n")

    def as_text(self) -> str:
        """What ``show`` writes where there is no notebook."""
        return f"{self.to_pandas().to_string(index=False, max_rows=60)}\n\n{self.summary()}"
