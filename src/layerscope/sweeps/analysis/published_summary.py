"""Reading ppl.json: the form of ``summary``, and that of the published scripts, which has ``avg_ppl`` and nothing else."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from layerscope.errors import DataError
from layerscope.paths.path import LayerPath

_VARIANTS = {
    "removal": ("removed", re.compile(r"layer_(\d{1,6})", re.ASCII)),
    "exchange": ("exchanged", re.compile(r"layer_(\d{1,6})_with_(\d{1,6})", re.ASCII)),
}
_FACTS = {"model_name": str, "dataset": str, "protocol": str, "documents": int, "tokens_scored": int}
_IN_WORDS = {str: "text", int: "a whole number"}
_NUMBERS = {
    "nll_nats": "nll_nats",
    "delta_nll_nats": "delta_nll_nats",
    "delta_nll_low_nats": "delta_nll_low_nats",
    "delta_nll_high_nats": "delta_nll_high_nats",
    "bits_per_byte": "bits_per_byte",
    "ppl_text_mean": "avg_ppl",
}


@dataclass(frozen=True, eq=False)
class PublishedSummary:
    """What a ppl.json says."""

    layers: pd.DataFrame
    """Rows of the intact model and of each variant, in the columns of layers.parquet that the file knows; NaN elsewhere."""
    n_layers: int
    """Layers of the model: of the intact path, or as many as its variants name."""
    facts: dict[str, Any]
    """``model_name``, ``dataset``, ``protocol``, ``documents`` and ``tokens_scored``, those of them that are there."""

    @property
    def has_corpus_measures(self) -> bool:
        """Whether NLLs over the whole corpus are there, or only means over texts."""
        return bool(np.isfinite(self.layers["nll_nats"].iloc[0]))

    @property
    def bytes_scored(self) -> float | None:
        """UTF-8 bytes that the scored tokens cover: Σ NLL / ln 2 / bits per byte of the intact model."""
        intact, tokens = self.layers.iloc[0], self.facts.get("tokens_scored")
        if tokens is None or not self.has_corpus_measures or not intact["bits_per_byte"] > 0:
            return None
        return float(intact["nll_nats"] * tokens / math.log(2.0) / intact["bits_per_byte"])


def read_summary(content: Any, *, family: str, source: str) -> PublishedSummary:
    """Read the content of a ppl.json.

    Args:
        content: the parsed JSON.
        family: ``removal`` or ``exchange``: which variants to read.
        source: the file's name, for messages.

    Raises:
        DataError: it is no such file, or it has no variants of the family.
    """
    key, pattern = _VARIANTS[family]
    if not isinstance(content, dict) or not isinstance(content.get("original"), dict):
        raise DataError(f"A ppl.json holds 'original' and '{key}'; '{source}' has no 'original': name a run's ppl.json.")
    if not isinstance(content.get(key), dict) or not content[key]:
        raise DataError(f"A comparison of {family} needs '{key}' in every ppl.json; '{source}' has none: name another file.")
    intact = _numbers(content["original"], "original", source)
    if math.isnan(intact["ppl_text_mean"]):
        raise DataError(
            f"Effects are held against the intact model; '{source}' has no number in 'original': name another file."
        )
    rows: list[dict[str, Any]] = [{"variant": "intact", "family": "intact", **intact}]
    for name, entry in content[key].items():
        matched = pattern.fullmatch(name)
        if matched is None:
            form = "layer_3" if family == "removal" else "layer_3_with_4"
            raise DataError(f"Variants under '{key}' are named such as {form}; '{source}' has '{name}': name a run's ppl.json.")
        layers = [int(number) for number in matched.groups()]
        written = "-".join(map(str, layers))
        row = {"variant": f"{family}-{written}", "family": family, "span_first": layers[0], "span_last": layers[-1]}
        rows.append({**row, **_numbers(entry, f"{key}.{name}", source)})
    table = pd.DataFrame(rows)
    facts = {name: content[name] for name in _FACTS if name in content}
    for name, value in facts.items():
        if type(value) is not _FACTS[name]:
            raise DataError(f"'{name}' is {_IN_WORDS[_FACTS[name]]}; '{source}' has {value!r}: name a run's ppl.json.")
    path = content["original"].get("path")
    n_layers = len(LayerPath.parse(path)) if isinstance(path, str) else int(table["span_last"].max()) + 1
    return PublishedSummary(table, n_layers, facts)


def by_text_means(layers: pd.DataFrame) -> pd.DataFrame:
    """The same rows with every NLL replaced by the logarithm of the mean over texts of each text's perplexity; no intervals."""
    level = np.log(layers["ppl_text_mean"].to_numpy(dtype=float))
    intact = float(level[layers["family"] == "intact"][0])
    nothing = {"delta_nll_low_nats": math.nan, "delta_nll_high_nats": math.nan}
    return layers.assign(nll_nats=level, delta_nll_nats=level - intact, **nothing)


def _numbers(entry: Any, place: str, source: str) -> dict[str, float]:
    """The measures of one variant, NaN where one is missing or null; only ``avg_ppl`` must be there."""
    if not isinstance(entry, dict) or "avg_ppl" not in entry:
        raise DataError(f"Every variant of a ppl.json has 'avg_ppl'; '{source}' has none in '{place}': name a run's ppl.json.")
    numbers = {}
    for column, name in _NUMBERS.items():
        value = entry.get(name)
        if value is not None and (isinstance(value, bool) or not isinstance(value, int | float)):
            raise DataError(f"'{name}' is a number; '{source}' has {value!r} in '{place}': name a run's ppl.json.")
        numbers[column] = math.nan if value is None else float(value)
    if numbers["ppl_text_mean"] <= 0:
        raise DataError(f"A perplexity is above 0; '{source}' has {entry['avg_ppl']} in '{place}': name a run's ppl.json.")
    return numbers
