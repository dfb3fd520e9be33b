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

        Raises:
            ValueError: it is neither.

        Examples:
            >>> Bilingual("layer", "層").of("ja")
            '層'
        """
        if language not in LANGUAGES:
            raise ValueError(f"A language is {' or '.join(LANGUAGES)}; got {language!r}.")
        return self.ja if language == "ja" else self.en
