"""The hash of an unembedding against that of the package: the whole matrix handed to numpy."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
import torch

from layerscope.models.unembedding_hash import unembedding_hashes


def package_hash(values: np.ndarray) -> str:
    """``tuned_lens.utils.tensor_hash``."""
    return hashlib.sha256(str.encode(np.array_str(values, precision=1))).hexdigest()


SHAPES = [(1, 1), (7, 9), (10, 100), (40, 25), (11, 91), (1001, 1), (2, 600), (6, 300), (7, 300), (8, 300), (300, 7), (300, 64)]


@pytest.mark.parametrize("size", [1.0, 0.02, 3e-6, 4e9])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_against_the_whole_matrix(shape: tuple[int, int], size: float) -> None:
    matrix = size * torch.randn(shape, generator=torch.Generator().manual_seed(sum(shape)))
    found = unembedding_hashes(matrix)
    assert found["float32"] == package_hash(matrix.numpy())
    assert found["bfloat16"] == package_hash(matrix.bfloat16().float().numpy())
    assert found["float16"] == package_hash(matrix.half().float().numpy())
    assert found["float16 as such"] == package_hash(matrix.half().numpy())


def test_a_matrix_that_is_loaded_wider_than_it_is_stored_has_the_hash_of_what_is_stored() -> None:
    for dtype in (torch.bfloat16, torch.float16):
        stored = (0.3 * torch.randn(120, 40, generator=torch.Generator().manual_seed(3))).to(dtype)
        assert unembedding_hashes(stored)["float32"] == unembedding_hashes(stored.float())["float32"]


def test_what_numpy_was_told_elsewhere_does_not_matter() -> None:
    matrix = torch.randn(50, 40, generator=torch.Generator().manual_seed(4))
    expected = unembedding_hashes(matrix)
    with np.printoptions(precision=8, threshold=10, edgeitems=1, linewidth=200, suppress=True, sign="+", floatmode="fixed"):
        assert unembedding_hashes(matrix) == expected


def test_corners_decide_and_the_middle_does_not() -> None:
    matrix = torch.randn(50, 40, generator=torch.Generator().manual_seed(5))
    middle, corner = matrix.clone(), matrix.clone()
    middle[20:30, 10:20] += 5
    corner[-1, 0] += 5
    assert unembedding_hashes(middle) == unembedding_hashes(matrix) != unembedding_hashes(corner)
