"""Runs of tiny models: two sweeps and a contrast, whose texts, pairs and names try to get out of the page."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from layerscope.contrasts.finished import FinishedContrast
from layerscope.contrasts.intervened import OUTCOMES
from layerscope.contrasts.prepare import ContrastRequest, prepare_contrast
from layerscope.contrasts.reference import ReferenceText
from layerscope.contrasts.run import run_contrast
from layerscope.contrasts.stability import StabilityRequest, find_stability
from layerscope.contrasts.tables import INTERVENTION
from layerscope.pairs.format import write_pairs
from layerscope.pairs.pair import MinimalPair
from layerscope.sweeps.finished import FinishedRun
from layerscope.sweeps.parts_of_speech import TagRequest, tag_run
from layerscope.sweeps.prepare import SweepRequest, prepare_sweep
from layerscope.sweeps.run import run_sweep
from tests.checkpoints import save_tiny_llama
from tests.letter_pairs import pairs_of_names

SCRIPT = "<script>window.__xss = 'script'</script>"
IMAGE = "<img src=x onerror=\"window.__xss = 'image'\">"
CLOSING = "</script></style></title><svg onload=window.__xss=1> ${window.__xss=2} %%DATA%% {n}"
MODEL = "tiny <img src=x onerror=window.__xss=3>"
DATASET = "texts \"&amp;' <b onclick=window.__xss=4>"
SEPARATOR = "\u2028"
TEXTS = [
    "The dog chased a cat 🙂 quickly, and she can't sleep.",
    f"He wrote {SCRIPT} and\n  she read it.",
    f"A line{SEPARATOR}that goes on: {IMAGE} it's \"quoted\" & 'done'.",
    f"{CLOSING} They can open a can.",
    "  \n ",
    "東京は日本の首都です。犬が猫を追いかけた。",
    *(f"Number {n} of the dogs saw {n + 3} old cats near the river." for n in range(6)),
]
JAPANESE = ["東京は日本の首都である。", "犬が猫を追いかけた。\u3000それから寝た。", "彼女は毎朝本を読む。", "雨が降っている。"]
SITES, POSITIONS, ANALYSED = ("resid_post", "mlp_out"), ("edit", "edit+1", "last"), ("edit", "edit+1")


@dataclass(frozen=True)
class TinyRuns:
    """Run directories; to be read only."""

    tagged: Path
    """A sweep over 4 layers with parts of speech."""
    plain: Path
    """A sweep of another model, 3 layers, over Japanese, without parts of speech."""
    bare: Path
    """A contrast without any analysis."""
    contrast: Path
    """The same with rankings and an intervention."""

    @property
    def all(self) -> list[Path]:
        """Those of a whole page."""
        return [self.tagged, self.plain, self.contrast]


def make_runs(folder: Path) -> TinyRuns:
    """All runs, without figures."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LAYERSCOPE_CACHE", str(folder / "cache"))
        four, three = save_tiny_llama(folder / MODEL), save_tiny_llama(folder / "tiny-three", n_layers=3, adds_bos=True)
        tagged = sweep(four, TEXTS, folder, name=DATASET, experiments=("removal", "exchange"))
        tag_run(FinishedRun.open(tagged), TagRequest())
        plain = sweep(three, JAPANESE, folder, name="japanese", experiments=("removal",), paths=("0,2",))
        contrasts = [contrast(four, folder / name) for name in ("bare", "whole")]
        whole = FinishedContrast.open(contrasts[1])
        find_stability(whole, StabilityRequest(k=5, n_resamples=19, positions=ANALYSED))
        write_intervention(whole)
    return TinyRuns(tagged, plain, contrasts[0], contrasts[1])


def sweep(model: Path, texts: list[str], folder: Path, *, name: str, **request: object) -> Path:
    """A finished sweep over texts."""
    path = folder / f"{name}.jsonl"
    path.write_text("".join(json.dumps({"text": text}) + "\n" for text in texts), encoding="utf-8")
    prepared = prepare_sweep(SweepRequest(str(model), str(path), max_samples=None, output_dir=folder / "results", **request))
    run_sweep(prepared)
    return prepared.directory.path


def contrast(model: Path, folder: Path) -> Path:
    """A finished contrast."""
    folder.mkdir()
    write_pairs(pairs(), folder / "pairs.jsonl")
    (folder / "text.txt").write_text("\n".join(f"Line {n} tells of {n + 2} dogs and a map." for n in range(24)))
    request = ContrastRequest(
        model=str(model),
        pairs=folder / "pairs.jsonl",
        sites=SITES,
        positions=POSITIONS,
        reference=ReferenceText(str(folder / "text.txt"), 200),
        output_dir=folder / "results",
    )
    prepared = prepare_contrast(request)
    run_contrast(prepared)
    return prepared.directory.path


def write_intervention(run: FinishedContrast) -> None:
    """What ``layerscope intervene`` leaves, its numbers made up."""
    generator = np.random.default_rng(0)
    rows, effects = [], {}
    for replacement in ("mean", "resample"):
        effects[replacement] = {"accuracy_intact": 0.8}
        for number, outcome in enumerate(OUTCOMES):
            values = generator.normal(number - 2, 1.0, size=41)
            rows += [
                {"replacement": replacement, "outcome": outcome, "set": i, "value": value} for i, value in enumerate(values)
            ]
            effects[replacement][outcome] = {
                "effect": values[0],
                "low": values[0] - 0.5,
                "high": values[0] + 0.5,
                "random_mean": values[1:].mean(),
                "z": (values[0] - values[1:].mean()) / values[1:].std(ddof=1),
                "p_greater": (1 + (values[1:] >= values[0]).sum()) / 41,
                "p_two_sided": None,
                "items": 16,
                "groups": 8,
            }
    run.directory.write_table(INTERVENTION, INTERVENTION.from_frame(pd.DataFrame(rows)))
    run.directory.write_json(
        "intervention.json",
        {
            "request": {"stable": 2, "n_sets": 40},
            "site": SITES[0],
            "position": POSITIONS[1],
            "units": [{"layer": 0, "dim": 3}, {"layer": 2, "dim": 31}],
            "balance": {"spread": 0.1, "size": 0.0, "unembedding": None},
            "conclusion": {"mean": "null", "resample": "below", "both": "mixed"},
            "verdict": {
                name: {"en": f"Verdict of {name} {SCRIPT}", "ja": f"判定：{name} {SCRIPT}"} for name in ("mean", "resample")
            },
            "effects": effects,
        },
    )


def pairs() -> list[MinimalPair]:
    """Enough for inference in four subtypes, one too small, some that try to get out of the page, one of unequal length."""
    hostile = [
        MinimalPair.from_sentences(
            *(f"Now {text} {verb} here." for verb in ("sits", "sith")),
            type="grammar",
            subtype="tense",
            right=1,
            template=text,
            source="test",
        )
        for text in (SCRIPT, IMAGE, CLOSING, f"a{SEPARATOR}b '\"&lt;")
    ]
    unequal = MinimalPair.from_sentences(
        "Now ann sits.", "Now ann sitting.", type="grammar", subtype="tense", right=1, template="unequal", source="t"
    )
    return [*hostile, unequal, *pairs_of_names()]
