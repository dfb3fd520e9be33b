"""Searches of a tiny model on made-up texts."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from layerscope.searches.prepare import PreparedSearch, SearchRequest, prepare_search

WORDS = ["the", "old", "dog", "saw", "a", "river", "and", "two", "cats", "near", "my", "town", "all", "day", "long"]


def write_texts(path: Path, n: int = 80) -> Path:
    """Lines of some words each, no two alike."""
    generator = np.random.default_rng(0)
    lines = [f"{number}. " + " ".join(generator.choice(WORDS, generator.integers(3, 14))) for number in range(n)]
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


def prepared_in(folder: Path, model: Path, **changes: object) -> PreparedSearch:
    """A search prepared to run into a folder."""
    texts = folder / "texts.txt"
    if not texts.exists():
        folder.mkdir(parents=True, exist_ok=True)
        write_texts(texts)
    defaults: dict[str, object] = {
        "drop": 2.0,
        "calibration": 8,
        "held_out": 8,
        "random_paths": 2,
        "batch_tokens": 200,
        "output_dir": folder / "results",
    }
    return prepare_search(SearchRequest(str(model), str(texts), **{**defaults, **changes}))  # type: ignore[arg-type]
