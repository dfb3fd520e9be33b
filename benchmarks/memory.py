"""Peak resident memory against the number of texts and of variants, and against the plan's own estimate.

Each measurement is a process of its own that runs the command line on the real model; the peak is the operating system's.
"""

from __future__ import annotations

import json
import os
import random
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.common import MODEL, parser, record, windows

N_LAYERS = 30


def main() -> None:
    """1 and 8 times the texts; 59 and 590 variants."""
    made = parser(__doc__, rounds=1)
    made.add_argument("--texts", type=int, default=6, help="of the smaller run")
    made.add_argument("--dtype", default="bfloat16")
    options = made.parse_args()
    found, name = windows(8 * options.texts)
    usable = [window.text.replace("\n", " ").strip() for window in found]
    with tempfile.TemporaryDirectory() as folder:
        few, many = Path(folder, "few.txt"), Path(folder, "many.txt")
        # the longest text is in both, so that the largest batch is the same
        ordered = sorted(usable, key=len, reverse=True)
        few.write_text("\n".join([ordered[0], *ordered[1 :: len(ordered) // options.texts]][: options.texts]), encoding="utf-8")
        many.write_text("\n".join(ordered), encoding="utf-8")
        base, estimate = peak(few, [], folder, options.dtype)
        more_texts, _ = peak(many, [], folder, options.dtype)
        more_variants, estimate_variants = peak(few, other_paths(590 - 59), folder, options.dtype)
    record(
        "memory",
        f"SmolLM2-135M, {options.dtype}, lines of {name}: {options.texts} and {len(ordered)} texts, 59 and 590 variants",
        f"peak {base / 2**30:.3f} GiB (estimate {estimate / 2**30:.2f}); 8 × texts {more_texts / base - 1:+.1%}; "
        f"10 × variants {more_variants / base - 1:+.1%} (estimate {estimate_variants / 2**30:.2f} GiB)",
    )


def other_paths(count: int) -> list[str]:
    """Paths with two layers removed, each once."""
    pairs = [(a, b) for a in range(N_LAYERS) for b in range(a + 1, N_LAYERS)]
    random.Random(0).shuffle(pairs)
    removed = [[layer for layer in range(N_LAYERS) if layer not in pair] for pair in pairs]
    removed += [[layer for layer in range(N_LAYERS) if layer not in (*pair, 15)] for pair in pairs if 15 not in pair]
    return [",".join(map(str, path)) for path in removed[:count]]


def peak(texts: Path, paths: list[str], folder: str, dtype: str) -> tuple[int, int]:
    """Peak resident bytes of a run, and the estimate that it printed."""
    command = [sys.executable, "-m", "layerscope.cli.main", "sweep", "--model", MODEL, "--dataset", str(texts), "--force"]
    command += ["--max-samples", "all", "--dtype", dtype, "--batch-tokens", "512", "--compile", "off"]
    command += ["--experiment", "removal,exchange", "--output-dir", str(Path(folder, "out"))]
    for path in paths:
        command += ["--path", path]
    environment = {**os.environ, "COLUMNS": "200"}
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=environment)
    assert process.stdout is not None
    printed = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    assert status == 0, json.dumps(printed[-500:])
    estimate = re.search(r"Memory: about ([\d.]+) GiB", printed)
    assert estimate is not None
    return usage.ru_maxrss * 1024, int(float(estimate.group(1)) * 2**30)


if __name__ == "__main__":
    main()
