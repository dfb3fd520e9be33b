"""The formats that are read, how a case of each is made, and how often each comes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from fuzz.case import Case, Maker
from fuzz.formats_data import conllu, json_lines, other_pairs, pairs, parquet, ppl, tables, text
from fuzz.formats_models import configuration, gguf, tokenizer, weights
from fuzz.formats_runs import contrast_runs, sweep_runs
from fuzz.formats_written import options, path_files, paths


@dataclass(frozen=True)
class Format:
    """One format."""

    make: Callable[[Maker], Case]
    """Writes the files of a case."""
    weight: int
    """How often it comes, against the others: what takes seconds comes less often."""


FORMATS: dict[str, Format] = {
    "text": Format(text, 8),
    "jsonl": Format(json_lines, 8),
    "parquet": Format(parquet, 8),
    "conllu": Format(conllu, 8),
    "pairs": Format(pairs, 8),
    "tables": Format(tables, 10),
    "other-pairs": Format(other_pairs, 10),
    "ppl": Format(ppl, 5),
    "sweep-runs": Format(sweep_runs, 8),
    "contrast-runs": Format(contrast_runs, 5),
    "configurations": Format(configuration, 7),
    "tokenizers": Format(tokenizer, 6),
    "safetensors": Format(weights, 5),
    "gguf": Format(gguf, 5),
    "paths": Format(paths, 9),
    "path-files": Format(path_files, 6),
    "options": Format(options, 10),
}
