"""Pairs made from templates a second, and pairs checked a second under SmolLM2's tokenizer, with reading and writing files."""

from __future__ import annotations

import os
import tempfile
import time
from pathlib import Path

from benchmarks.common import MODEL, parser, record, spread
from layerscope.models.pair_tokenizer import load_pair_tokenizer
from layerscope.pairs.files import CheckCounts, check_file
from layerscope.pairs.format import write_pairs
from layerscope.pairs.subtypes import SUBTYPES
from layerscope.pairs.templates.generating import generate


def main() -> None:
    """Make a file of pairs, check it, and write down both rates."""
    made = parser(__doc__, rounds=5)
    made.add_argument("--per-subtype", type=int, default=1000)
    options = made.parse_args()
    os.environ["TOKENIZERS_PARALLELISM"] = "true"  # as the command sets it
    making, checking = [], []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "pairs.jsonl")
        for seed in range(options.rounds):
            started = time.perf_counter()
            n_pairs = write_pairs((pair for name in SUBTYPES for pair in generate(name, options.per_subtype, seed=seed)), path)
            making.append(n_pairs / (time.perf_counter() - started))
            started = time.perf_counter()
            check_file(
                path, load_pair_tokenizer(MODEL), CheckCounts(MODEL), keep="usable", output=Path(folder, "checked.jsonl")
            )
            checking.append(n_pairs / (time.perf_counter() - started))
    record(
        "pairs",
        f"{n_pairs} pairs of {len(SUBTYPES)} subtypes from templates; checked under SmolLM2's tokenizer, its loading included",
        f"made {spread(making, 0)} a second; checked {spread(checking, 0)} a second",
    )


if __name__ == "__main__":
    main()
