"""Pairs and depths of a sweep in a real browser: every number, switch and mark against the run's tables."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from layerscope.report.page import page as html_page
from layerscope.report.write import write_report
from layerscope.sweeps.finished import FinishedRun
from layerscope.sweeps.pair_tables import BEYOND_DAMAGE, PREFERENCE, PREFERENCE_DEPTH
from layerscope.sweeps.tables import DEPTH_BY_TAG, LAYERS, PREDICTION_DEPTH, SCORES, TOKEN_WORDS, VOCABULARY
from tests.report import pair_runs
from tests.report.in_browser import CHROMIUM, WORDS, Opened, interval, opened, shown, signed
from tests.report.pair_runs import TERMS, UNIT, PairRuns, make_pair_runs
from tests.report.test_browser import EVERY_CONTROL, broken, visible
from tests.report.unpack import page_data, value_of
from tests.tiny_runs import IMAGE, SCRIPT

sync_api = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed: pip install playwright")
pytestmark = [
    pytest.mark.browser,
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on the PATH, and 'make browser' could install none"),
]
UNITS = ("edit", "continuation", "sentence")


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> PairRuns:
    return make_pair_runs(tmp_path_factory.mktemp("pairs"))


@pytest.fixture(scope="module")
def file(runs: PairRuns, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("browser") / "pairs.html"
    write_report([runs.read], path)
    return path


def table(run: Path, which) -> pd.DataFrame:
    frame: pd.DataFrame = FinishedRun.open(run).directory.read_table(which).to_pandas()
    names = ("variant", "family", "unit", "kind", "group", "measure", "tag")
    return frame.astype({name: str for name in names if name in frame})


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("language", ["en", "ja"])
def test_every_control_in_every_language_and_theme(browser, file: Path, language: str, scheme: str) -> None:
    with opened(browser, file, language=language, scheme=scheme) as one:
        problems, seen = one.page.evaluate(EVERY_CONTROL, [broken()])
        assert problems == []
        assert len(seen) > 80
        links = one.page.locator("nav a").evaluate_all("(all) => all.map((one) => one.getAttribute('href'))")
        assert links == ["#sweep", "#preference", "#phenomena", "#pos", "#text", "#lexicon", "#provenance"]
        headings = one.page.locator("h2, h3").all_inner_texts()
        for key in ("preference:heading", "against:heading", "phenomena:heading", "needs:heading"):
            assert WORDS[key][language == "ja"] in headings
        assert one.page.locator("#page img, #page script").count() == 0, "names of terms and tokens are text"


@pytest.mark.parametrize("language", ["en", "ja"])
@pytest.mark.parametrize("width", [1180, 400])
def test_nothing_runs_out_of_the_page(browser, file: Path, language: str, width: int) -> None:
    with opened(browser, file, language=language, width=width) as one:
        one.choose("text", "family", "depth")
        one.page.locator("#text .word").nth(2).focus()
        for details in one.page.locator("details.numbers > summary").all():
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


# preference by layer


def start_preference(one: Opened, family: str = "removal", kind: str = "term") -> None:
    """By the edit, all lines shown."""
    one.choose("preference", "family", family)
    one.choose("preference", "measure", "accuracy")
    one.choose("preference", "unit", UNIT)
    one.choose("preference", "lines", kind)


def lines(one: Opened):
    return one.page.locator("#preference figure").first


def test_the_numbers_are_those_of_the_run_for_every_unit(page: Opened, runs: PairRuns) -> None:
    preference = table(runs.read, PREFERENCE)
    seen = set()
    for family, kind in (("removal", "term"), ("exchange", "subtype"), ("depth", "term")):
        start_preference(page, family, kind)
        for unit in UNITS:
            page.choose("preference", "unit", unit)
            here = preference[(preference["family"] == family) & (preference["unit"] == unit)]
            here = here[here["kind"].isin(["all", kind])]
            _, *rows = page.table(page.page.locator("#preference"))
            named = {"all": page.word("preference:all"), **{one: WORDS[f"group:{one}"][0] for one in ("tense", "typo")}}
            expected = [
                [
                    row["variant"],
                    named.get(row["group"], row["group"]),
                    str(row["pairs"]),
                    signed(row["damage_nats"]),
                    shown(row["accuracy"]),
                    signed(row["delta_accuracy"]) + interval(row["delta_accuracy_low"], row["delta_accuracy_high"]),
                    signed(row["margin_nats"]),
                    signed(row["delta_margin_nats"]) + interval(row["delta_margin_low_nats"], row["delta_margin_high_nats"]),
                    shown(row["q_value"]),
                ]
                for row in here.to_dict("records")
            ]
            assert sorted(rows) == sorted(expected)
            assert len(rows) == {"removal": 7 * 4, "exchange": 6 * 3, "depth": 8 * 4}[family]
            seen.add(str(rows))
    assert len(seen) == 9, "each unit has numbers of its own"


def test_a_band_of_accuracies_ends_at_0_and_1(page: Opened, runs: PairRuns) -> None:
    """Its interval is one of the change, which may lead beyond what an accuracy can be."""
    start_preference(page)
    rows = table(runs.read, PREFERENCE)
    rows = rows[(rows["family"] == "removal") & (rows["unit"] == UNIT) & (rows["kind"] == "all")]
    boxes = page.page.locator("#preference fieldset").first.locator("input")
    for number in range(1, boxes.count()):
        boxes.nth(number).uncheck()
    page.wait()
    intact = rows["accuracy"] - rows["delta_accuracy"]
    assert (intact + rows["delta_accuracy_high"]).max() > 1.05, "else there is nothing to cut"
    chart = lines(page).locator("svg").first
    assert chart.locator('[aria-label="area"] > *').count() == 1
    ticks = [float(one) for one in chart.locator('[aria-label="y-axis tick label"] text').all_text_contents()]
    assert max(ticks) <= 1
    assert len(ticks) > 2


def test_what_is_drawn_and_what_is_hidden(page: Opened) -> None:
    start_preference(page)
    dots = lines(page).locator("svg").first.locator('[aria-label="dot"] > *')
    assert dots.count() == 7 * 4
    boxes = page.page.locator("#preference fieldset").first.locator("input")
    assert boxes.count() == 4
    for number in (1, 2):
        boxes.nth(number).uncheck()
    page.wait()
    assert dots.count() == 7 * 2
    assert lines(page).locator("svg").first.locator('[aria-label="area"] > *').count() == 2, "two lines have their bands"
    assert len(page.table(page.page.locator("#preference"))) == 1 + 7 * 2
    for number in (1, 2):
        boxes.nth(number).check()
    page.wait()
    assert dots.count() == 7 * 4
    for measure in ("margin", "accuracy_change", "margin_change", "accuracy"):
        page.choose("preference", "measure", measure)
        chart = lines(page).locator("svg[role=img]").first
        assert chart.get_attribute("aria-label") == f"{page.word(f'preference:{measure}')}, {page.word('name:removal')}"
        assert page.word(f"preference:{measure}") in chart.text_content()
        assert dots.count() == 7 * 4


def test_depths_of_pairs_by_group(page: Opened, runs: PairRuns) -> None:
    start_preference(page, "removal")
    assert page.word("depth:pairs") not in page.page.locator("#preference h3").all_inner_texts()
    expected = table(runs.read, PREFERENCE_DEPTH)
    seen = set()
    for unit in UNITS:
        start_preference(page, "depth")
        page.choose("preference", "unit", unit)
        assert page.word("depth:pairs") in page.page.locator("#preference h3").all_inner_texts()
        here = expected[(expected["unit"] == unit) & expected["kind"].isin(["all", "term"])].to_dict("records")
        details = page.page.locator("#preference details.numbers").nth(1)
        details.locator("summary").click()
        page.wait()
        rows = details.locator("tbody tr").evaluate_all(
            "(all) => all.map((row) => [...row.cells].map((one) => one.textContent))"
        )
        assert rows == [
            [
                f"{page.word('preference:all') if row['kind'] == 'all' else row['group']}",
                str(row["pairs"]),
                str(row["pairs_right"]),
                shown(row["mean_depth"]),
                between(row["mean_depth_low"], row["mean_depth_high"]),
                shown(row["median_depth"]),
                shown(row["flips_back"]),
                between(row["flips_back_low"], row["flips_back_high"]),
            ]
            for row in here
        ]
        chart = page.page.locator("#preference figure").nth(1)
        dots = chart.locator('[aria-label="dot"] > *')
        assert dots.count() == sum(not np.isnan(row["mean_depth"]) for row in here)
        dots.first.hover(force=True)
        page.wait()
        assert any(f"{page.word('depth:mean')}: {shown(row['mean_depth'])} " in page.tip(chart) for row in here)
        seen.add(str(rows))
    assert len(seen) == 3


def between(low: float, high: float) -> str:
    return "" if np.isnan(low) else f"[{shown(low)}, {shown(high)}]"


def test_damage_stands_below_on_the_same_axis(page: Opened) -> None:
    for family, label, axis in (("removal", "damage", "layer"), ("depth", "measure:delta", "axis:after")):
        start_preference(page, family)
        above, below = lines(page).locator("svg[role=img]").all()
        assert page.word(label) in below.text_content()
        assert page.word(axis) in below.text_content()
        where = """(one) => [...one.querySelectorAll("text")].map(
          (text) => [text.textContent, text.getAttribute("transform")?.split(",")[0]])"""
        ticks = [chart.locator('[aria-label="x-axis tick label"]').evaluate(where) for chart in (above, below)]
        assert ticks[0] == ticks[1]
        assert len(ticks[0]) > 3


def test_pointing_at_a_mark_shows_its_intervals(page: Opened, runs: PairRuns) -> None:
    start_preference(page)
    boxes = page.page.locator("#preference fieldset").first.locator("input")
    for number in (1, 2, 3):
        boxes.nth(number).uncheck()
    page.wait()
    preference = table(runs.read, PREFERENCE)
    here = preference[(preference["family"] == "removal") & (preference["unit"] == UNIT) & (preference["kind"] == "all")]
    seen = set()
    for dot in lines(page).locator("svg").first.locator('[aria-label="dot"] > *').all():
        dot.hover(force=True)
        page.wait()
        tip = page.tip(lines(page))
        (row,) = [row for row in here.to_dict("records") if tip.startswith(f"{row['variant']} · ")]
        seen.add(row["variant"])
        change = signed(row["delta_margin_nats"]) + interval(row["delta_margin_low_nats"], row["delta_margin_high_nats"])
        assert f"{page.word('preference:margin_change')} {change}" in tip
        assert f"{page.word('damage')} {signed(row['damage_nats'])}" in tip
    assert seen == set(here["variant"])
    for number in (1, 2, 3):
        boxes.nth(number).check()
    page.wait()


# against the damage


def test_equal_damage_different_preference(page: Opened, runs: PairRuns) -> None:
    beyond = table(runs.read, BEYOND_DAMAGE)
    figure = page.page.locator("#preference figure").nth(1)
    start_preference(page)
    for measure in ("margin", "accuracy"):
        page.choose("preference", "measure", measure)
        options = page.select("preference", "group").evaluate("(one) => [...one.options].map((o) => [o.value, o.textContent])")
        assert len(options) == 4
        for value, text in options:
            page.choose("preference", "group", value)
            group = text.rpartition(" (")[0].replace(page.word("preference:all"), "all")
            hollow, filled = (figure.locator('[aria-label="dot"]').nth(i).locator("> *").count() for i in (0, 1))
            here = beyond[(beyond["group"] == group) & (beyond["measure"] == measure)]
            assert hollow == 7 + 6 + 1, "both families and a path"
            assert filled == int((here["q_value"] < 0.05).sum()) > 0
    families = page.page.locator("#preference fieldset").nth(1).locator("input")
    assert families.count() == 3, "depths do no damage"
    families.nth(0).uncheck()
    page.wait()
    assert figure.locator('[aria-label="dot"]').nth(0).locator("> *").count() == 6 + 1
    families.nth(0).check()
    page.wait()
    page.choose("preference", "unit", "sentence")
    assert figure.locator('[aria-label="dot"]').count() == 1, "limits are of another unit"
    text = page.page.inner_text("#preference")
    names = {name: page.word(f"part:{one}") for name, one in {"read": UNIT, "chosen": "sentence"}.items()}
    assert page.word("preference:other_unit", **names, unit="sentence", run=str(runs.read)) in text
    page.choose("preference", "unit", UNIT)
    assert "--unit" not in page.page.inner_text("#preference")


@pytest.mark.parametrize("language", ["en", "ja"])
def test_the_reading_is_that_of_the_run(browser, file: Path, runs: PairRuns, language: str) -> None:
    findings = json.loads((runs.read / "preference.json").read_text(encoding="utf-8"))["findings"]
    with opened(browser, file, language=language) as one:
        text = one.page.inner_text("#preference")
        assert len(findings) == 3
        for found in findings.values():
            assert found[language] in text


@pytest.mark.parametrize("language", ["en", "ja"])
def test_a_run_that_was_not_read_says_how(browser, runs: PairRuns, tmp_path: Path, language: str) -> None:
    write_report([runs.unread], tmp_path / "a.html")
    with opened(browser, tmp_path / "a.html", language=language) as one:
        problems, _ = one.page.evaluate(EVERY_CONTROL, [broken()])
        assert problems == []
        one.choose("preference", "family", "removal")
        assert f"layerscope preference {runs.unread}" in one.page.inner_text("#preference")
        assert one.page.locator("#phenomena").count() == 0
        assert one.page.locator("#preference figure").count() == 2, "what the sweep measured is there"
        assert one.word("against:bare_note") in one.page.inner_text("#preference")


def test_two_runs_on_one_page(browser, runs: PairRuns, tmp_path: Path) -> None:
    write_report([runs.unread, runs.read], tmp_path / "a.html")
    with opened(browser, tmp_path / "a.html") as one:
        assert "'layerscope preference " in one.page.inner_text("#preference")
        one.choose("preference", "model", "1")
        assert "'layerscope preference " not in one.page.inner_text("#preference")
        assert one.page.locator("#phenomena td").count() == 4 * 7
        assert one.page.locator("#phenomena label.control").count() == 3, "one run of the two has a table"


# which layers for which phenomenon


def phenomena(one: Opened) -> list[list[tuple[str, bool, bool]]]:
    """Of each cell what it says aloud, whether it is marked, whether it is hatched."""
    found = one.page.locator("#phenomena table.phenomena tbody tr").evaluate_all(
        """(rows) => rows.map((row) => [...row.querySelectorAll("td")].map((cell) => [
          cell.querySelector(".aloud").textContent, cell.querySelector(".mark") !== null, cell.classList.contains("unbounded")
        ]))"""
    )
    return [[tuple(cell) for cell in row] for row in found]


def test_the_table_has_a_cell_for_every_group_and_layer(page: Opened, runs: PairRuns) -> None:
    beyond = table(runs.read, BEYOND_DAMAGE)
    hatched = 0
    for family, columns in (("removal", [str(i) for i in range(7)]), ("exchange", [f"{i}-{i + 1}" for i in range(6)])):
        page.choose("phenomena", "family", family)
        for kind, measure in (("term", "margin"), ("subtype", "margin"), ("term", "accuracy")):
            page.choose("phenomena", "lines", kind)
            page.choose("phenomena", "measure", measure)
            here = beyond[(beyond["family"] == family) & (beyond["measure"] == measure) & beyond["kind"].isin(["all", kind])]
            head = page.page.locator("#phenomena table.phenomena thead th").all_inner_texts()
            assert head[1:] == columns
            groups = list(dict.fromkeys(here["group"]))
            names = page.page.locator("#phenomena table.phenomena tbody th").evaluate_all(
                "(all) => all.map((one) => one.textContent)"
            )
            for name, group in zip(names, groups, strict=True):
                written = {"all": page.word("preference:all"), **{one: WORDS[f"group:{one}"][0] for one in ("tense", "typo")}}
                assert name.startswith(written.get(group, group))
            expected = []
            for group in groups:
                rows = here[here["group"] == group].to_dict("records")
                expected.append([])
                for row in rows:
                    low, high = np.isnan(row["expected_low"]), np.isnan(row["expected_high"])
                    is_open = row["beyond"] == 0 and ((low and row["effect"] < 0) or (high and row["effect"] > 0))
                    is_found = row["q_value"] < 0.05
                    said = signed(row["beyond"]) + (f", q {shown(row['q_value'])}" if is_found else "")
                    expected[-1].append((page.word("phenomena:unbounded") if is_open else said, is_found, is_open))
                    hatched += is_open
            assert phenomena(page) == expected
            assert sum(marked for row in expected for _, marked, _ in row) > 0
    assert hatched > 0


def test_the_numbers_of_the_table(page: Opened, runs: PairRuns) -> None:
    page.choose("phenomena", "family", "exchange")
    page.choose("phenomena", "lines", "term")
    page.choose("phenomena", "measure", "margin")
    beyond = table(runs.read, BEYOND_DAMAGE)
    here = beyond[(beyond["family"] == "exchange") & (beyond["measure"] == "margin") & beyond["kind"].isin(["all", "term"])]
    _, *rows = page.table(page.page.locator("#phenomena"))
    expected = []
    for row in here.to_dict("records"):
        ends = [row["expected_low"], row["expected_high"]]
        ends = ends if np.isnan(ends).any() else sorted(ends)
        bounds = ", ".join("?" if np.isnan(one) else signed(one) for one in ends)
        group = page.word("preference:all") if row["kind"] == "all" else row["group"]
        far = signed(row["beyond"]) + ("" if np.isnan(row["standard_error"]) else f" ± {shown(row['standard_error'], 2)}")
        numbers = [signed(row["damage_nats"]), signed(row["effect"]), f"[{bounds}]", far, shown(row["q_value"])]
        expected.append([group, row["variant"], *numbers])
    assert sorted(rows) == sorted(expected)
    q = [float(row[-1].replace("–", "1")) for row in rows]
    assert q == sorted(q), "what is found comes first"


def test_cells_answer_to_the_keyboard_and_the_mouse(page: Opened, runs: PairRuns) -> None:
    page.choose("phenomena", "family", "removal")
    page.choose("phenomena", "lines", "term")
    page.choose("phenomena", "measure", "margin")
    beyond = table(runs.read, BEYOND_DAMAGE)
    here = beyond[(beyond["family"] == "removal") & (beyond["measure"] == "margin")].set_index(["group", "variant"])
    assert page.page.locator("#phenomena td[tabindex='0']").count() == 1, "one stop for the whole table"
    page.page.locator("#phenomena td").first.focus()
    groups = ["all", *[one for one in dict.fromkeys(beyond["group"]) if one in TERMS]]

    def check(group: str, layer: int) -> None:
        said = page.page.locator("#phenomena .said").inner_text()
        row = here.loc[group, f"removal-{layer}"]
        assert said.startswith(f"removal-{layer} · {page.word('preference:all') if group == 'all' else group}")
        assert f"{page.word('preference:margin_change')} {signed(row['effect'])}" in said
        assert f"{page.word('beyond')} {signed(row['beyond'])}" in said
        assert f"q {shown(row['q_value'])}" in said

    check("all", 0)
    for key, y, x in (
        ("ArrowRight", 0, 1),
        ("ArrowDown", 1, 1),
        ("ArrowDown", 2, 1),
        ("ArrowLeft", 2, 0),
        ("ArrowLeft", 2, 0),
        ("ArrowUp", 1, 0),
        ("ArrowUp", 0, 0),
        ("ArrowUp", 0, 0),
    ):
        page.page.keyboard.press(key)
        check(groups[y], x)
        assert page.page.locator("#phenomena td[tabindex='0']").count() == 1
    page.page.locator("#phenomena td").last.hover()
    check(groups[-1], 6)


# depths


def test_depths_have_an_axis_of_their_own(page: Opened, runs: PairRuns) -> None:
    figure = page.page.locator("#sweep figure").first
    page.choose("sweep", "family", "removal")
    layer = page.word("layer")
    assert layer in figure.text_content()
    assert page.page.get_by_text(page.word("proxies:heading")).is_visible()
    assert "stays" not in page.values("sweep", "measure")
    page.choose("sweep", "family", "depth")
    assert page.word("axis:after") in figure.text_content()
    assert f"{layer} →" not in figure.text_content()
    assert page.page.locator("#sweep").get_by_text(page.word("depth:axis_note")).is_visible()
    assert not page.page.get_by_text(page.word("proxies:heading")).is_visible()
    assert page.word("axis:depths") in page.select("sweep", "axis").inner_text()
    page.choose("sweep", "measure", "stays")
    depths = table(runs.read, PREDICTION_DEPTH)["depth"].to_numpy()
    dots = figure.locator('[aria-label="dot"] > *')
    assert dots.count() == 8
    for number in (2, 7):
        dots.nth(number).hover(force=True)
        page.wait()
        assert f"{page.word('measure:stays')} {shown(float(np.mean(depths <= number - 1)), 4)}" in page.tip(figure)
    page.choose("sweep", "family", "removal")
    assert page.select("sweep", "measure").input_value() == "delta"


def test_mean_depths_by_part_of_speech(page: Opened, runs: PairRuns) -> None:
    page.choose("pos", "family", "removal")
    assert page.word("depth:tags") not in page.page.inner_text("#pos")
    page.choose("pos", "family", "depth")
    assert page.word("axis:after") in page.page.locator("#pos svg[role=img]").first.text_content()
    details = page.page.locator("#pos details.numbers").last
    details.locator("summary").click()
    page.wait()
    rows = details.locator("tbody tr").evaluate_all("(all) => all.map((row) => [...row.cells].map((one) => one.textContent))")
    by_tag = table(runs.read, DEPTH_BY_TAG).set_index("tag")
    here = by_tag[(by_tag["kind"] == "tag") | (by_tag.index == "all")]
    assert len(rows) == len(here)
    assert [row[2] for row in rows] == [shown(one) for one in here.loc[["all", *here.index[here.index != "all"]], "mean_depth"]]


@pytest.fixture(scope="module")
def scores(runs: PairRuns) -> pd.DataFrame:
    run = FinishedRun.open(runs.read)
    vocabulary = run.directory.read_table(VOCABULARY).to_pandas().set_index("id")["text"]
    found = pd.concat(shard.to_pandas() for shard in run.directory.parts(SCORES)).astype({"variant": str})
    found["says"] = vocabulary.loc[found["top1_id"]].to_numpy()
    return found.set_index(["variant", "document", "position"]).sort_index()


def start_depths(one: Opened, document: int = 0) -> None:
    one.choose("text", "document", str(document))
    one.choose("text", "family", "depth")


def slide(one: Opened, value: int) -> None:
    one.page.locator("#text input[type=range]").fill(str(value))
    one.wait()


def words_of(runs: PairRuns, document: int) -> list[list[int]]:
    """Positions of each word's tokens."""
    words = table(runs.read, TOKEN_WORDS)
    words = words[(words["document"] == document) & words["word"].notna()]
    return [rows["position"].tolist() for _, rows in words.groupby("word")]


def written(one: Opened) -> list[int]:
    """Places of the words among what can be pointed at, white space left out."""
    texts = one.page.locator("#text .word").all_inner_texts()
    return [i for i, text in enumerate(texts) if text.strip()]


def test_the_slider_is_one_of_depths(page: Opened) -> None:
    page.choose("text", "family", "removal")
    assert page.page.locator("#text h2").inner_text() == page.word("text:heading")
    page.page.get_by_role("button", name=page.word("depth:ask")).click()
    page.wait()
    assert page.select("text", "family").input_value() == "depth"
    assert page.page.locator("#text h2").inner_text() == page.word("depth:ask")
    assert page.word("depth:note") in page.page.inner_text("#text")
    slider = page.page.locator("#text input[type=range]")
    assert slider.get_attribute("max") == "7"
    seen = []
    for value in range(8):
        slide(page, value)
        name = page.word("depth:embeddings") if value == 0 else page.word("depth:after", n=value - 1)
        assert page.page.locator("#text .slider output").inner_text().startswith(f"{name} · ")
        assert slider.get_attribute("aria-valuetext") == name
        colours = page.page.locator("#text .word").evaluate_all("(all) => all.map((one) => one.style.backgroundColor)")
        seen.append((tuple(colours), page.page.locator("#text .worst").inner_text()))
    assert len(set(seen)) == 8
    slider.focus()
    page.page.keyboard.press("ArrowLeft")
    assert slider.get_attribute("aria-valuetext") == page.word("depth:after", n=5)


def test_tuned_depths_are_read_alike(browser, file: Path, tmp_path: Path) -> None:
    """The same numbers under the other name."""
    data, packing = page_data(file)
    sweep = data["sweeps"][0]
    variants = value_of(sweep["variants"], packing.chunks)
    variants["family"] = ["tuned-depth" if one == "depth" else one for one in variants["family"]]
    for row in sweep["depth_by_tag"]:
        row["family"] = "tuned-depth"
    depths = value_of(sweep["preference"]["depths"], packing.chunks)
    depths["family"] = ["tuned-depth"] * len(depths["family"])
    sweep["preference"]["depths"] = {**packing.value(depths), "rows": sweep["preference"]["depths"]["rows"]}
    sweep["variants"] = {**packing.value(variants), "rows": sweep["variants"]["rows"]}
    sweep["families"] = ["tuned-depth" if one == "depth" else one for one in sweep["families"]]
    for name in ("needs", "tags_found", "keys", "opens"):
        sweep[name]["tuned-depth"] = sweep[name].pop("depth")
    (tmp_path / "a.html").write_text(html_page(data, packing, title="tuned", language="en"), encoding="utf-8")
    with opened(browser, tmp_path / "a.html") as one:
        for section in ("sweep", "preference", "pos"):
            one.choose(section, "family", "tuned-depth")
            assert one.word("axis:after") in one.page.locator(f"#{section} .chart").first.text_content()
        assert one.page.locator("#preference h3").first.inner_text() == one.word("depth:pairs")
        assert one.page.locator("#pos h3").first.inner_text() == one.word("depth:tags")
        assert one.page.locator("#text h2").inner_text() == one.word("depth:ask"), "the text follows"
        slide(one, 3)
        assert one.page.locator("#text input[type=range]").get_attribute("aria-valuetext") == one.word("depth:after", n=2)
        assert one.page.locator("#preference fieldset").nth(1).locator("input").count() == 3


def test_long_tables_are_not_read_out(page: Opened) -> None:
    start_depths(page)
    page.page.locator("#text .word").nth(2).focus()
    page.wait()
    spoken = page.page.locator("#text .detail [aria-live=polite]")
    assert spoken.locator("table").count() == 0
    assert spoken.locator("p").count() >= 2
    page.choose("text", "family", "removal")
    page.page.locator("#text .word").nth(2).focus()
    page.wait()
    assert spoken.locator("table").count() == 1


def test_the_panel_says_what_the_model_would_say_at_each_depth(page: Opened, runs: PairRuns, scores: pd.DataFrame) -> None:
    predicted = table(runs.read, PREDICTION_DEPTH).set_index(["document", "position"])
    for document in (0, 7):
        start_depths(page, document)
        slide(page, 3)
        in_order, places = words_of(runs, document), written(page)
        for place, positions in list(zip(places, in_order, strict=True))[1::4]:
            page.page.locator("#text .word").nth(place).hover()
            page.wait(10)
            panel = page.page.locator("#text .detail")
            rows = panel.locator("tbody tr").evaluate_all("(a) => a.map((r) => [...r.cells].map((c) => c.textContent))")
            assert [row[0] for row in rows] == ["−1", *map(str, range(7))]
            assert panel.locator("tr.here th").inner_text() == "2"
            for depth, row in zip(range(-1, 7), rows, strict=True):
                expected = []
                for position in positions:
                    one = scores.loc[f"depth-{depth}", document, position]
                    mark = page.word("depth:mark") if predicted.loc[(document, position), "depth"] == depth else ""
                    expected.append(f"{visible(one['says'])} {mark}".strip())
                    p = float(row[2 * len(expected)].replace("−", "-"))
                    assert p == pytest.approx(np.exp(-one["nll_nats"]), rel=0.06)
                assert row[1::2] == expected
            said = panel.locator("p").all_inner_texts()[1:]
            for sentence, position in zip(said, positions, strict=True):
                depth, changes = predicted.loc[(document, position), ["depth", "changes"]]
                start = page.word("depth:from_embeddings") if depth < 0 else page.word("depth:from", n=depth)
                final = visible(scores.loc["intact", document, position]["says"])
                assert page.word("depth:stays", **{"final": final, "from": start}, n=changes) in sentence
                assert visible(scores.loc["depth-2", document, position]["says"]) in sentence


def test_words_are_underlined_from_their_prediction_depth_on(page: Opened, runs: PairRuns) -> None:
    predicted = table(runs.read, PREDICTION_DEPTH).set_index(["document", "position"])["depth"]
    start_depths(page, 7)
    in_order, places = words_of(runs, 7), written(page)
    counts = []
    for depth in range(-1, 7):
        slide(page, depth + 1)
        settled = page.page.locator("#text .word").evaluate_all("(all) => all.map((one) => one.classList.contains('settled'))")
        expected = [predicted.loc[7].reindex(positions).dropna().le(depth) for positions in in_order]
        assert [settled[place] for place in places] == [bool(len(one) and one.all()) for one in expected]
        counts.append(sum(settled))
    assert counts == sorted(counts)
    assert counts[0] < counts[-1]


def test_least_expected_words_come_first(page: Opened, runs: PairRuns, scores: pd.DataFrame) -> None:
    start_depths(page, 8)
    slide(page, 5)
    found = [float(one) for one in page.page.locator("#text .worst .number").all_inner_texts()]
    nll = scores.loc["depth-4", 8]["nll_nats"]
    sums = sorted((float(nll.reindex(positions).sum()) for positions in words_of(runs, 8)), reverse=True)
    assert found == sorted(found, reverse=True)
    assert found[0] == pytest.approx(sums[0], rel=6e-3)


def test_hostile_tokens_and_terms_are_text(page: Opened) -> None:
    start_depths(page)
    page.page.locator("#text .word").nth(2).focus()
    page.wait()
    says = page.page.locator("#text .detail tbody td").first.evaluate("(one) => one.textContent")
    assert re.match(rf"\d+␣{re.escape(visible(IMAGE))}", says)
    names = page.page.locator("#phenomena tbody th").evaluate_all("(all) => all.map((one) => one.textContent)")
    assert any(name.startswith(IMAGE) for name in names)
    assert any(name.startswith(SCRIPT) for name in names)
    assert page.page.locator("#page img, #page script, #page b[onclick]").count() == 0


def test_the_layers_of_the_run_are_those_that_the_tests_count(runs: PairRuns) -> None:
    families = table(runs.read, LAYERS)["family"].value_counts().to_dict()
    assert pair_runs.LAYERS == 7
    assert families == {"intact": 1, "removal": 7, "exchange": 6, "depth": 8, "path": 1}
