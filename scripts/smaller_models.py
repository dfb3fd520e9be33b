"""The study docs/studies/smaller-models.md from nothing: searches of two models, their paths on BLiMP, then its tables.

python -m scripts.smaller_models results/smaller-models      (or: make study-smaller; an hour on two cores)

BLiMP is read from ../shared/data/blimp, or from the folder that LAYERSCOPE_BLIMP names. What was stopped goes on. What stands
in the page between two marks is written anew; the sentences around it were written by a reader of these tables.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.stats import binomtest

from layerscope.corpora.catalogue import load_documents
from layerscope.evaluations.finished import FinishedEvaluation
from layerscope.searches.finished import FinishedSearch
from scripts.study_page import fill, layerscope, rank_correlation, table

MODELS = {"smollm2-135m": "SmolLM2-135M", "gemma3-270m": "Gemma 3 270M"}
DROP = 8
WIDTH = 3
DRAWS = 2
CALIBRATION, HELD_OUT = 16, 32
RANDOM_PATHS = 3
PAIRS_OF_EACH = 20
DTYPE = "bfloat16"
SEED = 42
N_PERMUTATIONS = 9_999
LEVEL = 0.05
HEALING_TOKENS = 100e6
PAGE = Path(__file__).parents[1] / "docs" / "studies" / "smaller-models.md"
FIGURES = ("frontier", "order")


@dataclass(frozen=True)
class Studied:
    """What was found in a model."""

    name: str
    """As the page has it."""
    greedy: FinishedSearch
    """With one-shot and random beside it."""
    beam: FinishedSearch
    """On the same texts."""
    tasks: FinishedEvaluation
    """The paths of both on BLiMP."""

    @property
    def n_layers(self) -> int:
        """Layers of the model."""
        return self.greedy.record.model.layers

    @cached_property
    def accuracy(self) -> pd.DataFrame:
        """Rows of tasks.parquet of all of BLiMP, by path."""
        rows = self.tasks.tasks
        rows = rows[(rows["kind"].astype(str) == "group") & (rows["metric"].astype(str) == "acc")]
        return rows.set_index("path")

    @cached_property
    def paths(self) -> pd.DataFrame:
        """Every path that was measured on texts and on BLiMP, each once: size, ΔNLL, accuracy."""
        rows = pd.concat([self.greedy.frontier, self.beam.frontier]).drop_duplicates("path")
        rows = rows[rows["path"].isin(self.accuracy.index)]
        return rows.assign(accuracy=[float(self.accuracy.loc[path, "value"]) for path in rows["path"]])

    def right(self, path: str) -> np.ndarray:
        """Which pairs of BLiMP a path has right, paradigm by paradigm; 1 or 0."""
        names = sorted({str(task) for task in self.tasks.tasks["task"][self.tasks.tasks["kind"].astype(str) == "task"]})
        samples = [self.tasks.samples(path, name, PAIRS_OF_EACH) for name in names]
        return np.concatenate([[float(values[0]) for values in some["values"]] for some in samples])

    def of(self, way: str, layers: int) -> pd.DataFrame:
        """Rows of a way of searching at a size: the best of its draws, or all random paths."""
        frontier = self.beam.frontier if way == "beam" else self.greedy.frontier
        rows = frontier[(frontier["way"] == ("search" if way in ("beam", "greedy") else way)) & (frontier["layers"] == layers)]
        return rows if way == "random" else rows[rows["is_best"]]

    @property
    def sizes(self) -> list[int]:
        """Layers kept, from most to fewest."""
        return [self.n_layers - n for n in range(1, DROP + 1)]


WAYS = ("one-shot", "greedy", "beam", "random")


def run(folder: Path) -> list[Studied]:
    """Searches and evaluations; what is finished is not run again."""
    texts = folder / "texts.txt"
    texts.parent.mkdir(parents=True, exist_ok=True)
    firsts = (document.text.split(". ")[0].strip() + "." for document in load_documents("lee", "lines"))
    texts.write_text("".join(f"{first}\n" for first in firsts if 12 <= len(first.split()) <= 40))
    studied = []
    for model, name in MODELS.items():
        found = [_search(folder, texts, model, method, n) for method, n in (("greedy", RANDOM_PATHS), (f"beam:{WIDTH}", 0))]
        greedy, beam = (FinishedSearch.open(path) for path in found)
        blimp = os.environ.get("LAYERSCOPE_BLIMP", "../shared/data/blimp")
        options = ["--data-dir", blimp, "--limit", str(PAIRS_OF_EACH), "--dtype", DTYPE, "--output-dir", str(folder)]
        named = [f"@{found[0]}/{which}" for which in ("frontier", "one-shot", "random")] + [f"@{found[1]}/frontier"]
        paths = [word for path in named for word in ("--path", path)]
        layerscope("evaluate", "--model", model, "--tasks", "blimp", *paths, *options)
        tasks = FinishedEvaluation.open(folder / "evaluate" / model.replace("-", "_"))
        studied.append(Studied(name, greedy, beam, tasks))
    return studied


def _search(folder: Path, texts: Path, model: str, method: str, n_random: int) -> Path:
    numbers = {
        "--drop": DROP,
        "--draws": DRAWS,
        "--calibration": CALIBRATION,
        "--held-out": HELD_OUT,
        "--random-paths": n_random,
        "--seed": SEED,
    }
    options = [word for option, number in numbers.items() for word in (option, str(number))]
    layerscope(
        *("search", "--model", model, "--dataset", str(texts), "--method", method, *options),
        *("--dtype", DTYPE, "--figures", "en", "--output-dir", str(folder)),
    )
    (found,) = (folder / "search").glob(f"{model.replace('-', '_')}_texts_n{CALIBRATION}_removal_{method.replace(':', '-')}_*")
    return found


def nll_by_size(studied: Sequence[Studied]) -> str:
    """ΔNLL on held-out texts of every way and size."""
    rows = []
    for one in studied:
        for size in one.sizes:
            cells = [one.name, f"{size} of {one.n_layers}"]
            for way in WAYS:
                found = one.of(way, size)
                if way == "random":
                    cells.append(f"{found['delta_nll_nats'].mean():+.2f} (least {found['delta_nll_nats'].min():+.2f})")
                else:
                    (row,) = found.to_dict("records")
                    ends = f"{row['delta_nll_low_nats']:+.2f}, {row['delta_nll_high_nats']:+.2f}"
                    cells.append(f"{row['delta_nll_nats']:+.2f} [{ends}]")
            rows.append(cells)
    return table(["model", "layers", "one-shot", "greedy", f"beam of {WIDTH}", f"random, mean of {RANDOM_PATHS}"], rows)


def gains(studied: Sequence[Studied]) -> str:
    """What greedy and beam gain over one-shot, each draw by itself."""
    rows = []
    for one in studied:
        for size in one.sizes:
            cells = [one.name, str(size)]
            for run_ in (one.greedy, one.beam):
                for draw in range(DRAWS):
                    at = (run_.gains["layers"] == size) & (run_.gains["against"] == "one-shot") & (run_.gains["draw"] == draw)
                    (row,) = run_.gains[at].to_dict("records")
                    star = "*" if row["q_value"] < LEVEL else ""
                    cells.append("same path" if row["same_path"] else f"{row['gain_nats']:+.2f}{star}")
            rows.append(cells)
    heads = [f"{way}, texts {'AB'[draw]}" for way in ("greedy", f"beam of {WIDTH}") for draw in range(DRAWS)]
    return table(["model", "layers", *heads], rows)


def tasks_by_size(studied: Sequence[Studied]) -> str:
    """Accuracy on BLiMP of every way and size."""
    rows = []
    for one in studied:
        rows.append(
            [one.name, f"{one.n_layers} (intact)", f"{one.accuracy.loc[f'0-{one.n_layers - 1}', 'value']:.1%}", "", "", ""]
        )
        for size in one.sizes:
            cells = [one.name, str(size)]
            for way in WAYS:
                values = [float(one.accuracy.loc[path, "value"]) for path in one.of(way, size)["path"]]
                cells.append(f"{np.mean(values):.1%}")
            rows.append(cells)
    return table(["model", "layers", "one-shot", "greedy", f"beam of {WIDTH}", f"random, mean of {RANDOM_PATHS}"], rows)


def order(studied: Sequence[Studied]) -> str:
    """Which layers greedy left out, first to last, by each set of calibration texts."""
    rows = []
    for one in studied:
        frontier = one.greedy.frontier
        for way in ("search", "one-shot"):
            for draw in range(DRAWS):
                last = frontier[(frontier["way"] == way) & (frontier["draw"] == draw)].sort_values("layers").iloc[0]
                layers = " ".join(move.removeprefix("removal-") for move in str(last["moves"]).split())
                rows.append([one.name, "greedy" if way == "search" else way, "AB"[draw], layers])
    return table(["model", "way", "texts", "layers, first to last"], rows)


def perplexity_and_tasks(studied: Sequence[Studied]) -> str:
    """Whether ΔNLL ranks paths as BLiMP does: over all paths, among the searched, and within a size."""
    generator = np.random.default_rng(SEED)
    rows = []
    for one in studied:
        paths = one.paths[one.paths["way"] != "intact"]
        searched = paths[paths["way"] != "random"]
        for what, some in (("all paths", paths), ("without random ones", searched)):
            rho, p_value = rank_correlation(
                -some["delta_nll_nats"].to_numpy(), some["accuracy"].to_numpy(), generator, N_PERMUTATIONS
            )
            within, p_within = _within_sizes(some, generator)
            rows.append(
                [one.name, f"{what} ({len(some)})", f"{rho:+.2f}", f"{p_value:.2g}", f"{within:+.2f}", f"{p_within:.2g}"]
            )
    return table(["model", "paths", "ρ", "p", "ρ within a size", "p within a size"], rows)


def _within_sizes(paths: pd.DataFrame, generator: np.random.Generator) -> tuple[float, float]:
    """Spearman's ρ of what is left of −ΔNLL and accuracy without the mean rank of a size; p by permuting within sizes."""
    sizes = paths["layers"].to_numpy()

    def centred(values: pd.Series) -> np.ndarray:
        ranks = values.groupby(sizes).rank()
        return np.asarray(ranks - ranks.groupby(sizes).transform("mean"), dtype=float)

    one, other = centred(-paths["delta_nll_nats"].reset_index(drop=True)), centred(paths["accuracy"].reset_index(drop=True))
    norm = np.linalg.norm(one) * np.linalg.norm(other)
    rho = float(one @ other / norm)
    groups = [np.flatnonzero(sizes == size) for size in np.unique(sizes)]
    n_as_far = 0
    for _ in range(N_PERMUTATIONS):
        permuted = other.copy()
        for group in groups:
            permuted[group] = generator.permutation(other[group])
        n_as_far += abs(one @ permuted / norm) >= abs(rho) - 1e-12
    return rho, (1 + n_as_far) / (N_PERMUTATIONS + 1)


def same_size(studied: Sequence[Studied]) -> str:
    """One-shot's and greedy's best path of a size: which loses less NLL, and which answers more pairs; exact p of the pairs."""
    rows = []
    for one in studied:
        for size in one.sizes:
            shot, greedy = (one.of(way, size).iloc[0] for way in ("one-shot", "greedy"))
            if shot["path"] == greedy["path"]:
                continue
            right = [one.right(str(found["path"])) for found in (shot, greedy)]
            won, lost = int((right[0] > right[1]).sum()), int((right[0] < right[1]).sum())
            p_value = binomtest(won, won + lost).pvalue if won + lost else 1.0
            nll = shot["delta_nll_nats"] - greedy["delta_nll_nats"]
            points = 100 * (right[0].mean() - right[1].mean())
            rows.append([one.name, str(size), f"{nll:+.2f}", f"{points:+.1f}", f"{won} to {lost}", f"{p_value:.2g}"])
    return table(["model", "layers", "NLL", "BLiMP, points", "pairs that only one-shot / only greedy has right", "p"], rows)


def healing(studied: Sequence[Studied]) -> str:
    """What a short training of the smallest path would take."""
    rows = []
    for one in studied:
        (row,) = one.of("greedy", one.sizes[-1]).to_dict("records")
        parameters = float(row["parameters"])
        operations = 6 * parameters * HEALING_TOKENS
        rows.append([one.name, str(one.sizes[-1]), f"{parameters / 1e6:,.0f} million", f"{operations / 1e15:,.0f} · 10¹⁵"])
    return table(["model", "layers", "parameters", f"operations for {HEALING_TOKENS / 1e6:.0f} million tokens"], rows)


BLOCKS: dict[str, Callable[[Sequence[Studied]], str]] = {
    "nll by size": nll_by_size,
    "gains": gains,
    "order": order,
    "tasks by size": tasks_by_size,
    "perplexity and tasks": perplexity_and_tasks,
    "same size": same_size,
    "healing": healing,
}


def write_page(studied: Sequence[Studied]) -> None:
    """Tables between the marks of the page, and its figures."""
    fill(PAGE, {name: made(studied) for name, made in BLOCKS.items()})
    images = PAGE.with_suffix("")
    images.mkdir(exist_ok=True)
    for model, one in zip(MODELS, studied, strict=True):
        for figure in FIGURES:
            shutil.copyfile(one.greedy.directory.path / "figures" / f"{figure}_en.png", images / f"{model}_{figure}.png")


if __name__ == "__main__":
    write_page(run(Path(sys.argv[1])))
