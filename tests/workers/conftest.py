"""A cluster for the tests of a file, and sweeps of a tiny model for it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from layerscope.sweeps.prepare import SweepRequest
from tests.workers.shared_sweeps import requests_in
from tests.workers.two_nodes import two_nodes


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Two nodes of one core, with a cache folder of their own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LAYERSCOPE_CACHE", str(tmp_path_factory.mktemp("cache")))
        with two_nodes() as found:
            yield found


@pytest.fixture
def make(tiny_checkpoint: Path, tmp_path: Path) -> Callable[..., SweepRequest]:
    """Makes requests by the name of their output directory."""
    return requests_in(tmp_path, tiny_checkpoint)
