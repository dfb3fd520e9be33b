"""Size of a report's page, time and memory of writing it, and time until its first chart stands in a browser.

Runs are made up in the form of real ones, because only their size counts: a sweep of 1,000 documents and 59 variants, tagged,
and a contrast of 1,200 pairs in SmolLM2-135M's shape, analysed. The command runs in a process of its own; its peak is the
operating system's.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from benchmarks.common import parser, record, spread
from layerscope.contrasts.record import ContrastRecord
from layerscope.contrasts.tables import (
    CONSISTENCY,
    CONTRACTION,
    DIFFERENCES,
    DIMENSIONS,
    DIVERGENCE,
    GROUPS,
    INTERVENTION,
    LAYER_AGREEMENT,
    LAYER_SPECIFICITY,
    MOVEMENT,
    PAIRS,
    PREDICTIONS,
    PREFERENCES,
    RANKING,
    REFERENCE,
    TYPE_SPECIFICITY,
)
from layerscope.language.words import UPOS_TAGS
from layerscope.paths.families import build_variants
from layerscope.paths.variants import Variant
from layerscope.results.directory import RunDirectory
from layerscope.results.schema import Table
from layerscope.sweeps.record import SweepRecord
from layerscope.sweeps.tables import DOCUMENTS, LAYERS, POS, PROXIES, SCORES, TOKEN_WORDS, TOKENS, VOCABULARY
from tests.made_up_records import DATA, MODEL, contrast_record, sweep_record

N_LAYERS, WIDTH = 30, 576
TOKENS_A_DOCUMENT = 250
SITES, POSITIONS = ("resid_post", "attn_out", "mlp_out"), ("edit", "edit+1", "edit+2", "edit+3", "detection", "last")
MEANING = ("adjective", "location", "negation", "number", "subject")
GRAMMAR = (
    *("article", "determiner-noun-agreement", "preposition", "pronoun-gender", "subject-verb-agreement", "tense", "typo"),
)
ROLES = {
    **dict.fromkeys(("random-word-reference-1", "random-word-reference-2"), "reference"),
    **dict.fromkeys(("random-word-a", "random-word-b"), "control"),
    **dict.fromkeys(MEANING, "meaning"),
    **dict.fromkeys(GRAMMAR, "grammar"),
}
SCALES, MEASURES = ("percentile", "raw", "z", "relative"), ("jaccard", "spearman", "rbo")


def main() -> None:
    """Make the runs, write pages of each and of both, open them, and write down what it took."""
    made = parser(__doc__, rounds=3)
    made.add_argument("--documents", type=int, default=1000)
    made.add_argument("--pairs", type=int, default=1200)
    made.add_argument("--runs", type=Path, nargs="*", default=[], help="finished runs to take instead")
    options = made.parse_args()
    with tempfile.TemporaryDirectory() as place:
        runs = {str(run): [run] for run in options.runs}
        if not runs:
            sweep = make_sweep(Path(place, "sweep"), options.documents)
            contrast = make_contrast(Path(place, "contrast"), options.pairs)
            names = f"{options.documents} documents × 59 variants", f"{options.pairs} pairs × {N_LAYERS} × {WIDTH} × 18 places"
            runs = {names[0]: [sweep], names[1]: [contrast], " and ".join(names): [sweep, contrast]}
        for name, some in runs.items():
            page = Path(place, "page.html")
            seconds, peak = write(some, page)
            opens = open_in_browser(page, options.rounds)
            first = f"first chart after {spread(opens)} s" if opens else "no browser"
            size = page.stat().st_size / 1e6
            record("report", name, f"{size:.1f} MB, written in {seconds:.0f} s, peak {peak:.2f} GiB; {first}")


def write(runs: list[Path], page: Path) -> tuple[float, float]:
    """Seconds of the command, imports included, and its peak in GiB."""
    command = [sys.executable, "-m", "layerscope.cli.main", "report", *map(str, runs), "--output", str(page), "--force"]
    started = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    assert status == 0, "layerscope report failed"
    return time.perf_counter() - started, usage.ru_maxrss / 2**20


def open_in_browser(page: Path, rounds: int) -> list[float]:
    """Seconds from asking for the file to its first chart, each in a window of its own; none without a browser."""
    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        return []
    if chromium is None:
        return []
    seconds = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium)
        for _ in range(rounds):
            window = browser.new_context(viewport={"width": 1180, "height": 900}).new_page()
            started = time.perf_counter()
            window.goto(page.as_uri(), wait_until="commit")
            window.wait_for_selector("main figure svg[role=img]")
            seconds.append(time.perf_counter() - started)
            window.context.close()
        browser.close()
    return seconds


# a sweep


def make_sweep(folder: Path, n_documents: int) -> Path:
    """A finished sweep with made-up words and scores."""
    generator = np.random.default_rng(0)
    variants = build_variants(["removal", "exchange"], [], N_LAYERS)
    words = np.array(["".join(generator.choice(list("aeiournstlcdm"), size=n)) for n in generator.integers(1, 9, size=4000)])
    kinds = np.minimum(generator.zipf(1.3, size=(n_documents, TOKENS_A_DOCUMENT)), 4000) - 1
    starts = generator.random(kinds.shape) < 0.75
    starts[:, 0] = True
    pieces = np.where(starts, np.char.add(" ", words[kinds]), words[kinds])
    lengths = np.char.str_len(pieces)
    ends = np.cumsum(lengths, axis=1)
    directory = RunDirectory(folder)
    record = made_up_sweep(n_documents)
    directory.start(record)
    n_scored = TOKENS_A_DOCUMENT - 1
    directory.write_table(
        DOCUMENTS,
        filled(
            DOCUMENTS,
            {
                "document": np.arange(n_documents),
                "name": [f"made-up[{i}]" for i in range(n_documents)],
                "text": ["".join(row) for row in pieces],
                "tokens": np.full(n_documents, TOKENS_A_DOCUMENT),
                "tokens_scored": np.full(n_documents, n_scored),
            },
            generator,
        ),
    )
    document = np.repeat(np.arange(n_documents, dtype=np.int32), TOKENS_A_DOCUMENT)
    position = np.tile(np.arange(TOKENS_A_DOCUMENT, dtype=np.int32), n_documents)
    tokens = {
        "document": document,
        "position": position,
        "id": kinds.ravel(),
        "text": names(pieces.ravel()),
        "char_start": (ends - lengths).ravel(),
        "char_end": ends.ravel(),
        "scored": position > 0,
        "starts_word": starts.ravel(),
    }
    directory.write_table(TOKENS, TOKENS.build(tokens))
    word_of = {
        "document": document,
        "position": position,
        "word": np.cumsum(starts.ravel()) - 1,
        "role": names(np.where(starts.ravel(), "first", "continuation")),
        "scored": position > 0,
        "is_boundary": starts.ravel(),
    }
    directory.write_table(TOKEN_WORDS, TOKEN_WORDS.build(word_of))
    directory.write_table(VOCABULARY, VOCABULARY.build({"id": np.arange(4000), "text": [f" {word}" for word in words]}))
    directory.write_table(LAYERS, layers_of(variants, generator))
    families = ("removal", "exchange")
    crossing = crossed(family=families, proxy=("block_influence", "angular_distance"))
    directory.write_table(PROXIES, filled(PROXIES, crossing, generator))
    crossing = crossed(variant=[one.name for one in variants], unit=("word", "first", "continuation"), tag=UPOS_TAGS)
    directory.write_table(POS, filled(POS, {**crossing, "kind": names(["tag"] * len(crossing["tag"]))}, generator))
    for number, some in enumerate(np.array_split(np.arange(n_documents), max(n_documents // 16, 1))):
        directory.write_part(SCORES, number, scores_of(some, variants, generator))
    directory.finish(record)
    return folder


def scores_of(documents: np.ndarray, variants: list[Variant], generator: np.random.Generator) -> pa.Table:
    """A shard: seven in ten predictions of a variant are the intact model's."""
    n_tokens = len(documents) * (TOKENS_A_DOCUMENT - 1)
    shape = (len(variants), n_tokens)
    intact = generator.gamma(1.0, 3.5, size=n_tokens)
    nll = np.abs(intact + generator.normal(0.3, 1.0, size=shape)).astype(np.float32)
    nll[0] = intact
    chosen = np.minimum(generator.zipf(1.3, size=shape), 4000) - 1
    top1 = np.where(generator.random(shape) < 0.7, chosen[0], chosen)
    right = nll < 1.0
    every = pa.array([variant.name for variant in variants], pa.string())
    return SCORES.build(
        {
            "variant": pa.DictionaryArray.from_arrays(np.repeat(np.arange(shape[0], dtype=np.int32), n_tokens), every),
            "document": np.tile(np.repeat(documents, TOKENS_A_DOCUMENT - 1), shape[0]),
            "position": np.tile(np.arange(1, TOKENS_A_DOCUMENT), len(documents) * shape[0]),
            "nll_nats": nll.ravel(),
            "top1_id": top1.ravel(),
            "is_top1": right.ravel(),
            "agrees_with_intact": (top1 == top1[:1]).ravel(),
            "kl_nats": np.abs(nll - nll[:1]).ravel(),
            "boundary_nats": pa.nulls(nll.size, pa.float32()),
        }
    )


def layers_of(variants: list[Variant], generator: np.random.Generator) -> pa.Table:
    """layers.parquet; of two layers exchanged the first is named."""
    places = np.array([np.nan, *range(N_LAYERS), *range(N_LAYERS - 1)])
    delta = generator.gamma(0.5, 1.0, size=len(variants))
    own = {
        "variant": [variant.name for variant in variants],
        "family": [variant.family for variant in variants],
        "path": [str(variant.path) for variant in variants],
        "span_first": [None, *map(int, places[1:])],
        "span_last": [None, *map(int, places[1:])],
        "delta_nll_nats": delta,
        "delta_nll_low_nats": delta - 0.01,
        "delta_nll_high_nats": delta + 0.01,
        "ppl": 15 * np.exp(delta),
    }
    return filled(LAYERS, own, generator)


# a contrast


def make_contrast(folder: Path, n_pairs: int) -> Path:
    """A finished contrast with made-up cells, its analysis and its intervention."""
    generator = np.random.default_rng(1)
    each = n_pairs // (len(MEANING) + len(GRAMMAR))
    directory = RunDirectory(folder)
    record = made_up_contrast(each)
    directory.start(record)
    directory.write_table(REFERENCE, filled(REFERENCE, crossed(site=SITES, layer=range(N_LAYERS), dim=range(WIDTH)), generator))
    cells = crossed(site=SITES, position=POSITIONS, layer=range(N_LAYERS), dim=range(WIDTH))
    for number, (group, role) in enumerate(ROLES.items()):
        pair = np.arange(number * each, (number + 1) * each)
        own: dict[str, Any] = {"group": names([group]), "role": [role], "pairs": [each]}
        directory.write_part(GROUPS, number, filled(GROUPS, own, generator))
        sentences = [f"The made-up sentence number {one} of {group} ends {word}." for one in pair for word in ("here", "there")]
        own = {"pair": pair, "group": names([group] * each), "sentence1": sentences[::2], "sentence2": sentences[1::2]}
        own |= {"right": [1] * each, "prefers": [1] * each, "type": names([role] * each)}
        directory.write_part(PAIRS, number, filled(PAIRS, own, generator))
        own = {**cells, "group": names([group] * len(cells["layer"])), "z": generator.gamma(0.7, 1.0, size=len(cells["layer"]))}
        own["pairs"] = np.full(len(cells["layer"]), each)
        table = filled(DIFFERENCES, own, generator)
        directory.write_part(DIFFERENCES, number, table, rows_together=N_LAYERS * WIDTH)
        moved = crossed(pair=pair, position=POSITIONS, layer=range(N_LAYERS))
        directory.write_part(MOVEMENT, number, filled(MOVEMENT, moved, generator))
        directory.write_part(PREDICTIONS, number, filled(PREDICTIONS, crossed(pair=pair, distance=range(8)), generator))
    compared = [group for group, role in ROLES.items() if role != "reference"]
    sets, places = ("all", "meaning", "grammar"), {"site": SITES, "position": POSITIONS}
    wide: dict[Table, dict[str, Any]] = {
        RANKING: {"set": (*sets, *MEANING, *GRAMMAR), **places, "scale": SCALES, "scope": ("all",), "rank": range(1, 51)},
        CONSISTENCY: {**places, "scale": ("percentile", "raw"), "measure": MEASURES, "first": compared, "second": compared},
        LAYER_AGREEMENT: {"set": sets, **places, "scale": ("percentile", "raw"), "measure": MEASURES, "layer": range(N_LAYERS)},
        LAYER_SPECIFICITY: {"set": sets, **places, "scale": ("percentile", "raw"), "layer": range(N_LAYERS)},
        TYPE_SPECIFICITY: {**places, "scale": ("percentile", "raw")},
        DIMENSIONS: {"set": sets, **places, "layer": range(N_LAYERS), "dim": range(5)},
        CONTRACTION: {
            "set": ("control", "meaning", "error", "error-meaning"),
            "quantity": ("size", "contraction", "toward_right", "asymmetry"),
            "position": POSITIONS,
            "layer": range(N_LAYERS),
        },
        DIVERGENCE: {"set": ("control", "meaning", "error", *compared), "distance": range(8)},
        PREFERENCES: {"group": GRAMMAR},
        INTERVENTION: {
            "replacement": ("mean", "resample"),
            "outcome": ("did_nats", "accuracy", "damage_nats", "change_nats", "gap_nats"),
            "set": range(201),
        },
    }
    for table, axes in wide.items():
        directory.write_table(table, filled(table, crossed(**axes), generator))
    reading = dict.fromkeys(("en", "ja"), "# A reading\n\n## A part\n\n- a line\n")
    directory.write_json("stability.json", {"request": {"k": 50}, "reading": reading, "refused": []})
    effect = {"effect": 0.5, "low": 0.4, "high": 0.6, "random_mean": 0.5, "p_greater": 0.5}
    one = dict.fromkeys(("did_nats", "accuracy", "damage_nats", "change_nats", "gap_nats"), effect)
    said = {name: {"en": "A verdict.", "ja": "判定。"} for name in ("mean", "resample")}
    written = {"request": {}, "site": SITES[0], "position": POSITIONS[1], "units": [], "conclusion": {}, "verdict": said}
    directory.write_json("intervention.json", {**written, "balance": {}, "effects": {"mean": one, "resample": one}})
    directory.finish(record)
    return folder


# what both share


def names(values: Any) -> pa.Array:
    """Names as tables keep them."""
    return pa.array(list(values), pa.string()).dictionary_encode()


def crossed(**axes: Any) -> dict[str, Any]:
    """Columns of every combination, the last axis fastest."""
    index = pd.MultiIndex.from_product(list(axes.values()))
    columns = {name: index.get_level_values(number) for number, name in enumerate(axes)}
    return {
        name: np.asarray(column) if pd.api.types.is_integer_dtype(column) else names(column) for name, column in columns.items()
    }


def filled(table: Table, columns: dict[str, Any], generator: np.random.Generator) -> pa.Table:
    """A table whose other columns are random numbers, zeros, and names of nothing."""
    n_rows = len(next(iter(columns.values())))
    found: dict[str, Any] = {}
    for column in table.columns:
        if column.name in columns:
            found[column.name] = columns[column.name]
        elif pa.types.is_floating(column.dtype):
            found[column.name] = generator.random(n_rows).astype(column.dtype.to_pandas_dtype())
        elif pa.types.is_list(column.dtype):
            found[column.name] = [[]] * n_rows
        elif pa.types.is_integer(column.dtype):
            found[column.name] = np.zeros(n_rows, dtype=np.int64)
        elif pa.types.is_boolean(column.dtype):
            found[column.name] = np.zeros(n_rows, dtype=bool)
        else:
            found[column.name] = names([""] * n_rows) if pa.types.is_dictionary(column.dtype) else [""] * n_rows
    for name, values in found.items():
        if isinstance(values, pa.DictionaryArray) and table.schema.field(name).type == pa.string():
            found[name] = values.dictionary_decode()
    return table.build(found)


def made_up_sweep(n_documents: int) -> SweepRecord:
    """The sweep's manifest."""
    counts = {"documents": n_documents, "tokens": n_documents * TOKENS_A_DOCUMENT}
    return sweep_record(
        request={"model": "smollm2-135m", "experiments": ["removal", "exchange"], "max_samples": n_documents},
        model={**MODEL, "name": "smollm2-135m", "layers": N_LAYERS, "context_length": 8192},
        data={**DATA, **counts, "tokens_scored": n_documents * (TOKENS_A_DOCUMENT - 1)},
    )


def made_up_contrast(each: int) -> ContrastRecord:
    """The contrast's manifest."""
    return contrast_record(
        request={"model": "smollm2-135m", "per_subtype": each, "sites": list(SITES), "positions": list(POSITIONS)},
        model={**MODEL, "name": "smollm2-135m", "layers": N_LAYERS, "width": WIDTH},
        groups={name: {"role": role, "pairs": each} for name, role in ROLES.items()},
    )


if __name__ == "__main__":
    main()
