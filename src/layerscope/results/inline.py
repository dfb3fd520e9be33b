"""HTML for a notebook's cell: escaped text, tables, and a frame for light and dark paper. No script, no network.

Colours of text are the notebook's own. What is coloured behind text is translucent, so that the paper shows through.
"""

from __future__ import annotations

import html
import math
from collections.abc import Sequence
from unicodedata import bidirectional, category

import pandas as pd

_STYLE = """
.layerscope-result{font-size:14px;line-height:1.5;max-width:60em;text-align:start}
.layerscope-result p{margin:.4em 0}
.layerscope-result table{border-collapse:collapse;font-size:12px;margin:.5em 0}
.layerscope-result th,.layerscope-result td{padding:.1em .7em;text-align:right;border-bottom:1px solid rgba(128,128,128,.3)}
.layerscope-result th:first-child,.layerscope-result td:first-child{text-align:start}
.layerscope-result .wide{overflow-x:auto}
.layerscope-result summary{cursor:pointer}
.layerscope-result .note{opacity:.75;font-size:12px}
"""
_BIDI_CONTROLS = frozenset(("LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"))
_MARKS = frozenset("\u200e\u200f\u061c")
_MOST_ROWS = 100


def framed(*parts: str, style: str = "") -> str:
    """Parts, already escaped, as the HTML of one result."""
    return f'<div class="layerscope-result"><style>{_STYLE}{style}</style>{"".join(parts)}</div>'


def escaped(text: str) -> str:
    r"""Text as HTML that shows it: markup is text, and what would steer the page or hide in it is written out.

    Examples:
        >>> escaped("<b>\x00 & \u202eabc")
        '&lt;b&gt;\\x00 &amp; \\u202eabc'
    """
    return html.escape("".join(_visible(one) for one in text))


def paragraphs(text: str) -> str:
    """A paragraph a line."""
    return "".join(f'<p dir="auto">{escaped(line)}</p>' for line in text.splitlines() if line)


def table(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A table, of whose rows the first hundred are shown."""
    head = "".join(f'<th scope="col">{escaped(name)}</th>' for name in columns)
    body = "".join(f"<tr>{''.join(f'<td>{escaped(cell(value))}</td>' for value in row)}</tr>" for row in rows[:_MOST_ROWS])
    more = f'<p class="note">{len(rows) - _MOST_ROWS:,} more rows: to_pandas()</p>' if len(rows) > _MOST_ROWS else ""
    return f'<div class="wide"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>{more}'


def frame_table(frame: pd.DataFrame, columns: Sequence[str]) -> str:
    """Some columns of a data frame."""
    return table(columns, [list(row) for row in frame[list(columns)].itertuples(index=False)])


def cell(value: object) -> str:
    """A value as a table shows it; what is missing is a dash.

    Examples:
        >>> cell(0.123456), cell(101_123.4), cell(2.5e7), cell(float("nan"))
        ('0.1235', '101,123', '2.5e+07', '–')
    """
    if value is None or value is pd.NA or (isinstance(value, float) and math.isnan(value)):
        return "–"
    if not isinstance(value, float):
        return str(value)
    return f"{value:,.0f}" if 1e4 <= abs(value) < 1e6 else f"{value:.4g}"


def _visible(one: str) -> str:
    if one in "\n\t":
        return one
    is_hidden = category(one) in ("Cc", "Cs", "Zl", "Zp") or bidirectional(one) in _BIDI_CONTROLS or one in _MARKS
    return one.encode("unicode_escape", "surrogatepass").decode("ascii") if is_hidden else one
