"""How often the intervals and p-values of a sweep err, by simulation through the functions that make its tables.

    python -m benchmarks.few_texts [--runs 200] [--seed 1]

Every run has one model of 20 variants without any effect: what a text adds to a variant's NLL per token has mean 0. It has two
parts of equal variance, one shared by all variants of the text and one of its own, both normal or skewed: exponential (skewness
2, their sum 1.4) or log-normal with σ = 1 (skewness 6.2, their sum 4.4). Texts are of one length or log-normal with σ = 1,
where the longest of 20 holds a quarter of all tokens. For parts of speech, each text's words are dealt to three tags blindly.

Printed for each cell: P(p ≤ .05) and P(p ≤ .0025) of an effect, the share of intervals that do not hold 0, how many of them lie
above and below it, the share of runs in which some q < .05 among the 20, and the same of a tag's contrast.
"""

from __future__ import annotations

import argparse

import numpy as np
import pandas as pd

from layerscope.language.words import UPOS_TAGS
from layerscope.paths.families import build_variants
from layerscope.sweeps.analysis.item_sums import ItemSums
from layerscope.sweeps.analysis.layers import layers_table
from layerscope.sweeps.analysis.parts_of_speech import pos_table
from layerscope.sweeps.analysis.totals import DocumentTotals
from layerscope.sweeps.tables import SPANS

N_VARIANTS = 20
TEXTS = (5, 8, 20, 50, 200)
EFFECTS = ("normal", "exponential", "log-normal")
LENGTHS = ("equal", "log-normal")
TAG_SHARES = {"NOUN": 0.2, "VERB": 0.1, "DET": 0.7}


def null_run(
    generator: np.random.Generator, n_texts: int, effect: str, lengths: str
) -> tuple[DocumentTotals, dict[str, ItemSums]]:
    """A run whose variants have no effect: sums by document, and by document and part of speech."""
    tokens = np.full(n_texts, 100) if lengths == "equal" else np.ceil(generator.lognormal(4.6, 1.0, n_texts)).astype(int)
    shared, own = _mean_zero(generator, effect, (1, n_texts)), _mean_zero(generator, effect, (N_VARIANTS, n_texts))
    per_token = np.vstack([np.zeros(n_texts), (shared + own) / np.sqrt(2.0)])
    words = np.stack([generator.multinomial(n, list(TAG_SHARES.values())) for n in tokens], axis=1)
    # a tag's words have the text's effect, and one of their own
    of_tag = per_token[None] + np.concatenate(
        [np.zeros((len(words), 1, n_texts)), _mean_zero(generator, effect, (len(words), N_VARIANTS, n_texts))], axis=1
    )
    nll = 3.0 + of_tag
    sums = ItemSums.zeros(len(UPOS_TAGS), N_VARIANTS + 1, n_texts)
    for place, tag in enumerate(TAG_SHARES):
        sums.nll_nats[UPOS_TAGS.index(tag)] = nll[place] * words[place]
        sums.counts[UPOS_TAGS.index(tag)] = words[place]
    nothing = np.zeros((N_VARIANTS + 1, n_texts))
    names = ("is_top1", "agrees_with_intact", "kl_nats", "not_finite")
    totals = DocumentTotals(
        np.arange(n_texts), tokens, tokens, {"nll_nats": (3.0 + per_token) * tokens, **dict.fromkeys(names, nothing)}
    )
    return totals, {"word": sums}


def simulate(n_runs: int, seed: int, n_texts: int, effect: str, lengths: str) -> dict[str, float]:
    """Error rates of one cell, with a standard error of at most 0.5 / √runs for what is shared within a run."""
    generator = np.random.default_rng(seed)
    variants = build_variants(["removal"], [], N_VARIANTS)
    spans = SPANS.build({column.name: [] for column in SPANS.columns})
    tables, contrasts = [], []
    for _ in range(n_runs):
        totals, by_item = null_run(generator, n_texts, effect, lengths)
        layers = layers_table(totals, [spans], variants, N_VARIANTS).to_pandas()
        pos = pos_table(by_item, layers, 0.95).to_pandas()
        tables.append(layers.iloc[1:])
        contrasts.append(pos[(pos["kind"] == "tag") & (pos["family"] != "intact")])
    effects, tags = pd.concat(tables), pd.concat(contrasts)
    return {
        "p05": float((effects["p_value"] <= 0.05).mean()),
        "p0025": float((effects["p_value"] <= 0.0025).mean()),
        "above": float((effects["delta_nll_low_nats"] > 0).mean()),
        "below": float((effects["delta_nll_high_nats"] < 0).mean()),
        "some_q": float(np.mean([(table["q_value"] < 0.05).any() for table in tables])),
        "contrast_p05": float((tags["contrast_p_value"] <= 0.05).mean()),
        "contrast_some_q": float(np.mean([(table["contrast_q_value"] < 0.05).any() for table in contrasts])),
    }


def _mean_zero(generator: np.random.Generator, effect: str, shape: tuple[int, ...]) -> np.ndarray:
    """Draws of variance 1 and mean 0."""
    if effect == "normal":
        return generator.standard_normal(shape)
    if effect == "exponential":
        return generator.exponential(1.0, shape) - 1.0
    return (np.exp(generator.standard_normal(shape)) - np.exp(0.5)) / np.sqrt((np.e - 1.0) * np.e)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    print(f"{asked.runs} runs of {N_VARIANTS} variants without effect in each row\n")
    heads = (
        "P(p ≤ .05)",
        "P(p ≤ .0025)",
        "all above 0",
        "all below 0",
        "some q < .05",
        "tags: P(p ≤ .05)",
        "tags: some q < .05",
    )
    print("|", " | ".join(("effects", "lengths", "texts", *heads)), "|")
    print("|---|---|" + "---:|" * (len(heads) + 1))
    for effect in EFFECTS:
        for lengths in LENGTHS:
            for n_texts in TEXTS:
                found = simulate(asked.runs, asked.seed, n_texts, effect, lengths)
                print(
                    "|",
                    " | ".join((effect, lengths, str(n_texts), *(f"{rate:.3f}" for rate in found.values()))),
                    "|",
                    flush=True,
                )


if __name__ == "__main__":
    main()
