"""The tuned lens of a sweep: when one is asked for, and what the manifest says of it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from layerscope.errors import PathError
from layerscope.models.tuned_lens import TunedLens
from layerscope.paths.families import TUNED_DEPTH, check_family
from layerscope.sweeps.record import TunedLensRecord


def check_lens_asked(experiments: Sequence[str], folder: Path | None) -> None:
    """Refuse the family without a lens, and a lens without the family.

    Args:
        experiments: families in their written form.
        folder: of the lens; None where none was named.

    Raises:
        PathError: which of the two is missing.
    """
    is_tuned = TUNED_DEPTH in (check_family(written)[0].name for written in experiments)
    if is_tuned and folder is None:
        raise PathError(
            f"The experiment {TUNED_DEPTH} reads the model through a tuned lens, and none is given: name its folder with "
            "--tuned-lens, or take depth, which needs none."
        )
    if folder is not None and not is_tuned:
        raise PathError(
            f"--tuned-lens is for the experiment {TUNED_DEPTH}; got --experiment '{','.join(experiments)}' with it: add "
            f"{TUNED_DEPTH}, or leave out --tuned-lens."
        )


def lens_record(lens: TunedLens, unembed_dtype: str | None) -> TunedLensRecord:
    """What the manifest says of a lens.

    Args:
        lens: as it was read.
        unembed_dtype: in which the hash of the model's unembedding is the lens's; None where the lens has no hash.
    """
    return TunedLensRecord(
        folder=lens.folder,
        base_model=lens.base_model,
        base_model_revision=lens.base_model_revision,
        unembed_hash=lens.unembed_hash,
        unembed_dtype=unembed_dtype,
    )
