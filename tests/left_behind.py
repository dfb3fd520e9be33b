"""What a command leaves in its folder, to be compared value by value."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd

TIME_AND_WORK = ("seconds", "shards_resumed", "work")


def left_in(out: Path) -> dict[str, object]:
    """Everything in a folder: tables as values, other files as bytes; what tells of time and work left out."""
    found: dict[str, object] = {}
    for path in sorted(out.rglob("*")):
        name = path.relative_to(out).as_posix()
        if path.name in ("SHA256SUMS", "speed.parquet") or path.is_dir():
            found[name] = None
        elif path.suffix == ".parquet":
            found[name] = pd.read_parquet(path)
        elif path.name == "manifest.json":
            manifest = json.loads(path.read_text(encoding="utf-8"))
            found[name] = {key: value for key, value in manifest.items() if key not in TIME_AND_WORK}
        else:
            found[name] = path.read_bytes()
    return found


def check_same(found: dict[str, object], expected: dict[str, object]) -> None:
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        if isinstance(value, pd.DataFrame):
            pd.testing.assert_frame_equal(found[name], value, check_exact=True)
        else:
            assert found[name] == value, name
