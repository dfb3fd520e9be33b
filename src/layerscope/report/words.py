"""Every word of the page in English and Japanese: those of ``assets/words.json``, and terms that figures use too."""

from __future__ import annotations

import json
from collections.abc import Callable
from importlib import resources

from layerscope.bilingual import LANGUAGES, Bilingual, Language
from layerscope.figures.labels import group_label, label, labelled_groups, tag_label
from layerscope.language.words import UPOS_TAGS
from layerscope.paths.families import FAMILIES

_FROM_FIGURES = (
    *("block_influence", "angular_distance", "measure:jaccard", "measure:spearman", "measure:rbo", "measure:kendall_w"),
    *("site:resid_post", "site:update", "site:read", "site:attn_out", "site:mlp_out"),
    *("position:edit", "position:detection", "position:last"),
    *("way:search", "way:one-shot", "way:random", "intact"),
    *(f"name:{name}" for name in (*FAMILIES, "path")),
)


def page_words() -> dict[str, Bilingual]:
    """Every word by key, English and Japanese."""
    figures = {key: _both(label, key) for key in _FROM_FIGURES}
    groups = {f"group:{name}": _both(group_label, name) for name in labelled_groups()}
    tags = {f"tag:{name}": _both(tag_label, name) for name in UPOS_TAGS}
    text = resources.files("layerscope.report").joinpath("assets", "words.json").read_text(encoding="utf-8")
    own = {key: Bilingual(**both) for key, both in json.loads(text).items()}
    return {**figures, **groups, **tags, **own}


def _both(written: Callable[[str, Language], str], key: str) -> Bilingual:
    return Bilingual(*(written(key, language) for language in LANGUAGES))
