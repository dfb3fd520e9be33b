"""The study docs/studies/grammar-by-layer.md from nothing: pairs, two sweeps, their readings, then its tables and figures.

python -m scripts.grammar_by_layer results/grammar-by-layer      (or: make study; two hours on two cores)

BLiMP is read from ../shared/data/blimp, or from the folder that LAYERSCOPE_BLIMP names. A sweep that was stopped goes on. What
stands in the page between two marks is written anew; the sentences around it were written by a reader of these tables.
"""

from __future__ import annotations

import os
import random
import shutil
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from layerscope.corpora.catalogue import load_documents
from layerscope.pairs.format import write_pairs
from layerscope.pairs.importing import import_blimp
from layerscope.pairs.templates.generating import generate
from layerscope.paths.families import DEPTH
from layerscope.stats.monotone import explained
from layerscope.stats.rank_agreement import spearman_matrix
from layerscope.sweeps.analysis.preference_depth_finding import halfway_depth
from layerscope.sweeps.finished import FinishedRun
from layerscope.sweeps.pair_tables import BEYOND_DAMAGE, PREFERENCE, PREFERENCE_DEPTH
from layerscope.sweeps.preference import JSON
from scripts.study_page import fill, layerscope, rank_correlation, table

MODELS = {"smollm2-135m": "SmolLM2-135M", "gemma3-270m": "Gemma 3 270M"}
SUBTYPES = ("tense", "preposition", "subject-verb-agreement", "determiner-noun-agreement", "pronoun-gender")
PAIRS_OF_EACH = 40
N_TEXTS = 100
SEED = 0
N_PERMUTATIONS = 99_999
UNIT = "sentence"
LEVEL = 0.05
PAGE = Path(__file__).parents[1] / "docs" / "studies" / "grammar-by-layer.md"
FIGURES = ("preference_removal", "preference_damage", "preference_depth")


@dataclass(frozen=True)
class Studied:
    """What was found in a model."""

    name: str
    """As the page has it."""
    run: FinishedRun
    """Its sweep, with the reading of ``layerscope preference``."""

    @property
    def n_layers(self) -> int:
        """Layers of the model."""
        return self.run.record.model.layers

    @cached_property
    def preference(self) -> pd.DataFrame:
        """Rows of preference.parquet of the study's unit."""
        rows = self.run.directory.read_table(PREFERENCE).to_pandas()
        return _of_text(rows[rows["unit"].astype(str) == UNIT])

    @cached_property
    def beyond(self) -> pd.DataFrame:
        """Rows of beyond_damage.parquet of margins under removal."""
        rows = _of_text(self.run.directory.read_table(BEYOND_DAMAGE).to_pandas())
        return rows[(rows["measure"] == "margin") & (rows["family"] == "removal")]

    @cached_property
    def depth(self) -> pd.DataFrame:
        """Rows of preference_depth.parquet of the study's unit, by kind and group."""
        rows = _of_text(self.run.directory.read_table(PREFERENCE_DEPTH).to_pandas())
        return rows[rows["unit"] == UNIT].set_index(["kind", "group"])

    @cached_property
    def intact(self) -> pd.DataFrame:
        """Rows of the intact model, by kind and group."""
        return self.preference[self.preference["variant"] == "intact"].set_index(["kind", "group"])

    def midway(self, kind: str, group: str) -> int | None:
        """The depth from which on accuracy is midway from chance to the whole model's, or more; None for one at chance."""
        rows = self.preference[(self.preference["family"] == DEPTH) & (self.preference["kind"] == kind)]
        rows = rows[rows["group"] == group]
        return halfway_depth(rows["accuracy"].to_numpy(float), int(rows["clusters"].iloc[0]))

    def effect(self, group: str) -> np.ndarray:
        """Δ margin of each removed layer, in nats per pair."""
        rows = self.preference[(self.preference["family"] == "removal") & (self.preference["group"] == group)]
        effects: np.ndarray = rows.sort_values("span_first")["delta_margin_nats"].to_numpy(float)
        return effects

    def layer(self, row: dict[Any, Any]) -> str:
        """A row of beyond_damage.parquet in few words: layer, nats beyond, accuracy with all layers and without this one."""
        chosen = (self.preference["variant"] == row["variant"]) & (self.preference["group"] == row["group"])
        (of_both,) = self.preference[chosen & (self.preference["kind"] == row["kind"])].to_dict("records")
        number = str(row["variant"]).removeprefix("removal-")
        return f"**{number}** {row['beyond']:+.1f} ({of_both['intact_accuracy']:.0%} → {of_both['accuracy']:.0%})"

    @cached_property
    def damage(self) -> np.ndarray:
        """ΔNLL of ordinary text without each layer."""
        layers = self.run.layers
        found: np.ndarray = layers[layers["family"] == "removal"].sort_values("span_first")["delta_nll_nats"].to_numpy(float)
        return found

    def own_effects(self, groups: Sequence[str]) -> np.ndarray:
        """Δ margin of each removed layer less its mean over the groups: what a group has of its own, ``group layer``."""
        effects = np.array([self.effect(group) for group in groups])
        own: np.ndarray = effects - effects.mean(axis=0)
        return own


def write_texts(path: Path) -> None:
    """First sentences of news articles, a line each."""
    path.parent.mkdir(parents=True, exist_ok=True)
    firsts = (document.text.split(". ")[0].strip() + "." for document in load_documents("lee", "lines"))
    path.write_text("".join(f"{first}\n" for first in [one for one in firsts if 12 <= len(one.split()) <= 40][:N_TEXTS]))


def write_all_pairs(folder: Path) -> None:
    """The same number of pairs of each paradigm of BLiMP's and of each kind of ours."""
    folder.mkdir(parents=True, exist_ok=True)
    blimp = Path(os.environ.get("LAYERSCOPE_BLIMP", "../shared/data/blimp"))
    for file in sorted(blimp.glob("*.jsonl")):
        drawn = random.Random(SEED).sample(list(import_blimp(file)), PAIRS_OF_EACH)
        write_pairs(drawn, folder / file.name)
    for subtype in SUBTYPES:
        made = generate(subtype, PAIRS_OF_EACH, seed=SEED)
        write_pairs([replace(pair, term=f"our {subtype}") for pair in made], folder / f"ours_{subtype}.jsonl")


def run(folder: Path) -> list[Studied]:
    """Both sweeps and their readings; what is finished is not run again."""
    write_texts(folder / "texts.txt")
    write_all_pairs(folder / "pairs")
    studied = []
    for model, name in MODELS.items():
        sweep = ["sweep", "--model", model, "--dataset", f"{folder}/texts.txt", "--pairs", f"{folder}/pairs"]
        options = ["--experiment", "removal,depth", "--max-samples", "all", "--dtype", "float32"]
        layerscope(*sweep, *options, "--figures", "none", "--output-dir", str(folder))
        path = folder / "removal+depth" / f"{model.replace('-', '_')}_texts_nall_pairs"
        layerscope("preference", str(path), "--figures", "en")
        studied.append(Studied(name, FinishedRun.open(path)))
    return studied


def groups(studied: Sequence[Studied]) -> list[tuple[str, str]]:
    """Kind and name of what is shown: all pairs, then every paradigm."""
    return [("all", "all"), *[group for group in studied[0].intact.index if group[0] == "term"]]


def how_often_right(studied: Sequence[Studied]) -> str:
    """Accuracy of the intact models, where it lies midway from chance, where the right side stays likelier, and flips."""
    heads = [
        f"{what}, {one.name}" for one in studied for what in ("right", "halfway from layer", "stays from layer", "flips back")
    ]
    rows = []
    for group in groups(studied):
        cells = [f"{group[1]} ({int(studied[0].intact.loc[group, 'pairs'])})"]
        for one in studied:
            depth, midway = one.depth.loc[group], one.midway(*group)
            cells += [
                f"{one.intact.loc[group, 'accuracy']:.0%}",
                "–" if midway is None else str(midway),
                f"{depth['mean_depth']:.1f} [{depth['mean_depth_low']:.1f}, {depth['mean_depth_high']:.1f}]",
                f"{depth['flips_back']:.0%}",
            ]
        rows.append(cells)
    return table(["kind", *heads], rows)


def damage_explains(studied: Sequence[Studied]) -> str:
    """How much of the variation of Δ margin over layers a falling relation with damage explains, with and without the worst."""
    rows = []
    for one in studied:
        rows.append([one.name, "all pairs, every layer", *_explained(one, "all", 0)])
        for n_left_out in (3, 4):
            worst = ", ".join(map(str, np.sort(np.argsort(-one.damage)[:n_left_out])))
            rows.append(
                [one.name, f"all pairs, without the {n_left_out} of most damage ({worst})", *_explained(one, "all", n_left_out)]
            )
        shares = [_explained(one, name, 0) for kind, name in groups(studied) if kind == "term"]
        least, most = min(shares, key=_number), max(shares, key=_number)
        n_low = sum(float(p_value) < LEVEL for _, p_value in shares)
        rows.append(
            [one.name, f"by kind, from least to most of {len(shares)}", f"{least[0]} to {most[0]}", f"below 0.05 in {n_low}"]
        )
    return table(["model", "layers removed", "explained by damage", "p (permuted layers)"], rows)


def _explained(one: Studied, group: str, n_left_out: int) -> tuple[str, str]:
    kept = np.argsort(-one.damage)[n_left_out:]
    share, p_value = explained(one.damage[kept], one.effect(group)[kept], n_permutations=999, seed=SEED)
    return f"{share:.0%}", f"{p_value:.2g}"


def _number(cells: tuple[str, str]) -> float:
    return float(cells[0].rstrip("%"))


def which_layers(studied: Sequence[Studied]) -> str:
    """Layers whose loss costs more of the margin than its damage allows, and less, by kind, with the accuracies."""
    rows = []
    for kind, group in groups(studied):
        cells = [group]
        for one in studied:
            of_group = one.beyond[(one.beyond["kind"] == kind) & (one.beyond["group"] == group)]
            found = of_group[of_group["q_value"] < LEVEL]
            more, less = found[found["beyond"] < 0].sort_values("beyond"), found[found["beyond"] > 0]
            cells += [", ".join(one.layer(row) for row in some.to_dict("records")) or "–" for some in (more, less)]
        rows.append(cells)
    heads = [f"{what}, {one.name}" for one in studied for what in ("costs more", "costs less")]
    return table(["kind", *heads], rows)


def how_alike(studied: Sequence[Studied]) -> str:
    """Rank correlations of the two models over paradigms, and of the effects of layers at the same relative depth."""
    one, other = studied
    terms = [group for group in groups(studied) if group[0] == "term"]
    generator = np.random.default_rng(SEED)
    rows = []
    for what, of in (
        ("share of pairs that are right", lambda some: [some.intact.loc[term, "accuracy"] for term in terms]),
        ("layer from which on it is so", lambda some: [some.depth.loc[term, "mean_depth"] for term in terms]),
        ("share of pairs that flip back", lambda some: [some.depth.loc[term, "flips_back"] for term in terms]),
    ):
        rho, p_value = rank_correlation(np.array(of(one), float), np.array(of(other), float), generator, N_PERMUTATIONS)
        rows.append([f"{what}, over {len(terms)} kinds", f"{rho:+.2f}", f"{p_value:.3g}"])
    of_damage = _profile_correlation(one.damage, other.damage)
    rows.append(["damage to neutral text, by relative depth", f"{of_damage:+.2f}", ""])
    rows.append(
        ["Δ margin of all pairs, by relative depth", f"{_profile_correlation(one.effect('all'), other.effect('all')):+.2f}", ""]
    )
    crossed = _crossed([some.own_effects([name for _, name in terms]) for some in studied])
    observed = np.diag(crossed).mean()
    orders = generator.permuted(np.tile(np.arange(len(terms)), (N_PERMUTATIONS // 10, 1)), axis=1)
    p_value = (1 + (crossed[np.arange(len(terms)), orders].mean(axis=1) >= observed - 1e-12).sum()) / (len(orders) + 1)
    rows.append(
        [
            "what a kind has of its own in Δ margin, by relative depth: the same kind in both",
            f"{observed:+.2f}",
            f"{p_value:.2g}",
        ]
    )
    apart = crossed[~np.eye(len(terms), dtype=bool)].mean()
    rows.append(["the same: one kind in one model, another in the other", f"{apart:+.2f}", ""])
    return table(["of both models", "Spearman's ρ", "p (permuted kinds)"], rows)


PHENOMENA = {
    "determiner and noun": (
        "determiner_noun_agreement_1",
        "determiner_noun_agreement_2",
        "determiner_noun_agreement_with_adj_2",
        "our determiner-noun-agreement",
    ),
    "subject and verb": (
        "regular_plural_subject_verb_agreement_1",
        "regular_plural_subject_verb_agreement_2",
        "our subject-verb-agreement",
    ),
    "pronoun and its antecedent": ("anaphor_number_agreement", "our pronoun-gender"),
    "irregular participles": ("irregular_past_participle_adjectives", "irregular_past_participle_verbs"),
}
"""Paradigms that ask for the same, by what they ask for; the others stand by themselves."""


def same_phenomenon(studied: Sequence[Studied]) -> str:
    """Whether layers matter alike for kinds of one phenomenon: what is left of Δ margin without the mean over kinds."""
    terms = [name for kind, name in groups(studied) if kind == "term"]
    places = [next((i for i, some in enumerate(PHENOMENA.values()) if term in some), -1 - n) for n, term in enumerate(terms)]
    label, is_ours = np.array(places), np.array([term.startswith("our ") for term in terms])
    first, second = np.triu_indices(len(terms), 1)
    rhos = [spearman_matrix(one.own_effects(terms))[first, second] for one in studied]
    is_same = label[first] == label[second]
    comparisons = {
        "within a phenomenon, all": np.ones(len(first), dtype=bool),
        "within a phenomenon, BLiMP's with ours": is_ours[first] != is_ours[second],
        "within a phenomenon, without determiner and noun": (label[first] != 0) & (label[second] != 0),
    }
    rows = [
        [
            what,
            *(
                cell
                for rho in rhos
                for cell in (_mean_of(rho, chosen & is_same), f"{_same_p(rho, label, (first, second), chosen):.2g}")
            ),
        ]
        for what, chosen in comparisons.items()
    ]
    rows.append(["between phenomena", *(cell for rho in rhos for cell in (_mean_of(rho, ~is_same), ""))])
    for number, name in enumerate(PHENOMENA):
        chosen = is_same & (label[first] == number)
        rows.append([name, *(cell for rho in rhos for cell in (_mean_of(rho, chosen), ""))])
    return table(["mean ρ (pairs of kinds)", *(cell for one in studied for cell in (one.name, "p"))], rows)


def _mean_of(rho: np.ndarray, chosen: np.ndarray) -> str:
    return f"{rho[chosen].mean():+.2f} ({int(chosen.sum())})"


def _same_p(rho: np.ndarray, label: np.ndarray, pairs: tuple[np.ndarray, np.ndarray], chosen: np.ndarray) -> float:
    """One-sided p of mean ρ within phenomena less that between them, kinds permuted over phenomena.

    Where only paradigms of two sources are compared, labels that leave no pair within a phenomenon count as 0.
    """
    first, second = (some[chosen] for some in pairs)
    orders = np.random.default_rng(SEED).permuted(np.tile(label, (N_PERMUTATIONS // 10, 1)), axis=1)
    labels = np.concatenate([label[None], orders])
    same = labels[:, first] == labels[:, second]
    with np.errstate(invalid="ignore"):
        apart = (same @ rho[chosen]) / same.sum(axis=1) - (~same @ rho[chosen]) / (~same).sum(axis=1)
    apart = np.nan_to_num(apart, nan=0.0)
    return float((apart >= apart[0] - 1e-12).mean())


def _crossed(effects: Sequence[np.ndarray]) -> np.ndarray:
    """Spearman's ρ of each paradigm's profile in one model with each paradigm's in the other."""
    one, other = effects
    return np.array([[_profile_correlation(row, column) for column in other] for row in one])


def _profile_correlation(one: np.ndarray, other: np.ndarray) -> float:
    """Spearman's ρ of two profiles, the longer one interpolated onto the relative depths of the shorter one."""
    short, long = sorted((one, other), key=len)
    at = np.interp(np.linspace(0, 1, len(short)), np.linspace(0, 1, len(long)), long)
    return float(spearman_matrix(np.stack([short, at]))[0, 1])


def readings(studied: Sequence[Studied]) -> str:
    """What ``layerscope preference`` says of each model."""
    said = []
    for one in studied:
        found = one.run.directory.read_json(JSON, made_by="layerscope preference", needs=["findings"])
        assert found is not None, "it has just run"
        said += [f"> **{one.name}**, {family}: {both['en']}" for family, both in found["findings"].items()]
    return "\n>\n".join(said)


def _of_text(rows: pd.DataFrame) -> pd.DataFrame:
    """Names as text."""
    names = [name for name in ("variant", "family", "unit", "kind", "group", "measure") if name in rows]
    return rows.astype(dict.fromkeys(names, str))


BLOCKS: dict[str, Callable[[Sequence[Studied]], str]] = {
    "how often right": how_often_right,
    "which layers": which_layers,
    "same phenomenon": same_phenomenon,
    "how alike": how_alike,
    "readings": readings,
    "damage explains": damage_explains,
}


def write_page(studied: Sequence[Studied]) -> None:
    """Tables between the marks of the page, and its figures."""
    fill(PAGE, {name: made(studied) for name, made in BLOCKS.items()})
    images = PAGE.with_suffix("")
    images.mkdir(exist_ok=True)
    for model, one in zip(MODELS, studied, strict=True):
        for figure in FIGURES:
            shutil.copyfile(one.run.directory.path / "figures" / f"{figure}_en.png", images / f"{model}_{figure}.png")


if __name__ == "__main__":
    write_page(run(Path(sys.argv[1])))
