"""The tiny runs, once a session."""

from __future__ import annotations

import pytest

from tests.report.tiny_runs import TinyRuns, make_runs


@pytest.fixture(scope="session")
def runs(tmp_path_factory: pytest.TempPathFactory) -> TinyRuns:
    """Run directories of tiny models; to be read only."""
    return make_runs(tmp_path_factory.mktemp("report"))
