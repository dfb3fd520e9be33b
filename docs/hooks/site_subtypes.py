"""The subtypes of minimal pairs that are known by name."""

from __future__ import annotations

from site_markdown import table

from layerscope.pairs.subtypes import SUBTYPES
from layerscope.pairs.templates.generating import find_sources


def subtypes(_: str) -> str:
    """Name, type, what differs, an example, and whether templates make it."""
    made = find_sources()
    rows = [
        (
            f"`{subtype.name}`",
            subtype.type,
            subtype.meaning,
            " / ".join(subtype.example),
            "yes" if subtype.name in made else "no",
        )
        for subtype in SUBTYPES.values()
    ]
    return table(("subtype", "type", "what differs", "example", "from templates"), rows)
