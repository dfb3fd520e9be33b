"""Every word of the page in English and Japanese: those of ``assets/words.json``, and terms that figures use too."""

from __future__ import annotations

import json
from importlib import resources

from layerscope.figures.labels import group_label, label, labelled_groups, tag_label
from layerscope.language.words import UPOS_TAGS
from layerscope.paths.families import FAMILIES

_FROM_FIGURES = (
    *("block_influence", "angular_distance", "measure:jaccard", "measure:spearman", "measure:rbo", "measure:kendall_w"),
    *("site:resid_post", "site:update", "site:read", "site:attn_out", "site:mlp_out"),
    *("position:edit", "position:detection", "position:last"),
    *(f"name:{name}" for name in (*FAMILIES, "path")),
)


def page_words() -> dict[str, tuple[str, str]]:
    """Every word by key, English and Japanese."""
    figures = {key: (label(key, "en"), label(key, "ja")) for key in _FROM_FIGURES}
    groups = {f"group:{name}": (group_label(name, "en"), group_label(name, "ja")) for name in labelled_groups()}
    tags = {f"tag:{name}": (tag_label(name, "en"), tag_label(name, "ja")) for name in UPOS_TAGS}
    text = resources.files("layerscope.report").joinpath("assets", "words.json").read_text(encoding="utf-8")
    own = {key: (both["en"], both["ja"]) for key, both in json.loads(text).items()}
    return {**figures, **groups, **tags, **own}
