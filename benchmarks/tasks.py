"""Twelve paradigms of BLiMP as local tasks of ``layerscope evaluate``, beside what plain lm-eval gave for the same weights.

Not a timing: the agreement of two programs, one of which calls the other. A figure is lm-eval's with three digits.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from benchmarks.blimp import BLIMP, HARNESS, TOLERANCE
from benchmarks.common import MODEL, parser, record
from layerscope.evaluations.evaluate import evaluate
from layerscope.evaluations.prepare import EvaluationRequest
from layerscope.models.loading import LoadOptions


def main() -> None:
    """Evaluate the intact model on every paradigm and print both accuracies; the exit status is 1 where they differ."""
    made = parser(__doc__)
    made.add_argument("--blimp", type=Path, default=BLIMP, help="folder with the paradigms' .jsonl files")
    made.add_argument("--paradigms", help="some of them, joined by commas; all twelve if not given")
    made.add_argument("--output-dir", type=Path, help="run directories that stay; what is there is not run again")
    options = made.parse_args()
    paradigms = options.paradigms.split(",") if options.paradigms else list(HARNESS)
    with tempfile.TemporaryDirectory() as scratch:
        request = EvaluationRequest(
            MODEL,
            tuple(f"blimp_{paradigm}" for paradigm in paradigms),
            options=LoadOptions(dtype="float32", device="cpu"),
            data_dir=options.blimp,
            output_dir=options.output_dir or Path(scratch),
        )
        tasks = evaluate(request).tasks.set_index("task")
    differences = []
    print(f"{'paradigm':40} {'pairs':>6} {'ours':>6} {'lm-eval':>8}")
    for paradigm in paradigms:
        row = tasks.loc[f"blimp_{paradigm}"]
        differences.append(abs(row["value"] - HARNESS[paradigm]))
        print(f"{paradigm:40} {row['samples']:6,} {row['value']:6.3f} {HARNESS[paradigm]:8.3f}", flush=True)
    record(
        "BLiMP as tasks",
        f"SmolLM2-135M, float32, layerscope evaluate with local tasks, {len(paradigms)} paradigms, all pairs of each",
        f"largest difference from plain lm-eval 0.4.13: {max(differences):.4f}",
    )
    sys.exit(int(max(differences) > TOLERANCE + 1e-9))


if __name__ == "__main__":
    main()
