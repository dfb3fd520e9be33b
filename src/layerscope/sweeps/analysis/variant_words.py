"""What a variant does, in words: as the subject of a sentence, and short among others of its family."""

from __future__ import annotations

import re
from dataclasses import dataclass

from layerscope.bilingual import Bilingual


@dataclass(frozen=True)
class VariantWords:
    """How a variant is spoken of."""

    done: Bilingual
    """Such as ``removing layer 3``; in Japanese a clause that 「場合」 or 「と」 follows."""
    short: str
    """Such as ``3``."""
    layer: str | None
    """The first layer that it touches; None where its name does not say."""
    is_layer: bool = False
    """Whether ``short`` is the number of a layer and nothing else."""

    @property
    def place(self) -> Bilingual:
        """Where it acts, such as ``layer 3``."""
        return Bilingual(f"layer {self.short}", f"層 {self.short}") if self.is_layer else Bilingual(self.short, self.short)


_ONE: dict[str, tuple[str, str]] = {
    "removal": ("removing layer {0}", "層 {0} を除去する"),
    "attention-removal": ("silencing the attention of layer {0}", "層 {0} のアテンションを止める"),
    "mlp-removal": ("silencing the MLP of layer {0}", "層 {0} の MLP を止める"),
    "repetition": ("running layer {0} twice", "層 {0} を 2 回通す"),
}
"""Families that touch one layer."""
_TWO: dict[str, tuple[str, str, str]] = {
    "exchange": ("exchanging layers {0} and {1}", "層 {0} と {1} を交換する", "{0}↔{1}"),
    "block-removal": ("removing layers {0} to {1}", "層 {0} から {1} を除去する", "{0}–{1}"),
    "reversal": ("running layers {0} to {1} in reverse", "層 {0} から {1} を逆順に通す", "{0}–{1}"),
    "parallel": ("running layers {0} to {1} side by side", "層 {0} から {1} を並列に通す", "{0}–{1}"),
    "head-removal": ("removing head {1} of layer {0}", "層 {0} のヘッド {1} を除去する", "{0}.h{1}"),
}
"""Families that are named by two numbers."""


def variant_words(variant: str) -> VariantWords:
    """A variant of a sweep in words.

    Args:
        variant: its name; of a path that was given, the path.

    Examples:
        >>> variant_words("exchange-3-4").done.en, variant_words("exchange-3-4").short
        ('exchanging layers 3 and 4', '3↔4')
        >>> variant_words("0-9,12-29").done.en
        'the path 0-9,12-29'
        >>> variant_words("depth-3").done.en, variant_words("tuned-depth--1").done.en
        ('stopping after layer 3', 'stopping before layer 0')
    """
    found = re.fullmatch(r"([a-z-]+?)-(\d+)(?:-(\d+))?", variant, re.ASCII)
    if found is not None:
        family, first, second = found[1], found[2], found[3]
        if second is None and family in _ONE:
            return VariantWords(Bilingual(*(form.format(first) for form in _ONE[family])), first, first, is_layer=True)
        if second is not None and family in _TWO:
            *done, short = (form.format(first, second) for form in _TWO[family])
            return VariantWords(Bilingual(*done), short, first)
    if (depth := re.fullmatch(r"(?:tuned-)?depth-(-1|\d+)", variant, re.ASCII)) is not None:
        stops = Bilingual(f"stopping after layer {depth[1]}", f"層 {depth[1]} で止める")
        before = Bilingual("stopping before layer 0", "層 0 の前で止める")
        return VariantWords(before if depth[1] == "-1" else stops, variant, None)
    if variant.startswith("shuffle-"):
        return VariantWords(Bilingual(f"shuffling the layers ({variant})", f"層をシャッフルする（{variant}）"), variant, None)
    return VariantWords(Bilingual(f"the path {variant}", f"パス {variant} にする"), variant, None)
