"""The hash by which a tuned lens knows its unembedding: SHA-256 of the matrix as numpy prints it, with one decimal.

Of a matrix of more than 1,000 numbers numpy prints the first and last three rows and columns, so that at most 36 numbers decide
it. The hash tells models apart that differ there, and no more.

Source: ``tuned_lens.utils.tensor_hash`` and ``Unembed.unembedding_hash`` of the package tuned-lens, 0.1 and 0.2.
"""

from __future__ import annotations

import hashlib
import sys

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

_EDGE = 3
_PRINTED_WHOLE = 1000


def unembedding_hashes(matrix: Float[Tensor, "vocab width"]) -> dict[str, str]:
    """The hash of a matrix in each dtype in which a lens can have been trained.

    Args:
        matrix: weights of the unembedding, in whatever dtype they are.

    Returns:
        Hashes by what was hashed: the values in float32, or after rounding to bfloat16 or float16 (all printed as float32, as
        the package does from 0.1.1 on), and float16 printed as such, as it did before.
    """
    corners = _corners(matrix.detach()).cpu()
    is_whole = matrix.numel() <= _PRINTED_WHOLE
    forms = {
        "float32": corners.float(),
        "bfloat16": corners.bfloat16().float(),
        "float16": corners.half().float(),
        "float16 as such": corners.half(),
    }
    return {name: _hash(values.numpy(), is_whole=is_whole) for name, values in forms.items()}


def _corners(matrix: Tensor) -> Tensor:
    """The rows and columns that are printed, and one between them, which stands for those that are not."""
    if matrix.numel() <= _PRINTED_WHOLE:
        return matrix
    for axis, size in enumerate(matrix.shape):
        if size > 2 * _EDGE + 1:
            chosen = [*range(_EDGE + 1), *range(size - _EDGE, size)]
            matrix = matrix.index_select(axis, torch.tensor(chosen, device=matrix.device))
    return matrix


def _hash(values: np.ndarray, *, is_whole: bool) -> str:
    # numpy's own settings, whatever the process has set
    printed = np.array2string(
        values,
        max_line_width=75,
        precision=1,
        suppress_small=False,
        separator=" ",
        threshold=sys.maxsize if is_whole else 0,
        edgeitems=_EDGE,
        sign="-",
        floatmode="maxprec",
        legacy=False,
    )
    return hashlib.sha256(printed.encode()).hexdigest()
