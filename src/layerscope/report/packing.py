"""Arrays and tables of a page, made small: little-endian, gzip, base64; the page unpacks each when it is first shown.

What a reader compares by eye has 16 bits: fractions in even steps, sizes in even ratios. Tables keep five digits.
"""

from __future__ import annotations

import base64
import gzip
import json
import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

_MISSING = 65_535
_HIGHEST = 65_534
_DIGITS = 5


@dataclass
class Packing:
    """Collects the chunks of a page."""

    chunks: list[str] = field(default_factory=list)
    """Base64, in the order of their numbers."""

    def floats(self, values: np.ndarray) -> dict[str, Any]:
        """As float32."""
        return self._array(values, np.asarray(values, dtype="<f4"), "f4")

    def integers(self, values: np.ndarray) -> dict[str, Any]:
        """As int32."""
        return self._array(values, np.asarray(values, dtype="<i4"), "i4")

    def fractions(self, values: np.ndarray, low: float, high: float) -> dict[str, Any]:
        """In 65,534 even steps from low to high, beyond which values are cut; not finite ones are missing."""
        found = np.asarray(values, dtype=np.float64)
        steps = np.rint((np.clip(found, low, high) - low) / (high - low) * _HIGHEST)
        packed = np.where(np.isfinite(found), steps, _MISSING).astype("<u2")
        return {**self._array(values, packed, "u2"), "law": "even", "low": low, "high": high}

    def sizes(self, values: np.ndarray) -> dict[str, Any]:
        """In 65,533 steps of even ratio from the least size above 0 to the largest; 0 stays exactly 0."""
        found = np.asarray(values, dtype=np.float64)
        above = found[np.isfinite(found) & (found > 0)]
        low, high = (float(above.min()), float(above.max())) if len(above) else (1.0, 1.0)
        width = math.log(high / low) or 1.0
        with np.errstate(divide="ignore", invalid="ignore"):
            steps = 1 + np.rint(np.log(found / low) / width * (_HIGHEST - 1))
        steps = np.where(found > 0, steps, 0)
        packed = np.where(np.isfinite(found), steps, _MISSING).astype("<u2")
        return {**self._array(values, packed, "u2"), "law": "ratio", "low": low, "high": low * math.exp(width)}

    def table(self, frame: pd.DataFrame) -> dict[str, Any]:
        """A data frame, column by column."""
        columns = {str(name): _listed(frame[name]) for name in frame.columns}
        return {"chunk": self._kept(_json(columns).encode()), "rows": len(frame)}

    def value(self, value: Any) -> dict[str, Any]:
        """Anything that JSON can hold."""
        return {"chunk": self._kept(_json(value).encode())}

    def _array(self, values: np.ndarray, packed: np.ndarray, kind: str) -> dict[str, Any]:
        return {"chunk": self._kept(packed.tobytes()), "shape": list(np.shape(values)), "type": kind}

    def _kept(self, data: bytes) -> int:
        self.chunks.append(base64.b64encode(gzip.compress(data, mtime=0)).decode())
        return len(self.chunks) - 1


def rounded(value: Any) -> Any:
    """Five digits of a number, None for one that is not finite; inside lists and dictionaries too."""
    if isinstance(value, dict):
        return {str(key): rounded(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [rounded(one) for one in value]
    if isinstance(value, float | np.floating):
        number = float(value)
        return float(f"{number:.{_DIGITS}g}") if math.isfinite(number) else None
    if isinstance(value, np.integer):
        return int(value)
    return None if value is pd.NA else value


def _listed(column: pd.Series) -> list[Any]:
    if pd.api.types.is_float_dtype(column):
        return [rounded(float(value)) for value in column.to_numpy(dtype=np.float64, na_value=np.nan)]
    return [rounded(value) for value in column.astype(object).where(column.notna(), None).tolist()]


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
