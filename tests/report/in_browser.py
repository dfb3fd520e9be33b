"""A page in Chromium: opened as a file, every complaint and request collected, waited for until nothing moves."""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import ROUND_HALF_UP, Context, Decimal
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

from layerscope.report.words import page_words

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Locator, Page

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
WORDS = page_words()
OWN_WORDS = json.loads(resources.files("layerscope.report").joinpath("assets", "words.json").read_text(encoding="utf-8"))
_QUIET = """
window.__quiet = (ms) => new Promise((done) => {
  let last = performance.now();
  let frames = 0;
  const watcher = new MutationObserver(() => { last = performance.now(); });
  watcher.observe(document, { subtree: true, childList: true, attributes: true, characterData: true });
  // charts are drawn when a frame finds the width of their place: frames are waited for, however slow the machine
  const look = () => {
    frames = performance.now() - last >= ms ? frames + 1 : 0;
    if (frames < 2) { requestAnimationFrame(look); return; }
    watcher.disconnect();
    done();
  };
  requestAnimationFrame(look);
});
"""


class Opened:
    """A page, and what it complained of."""

    def __init__(self, page: Page, file: Path, *, address: str = "", whole: bool = True) -> None:
        self.page, self.file = page, file
        self.complaints: list[str] = []
        self.requests: list[str] = []
        page.on("console", lambda message: self.complaints.append(f"{message.type}: {message.text}"))
        page.on("pageerror", lambda error: self.complaints.append(f"error: {error}"))
        page.on("request", lambda request: self.requests.append(request.url))
        page.add_init_script(_QUIET)
        page.goto(file.as_uri() + address)
        self.wait(150)
        if whole:
            self.draw()

    def draw(self) -> None:
        """Bring every section into view once, and go back to the top."""
        for name in self.page.locator("main section").evaluate_all("(all) => all.map((one) => one.id)"):
            self.page.evaluate("(name) => document.getElementById(name).scrollIntoView()", name)
            self.page.wait_for_function("(name) => !document.getElementById(name).classList.contains('waiting')", arg=name)
        self.wait(60)
        self.page.evaluate("scrollTo(0, 0)")
        self.wait(60)

    def wait(self, milliseconds: int = 30) -> None:
        """Until nothing has changed for so long."""
        self.page.evaluate("(ms) => window.__quiet(ms)", milliseconds)

    def check(self) -> None:
        """It asked for nothing else, complained of nothing, and no text of a corpus ran."""
        self.wait()
        assert self.complaints == []
        assert {one.split("#")[0] for one in self.requests} == {self.file.as_uri()}
        assert self.page.evaluate("window.__xss") is None

    @property
    def language(self) -> str:
        return str(self.page.evaluate("document.documentElement.lang"))

    def word(self, key: str, **values: object) -> str:
        """A word of the page in the language that it shows."""
        text = WORDS[key][self.language == "ja"]
        for name, value in values.items():
            text = text.replace(f"{{{name}}}", str(value))
        return text

    def select(self, section: str, key: str) -> Locator:
        """The list with this label; in the whole page, of no section, for an empty name."""
        place = self.page.locator(f"#{section}" if section else "header")
        return place.locator("label", has=self.page.locator(f'span:text-is("{self.word(key)}")')).locator("select")

    def choose(self, section: str, key: str, value: str) -> None:
        self.select(section, key).select_option(value=value)
        self.wait()

    def values(self, section: str, key: str) -> list[str]:
        found: list[str] = self.select(section, key).evaluate("(list) => [...list.options].map((one) => one.value)")
        return found

    def part(self, section: str, key: str) -> Locator:
        """What stands under a heading of the third level."""
        return self.page.locator(f"#{section} .part", has=self.page.locator(f'h3:text-is("{self.word(key)}")'))

    def table(self, place: Locator) -> list[list[str]]:
        """The rows of the first table of a place, opened if need be; its head is the first."""
        details = place.locator("details.numbers").first
        if details.count() and not details.evaluate("(one) => one.open"):
            details.locator("summary").click()
            self.wait()
        table = (details if details.count() else place).locator("table").first
        found: list[list[str]] = table.evaluate("(one) => [...one.rows].map((row) => [...row.cells].map((c) => c.textContent))")
        return found

    def tip(self, place: Locator) -> str:
        """The text of the tip that stands in a chart."""
        text = str(place.locator('svg [aria-label="tip"]').first.evaluate("(one) => one.textContent"))
        return " ".join(text.replace("\u200b", " ").split())


@contextmanager
def opened(
    browser: Browser,
    file: Path,
    *,
    language: str = "en",
    scheme: str = "light",
    width: int = 1180,
    address: str = "",
    whole: bool = True,
    **options: Any,
) -> Iterator[Opened]:
    """The page in a context of its own, checked at the end."""
    context = browser.new_context(
        viewport={"width": width, "height": 900}, color_scheme=scheme, reduced_motion="reduce", **options
    )
    context.set_default_timeout(8000)
    try:
        one = Opened(context.new_page(), file, address=address, whole=whole)
        if one.language != language:
            one.page.locator("#language").click()
            one.wait(60)
        yield one
        one.check()
    finally:
        context.close()


def shown(value: float | None, digits: int = 3) -> str:
    """A number as the page writes it."""
    if value is None or math.isnan(value):
        return "–"
    value = float(f"{value:.5g}")
    if value == 0:
        return "0"
    if abs(value) >= 1e5 or abs(value) < 1e-4:
        mantissa, exponent = f"{value:.{digits - 1}e}".split("e")
        text = f"{mantissa}e{int(exponent):+d}"
    else:
        # as JavaScript does: of two that are equally near, the larger one
        found = Context(prec=digits, rounding=ROUND_HALF_UP).create_decimal(Decimal(value))
        text = repr(float(found)).removesuffix(".0")
    return text.replace("-", "−")


def signed(value: float) -> str:
    """The same with its sign."""
    return f"+{shown(value)}" if value > 0 else shown(value)


def interval(low: float, high: float) -> str:
    """As it stands behind a number; nothing where there is none."""
    return "" if low is None or math.isnan(low) else f" [{signed(low)}, {signed(high)}]"
