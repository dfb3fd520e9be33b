"""A run directory that was opened: what a run of either kind left, and what was asked of it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from layerscope.results.directory import RunDirectory


@dataclass(frozen=True)
class OpenedRun:
    """What a run of any kind left, and what was asked of it."""

    directory: RunDirectory
    """Where it is."""
    manifest: dict[str, Any]
    """As the run left it."""

    @property
    def request(self) -> dict[str, Any]:
        """Everything that decided the numbers."""
        request: dict[str, Any] = self.manifest["request"]
        return request

    @property
    def model(self) -> str:
        """The model's short name, for captions."""
        return Path(self.request["model"]).name
