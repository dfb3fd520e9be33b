"""The hook that MkDocs calls: marks in a page become what the code says at the time of building. Nothing generated is kept.

A mark is a comment on a line of its own, ``<!-- generated: kind argument -->``. Where the code can tell, no page is written
by hand: the options of commands, the columns of tables, the families that the tests try.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
for folder in (ROOT, ROOT / "src", Path(__file__).parent):
    if str(folder) not in sys.path:
        sys.path.append(str(folder))

import site_columns  # noqa: E402
import site_models  # noqa: E402
import site_options  # noqa: E402
import site_records  # noqa: E402
import site_subtypes  # noqa: E402

MARK = re.compile(r"^<!-- generated: (?P<kind>[a-z-]+)(?: (?P<argument>\S.*?))? -->$", re.MULTILINE)
"""One mark."""
KINDS: dict[str, Callable[[str], str]] = {
    "options": site_options.options,
    "table": site_columns.columns,
    "record": site_records.fields,
    "families": site_models.families,
    "settings": site_models.settings,
    "refused": site_models.refused,
    "not-exported": site_models.not_exported,
    "subtypes": site_subtypes.subtypes,
}
"""What can be generated, and by what; each takes the mark's argument."""


def expand(markdown: str) -> str:
    """A page with its marks replaced.

    Raises:
        ValueError: a mark of an unknown kind.
    """

    def written(mark: re.Match[str]) -> str:
        if mark["kind"] not in KINDS:
            raise ValueError(f"A mark is of the kind {', '.join(KINDS)}; got '{mark['kind']}'.")
        return KINDS[mark["kind"]](mark["argument"] or "")

    return MARK.sub(written, markdown)


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Called by MkDocs for every page."""
    return expand(markdown)
