"""What tests of parts and clusters share: texts as a file, and the files of a run that hold numbers."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path


def write_texts(path: Path, texts: Sequence[str]) -> Path:
    """JSON Lines of texts."""
    path.write_text("".join(json.dumps({"text": text}) + "\n" for text in texts), encoding="utf-8")
    return path


def contents(run: Path) -> dict[str, str]:
    """The SHA-256 of every file but those that say who wrote it."""
    return {
        path.relative_to(run).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(run.rglob("*"))
        if path.is_file() and path.name not in ("manifest.json", "SHA256SUMS")
    }


def tables_but_times(search: Path) -> dict[str, str]:
    """The SHA-256 of every part and table of a search but that of times."""
    found = contents(search)
    return {name: found[name] for name in found if name.endswith(".parquet") and Path(name).name != "speed.parquet"}
