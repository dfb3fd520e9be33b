"""What is said beside numbers that rest on few texts."""

from __future__ import annotations

from layerscope.bilingual import Bilingual
from layerscope.stats.ratio import FEW_DOCUMENTS, FEWEST_DOCUMENTS


def few_texts(n_texts: int) -> Bilingual | None:
    """The warning that belongs beside intervals, p and q from so many texts; None from fifty on.

    Examples:
        >>> few_texts(12).en
        'Only 12 texts: with fewer than 50, intervals and p-values err more often than stated where effects are skewed.'
        >>> few_texts(50) is None
        True
    """
    if n_texts >= FEW_DOCUMENTS:
        return None
    if n_texts < 2:
        return Bilingual(
            "Only one text: no interval, p-value or q-value. "
            f"Give several texts; from {FEWEST_DOCUMENTS} on there are p-values.",
            "テキストが 1 本のみ：信頼区間、p 値、q 値はない。"
            f"複数のテキストを与えれば信頼区間が求まり、{FEWEST_DOCUMENTS} 本以上なら p 値も求まる。",
        )
    if n_texts < FEWEST_DOCUMENTS:
        return Bilingual(
            f"Only {n_texts} texts: with fewer than {FEWEST_DOCUMENTS} there are no p- or q-values, and intervals err more "
            "often than stated where effects are skewed.",
            f"テキストが {n_texts} 本のみ：{FEWEST_DOCUMENTS} 本未満では p 値と q 値を求めない。"
            "効果の分布が歪んでいると、信頼区間は表示した水準より多く外れる。",
        )
    return Bilingual(
        f"Only {n_texts} texts: with fewer than {FEW_DOCUMENTS}, intervals and p-values err more often than stated where "
        "effects are skewed.",
        f"テキストが {n_texts} 本のみ：{FEW_DOCUMENTS} 本未満では、効果の分布が歪んでいると、"
        "信頼区間と p 値は表示した水準より多く外れる。",
    )


def with_warning(said: Bilingual, n_texts: int) -> Bilingual:
    """A finding, and what is said of few texts."""
    warning = few_texts(n_texts)
    return said if warning is None else Bilingual(f"{said.en} {warning.en}", f"{said.ja}{warning.ja}")
