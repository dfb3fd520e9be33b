"""The page: data, words, style and scripts put into one HTML file that loads nothing.

Untrusted text (documents, pairs, names) goes in as JSON whose angle brackets are escaped and is only ever set as text; the
page's content security policy lets no script run but its own, by their hashes, and no request leave. Images may only
be data of the page: a chart is drawn into a picture that way.
"""

from __future__ import annotations

import base64
import hashlib
import html
import json
from importlib import resources
from typing import Any, Literal

from layerscope.report.packing import Packing
from layerscope.report.words import page_words

_LIBRARIES = ("vendor/d3.min.js", "vendor/plot.umd.min.js")
_SCRIPTS = (
    *(
        "core.js",
        "link.js",
        "points.js",
        "save.js",
        "tables.js",
        "depth.js",
        "sweep.js",
        "preference.js",
        "against.js",
        "phenomena.js",
        "pos.js",
        "text.js",
        "lexicon.js",
    ),
    *("search.js", "paths.js", "order.js"),
    *("readings.js", "cells.js", "contrast.js", "agreement.js", "pairs.js", "provenance.js", "start.js"),
)


def page(data: dict[str, Any], packing: Packing, *, title: str, language: Literal["en", "ja"] | None) -> str:
    """One HTML file.

    Args:
        data: what the scripts show; anything that JSON can hold.
        packing: the chunks that the data refers to.
        title: of the window.
        language: that it opens in; None for that of the browser.
    """
    scripts = [_asset(name) for name in _LIBRARIES]
    scripts.append('(function () {\n"use strict";\n' + "\n".join(_asset(name) for name in _SCRIPTS) + "\n})();")
    hashes = " ".join(f"'sha256-{base64.b64encode(hashlib.sha256(one.encode()).digest()).decode()}'" for one in scripts)
    policy = f"default-src 'none'; script-src {hashes}; style-src 'unsafe-inline'; img-src data:"
    policy += "; base-uri 'none'; form-action 'none'"
    held = [_held("data", data), _held("words", page_words())]
    held += [f'<script type="text/plain" id="chunk-{number}">{chunk}</script>' for number, chunk in enumerate(packing.chunks)]
    parts = {
        "LANGUAGE": language or "en",
        "OPENS": "" if language else ' data-language="auto"',
        "TITLE": html.escape(title),
        "POLICY": html.escape(policy, quote=True),
        "STYLE": _asset("page.css"),
        "NOSCRIPT": html.escape(page_words()["no_script"].of(language or "en")),
        "HELD": "\n".join(held),
        "SCRIPTS": "\n".join(f"<script>{one}</script>" for one in scripts),
    }
    template = _asset("page.html")
    pieces = template.split("%%")
    return "".join(parts[piece] if number % 2 else piece for number, piece in enumerate(pieces))


def _held(name: str, value: Any) -> str:
    """A value as JSON in which no tag can begin."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return f'<script type="application/json" id="{name}">{text}</script>'


def _asset(name: str) -> str:
    return resources.files("layerscope.report").joinpath("assets", name).read_text(encoding="utf-8")
