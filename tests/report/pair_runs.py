"""Runs of a tiny model with pairs and depths: one analysed, one not; names, terms and tokens try to get out of the page."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from layerscope.pairs.format import write_pairs
from layerscope.sweeps.finished import FinishedRun
from layerscope.sweeps.pair_tables import BEYOND_DAMAGE
from layerscope.sweeps.parts_of_speech import TagRequest, tag_run
from layerscope.sweeps.preference import find_preference
from layerscope.sweeps.tables import VOCABULARY
from tests.checkpoints import save_tiny_llama
from tests.letter_pairs import pairs_of_names
from tests.tiny_runs import IMAGE, MODEL, SCRIPT, TEXTS, sweep

LAYERS = 7
TERMS = ("agreement_1", IMAGE, SCRIPT)
"""One of tense, one of tense and one of typo."""
UNIT = "edit"
"""What the analysed run was read by."""


@dataclass(frozen=True)
class PairRuns:
    """Run directories; to be read only."""

    read: Path
    """With parts of speech and the preference beyond damage."""
    unread: Path
    """The same, with neither."""


def make_pair_runs(folder: Path) -> PairRuns:
    """Both, without figures."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LAYERSCOPE_CACHE", str(folder / "cache"))
        model = save_tiny_llama(folder / MODEL, n_layers=LAYERS)
        rated = [one for one in pairs_of_names() if one.right is not None]
        is_late = [one.template > "k" for one in rated]
        terms = [TERMS[2] if one.subtype == "typo" else TERMS[late] for one, late in zip(rated, is_late, strict=True)]
        write_pairs([replace(one, term=term) for one, term in zip(rated, terms, strict=True)], folder / "pairs.jsonl")
        read = sweep(
            model,
            TEXTS,
            folder,
            name="some texts",
            experiments=("removal", "exchange", "depth"),
            paths=("0,2,1,3-6",),
            pairs=folder / "pairs.jsonl",
        )
        unread = Path(shutil.copytree(read, folder / "unread" / read.name))
        run = FinishedRun.open(read)
        tag_run(run, TagRequest())
        find_preference(run, unit=UNIT)
        find_some(run)
        name_tokens(run)
    return PairRuns(read, unread)


def find_some(run: FinishedRun) -> None:
    """Some cells of the analysis lie beyond the damage, which a random model's do not."""
    table = run.directory.read_table(BEYOND_DAMAGE).to_pandas()
    q = np.where(np.arange(len(table)) % 5 == 0, 0.01, 0.5)
    run.directory.write_table(BEYOND_DAMAGE, BEYOND_DAMAGE.from_frame(table.assign(q_value=q)))


def name_tokens(run: FinishedRun) -> None:
    """Every token is called by its number and something that no page may read as HTML."""
    table: pd.DataFrame = run.directory.read_table(VOCABULARY).to_pandas()
    named = table.assign(text=[f"{one} {IMAGE}" for one in table["id"]])
    run.directory.write_table(VOCABULARY, VOCABULARY.from_frame(named))
