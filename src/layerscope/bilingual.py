"""Text in English and Japanese: labels of figures, words of the page, readings and verdicts are all held in this form."""

from __future__ import annotations

from typing import Literal, NamedTuple

Language = Literal["en", "ja"]
LANGUAGES: tuple[Language, ...] = ("en", "ja")


class Bilingual(NamedTuple):
    """The same said in both languages."""

    en: str
    """English."""
    ja: str
    """Japanese."""

    def of(self, language: Language) -> str:
        """In one of them.

        Examples:
            >>> Bilingual("layer", "層").of("ja")
            '層'
        """
        return self.ja if language == "ja" else self.en
