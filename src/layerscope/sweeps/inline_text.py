"""A text whose tokens are coloured by how much worse a variant predicts them; each says its numbers when pointed at or focused.

Colour is translucent, so that the text stays readable on light and dark paper, and is never alone: a token that is predicted
better is underlined, too, and the numbers stand in the token's title.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from jaxtyping import Float

from layerscope.results.inline import escaped
from layerscope.sweeps.analysis.score_arrays import ScoreArrays
from layerscope.sweeps.analysis.text_pieces import text_pieces

STYLE = """
.layerscope-result .text{white-space:pre-wrap;overflow-wrap:anywhere;line-height:1.9;margin:.4em 0;unicode-bidi:isolate}
.layerscope-result .token{position:relative;border-radius:2px}
.layerscope-result .token:focus{outline:2px solid currentColor}
.layerscope-result .token:focus::after{content:attr(title);position:absolute;z-index:9;left:0;top:1.7em;white-space:normal;
width:max-content;max-width:20em;padding:.3em .6em;border-radius:4px;background:#222;color:#fff;font-size:12px;line-height:1.4}
"""
_WORSE, _BETTER = "213,94,0", "0,114,178"
_STRONGEST_NATS = 6.0
_STRONGEST = 0.62
_MOST_TOKENS = 300


@dataclass(frozen=True)
class TokenPiece:
    """Characters of a text that stand for a token, or for several that share a character."""

    document: int
    """Row of documents.parquet."""
    before: str
    """Characters that the tokenizer left out, before it."""
    text: str
    """Its own characters."""
    nll_nats: Float[np.ndarray, " variant"] | None
    """Of the intact model and of each variant; None where the piece is not scored."""


def token_pieces(
    documents: pd.DataFrame, tokens: pd.DataFrame, shards: Iterable[ScoreArrays], rows: list[int]
) -> tuple[list[TokenPiece], int]:
    """The first texts with their scores, as many as there is room for, and how many tokens of the run are not among them.

    Args:
        documents: documents.parquet.
        tokens: tokens.parquet.
        shards: scores of the run.
        rows: of the variants, the intact model's first.
    """
    tokens = tokens[tokens["scored"] | (tokens["char_end"] > tokens["char_start"])]  # a BOS stands for no text
    tokens = tokens.sort_values(["document", "position"], kind="stable")
    shown = tokens.head(_MOST_TOKENS)
    places = {(int(d), int(p)) for d, p in zip(shown["document"], shown["position"], strict=True)}
    n_scored, nll = int(shown["scored"].sum()), {}
    wanted = sorted({document for document, _ in places})
    for shard in shards:
        for column in np.flatnonzero(np.isin(shard.document, wanted)):
            place = int(shard.document[column]), int(shard.position[column])
            if place in places:
                nll[place] = shard.nll_nats[rows, column]
        if len(nll) == n_scored:
            break
    pieces: list[TokenPiece] = []
    before, added = text_pieces(documents, shown)
    for document, position, gap, text in zip(shown["document"], shown["position"], before, added, strict=True):
        scores = nll.get((int(document), int(position)))
        if not text and not gap and pieces and pieces[-1].document == document:  # the rest of a character
            pieces[-1] = _with_more(pieces[-1], scores)
        else:
            pieces.append(TokenPiece(int(document), gap, text, scores))
    return pieces, len(tokens) - len(shown)


def coloured_text(pieces: list[TokenPiece], documents: pd.DataFrame, place: int, variant: str) -> str:
    """The texts at one variant.

    Args:
        pieces: from ``token_pieces``.
        documents: documents.parquet.
        place: of the variant among the scores of a piece; the intact model is 0.
        variant: its name.
    """
    names = documents.set_index("document")["name"]
    parts = []
    shown = list(dict.fromkeys(piece.document for piece in pieces))
    for document in shown:
        if len(shown) > 1:
            parts.append(f'<p class="note">{escaped(str(names[document]))}</p>')
        spans = (_span(piece, place, variant) for piece in pieces if piece.document == document)
        parts.append(f'<div class="text" dir="auto">{"".join(spans)}</div>')
    return "".join(parts)


def _with_more(piece: TokenPiece, scores: Float[np.ndarray, " variant"] | None) -> TokenPiece:
    both = [one for one in (piece.nll_nats, scores) if one is not None]
    return TokenPiece(piece.document, piece.before, piece.text, np.sum(both, axis=0) if both else None)


def _span(piece: TokenPiece, place: int, variant: str) -> str:
    before, text = escaped(piece.before), escaped(piece.text)
    if piece.nll_nats is None:
        return (
            f'{before}<span class="token" title="“{text}” (not scored: nothing before it, or past the context)">{text}</span>'
        )
    intact, changed = float(piece.nll_nats[0]), float(piece.nll_nats[place])
    delta = changed - intact
    title = f"“{text}” · NLL intact {intact:.2f}, {escaped(variant)} {changed:.2f}: {delta:+.2f} nats"
    if not np.isfinite(delta):
        return f'{before}<span class="token" tabindex="0" style="outline:1px dashed" title="{title}">{text}</span>'
    strength = _STRONGEST * min(abs(delta) / _STRONGEST_NATS, 1.0) ** 0.7
    style = f"background:rgba({_WORSE if delta > 0 else _BETTER},{strength:.2f})"
    if delta < -0.5:
        style += ";text-decoration:underline dotted"
    return f'{before}<span class="token" tabindex="0" style="{style}" title="{title}">{text}</span>'
