"""The spread of a model's dimensions over ordinary text, measured once and kept in the cache folder."""

from __future__ import annotations

import hashlib
import json
import logging
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from layerscope.atomic import whole_file
from layerscope.contrasts.engine.reference import Reference, measure_reference
from layerscope.corpora.catalogue import load_documents
from layerscope.corpora.protocols import Protocol, cut_windows
from layerscope.engine.batching import make_shards
from layerscope.errors import DataError, RunError
from layerscope.models.decoder import Decoder
from layerscope.models.kept import cache_folder
from layerscope.models.sites import SiteMap
from layerscope.progress import Progress, nobody_asks

log = logging.getLogger(__name__)

_VERSION = 1
"""Raised whenever the measuring changes."""
_LONGEST_TEXT = 512
_PARTS = ("mean", "spread", "size", "bank")


@dataclass(frozen=True)
class ReferenceText:
    """The text on which the spread is measured.

    Examples:
        >>> ls.ReferenceText("lee", n_tokens=5000).dataset
        'lee'
    """

    dataset: str = "lee"
    """Named data set or local file."""
    n_tokens: int = 10_000
    """Tokens that count; sinks are left out."""
    data_dir: Path | None = None
    """Folder with the named data set."""

    def __post_init__(self) -> None:
        if self.n_tokens < 100:
            raise DataError(f"--reference-tokens is 100 or more (10,000 for results); got {self.n_tokens}.")


def find_reference(
    sites: SiteMap,
    text: ReferenceText,
    *,
    fingerprint: str,
    batch_tokens: int,
    progress: Progress = nobody_asks,
) -> Reference:
    """The spread from the cache, or measured now.

    Args:
        sites: of the decoder.
        text: what to measure on.
        fingerprint: of the model's weights.
        batch_tokens: positions per batch.
        progress: told of the tokens measured, out of those wanted.

    Raises:
        LayerscopeError: the data set cannot be read, or is too short.
    """
    decoder = sites.decoder
    assert decoder.encoder is not None, "pairs are text"
    documents = load_documents(text.dataset, "lines", data_dir=text.data_dir)
    windows = cut_windows(
        documents,
        Protocol.parse("lines"),
        decoder.encoder.encode,
        prefix_ids=decoder.encoder.prefix_ids,
        context_length=_LONGEST_TEXT,
        max_samples=max(50, text.n_tokens // 25),
        seed=0,
    ).windows
    if not any(window.n_scored for window in windows):
        raise DataError(
            f"The spread is measured on tokens that are not the first of their text; '{text.dataset}' has none: name another "
            "--reference-dataset."
        )
    path = _path(decoder, sites, text, [window.text for window in windows], fingerprint, batch_tokens)
    found = _read(path, sites)
    if found is not None:
        return found
    done = 0

    def advance(n: int) -> None:
        nonlocal done
        done += n
        progress("Measuring the spread over ordinary text", min(done, text.n_tokens), text.n_tokens)

    in_order = [windows[i] for i in np.random.default_rng(0).permutation(len(windows))]
    shards = make_shards(in_order, batch_tokens)
    order = np.random.default_rng(0).permutation(len(shards))  # shards are sorted by length; their texts are not alike
    reference = measure_reference(sites, [shards[i] for i in order], n_tokens=text.n_tokens, advance=advance)
    _write(path, reference)
    return reference


def _path(decoder: Decoder, sites: SiteMap, text: ReferenceText, texts: list[str], fingerprint: str, batch_tokens: int) -> Path:
    digest = hashlib.sha256("\n".join(texts).encode("utf-8")).hexdigest()
    prefix = list(decoder.encoder.prefix_ids) if decoder.encoder else []
    quantized = str(getattr(decoder.model.config, "quantization_config", ""))
    weights = [fingerprint, str(decoder.dtype), quantized, decoder.device.type]
    key = [_VERSION, weights, sorted(sites.sites), digest, text.n_tokens, prefix, batch_tokens]
    name = hashlib.sha256(json.dumps(key).encode("utf-8")).hexdigest()[:32]
    return cache_folder() / "reference" / f"{name}.safetensors"


def _read(path: Path, sites: SiteMap) -> Reference | None:
    """What was kept; None where nothing was, or where it is not as it was written."""
    try:
        with safe_open(path, framework="numpy") as stored:
            about = stored.metadata()
            arrays = {part: {site: stored.get_tensor(f"{site}.{part}") for site in sites.sites} for part in _PARTS}
        found = Reference(int(about["n_tokens"]), int(about["n_sinks"]), **arrays)
        return found if about["sha256"] == reference_digest(found) else None
    except (OSError, SafetensorError, KeyError, TypeError, ValueError):
        return None


def _write(path: Path, reference: Reference) -> None:
    try:
        with whole_file(path) as unfinished:
            about = {
                "n_tokens": str(reference.n_tokens),
                "n_sinks": str(reference.n_sinks),
                "sha256": reference_digest(reference),
            }
            save_file(_arrays(reference), unfinished, metadata=about)
    except RunError as error:  # a cache that cannot be written costs the next run some seconds
        log.warning("The reference spread is not kept: %s", error)


def _arrays(reference: Reference) -> dict[str, np.ndarray]:
    return {
        f"{site}.{part}": np.ascontiguousarray(array) for part in _PARTS for site, array in getattr(reference, part).items()
    }


def reference_digest(reference: Reference) -> str:
    """SHA-256 of all that it holds, because every contrast of the model is read on it."""
    digest = hashlib.sha256(f"{reference.n_tokens} {reference.n_sinks}".encode())
    for name, array in sorted(_arrays(reference).items()):
        digest.update(f"{name} {array.dtype} {array.shape}".encode() + array.tobytes())
    return digest.hexdigest()
