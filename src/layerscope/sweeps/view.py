"""A sweep for whoever works in Python: sentences, table, figures and HTML, from its tables; of a finished run or in memory."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from io import StringIO
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from layerscope.bilingual import Language
from layerscope.errors import PathError, RunError, check_text, did_you_mean
from layerscope.notebook import show_html
from layerscope.reading import checked_language
from layerscope.results.inline import escaped, framed, paragraphs, table
from layerscope.results.shown import Shown, counted
from layerscope.sweeps.analysis.layer_cells import layer_cells
from layerscope.sweeps.analysis.score_arrays import ScoreArrays
from layerscope.sweeps.analysis.variant_words import variant_words

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_RULE = "Changing layer 0 or 1 usually breaks nearly every token, so the texts begin with the largest effects of later layers"
_FIRST_LAYERS = 2
"""Those of the rule."""
_SHOWN = 3
"""Variants of later layers at which the text is shown."""


@dataclass(frozen=True)
class SweepView:
    """What is shown of a sweep."""

    layers: pd.DataFrame
    """layers.parquet, the intact model first."""
    proxies: pd.DataFrame
    """proxies.parquet."""
    documents: pd.DataFrame
    """documents.parquet."""
    tokens: pd.DataFrame
    """tokens.parquet."""
    shards: Callable[[], Iterator[ScoreArrays]]
    """The scores, variants in the order of ``layers``."""
    model: str
    """Its short name."""
    dataset: str
    """Its name."""
    dtype: str
    """Of the model."""
    depths: pd.DataFrame | None = None
    """prediction_depth.parquet, where there is one."""


def sweep_extent(layers: pd.DataFrame) -> str:
    """How much was run, on a line.

    Args:
        layers: layers.parquet, the intact model first.
    """
    first = layers.iloc[0]
    n_texts, n_tokens = int(first["documents"]), int(first["tokens_scored"])
    return f"{counted(len(layers) - 1, 'variant')} on {counted(n_texts, 'text')}, {n_tokens:,} tokens scored"


class ShownSweep(Shown):
    """A sweep that shows itself."""

    @abstractmethod
    def view(self) -> SweepView:
        """What is shown of it."""

    def to_pandas(self) -> pd.DataFrame:
        """The layers table, one row per variant; columns as in layers.parquet."""
        return self.view().layers

    def plot(self, name: str | None = None, *, language: Language = "en") -> Figure:
        """A figure of the sweep, as ``layerscope figures`` draws it.

        Args:
            name: of the figure, such as ``removal``, ``accuracy`` or ``proxies``; the first if None.
            language: of its words, ``en`` or ``ja``.

        Raises:
            DataError: the language is another.
            RunError: there is none of that name.
        """
        from layerscope.sweeps.figures.layers import sweep_figures

        language, view = checked_language(language), self.view()
        figures = sweep_figures(
            view.layers, view.proxies, view.depths, model=view.model, dataset=view.dataset, language=language
        )
        if name is None and figures:
            return next(iter(figures.values()))
        if not figures:
            raise RunError("A figure shows variants beside the intact model; this sweep has none: give ls.sweep some.")
        check_text(name, "A figure", figures, RunError)
        if name not in figures:
            raise RunError(f"Figures of this sweep are {', '.join(figures)}; got '{name}'.{did_you_mean(str(name), figures)}")
        return figures[name]

    def show(self, variant: str | None = None) -> None:
        """In a notebook the sentences, the chart and the coloured text; elsewhere the table and the sentences.

        If no variant is given, the text is shown with the three largest effects among variants that leave layers 0 and 1 as
        they are, since changing those usually breaks nearly every token, and then with the largest effect of all. A line above
        the texts names the variants that this rule leaves out.

        Args:
            variant: whose effect colours the text, such as ``removal-11``; those of the rule above if None.

        Raises:
            PathError: the sweep has no variant of that name.
        """
        if not show_html(sweep_html(self.view(), self.summary(), variant)):
            super().show()

    def as_text(self) -> str:
        """The table and the sentences."""
        from rich.console import Console

        from layerscope.sweeps.terminal import layers_in_terminal

        view = self.view()
        own = Console()
        console = Console(file=StringIO(), width=own.width, markup=False)
        console.print(layers_in_terminal(view.layers, model=view.model, dataset=view.dataset, width=own.width))
        assert isinstance(console.file, StringIO)
        return f"{console.file.getvalue()}{self.summary()}"

    def _repr_html_(self) -> str:
        return sweep_html(self.view(), self.summary())


def sweep_html(view: SweepView, said: str, variant: str | None = None) -> str:
    """Sentences, chart, text and table in one piece of HTML that needs nothing else.

    Args:
        view: of the sweep.
        said: the sentences, a line each.
        variant: whose effect colours the text; those that ``shown_variants`` chooses if None.

    Raises:
        PathError: the sweep has no variant of that name.
    """
    from layerscope.sweeps.inline_chart import effect_chart
    from layerscope.sweeps.inline_text import STYLE

    return framed(
        paragraphs(said),
        effect_chart(view.layers),
        *_texts(view, shown_variants(view.layers, variant)),
        f"<details><summary>The table: {counted(len(view.layers), 'row')}</summary>{_table(view.layers)}</details>",
        style=STYLE,
    )


@dataclass(frozen=True)
class ShownVariants:
    """The variants at which a text is shown, and what is said of how they were chosen."""

    names: list[str]
    """The first of them open."""
    rule: str = ""
    """A line; empty where the largest effects are shown in their order."""


def shown_variants(layers: pd.DataFrame, variant: str | None) -> ShownVariants:
    """The variants at which the text is shown.

    Args:
        layers: layers.parquet.
        variant: the one that was chosen; if None, those with the largest effects after the first two layers, and the one with
            the largest of all.

    Raises:
        PathError: the sweep has no variant of that name.
    """
    if variant is not None:
        names = layers["variant"].tolist()
        check_text(variant, "The variant that colours a text", names[1:], PathError)
        if variant not in names:
            raise PathError(f"A text is coloured by a variant of the sweep; got '{variant}'.{did_you_mean(variant, names)}")
        return ShownVariants([variant])
    ranked = layers[(layers["family"] != "intact") & np.isfinite(layers["delta_nll_nats"])]
    ranked = ranked.sort_values("delta_nll_nats", ascending=False, kind="stable")
    later = ranked[ranked["span_first"] >= _FIRST_LAYERS]
    largest = ranked["variant"].head(_SHOWN).tolist()
    chosen = list(dict.fromkeys([*later["variant"].head(_SHOWN), *largest[:1]])) if len(later) else largest
    if chosen[:1] == largest[:1]:
        return ShownVariants(chosen)
    left_out = [name for name in largest if name not in chosen]
    more = f"; not shown: {', '.join(left_out)} (show('{left_out[0]}') shows it)" if left_out else ""
    return ShownVariants(chosen, f"{_RULE}; the largest effect of all, {largest[0]}, comes last{more}.")


def _texts(view: SweepView, shown: ShownVariants) -> list[str]:
    from layerscope.sweeps.inline_text import coloured_text, token_pieces

    variants = shown.names
    if not variants:
        return []
    names = view.layers["variant"].tolist()
    rows = [0, *(names.index(variant) for variant in variants)]
    pieces, n_left = token_pieces(view.documents, view.tokens, view.shards(), rows)
    parts = [f'<p class="note">{escaped(shown.rule)}</p>'] if shown.rule else []
    for place, variant in enumerate(variants, start=1):
        delta = float(view.layers["delta_nll_nats"].iloc[rows[place]])
        parts.append(
            f"<details{' open' if place == 1 else ''}><summary>{_title(variant)}: ΔNLL {delta:+.3g} nats per token</summary>"
            f"{coloured_text(pieces, view.documents, place, variant)}</details>"
        )
    more = f" The first {len(pieces):,} pieces are shown; {n_left:,} tokens more are in the tables." if n_left else ""
    parts.append(
        '<p class="note">Orange: the token is predicted worse than by the intact model; blue and underlined: better. Full '
        f"colour from 6 nats on. Point at a token, or tap it, for its numbers.{more}</p>"
    )
    return parts


def _title(variant: str) -> str:
    """What colours the text, in words, and the name by which ``show`` finds it."""
    words = variant_words(variant).done.en
    name = "" if variant in words else f" ({escaped(variant)})"
    return f"The text coloured by the effect of <b>{escaped(words)}</b>{name}"


def _table(layers: pd.DataFrame) -> str:
    rows = [["–" if one == "-" else one for one in layer_cells(row)] for row in layers.to_dict("records")]
    return table(["variant", "perplexity", "ΔNLL (nats)", "95% interval", "top-1", "agree"], rows)
