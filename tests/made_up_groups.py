"""Blocks of groups whose truth is known: a profile, the error of each reference, noise."""

from __future__ import annotations

import numpy as np

from layerscope.contrasts.analysis.group_scores import GroupScores

N_LAYERS, N_DIMS, K = 2, 30, 6
ROLES = {"control-a": "control", "control-b": "control", "one": "meaning", "two": "meaning", "three": "grammar"}


def make_groups(
    generator: np.random.Generator,
    roles: dict[str, str] = ROLES,
    *,
    profiles: dict[str, np.ndarray] | None = None,
    n_blocks: int = 8,
    n_layers: int = N_LAYERS,
    n_dims: int = N_DIMS,
    noise: float = 0.1,
    reference_error: float = 0.05,
    pairs: tuple[int, int] = (4, 5),
    refused: tuple[str, ...] = (),
) -> list[GroupScores]:
    """Blocks of groups: a profile of the group, the error of each reference (all groups share it), and the block's own noise.

    Args:
        generator: of all that is drawn.
        roles: of the groups by name.
        profiles: by name or role; what is missing is flat.
        n_blocks: of each group.
        n_layers: of the model.
        n_dims: of the model.
        noise: of a block, the same on both references.
        reference_error: of each reference.
        pairs: from and below of the pairs of a block.
        refused: groups too small for inference.
    """
    shape = (n_layers, n_dims)
    errors = reference_error * generator.normal(size=(2, *shape))
    found = []
    for name, role in roles.items():
        profile = (profiles or {}).get(name, (profiles or {}).get(role, np.zeros(shape)))
        truth = 0.5 + profile + noise * generator.normal(size=(n_blocks, *shape))
        both = (truth + errors[:, None]).astype(np.float32)
        counts = generator.integers(*pairs, size=n_blocks)
        found.append(GroupScores(name, role, (both[0], both[1]), counts, name not in refused))
    return found


def lowered(dims: list[int] | range, by: float = 0.5, *, n_layers: int = N_LAYERS, n_dims: int = N_DIMS) -> np.ndarray:
    """A profile in which some dimensions of every layer change less."""
    profile = np.zeros((n_layers, n_dims))
    profile[:, list(dims)] = -by
    return profile
