"""Types beside their placebos whose truth is known: a profile of each side, the error of each reference, noise."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from layerscope.contrasts.analysis.group_scores import GroupScores, MatchedScores

N_LAYERS, N_DIMS, K = 2, 30, 6
ROLES = {"one": "meaning", "two": "meaning", "three": "grammar"}


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
) -> list[MatchedScores]:
    """Types and their placebos: a profile of each, the error of each reference (shared by all), and the block's own noise.

    Args:
        generator: of all that is drawn.
        roles: of the types by name.
        profiles: of types by name or role; of placebos by ``NAME-placebo`` or ``placebo``. What is missing is flat.
        n_blocks: of each group.
        n_layers: of the model.
        n_dims: of the model.
        noise: of a block, the same on both references.
        reference_error: of each reference.
        pairs: from and below of the pairs of a block; a block of placebos has as many.
        refused: types that nothing is inferred about.
    """
    shape = (n_layers, n_dims)
    errors = reference_error * generator.normal(size=(2, *shape))
    known = profiles or {}
    found = []
    for name, role in roles.items():
        counts = generator.integers(*pairs, size=n_blocks)
        sides = []
        for side, its_role in ((name, role), (f"{name}-placebo", "placebo")):
            truth = (
                0.5 + known.get(side, known.get(its_role, np.zeros(shape))) + noise * generator.normal(size=(n_blocks, *shape))
            )
            both = np.clip(truth + errors[:, None], 0.0, 1.0).astype(np.float32)
            sides.append(GroupScores(side, its_role, (both[0], both[1]), counts))
        found.append(MatchedScores(*sides, log_ratio=0.0, refusal=f"{name}: too few" if name in refused else None))
    return found


def lowered(dims: list[int] | range, by: float = 0.3, *, n_layers: int = N_LAYERS, n_dims: int = N_DIMS) -> np.ndarray:
    """A profile in which some dimensions of every layer change less."""
    profile = np.zeros((n_layers, n_dims))
    profile[:, list(dims)] = -by
    return profile


def of_many_sizes(generator: np.random.Generator) -> list[MatchedScores]:
    """Five types with 3, 4, 5, 6 and 7 blocks, read on the same references."""
    roles = {"m1": "meaning", "m2": "meaning", "m3": "meaning", "g1": "grammar", "g2": "grammar"}

    def first(group: GroupScores, n: int) -> GroupScores:
        return replace(group, scores=(group.scores[0][:n], group.scores[1][:n]), pairs=group.pairs[:n])

    groups = make_groups(generator, roles, pairs=(1, 6))
    return [replace(one, own=first(one.own, n), placebo=first(one.placebo, n)) for n, one in enumerate(groups, start=3)]


def read_once(groups: list[MatchedScores], reference: int = 0) -> list[MatchedScores]:
    """The same groups, all read on one reference, as on a scale that needs none."""

    def once(group: GroupScores) -> GroupScores:
        return replace(group, scores=(group.scores[reference],) * 2)

    return [replace(group, own=once(group.own), placebo=once(group.placebo)) for group in groups]
