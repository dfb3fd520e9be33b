"""Named data sets from the Hugging Face Hub, through ``datasets``. No script of a data set is ever run."""

from __future__ import annotations

from dataclasses import dataclass, field
from unittest import mock

from layerscope.connection import offline_if_unreachable
from layerscope.errors import HubError


@dataclass(frozen=True)
class HubSource:
    """Where ``datasets.load_dataset`` finds a data set."""

    path: str
    """Repository on the Hub, or ``json`` for files at a public address."""
    config: str | None = None
    """Configuration of the repository."""
    data_files: dict[str, str] = field(default_factory=dict)
    """For ``json``: split to address."""
    splits: tuple[str, ...] = ("train",)
    """Splits that exist."""


def load_texts(source: HubSource, split: str, name: str) -> list[str]:
    """Every text of one split, as the Hub serves it.

    Raises:
        HubError: the Hub cannot be reached, or it refuses; the message says what to do.
    """
    import datasets  # slow to import, and of no use where data is local

    try:
        with offline_if_unreachable() as offline, mock.patch.object(datasets.config, "HF_HUB_OFFLINE", offline):
            rows = datasets.load_dataset(source.path, source.config, split=split, data_files=source.data_files or None)
    except Exception as error:  # the library raises whatever its transport raises
        raise HubError(
            f"The data set '{name}' ({source.path}) could not be fetched from the Hugging Face Hub "
            f"({type(error).__name__}: {_first_line(error)}). Connect and try again, or download it elsewhere and name its "
            "folder with --data-dir (or LAYERSCOPE_DATA_DIR)."
        ) from error
    return [str(text) for text in rows["text"]]


def _first_line(error: Exception) -> str:
    return (str(error).strip() or "no message").splitlines()[0][:160].rstrip(".")
