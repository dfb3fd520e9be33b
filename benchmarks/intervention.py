"""An intervention against one that scores every pair and every text under all random sets, as the first version did.

Processor seconds of the ablations alone, model and reference in memory. That both sides end in the same verdict is checked, and
so are the outcomes of each set that both have run.

python -m benchmarks.intervention            (SmolLM2-135M, template pairs; some fifteen minutes on two cores)
"""

from __future__ import annotations

import resource
import tempfile
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pandas as pd

from benchmarks.common import MODEL, parser, record
from layerscope.contrasts import intervene as module
from layerscope.contrasts.analysis.intervention import InterventionEffects
from layerscope.contrasts.analysis.intervention_verdict import conclusion, joint_conclusion
from layerscope.contrasts.finished import FinishedContrast
from layerscope.contrasts.intervened import InterveneRequest, Intervention
from layerscope.contrasts.prepare import ContrastRequest, prepare_contrast
from layerscope.contrasts.run import run_contrast
from layerscope.contrasts.tables import INTERVENTION
from layerscope.engine.allocator import keep_freed_memory
from layerscope.models.loading import LoadOptions

_AT_MOST = 1e-6
"""Difference between the two sides in any outcome of a set, nats or share."""


def main() -> None:
    """Run both sides, one after the other."""
    made = parser(__doc__)
    made.add_argument("--model", default=MODEL)
    made.add_argument("--dtype", default="float32")
    made.add_argument("--per-subtype", type=int, default=60)
    made.add_argument("--subtypes", default="adjective,article,preposition,determiner-noun-agreement")
    made.add_argument("--stable", type=int, default=50)
    made.add_argument("--sets", type=int, default=200)
    made.add_argument("--max-pairs", type=int, default=24)
    made.add_argument("--text-tokens", type=int, default=150)
    options = made.parse_args()
    keep_freed_memory()
    with tempfile.TemporaryDirectory() as folder:
        prepared = prepare_contrast(
            ContrastRequest(
                options.model,
                per_subtype=options.per_subtype,
                subtypes=tuple(options.subtypes.split(",")),
                sites=("resid_post",),
                positions=("edit+1",),
                options=LoadOptions(dtype=options.dtype),
                output_dir=Path(folder),
            )
        )
        run_contrast(prepared)
        run = FinishedContrast.open(prepared.directory.path)
        request = InterveneRequest(
            stable=options.stable, n_sets=options.sets, max_pairs=options.max_pairs, text_tokens=options.text_tokens
        )
        ours, found, rows = _seconds(run, request)
        with (
            mock.patch.object(module, "is_settled", return_value=False),
            mock.patch.object(module, "N_TEXT_SETS", options.sets),
            mock.patch.object(module, "_AT_ONCE", options.sets),
            mock.patch.object(module, "LEVEL", 1.0),  # text under all sets, whatever the verdict
        ):
            theirs, everything, all_rows = _seconds(run, request)
    both = rows.merge(all_rows, on=["replacement", "outcome", "set"], suffixes=("", "_all"))
    apart = float(np.abs(both["value"] - both["value_all"]).max())
    assert len(both) == len(rows), "each set of ours is one of theirs"
    assert apart <= _AT_MOST, f"outcomes differ by {apart:.3g}"
    assert joint_conclusion(found.effects) == joint_conclusion(everything.effects)
    said = "; ".join(
        f"{name}: {conclusion(one)}, {len(one.did.random_effects)} sets on pairs, {len(one.damage.random_effects)} on text"
        for name, one in found.effects.items()
    )
    record(
        "intervention",
        f"{options.model}, {options.dtype}, {options.stable} units, {options.sets} sets asked for, up to "
        f"{options.max_pairs} pairs with a wrong side and {options.text_tokens} tokens of text",
        f"{theirs / ours:.1f} times fewer processor seconds than all sets on pairs and text: {ours:.0f} against {theirs:.0f}; "
        f"the same verdicts ({said}); outcomes of each set within {apart:.0e}",
    )


def _seconds(run: FinishedContrast, request: InterveneRequest) -> tuple[float, Intervention, pd.DataFrame]:
    """Processor seconds of the ablations, what was found, and the table."""
    original, taken = module._effects, 0.0

    def clocked(*args: Any, **options: Any) -> InterventionEffects:
        nonlocal taken
        started = _processor()
        found = original(*args, **options)
        taken += _processor() - started
        return found

    with mock.patch.object(module, "_effects", clocked):
        found = module.intervene(run, request)
    return taken, found, pd.read_parquet(run.directory.path / INTERVENTION.name)


def _processor() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    main()
