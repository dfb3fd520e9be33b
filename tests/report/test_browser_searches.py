"""Searches in a real browser: paths, switches, cells and commands against the run's tables, with keys and in both languages."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from layerscope.report.write import write_report
from layerscope.searches.finished import FinishedSearch
from tests.made_up_records import MODEL as RECORDED
from tests.made_up_searches import made_up_search, write_tasks
from tests.report.in_browser import CHROMIUM, WORDS, Opened, interval, opened, shown, signed
from tests.report.test_browser import EVERY_CONTROL, broken
from tests.tiny_runs import IMAGE, MODEL, SCRIPT

sync_api = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed: pip install playwright")
pytestmark = [
    pytest.mark.browser,
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on the PATH, and 'make browser' could install none"),
]
LAYERS, STEPS, DRAWS, RANDOM = 10, 4, 2, 3


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Removals with tasks, halves without; their names try to get out of the page."""
    root = tmp_path_factory.mktemp("searches")
    names = {**RECORDED, "name": MODEL, "layers": LAYERS}
    removals = made_up_search(n_layers=LAYERS, steps=STEPS, n_draws=DRAWS, n_random=RANDOM).write(
        root / "removals", model=names
    )
    best = FinishedSearch.open(removals).frontier.query("way == 'search' and is_best")["path"].tolist()
    write_tasks(removals, ["0-9", *best], {IMAGE: "task", SCRIPT: "group"})
    halves = made_up_search(n_layers=6, moves=("attention-removal", "mlp-removal"), steps=5, n_draws=1, n_random=0)
    return [removals, halves.write(root / "halves")]


@pytest.fixture(scope="module")
def file(folders: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("browser") / "searches.html"
    write_report(folders, path)
    return path


@pytest.fixture(scope="module")
def frontier(folders: list[Path]) -> pd.DataFrame:
    return FinishedSearch.open(folders[0]).frontier


def start(one: Opened, run: int = 0) -> None:
    """The first search, its best paths by layers."""
    one.choose("search", "model", str(run))
    one.choose("search", "axis", "layers")
    if run == 0:
        one.choose("search", "measure", "delta")
        one.choose("search", "search:draws", "best")


def dots(one: Opened) -> int:
    """Paths that are drawn: one dot each, and a ring around the one that is chosen."""
    found = one.page.locator("#search figure").first.locator('[aria-label="dot"]')
    assert found.last.locator("> *").count() <= 1
    return found.locator("> *").count() - found.last.locator("> *").count()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("language", ["en", "ja"])
def test_every_control_in_every_language_and_theme(browser, file: Path, language: str, scheme: str) -> None:
    with opened(browser, file, language=language, scheme=scheme) as one:
        problems, seen = one.page.evaluate(EVERY_CONTROL, [broken()])
        assert problems == []
        assert len(seen) > 20
        links = one.page.locator("nav a").evaluate_all("(all) => all.map((one) => one.getAttribute('href'))")
        assert links == ["#search", "#provenance"]
        headings = one.page.locator("h2, h3").all_inner_texts()
        for key in ("search:heading", "search:frontier", "search:path", "order:heading"):
            assert WORDS[key][language == "ja"] in headings
        assert one.page.locator("#page img, #page script").count() == 0, "names of models and tasks are text"


@pytest.mark.parametrize("language", ["en", "ja"])
@pytest.mark.parametrize("width", [1180, 400])
def test_nothing_runs_out_of_the_page(browser, file: Path, language: str, width: int) -> None:
    with opened(browser, file, language=language, width=width) as one:
        for run in (0, 1):
            one.choose("search", "model", str(run))
            for details in one.page.locator("details.numbers summary").all():
                details.click()
            one.wait(60)
            assert one.page.evaluate("document.documentElement.scrollWidth") <= width


def test_every_control_has_a_name(page: Opened) -> None:
    nameless = page.page.evaluate(
        """() => [...document.querySelectorAll("select, input, button, a, summary, [tabindex='0'], svg[role=img]")].filter(
          (one) => !(one.getAttribute("aria-label") || one.labels?.[0]?.textContent || one.textContent || "").trim())
          .map((one) => one.outerHTML.slice(0, 100))"""
    )
    assert nameless == []
    names = page.page.locator("#search .command button").evaluate_all("(all) => all.map((one) => one.ariaLabel)")
    assert len(names) == len(set(names)) >= 3


def test_the_numbers_are_those_of_the_run(page: Opened, frontier: pd.DataFrame) -> None:
    start(page)
    page.choose("search", "search:draws", "all")
    _, *rows = page.table(page.page.locator("#search"))
    assert len(rows) == len(frontier)
    for row, expected in zip(rows, frontier.to_dict("records"), strict=True):
        assert row[1] == shown(expected["layers"])
        assert row[2] == f"{expected['parameters']:,}"
        assert row[4] == ("–" if expected["way"] == "intact" else signed(expected["delta_nll_nats"]))
        assert row[5] == interval(expected["delta_nll_low_nats"], expected["delta_nll_high_nats"]).strip()
        assert row[8:] == [expected["path"], expected["moves"]]


def test_what_is_drawn_and_what_is_hidden(page: Opened) -> None:
    start(page)
    assert dots(page) == 1 + 2 * STEPS + RANDOM * STEPS
    page.choose("search", "search:draws", "all")
    assert dots(page) == 1 + 2 * STEPS * DRAWS + RANDOM * STEPS
    boxes = page.page.locator("#search fieldset input")
    for number in range(3):
        boxes.nth(number).uncheck()
        page.wait()
    assert page.page.locator("#search figure").first.locator('[aria-label="dot"] > *').count() == 1, "the intact model"
    for number in range(3):
        boxes.nth(number).check()
    page.choose("search", "axis", "parameters")
    assert dots(page) == 1 + 2 * STEPS * DRAWS + RANDOM * STEPS
    name = page.page.locator("#search svg[role=img]").first.get_attribute("aria-label")
    assert name == f"{page.word('search:delta')}, {page.word('search_axis:parameters')}"


def test_only_what_was_timed_stands_against_time(page: Opened, folders: list[Path], frontier: pd.DataFrame) -> None:
    start(page)
    page.choose("search", "search:draws", "all")
    page.choose("search", "axis", "time")
    timed = set(FinishedSearch.open(folders[0]).speed["path"])
    assert dots(page) == frontier["path"].isin(timed).sum() < len(frontier)


def test_at_first_the_path_of_the_fewest_layers(browser, file: Path, frontier: pd.DataFrame) -> None:
    best = frontier[(frontier["way"] == "search") & frontier["is_best"]].sort_values("layers")
    with opened(browser, file) as one:
        assert one.select("search", "path").evaluate("(list) => list.value") == best["path"].iloc[0]


def test_a_path_and_its_commands(page: Opened, frontier: pd.DataFrame) -> None:
    start(page)
    best = frontier[(frontier["way"] == "search") & frontier["is_best"]]
    found = page.select("search", "path")
    path = best["path"].iloc[1]
    found.focus()
    page.choose("search", "path", path)
    commands = page.page.locator("#search .command pre").all_inner_texts()
    assert [one.split()[1] for one in commands] == ["sweep", "export", "evaluate"]
    assert all(f"--path {path}" in one for one in commands)
    assert page.page.evaluate("document.activeElement.value") == path, "the list keeps the focus"
    row = best.iloc[1]
    assert f"ΔNLL {signed(row['delta_nll_nats'])}" in page.page.inner_text("#search ul.plain")
    button = page.page.locator("#search .command button").first
    button.click()
    page.wait()
    assert button.inner_text() == page.word("copied")


def test_a_click_chooses_the_point(page: Opened, frontier: pd.DataFrame) -> None:
    start(page)
    boxes = page.page.locator("#search fieldset input")
    boxes.nth(1).uncheck()
    boxes.nth(2).uncheck()
    page.wait(60)
    svg = page.page.locator("#search figure svg").first
    svg.scroll_into_view_if_needed()
    dot = svg.locator('[aria-label="dot"] > *').nth(2)
    box = dot.bounding_box()
    assert box is not None
    page.page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.wait()
    tip = page.tip(page.page.locator("#search figure").first)
    page.page.mouse.down()
    page.page.mouse.up()
    page.wait()
    chosen = page.select("search", "path").evaluate("(list) => list.value")
    best = frontier[(frontier["way"] == "search") & frontier["is_best"]]
    assert chosen == best["path"].iloc[1]
    assert f"{page.word('path')} {chosen}" in tip
    assert page.word("search:as_good", n=0, all=RANDOM) in tip or "random paths" in tip
    boxes.nth(1).check()
    boxes.nth(2).check()
    page.page.mouse.move(0, 0)


def test_tasks_are_a_second_measure(page: Opened) -> None:
    start(page)
    assert page.values("search", "measure") == ["delta", "0", "1"]
    page.choose("search", "measure", "0")
    assert dots(page) >= 1 + STEPS
    head, *rows = page.table(page.page.locator("#search"))
    assert page.word("search:value") in head
    assert rows[0][4] == "0.7"
    assert {row[4] for row in rows[1:]} == {shown(0.7 - 0.03 * (place + 1), 4) for place in range(STEPS)}
    assert SCRIPT in page.page.locator("#search svg[role=img]").first.get_attribute("aria-label")


def test_cells_of_layers_with_keys(page: Opened, folders: list[Path]) -> None:
    start(page)
    left_out = FinishedSearch.open(folders[0]).left_out
    cells = page.page.locator("#search .order tbody td")
    sizes = sorted(left_out["layers"].unique(), reverse=True)
    assert cells.count() == LAYERS * len(sizes)
    for place, layer in enumerate(range(LAYERS - 1, -1, -1)):
        for number, size in enumerate(sizes):
            row = left_out[(left_out["layers"] == size) & (left_out["layer"] == layer)].iloc[0]
            text = cells.nth(place * len(sizes) + number).locator(".aloud").inner_text()
            assert text == f"{int(row['without_layer'])}/{DRAWS}"
    assert page.page.locator("#search .order tbody .mark").count() == 1 + 2 + 3 + 4, "the first draw's"
    cells.first.focus()
    page.page.keyboard.press("ArrowDown")
    page.page.keyboard.press("ArrowRight")
    page.page.keyboard.press("ArrowLeft")
    page.page.keyboard.press("ArrowLeft")
    said = page.page.locator("#search output.said").inner_text()
    assert said.startswith(page.word("order:cell", layer=LAYERS - 2, size=LAYERS - 1))
    assert page.page.locator("#search .order td[tabindex='0']").count() == 1


def test_halves_of_layers(page: Opened, folders: list[Path]) -> None:
    start(page, 1)
    left_out = FinishedSearch.open(folders[1]).left_out
    half = left_out[left_out["without_attention"] != left_out["without_mlp"]]
    assert len(half) > 0
    marks = page.page.locator("#search .order .mark")
    assert marks.count() == (left_out[["without_attention", "without_mlp"]].sum(axis=1) > 0).sum()
    sides = page.page.locator("#search .order .mark.left, #search .order .mark.right").count()
    assert sides == len(half)
    assert page.page.locator("#search .colours").count() == 0, "one draw has no shares"
    assert page.page.locator("#search .note", has_text=page.word("search:no_tasks")).is_visible()
    start(page)
