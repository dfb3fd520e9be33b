"""A browser, and a page that is opened once for all tests of a module; the module says which ``file``."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.report.in_browser import CHROMIUM, Opened, opened


@pytest.fixture(scope="module")
def browser() -> Iterator:
    sync_api = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed: pip install playwright")
    with sync_api.sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=CHROMIUM)
        yield started
        started.close()


@pytest.fixture(scope="module")
def shared(browser, file: Path) -> Iterator[Opened]:
    with opened(browser, file) as one:
        yield one


@pytest.fixture
def page(shared: Opened, request: pytest.FixtureRequest) -> Iterator[Opened]:
    """In English on light paper; opened once, because opening takes longer than most tests do: each chooses what it needs."""
    failed = request.session.testsfailed
    yield shared
    try:
        shared.check()
    finally:
        shared.complaints.clear()
        if request.session.testsfailed > failed:
            shared.page.reload()
            shared.wait(150)
            shared.draw()
