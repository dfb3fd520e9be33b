"""The sentences at the top of the page, each with the state that it speaks of; a click on one shows that state."""

from __future__ import annotations

from typing import Any

MOST = 5
"""Sentences at the top, at most."""


def first_findings(sweeps: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What the sweeps come to, a sentence a model and family, as long as there is room.

    Args:
        sweeps: as the page holds them, with their names.

    Returns:
        Both languages, the state that each leads to (``model``, ``family``, ``layer``), and the section.
    """
    found = []
    for sweep in sweeps:
        for family, said in sweep["needs"].items():
            if not said["en"]:
                continue
            state = {"model": sweep["name"], "family": family, "layer": sweep["opens"][family]}
            named = {"en": f"{sweep['model']}: {said['en']}", "ja": f"{sweep['model']}：{said['ja']}"}
            found.append({**named, "state": state, "at": "sweep"})
    return found[:MOST]
