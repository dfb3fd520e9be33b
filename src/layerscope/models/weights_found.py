"""What a load must have found: every weight of the model, in the model's own shape.

transformers makes up what it does not find.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from layerscope.errors import ModelError


def check_weights_found(name: str, info: Mapping[str, Any]) -> None:
    """Refuse a model some weights of which were not in its files.

    Args:
        name: of the model, for the message.
        info: what ``from_pretrained`` gives for ``output_loading_info``; mismatched sizes must have been allowed there, so that
            they are told here by name.

    Raises:
        ModelError: the first weight that is missing or of another shape.
    """
    mismatched = sorted(info["mismatched_keys"])
    if mismatched:
        key, stored, wanted = mismatched[0]
        raise ModelError(
            f"Weights have the shapes that their configuration says; of '{name}' {len(mismatched)} do not, the first is {key} "
            f"with {tuple(stored)} in the files and {tuple(wanted)} in the model: take config.json and weights of one model."
        )
    missing = sorted(info["missing_keys"])
    if missing:
        raise ModelError(
            f"A checkpoint holds every weight of its model; '{name}' lacks {len(missing)}, the first is {missing[0]}."
        )
