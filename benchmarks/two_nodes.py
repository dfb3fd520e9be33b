"""A sweep by two workers of one core each, on a real Ray cluster of two nodes, against one process with one core.

Both are the command that users give, as processes of their own. Counted are the seconds in the manifest, from the loaded model
to the tables, and those of the whole command; what both write must be equal to the bit.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from benchmarks.common import MODEL, in_turn, parser, ratios, record, spread
from tests.swept_files import contents
from tests.workers.two_nodes import two_nodes


@dataclass
class Side:
    """One way to run the sweep, again and again."""

    words: list[str]
    """Of the command."""
    folder: Path
    """Where its runs go."""
    whole: list[float]
    """Seconds of each command."""

    def run(self) -> float:
        """Seconds of the manifest."""
        started = time.perf_counter()
        out = self.folder / str(len(self.whole))
        done = subprocess.run(
            [sys.executable, "-m", "layerscope.cli.main", *self.words, "--output-dir", str(out)],
            env={**os.environ, "OMP_NUM_THREADS": "1"},
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise SystemExit(done.stderr)
        self.whole.append(time.perf_counter() - started)
        return float(json.loads((self.last / "manifest.json").read_text(encoding="utf-8"))["seconds"])

    @property
    def last(self) -> Path:
        """The run directory of the last command."""
        (manifest,) = (self.folder / str(len(self.whole) - 1)).rglob("manifest.json")
        return manifest.parent


def main() -> None:
    """Both in turn."""
    made = parser(__doc__, rounds=3)
    made.add_argument("--texts", type=int, default=12)
    made.add_argument("--dtype", default="bfloat16")
    options = made.parse_args()
    words = ["sweep", "--model", MODEL, "--dataset", "lee", "--max-samples", str(options.texts), "--dtype", options.dtype]
    words += ["--figures", "none", "--batch-tokens", "256", "--compile", "off"]
    with tempfile.TemporaryDirectory() as folder, two_nodes() as cluster:
        one = Side(words, Path(folder) / "one", [])
        two = Side([*words, "--cluster", str(cluster.address)], Path(folder) / "two", [])
        alone, shared = in_turn(options.rounds, one.run, two.run)
        if contents(one.last) != contents(two.last):
            raise SystemExit("The two runs are not the same.")
        n_shards = len(list((one.last / "scores").iterdir()))
    record(
        "two nodes",
        f"SmolLM2-135M, {options.dtype}, {options.texts} Lee lines in {n_shards} batches, removal and exchange: one process of "
        "one core over two workers of one core each, on two nodes of a Ray cluster",
        f"{spread(ratios(alone, shared))} of the time of the shards ({sum(alone) / len(alone):.0f} s for one process), "
        f"{spread(ratios(one.whole, two.whole))} of that of the whole command; files equal to the bit",
    )


if __name__ == "__main__":
    main()
