"""What the tests of evaluations share: local tasks, a cache of data sets of their own, and requests on the tiny checkpoint."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import datasets
import pytest

from layerscope.evaluations.prepare import EvaluationRequest
from tests.evaluations.own_tasks import write_blimp, write_tasks


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory):
    """Nothing is left in the user's cache."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path_factory.mktemp("datasets"))
        yield


@pytest.fixture(scope="session")
def blimp(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two paradigms of ten pairs."""
    return write_blimp(tmp_path_factory.mktemp("blimp"))


@pytest.fixture(scope="session")
def own_tasks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Tasks of each kind as .yaml files."""
    return write_tasks(tmp_path_factory.mktemp("tasks"))


@pytest.fixture
def request_of(tiny_checkpoint: Path, blimp: Path, tmp_path: Path) -> Callable[..., EvaluationRequest]:
    """A request on the tiny checkpoint, with BLiMP's tasks unless others are named."""

    def made(*paths: str, tasks: tuple[str, ...] = ("blimp",), **changes: Any) -> EvaluationRequest:
        settings = {"data_dir": blimp, "output_dir": tmp_path / "results", **changes}
        return EvaluationRequest(str(tiny_checkpoint), tasks, paths, **settings)

    return made
