"""Every kind of figure once, of made-up tables whose sizes differ as those of real runs do."""

from __future__ import annotations

import functools
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from layerscope.bilingual import Language
from layerscope.contrasts.figures.intervention import intervention_figures
from layerscope.contrasts.figures.restoring import restoring_figures
from layerscope.contrasts.figures.units import stability_figures
from layerscope.figures.style import Width
from layerscope.searches.drawing import of_frontier
from layerscope.searches.finished import FinishedSearch
from layerscope.sweeps.analysis.comparison import View
from layerscope.sweeps.figures.comparison import Scored, comparison_figures
from layerscope.sweeps.figures.layers import sweep_figures
from layerscope.sweeps.figures.parts_of_speech import pos_figures
from layerscope.sweeps.figures.preference import preference_figures
from tests.contrasts.figures.test_units import POSITION, SITE, random_sets, tables
from tests.made_up_runs import made_up_run
from tests.made_up_searches import made_up_search
from tests.sweeps.figures.test_comparison import lines
from tests.sweeps.figures.test_layers import PROXIES, layers
from tests.sweeps.test_heads import table as heads_table

NO_PROXIES = pd.DataFrame(columns=["family", "proxy", "variants", "spearman"])
FAMILIES = ["removal", "exchange"]


@functools.cache
def every_figure(language: Language, width: Width | None = None) -> dict[str, Figure]:
    """By what made them and their names."""
    look: dict[str, Any] = {"language": language, "width": width}
    drawn = {
        "sweep": sweep_figures(layers(30, 8.0), PROXIES, model="smollm2-135m", dataset="wiki-text-2", **look),
        "crossing": sweep_figures(crossing(), NO_PROXIES, model="m", dataset="d", **look),
        "depths": sweep_figures(*of_depths(), model="m", dataset="d", **look),
        "heads": sweep_figures(heads_table(30, 3), NO_PROXIES, model="m", dataset="d", **look),
        "words": of_words(language, width),
        "preference": of_preference(language, width),
        "compared": comparison_figures(
            lines(View("delta", "nats", "depth"), tags=("NOUN", "VERB", "PUNCT"), lowest=-0.3),
            View("delta", "nats", "depth"), Scored("wiki-text-2", 1000, 123456), **look,
        ),
        "perplexities": comparison_figures(
            lines(View("ppl", "nats", "layer")), View("ppl", "nats", "layer"), Scored("lee", 8, 1234), **look
        ),
        "search": of_search(language, width),
        "stability": stability_figures(
            **tables(30), model="smollm2-135m", pairs="templates", site=SITE, position=POSITION, k=25, **look
        ),
        "intervention": intervention_figures(
            random_sets(np.linspace(-1, 1, 50), 2.0), model="m", pairs="p", language=language, intact_accuracy=0.83, width=width
        ),
        "restoring": restoring_figures(restored(), model="m", pairs="p", language=language, width=width),
    }  # fmt: skip
    return {f"{made}: {name}": figure for made, figures in drawn.items() for name, figure in figures.items()}


def crossing() -> pd.DataFrame:
    """A sweep with effects and intervals on both sides of zero."""
    rows = layers(20, 8.0)
    falls = (rows["family"] == "removal") & rows["span_first"].between(12, 15)
    rows.loc[falls, ["delta_nll_nats", "delta_nll_low_nats", "delta_nll_high_nats"]] = [-0.02, -0.05, 0.01]
    return rows


def of_depths() -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """A sweep with both lenses: layers, no proxies, and prediction depths."""
    rows: list[dict[str, Any]] = [{"variant": "intact", "family": "intact", "nll_nats": 3.0, "delta_nll_nats": 0.0}]
    for family, slower in (("depth", 1.0), ("tuned-depth", 0.6)):
        for depth in range(-1, 12):
            effect = slower * (11 - depth) ** 1.2
            ends = {"delta_nll_low_nats": 0.9 * effect, "delta_nll_high_nats": 1.1 * effect}
            shares = {"top1_accuracy": 0.4 * (depth + 1) / 12, "agreement": (depth + 1) / 12}
            named = {"variant": f"{family}-{depth}", "family": family, "span_first": depth + 1, "span_last": 11}
            rows.append({**named, "nll_nats": 3.0 + effect, "delta_nll_nats": effect, **ends, **shares})
    frame = pd.DataFrame(rows).assign(tokens_scored=12345, documents=100)
    depths = pd.DataFrame(
        [{"family": family, "depth": depth} for family in ("depth", "tuned-depth") for depth in range(12)] * 5
    )
    return frame.assign(ppl=np.exp(frame["nll_nats"])), NO_PROXIES, depths


def of_words(language: Language, width: Width | None) -> dict[str, Figure]:
    """Parts of speech, one of them rare and loud, one not tested."""
    pos = words_with_a_rare_tag()
    rows = pos[(pos["unit"] == "word") & (pos["kind"] == "tag") & (pos["tag"] != "INTJ")]
    transitions = rows.assign(next_tag=rows["tag"].replace({"NOUN": "VERB"}), words=rows["items"])
    named = {"n_texts": 60, "model": "tiny", "dataset": "texts", "language": language, "width": width}
    return pos_figures(pos, transitions, ["removal"], **named)


def words_with_a_rare_tag() -> pd.DataFrame:
    """Effects between 1e-4 and 5 nats; four interjections that lose most and are hard."""
    pos = made_up_run(n_documents=30, planted={"VERB": 0.5}, seed=0, n_variants=12).pos()
    size = np.exp(-0.7 * pos["span_first"].to_numpy(float))
    for column in ("delta_nll_nats", "delta_nll_low_nats", "delta_nll_high_nats"):
        pos[column] = pos[column] * 10 * size
    pos["tag"] = pos["tag"].astype(str)
    rare = pos[pos["tag"] == "ADJ"].assign(tag="INTJ", items=4, intact_nll_nats=17.0, is_few=True, q_value=np.nan)
    return pd.concat([pos, rare.assign(delta_nll_nats=-0.7)], ignore_index=True)


def of_preference(language: Language, width: Width | None) -> dict[str, Figure]:
    """Pairs of three groups over two families of removals, and of one of depths."""
    rows, beyond, depths = [], [], []
    groups = [("all", "all", 300), ("subtype", "subject-verb-agreement", 200), ("subtype", "number", 30)]
    for (kind, group, pairs), family in ((one, family) for one in groups for family in (*FAMILIES, "depth")):
        for layer in range(12):
            damage = 8.0 * np.exp(-layer) + 0.02 * (1 + layer % 3)
            name = {"family": family, "kind": kind, "group": group, "variant": f"{family}-{layer}"}
            found = {"q_value": 0.01 if layer in (0, 5) else 0.4, "damage_nats": damage}
            sizes = {"pairs": pairs, "is_few": pairs < 40, "intact_margin_nats": 2.0, "accuracy": 0.4 + 0.05 * layer}
            place = {"span_first": layer, "span_last": layer, "unit": "edit", "delta_accuracy": -0.3 * np.exp(-layer)}
            rows.append({**name, **found, **sizes, **place})
            expected = {"expected_low": -damage / 3 - 0.2, "expected_high": -damage / 4}
            if family != "depth":
                beyond.append({**name, **found, **expected, "measure": "margin", "effect": -damage / 2, "beyond": -damage / 5})
        ends = {"mean_depth": 6.0, "mean_depth_low": 4.5, "mean_depth_high": 7.0}
        depths += [{"unit": "edit", "family": family, "kind": kind, "group": group, **ends}] if family == "depth" else []
    made = map(pd.DataFrame, (rows, beyond, depths))
    return preference_figures(*made, [*FAMILIES, "depth"], unit="edit", model="m", language=language, width=width)


def of_search(language: Language, width: Width | None) -> dict[str, Figure]:
    """A search with several draws."""
    with TemporaryDirectory() as folder:
        run = FinishedSearch.open(made_up_search(n_layers=14, steps=5, n_draws=3).write(Path(folder) / "search"))
        return of_frontier(run)(language=language, width=width)


def restored() -> pd.DataFrame:
    """Patches at two positions."""
    return pd.DataFrame(
        [
            {"layer": layer, "position": position, "set": name, "restored_nats": 2.0 * share, "share": share,
             "low": 2.0 * share - 0.2, "high": 2.0 * share + 0.2}
            for name, part in (("all", 1.0), ("carried", 0.1))
            for position, turn in (("edit", 1), ("last", -1))
            for layer in range(12)
            for share in [part * (0.5 + 0.5 * turn * np.cos(layer / 4))]
        ]
    )  # fmt: skip
