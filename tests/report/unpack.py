"""What the page does with a chunk, done by hand: base64, gzip, little-endian numbers, and the law of their steps."""

from __future__ import annotations

import base64
import gzip
import json
import math
import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from layerscope.report.packing import Packing

TYPES = {"f4": "<f4", "i4": "<i4", "u2": "<u2"}


def array_of(held: dict[str, Any], chunks: list[str]) -> np.ndarray:
    """An array, NaN where a value is missing."""
    raw = np.frombuffer(gzip.decompress(base64.b64decode(chunks[held["chunk"]])), dtype=TYPES[held["type"]])
    if held["type"] == "u2":
        steps = raw.astype(float)
        if held["law"] == "even":
            values = held["low"] + (held["high"] - held["low"]) * steps / 65534
        else:
            values = held["low"] * np.exp(math.log(held["high"] / held["low"]) * (steps - 1) / 65533)
            values = np.where(steps == 0, 0.0, values)
        raw = np.where(steps == 65535, np.nan, values)
    return raw.reshape(held["shape"])


def value_of(held: dict[str, Any], chunks: list[str]) -> Any:
    """Anything that JSON holds."""
    return json.loads(gzip.decompress(base64.b64decode(chunks[held["chunk"]])).decode("utf-8"))


def table_of(held: dict[str, Any], chunks: list[str]) -> pd.DataFrame:
    """A table; every column has its declared number of rows."""
    columns = value_of(held, chunks)
    assert all(len(values) == held["rows"] for values in columns.values())
    return pd.DataFrame(columns)


def page_data(path: Path) -> tuple[dict[str, Any], Packing]:
    """The data and chunks of a page that was written."""
    text = path.read_text(encoding="utf-8")
    (data,) = re.findall(r'<script type="application/json" id="data">(.*?)</script>', text, flags=re.DOTALL)
    chunks = re.findall(r'<script type="text/plain" id="chunk-(\d+)">([A-Za-z0-9+/=]*)</script>', text)
    assert [int(number) for number, _ in chunks] == list(range(len(chunks)))
    return json.loads(data), Packing([chunk for _, chunk in chunks])
