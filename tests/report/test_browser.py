"""The page in a real browser: every control does what it says, in both languages and themes, and no text of a corpus runs."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from layerscope.contrasts.finished import FinishedContrast
from layerscope.contrasts.tables import CONSISTENCY, INTERVENTION, RANKING
from layerscope.report.write import open_drawn_run, write_report
from layerscope.sweeps.analysis.headlines import family_headline
from layerscope.sweeps.analysis.tag_findings import tag_finding
from layerscope.sweeps.finished import FinishedRun
from layerscope.sweeps.tables import POS, SCORES, TOKEN_WORDS, VOCABULARY
from tests.report.in_browser import CHROMIUM, OWN_WORDS, WORDS, Opened, interval, opened, shown, signed
from tests.tiny_runs import CLOSING, IMAGE, JAPANESE, SCRIPT, TEXTS, TinyRuns

sync_api = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed: pip install playwright")
pytestmark = [
    pytest.mark.browser,
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on the PATH, and 'make browser' could install none"),
]
LANGUAGES, SCHEMES = ("en", "ja"), ("light", "dark")
LAYERS, WIDTH = 4, 32


@pytest.fixture(scope="module")
def file(runs: TinyRuns, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("browser") / "a page.html"
    write_report(runs.all, path)
    return path


# every control, in both languages and themes

EVERY_CONTROL = """async ([broken]) => {
  const problems = [], seen = [];
  const key = (list) => [list.closest("section")?.id ?? "", list.closest("label").querySelector("span").textContent];
  const lists = () => [...document.querySelectorAll("select")];
  const find = (one) => lists().find((list) => String(key(list)) === String(one));
  const check = (what, section) => {
    const place = (section && document.getElementById(section)) || document.body;
    const text = place.innerText + [...place.querySelectorAll("svg text, svg[aria-label]")]
      .map((one) => `${one.textContent} ${one.getAttribute("aria-label") ?? ""}`).join(" ");
    const found = text.match(new RegExp(broken));
    if (found) problems.push(`${what}: ${found[0]}`);
    const empty = [...document.querySelectorAll("main section")].filter((one) => one.textContent.length < 100);
    if (empty.length) problems.push(`${what}: nothing in ${empty.map((one) => one.id)}`);
  };
  check("opened");
  const keys = lists().map(key);
  if (new Set(keys.map(String)).size !== keys.length) problems.push(`two lists of one name: ${keys.map(String)}`);
  for (const one of keys) {
    const values = [...find(one).options].filter((option) => !option.disabled).map((option) => option.value);
    for (const value of values.length > 8 ? [values[0], values[7], values.at(-1)] : values) {
      const list = find(one);
      if (one[0] === "" && document.documentElement.dataset.theme) continue;
      list.value = value;
      list.dispatchEvent(new Event("change", { bubbles: true }));
      await window.__quiet(5);
      if (find(one).value !== value) problems.push(`${one}: ${value} was not kept`);
      check(`${one} ${value}`, one[0]);
      seen.push(`${one} ${value}`);
    }
    const list = find(one);
    list.value = values[0];
    list.dispatchEvent(new Event("change", { bubbles: true }));
    await window.__quiet(5);
  }
  for (const slider of document.querySelectorAll("input[type=range]")) {
    for (const value of [slider.max, slider.min]) {
      slider.value = value;
      slider.dispatchEvent(new Event("input", { bubbles: true }));
      await window.__quiet(5);
      check(`slider ${value}`, "text");
      seen.push(`slider ${value}`);
    }
  }
  const boxes = () => [...document.querySelectorAll("input[type=checkbox]")];
  for (let i = 0; i < 2 * boxes().length; i += 1) {
    boxes()[i % boxes().length].click();
    await window.__quiet(5);
    check(`box ${i}`, "sweep");
    seen.push(`box ${i}`);
  }
  for (const summary of document.querySelectorAll("summary")) {
    summary.click();
    await window.__quiet(5);
    check(`details ${summary.textContent}`);
    if (summary.parentElement.children.length < 2) problems.push(`nothing behind ${summary.textContent}`);
    seen.push("details");
  }
  const buttons = () => [...document.querySelectorAll("main button")];
  for (let i = 0; i < buttons().length; i += 1) {
    buttons()[i].click();
    await window.__quiet(5);
    seen.push("button");
  }
  check("buttons");
  return [problems, seen];
}"""


def broken() -> str:
    """What no reader shall see: numbers that are none, objects, and keys in place of words."""
    kinds = sorted({key.split(":")[0] for key in OWN_WORDS if ":" in key})
    return rf"\b(undefined|NaN|Infinity)\b|\[object|\b({'|'.join(kinds)}):[a-z]\w*"


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("language", LANGUAGES)
def test_every_control_in_every_language_and_theme(browser, file: Path, language: str, scheme: str) -> None:
    with opened(browser, file, language=language, scheme=scheme) as one:
        problems, seen = one.page.evaluate(EVERY_CONTROL, [broken()])
        assert problems == []
        assert len(seen) > 90
        assert one.language == language
        assert {"slider 0", "box 3", "details", "button"} <= set(seen)


@pytest.mark.parametrize(("name", "language"), [("bare", "en"), ("two", "ja")])
def test_pages_with_less_in_them(browser, runs: TinyRuns, tmp_path: Path, name: str, language: str) -> None:
    """Without analyses and sweeps; of two contrasts; in the language that it opens in."""
    some = {"bare": [runs.bare], "two": [runs.contrast, runs.bare, runs.plain]}[name]
    write_report(some, tmp_path / "a.html", language=language)
    with opened(browser, tmp_path / "a.html", language=language) as one:
        problems, _ = one.page.evaluate(EVERY_CONTROL, [broken()])
        assert problems == []
        links = one.page.locator("nav a").evaluate_all("(all) => all.map((one) => one.getAttribute('href'))")
        assert links == [*(["#sweep", "#pos", "#text", "#lexicon"] if name == "two" else []), "#contrast", "#provenance"]
        if name == "two":
            assert one.page.locator("#pos select, #text label").count() == 3, "no choice where there is one run"
            one.choose("contrast", "run", "1")
        text = one.page.inner_text("#contrast")
        for key in ("stability:missing", "intervention:missing"):
            assert one.word(key, run=str(runs.bare)) in text
        assert one.page.locator(".cells").count() == 1, "the map needs no analysis"


# the frame


def headings(one: Opened) -> list[str]:
    found: list[str] = one.page.locator("h1, h2, h3").evaluate_all("(all) => all.map((one) => one.textContent)")
    return found


def test_the_language_switch_changes_every_heading(page: Opened) -> None:
    english = headings(page)
    page.choose("sweep", "measure", "ppl")
    page.page.locator("#language").click()
    page.wait(60)
    assert page.language == "ja"
    japanese = headings(page)
    assert len(japanese) == len(english)
    names = set(page.page.locator("#provenance h3").evaluate_all("(all) => all.map((one) => one.textContent)"))
    for before, after in zip(english, japanese, strict=True):
        assert (before != after) != (before in names), "names of runs are in no language"
    assert page.page.evaluate("document.activeElement.id") == "language"
    assert page.select("sweep", "measure").input_value() == "ppl", "what was chosen stays"
    page.page.keyboard.press("Enter")
    page.wait(60)
    assert headings(page) == english
    assert page.language == "en"


@pytest.mark.parametrize("language", LANGUAGES)
def test_headings_are_the_words_of_the_page(browser, file: Path, language: str) -> None:
    with opened(browser, file, language=language) as one:
        found = headings(one)
        keys = ["sweep:heading", "pos:heading", "text:heading", "contrast:heading", "provenance:heading", "needs:heading"]
        keys += ["map:heading", "bars:heading", "scatter:heading", "matrix:heading", "profile:heading", "correction:heading"]
        keys += ["intervention:heading", "pairs:heading", "reading:heading", "proxies:heading", "worst"]
        for key in keys:
            assert WORDS[key][language == "ja"] in found


def colour_of(one: Opened, name: str) -> str:
    return str(one.page.evaluate(f"getComputedStyle(document.documentElement).getPropertyValue('{name}').trim()"))


def test_themes(browser, file: Path) -> None:
    with opened(browser, file, scheme="light") as one:
        paper, picture = {}, {}
        for theme in ("auto", "light", "dark"):
            one.choose("", "theme", theme)
            one.wait(60)
            paper[theme] = one.page.evaluate("getComputedStyle(document.body).backgroundColor")
            picture[theme] = one.page.locator(".cells canvas").evaluate("(one) => one.toDataURL()")
        assert paper["auto"] == paper["light"] != paper["dark"]
        assert picture["auto"] == picture["light"] != picture["dark"], "canvases are painted in the theme's colours"
        one.choose("", "theme", "auto")
        one.page.emulate_media(color_scheme="dark")
        one.wait(100)
        assert one.page.evaluate("getComputedStyle(document.body).backgroundColor") == paper["dark"]
        assert one.page.locator(".cells canvas").evaluate("(one) => one.toDataURL()") == picture["dark"]


def luminance(colour: str) -> float:
    if len(colour) == 4:
        colour = "#" + "".join(2 * digit for digit in colour[1:])
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("scheme", SCHEMES)
def test_contrast_of_colours(browser, file: Path, scheme: str) -> None:
    """WCAG 2.2: 4.5 for text (AA), 3 for what a chart is made of."""
    with opened(browser, file, scheme=scheme) as one:
        for paper in ("--paper", "--surface"):
            for names, least in ((("--ink", "--soft", "--accent"), 4.5), ([f"--c{i}" for i in range(1, 7)], 3.0)):
                for name in names:
                    pair = sorted(luminance(colour_of(one, which)) for which in (paper, name))
                    assert (pair[1] + 0.05) / (pair[0] + 0.05) >= least, (name, paper)


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("width", [1180, 400])
def test_nothing_runs_out_of_the_page(browser, file: Path, language: str, width: int) -> None:
    """What is too wide scrolls in its own place."""
    with opened(browser, file, language=language, width=width) as one:
        for details in one.page.locator("details.numbers > summary").all():
            details.click()
        one.wait(60)
        assert one.page.evaluate("document.documentElement.scrollWidth") <= width
        outside = one.page.evaluate(
            """(width) => [...document.querySelectorAll("#page *")].filter((one) => {
              const box = one.getBoundingClientRect();
              if (box.right <= width + 1 || box.width === 0) return false;
              for (let up = one.parentElement; up; up = up.parentElement) {
                const scrolls = ["auto", "scroll", "hidden"].includes(getComputedStyle(up).overflowX);
                if (scrolls && up.getBoundingClientRect().right <= width + 1) return false;
              }
              return true;
            }).map((one) => `${one.tagName} ${one.textContent.slice(0, 40)}`)""",
            width,
        )
        assert outside == []


@pytest.mark.parametrize("scheme", SCHEMES)
def test_printing_shows_the_results_on_white_paper(browser, file: Path, scheme: str) -> None:
    with opened(browser, file, scheme=scheme) as one:
        if scheme == "dark":
            one.choose("", "theme", "dark")
        one.page.emulate_media(media="print", color_scheme=scheme)
        one.page.evaluate("dispatchEvent(new Event('beforeprint'))")
        one.wait(100)
        assert luminance(colour_of(one, "--paper")) > 0.9
        assert luminance(colour_of(one, "--ink")) < 0.05
        for place in ("#sweep .chart svg", "#pos .chart svg", ".cells canvas", "#text .word", "#provenance pre"):
            assert one.page.locator(place).first.is_visible(), place
        for place in ("nav", "#language", "#text .controls button"):
            assert not one.page.locator(place).first.is_visible(), place
        assert len(one.page.pdf()) > 50_000
        one.page.emulate_media(media="screen", color_scheme=scheme)


# keyboard and names


def test_every_control_has_a_name_and_can_be_reached(page: Opened) -> None:
    nameless = page.page.evaluate(
        """() => [...document.querySelectorAll("select, input, button, a, summary, [tabindex='0']")].filter((one) =>
          !(one.labels?.[0]?.textContent || one.textContent || one.getAttribute("aria-label") || "").trim())
          .map((one) => one.outerHTML.slice(0, 100))"""
    )
    assert nameless == []
    wanted = "select, input, main button, summary, .cells"
    for _ in range(page.page.locator(wanted).count() + 60):
        page.page.keyboard.press("Tab")
        page.page.evaluate("document.activeElement.dataset.reached = true")
    missed = page.page.locator(wanted).evaluate_all(
        "(all) => all.filter((one) => !one.dataset.reached).map((one) => one.outerHTML.slice(0, 90))"
    )
    assert missed == []


@pytest.mark.parametrize(
    ("section", "key", "value"),
    [
        ("sweep", "measure", "ppl"), ("pos", "value", "delta"), ("text", "document", "1"), ("contrast", "site", "mlp_out"),
        ("contrast", "scale", "z"), ("contrast", "pair", "1"), ("", "theme", "dark"),
    ],
)  # fmt: skip
def test_a_list_that_is_changed_by_keyboard_keeps_the_focus(page: Opened, section: str, key: str, value: str) -> None:
    page.select(section, key).focus()
    page.choose(section, key, value)
    page.wait(60)
    assert page.select(section, key).evaluate("(list) => list === document.activeElement")
    assert page.select(section, key).input_value() == value


def test_charts_have_names(page: Opened) -> None:
    names = page.page.locator("svg[role=img]").evaluate_all("(all) => all.map((one) => one.getAttribute('aria-label'))")
    assert len(names) >= 9
    assert all(names)


# layers


def effects(one: Opened):
    return one.page.locator("#sweep figure").first


def test_models_of_different_depth_are_laid_over_each_other_by_depth(browser, file: Path) -> None:
    with opened(browser, file) as one:
        assert one.select("sweep", "axis").input_value() == "depth"
        assert one.word("axis:depth") in effects(one).locator("svg[role=img]").text_content()


def test_the_measure_the_family_and_the_axis_change_the_chart(page: Opened) -> None:
    page.choose("sweep", "family", "removal")
    for key in ("ppl", "bpb", "accuracy", "agreement", "kl", "delta"):
        page.choose("sweep", "measure", key)
        chart = effects(page).locator("svg[role=img]")
        assert chart.get_attribute("aria-label") == f"{page.word(f'measure:{key}')}, {page.word('name:removal')}"
        assert page.word(f"measure:{key}") in chart.text_content()
    page.choose("sweep", "axis", "depth")
    assert page.word("axis:depth") in chart.text_content()
    page.choose("sweep", "axis", "layer")
    assert page.word("axis:depth") not in chart.text_content()
    dots = effects(page).locator('[aria-label="dot"] > *')
    assert dots.count() == 4 + 3
    page.choose("sweep", "family", "exchange")
    assert dots.count() == 3, "the other model was not asked"
    page.choose("sweep", "family", "path")
    assert dots.count() == 1


def test_models_can_be_hidden_over_each_other(page: Opened) -> None:
    page.choose("sweep", "family", "removal")
    boxes = page.page.locator("#sweep input[type=checkbox]")
    dots = effects(page).locator('[aria-label="dot"] > *')
    assert boxes.count() == 2
    assert dots.count() == 7
    boxes.nth(0).uncheck()
    page.wait()
    assert dots.count() == 3
    assert len(page.table(page.page.locator("#sweep"))) == 1 + 3
    boxes.nth(1).uncheck()
    page.wait()
    assert dots.count() == 0
    boxes.nth(0).check()
    page.wait()
    assert dots.count() == 4
    boxes.nth(1).check()
    page.wait()
    assert dots.count() == 7


def test_numbers_and_sentences_are_those_of_the_run(page: Opened, runs: TinyRuns) -> None:
    page.choose("sweep", "family", "removal")
    head, *rows = page.table(page.page.locator("#sweep"))
    assert head[1:6] == [page.word("variant"), page.word("path"), "ΔNLL", page.word("interval"), "q"]
    digits = {"ppl": 5, "bits_per_byte": 4}
    others = ("q_value", *digits, "top1_accuracy", "agreement", "kl_nats", "block_influence", "angular_distance")
    layers = pd.concat([FinishedRun.open(path).layers for path in (runs.tagged, runs.plain)])
    expected = [
        [
            *(row["variant"], row["path"], signed(row["delta_nll_nats"])),
            interval(row["delta_nll_low_nats"], row["delta_nll_high_nats"]),
            *(shown(row[name], digits.get(name, 3)) for name in others),
        ]
        for row in layers[layers["family"] == "removal"].to_dict("records")
    ]
    assert [row[1:] for row in rows] == expected
    for path in (runs.tagged, runs.plain):
        of_run = FinishedRun.open(path).layers
        assert family_headline(of_run[of_run["family"] == "removal"]).said.en in page.page.inner_text("#sweep")


def test_pointing_at_a_variant_shows_its_numbers_and_its_path(page: Opened, runs: TinyRuns) -> None:
    page.choose("sweep", "family", "removal")
    page.choose("sweep", "measure", "delta")
    page.page.locator("#sweep input[type=checkbox]").nth(1).uncheck()
    page.wait()
    layers = FinishedRun.open(runs.tagged).layers
    removal = layers[layers["family"] == "removal"].reset_index(drop=True)
    seen = set()
    for dot in effects(page).locator('[aria-label="dot"] > *').all():
        dot.hover(force=True)
        page.wait()
        tip = page.tip(effects(page))
        (row,) = [row for row in removal.to_dict("records") if f" {row['variant']}:" in tip]
        seen.add(row["variant"])
        assert signed(row["delta_nll_nats"]) + interval(row["delta_nll_low_nats"], row["delta_nll_high_nats"]) in tip
        assert f"ppl {shown(row['ppl'], 4)}" in tip
        assert f"{page.word('path')} {row['path']}" in tip
    assert seen == set(removal["variant"])
    page.page.locator("#sweep input[type=checkbox]").nth(1).check()
    page.wait()


def test_proxies(page: Opened, runs: TinyRuns) -> None:
    page.choose("sweep", "family", "removal")
    page.choose("sweep", "proxy", "block_influence")
    figure = page.page.locator("#sweep figure").nth(1)
    before = figure.inner_text()
    page.choose("sweep", "proxy", "angular_distance")
    assert figure.inner_text() != before
    assert page.word("angular_distance") in figure.locator("svg[role=img]").text_content()
    run = FinishedRun.open(runs.tagged)
    proxies = pd.read_parquet(run.directory.path / "proxies.parquet").set_index(["family", "proxy"])["spearman"]
    assert f"ρ = {shown(proxies['removal', 'angular_distance'])}" in figure.inner_text()


# parts of speech


def test_the_heat_map_of_parts_of_speech(page: Opened, runs: TinyRuns) -> None:
    pos = pd.read_parquet(runs.tagged / POS.name).astype({"variant": str, "unit": str, "kind": str, "tag": str, "family": str})
    page.choose("pos", "model", "0")
    for family, unit in (("removal", "word"), ("exchange", "word"), ("exchange", "continuation")):
        page.choose("pos", "family", family)
        page.choose("pos", "unit", unit)
        assert tag_finding(pos[pos["family"] == family]).en in page.page.inner_text("#pos")
        here = pos[(pos["family"] == family) & (pos["unit"] == unit) & (pos["kind"] == "tag")]
        rare = here[here["items"] < 20]["tag"].nunique()
        if 0 < rare < here["tag"].nunique():
            page.page.locator("#pos input[type=checkbox]").uncheck()
            page.wait(60)
            assert page.page.locator('#pos [aria-label="cell"] > *').count() == (here["items"] >= 20).sum(), "rare ones wait"
            page.page.locator("#pos input[type=checkbox]").check()
            page.wait(60)
        assert page.page.locator('#pos [aria-label="cell"] > *').count() == len(here)
        _, *rows = page.table(page.page.locator("#pos"))
        assert {(row[0], row[1]) for row in rows} == {
            (row["variant"], page.word(f"tag:{row['tag']}")) for row in here.to_dict("records")
        }, "the numbers are those of the map"
        number = {(row["variant"], page.word(f"tag:{row['tag']}")): row for row in here.to_dict("records")}
        for row in rows[:10]:
            one = number[row[0], row[1]]
            assert row[5].startswith(signed(one["delta_nll_nats"]))
            assert row[7] == signed(one["relative_change"])


def test_the_value_changes_the_colours(page: Opened) -> None:
    page.choose("pos", "family", "removal")
    colours = {}
    for value in ("contrast", "delta", "relative"):
        page.choose("pos", "value", value)
        assert page.word(f"pos:{value}") in page.page.locator("#pos svg[role=img]").get_attribute("aria-label")
        assert page.word(f"pos:{value}") in page.page.inner_text("#pos .colours")
        colours[value] = page.page.locator('#pos [aria-label="cell"] > *').evaluate_all(
            "(all) => all.map((one) => one.getAttribute('fill'))"
        )
    assert colours["contrast"] != colours["delta"] != colours["relative"]
    page.page.locator('#pos [aria-label="cell"] > *').first.hover(force=True)
    page.wait()
    assert re.search(r"removal-0 · .* \(\d+\)", page.tip(page.page.locator("#pos")))


def test_a_run_without_tags_says_how_to_tag_it(page: Opened, runs: TinyRuns) -> None:
    page.choose("pos", "model", "1")
    assert f"'layerscope pos {runs.plain}'" in page.page.inner_text("#pos")
    assert page.page.locator("#pos svg").count() == 0
    page.choose("pos", "model", "0")
    assert page.page.locator("#pos svg").count() == 1


# text


def spans(one: Opened) -> list[dict]:
    found: list[dict] = one.page.locator("#text .word").evaluate_all(
        "(all) => all.map((one) => ({ text: one.textContent, colour: one.style.backgroundColor, next: one.nextSibling?.data }))"
    )
    return found


def start_text(one: Opened) -> None:
    """The first document of the tagged run, layers removed."""
    one.choose("text", "model", "0")
    one.choose("text", "document", "0")
    one.choose("text", "family", "removal")


def slide(one: Opened, value: int) -> None:
    one.page.locator("#text input[type=range]").fill(str(value))
    one.wait()


def test_documents_are_shown_as_they_are_written(page: Opened) -> None:
    start_text(page)
    values = page.values("text", "document")
    assert len(values) == len(TEXTS)
    for value in values:
        page.choose("text", "document", value)
        assert page.page.locator("#text .text").evaluate("(one) => one.textContent") == TEXTS[int(value)]
    page.choose("text", "model", "1")
    found = set()
    for value in page.values("text", "document"):
        page.choose("text", "document", value)
        found.add(page.page.locator("#text .text").evaluate("(one) => one.textContent"))
    assert found == set(JAPANESE)


def test_every_word_can_be_seen_and_pointed_at(page: Opened) -> None:
    for model, document in (("0", "0"), ("0", "2"), ("0", "4"), ("1", "1")):
        page.choose("text", "model", model)
        page.choose("text", "document", document)
        assert all(span["text"] for span in spans(page)), (model, document)


def test_the_slider_changes_colours_and_the_worst_words(page: Opened) -> None:
    start_text(page)
    seen = []
    for value in range(4):
        slide(page, value)
        said = page.page.locator("#text .slider output").inner_text()
        assert said.startswith(f"removal-{value} · ")
        assert page.page.locator("#text input[type=range]").get_attribute("aria-valuetext") == f"removal-{value}"
        worst = page.page.locator("#text .worst").inner_text()
        seen.append((tuple(span["colour"] for span in spans(page)), worst))
    assert len({colours for colours, _ in seen}) == 4
    assert len({worst for _, worst in seen}) == 4
    page.page.locator("#text .slider button").nth(0).click()
    assert page.page.locator("#text .slider output").inner_text().startswith("removal-2 · ")
    page.page.locator("#text .slider button").nth(1).click()
    page.page.locator("#text .slider button").nth(1).click()
    assert page.page.locator("#text .slider output").inner_text().startswith("removal-3 · "), "it stops at the end"
    page.page.locator("#text input[type=range]").focus()
    page.page.keyboard.press("ArrowLeft")
    assert page.page.locator("#text .slider output").inner_text().startswith("removal-2 · ")


@pytest.fixture(scope="module")
def scores(runs: TinyRuns) -> pd.DataFrame:
    run = FinishedRun.open(runs.tagged)
    vocabulary = run.directory.read_table(VOCABULARY).to_pandas().set_index("id")["text"]
    found = pd.concat(shard.to_pandas() for shard in run.directory.parts(SCORES)).astype({"variant": str})
    found["says"] = vocabulary.loc[found["top1_id"]].to_numpy()
    return found.set_index(["variant", "document", "position"]).sort_index()


def visible(text: str) -> str:
    return text.replace(" ", "␣").replace("\n", "⏎").replace("\t", "⇥")


def test_pointing_at_a_word_shows_the_predictions_of_the_run(page: Opened, runs: TinyRuns, scores: pd.DataFrame) -> None:
    start_text(page)
    words = pd.read_parquet(runs.tagged / TOKEN_WORDS.name)
    words = words[(words["document"] == 0) & words["word"].notna()]
    in_order = [rows["position"].tolist() for _, rows in words.groupby("word")]
    written = [i for i, span in enumerate(spans(page)) if span["text"].strip()]
    assert len(written) == len(in_order) == 14
    for variant in ("removal-3", "removal-0"):
        slide(page, int(variant[-1]))
        for place, positions in list(zip(written, in_order, strict=True))[::3]:
            page.page.locator("#text .word").nth(place).hover()
            page.wait(10)
            rows = page.table(page.page.locator("#text .detail"))[1:]
            assert len(rows) == len(positions)
            total = 0.0
            for row, position in zip(rows, positions, strict=True):
                if position == 0:  # nothing stands before it
                    assert row[1:] == ["–", page.word("not_scored").replace(" ", "␣"), "", ""]
                    continue
                before, after = (scores.loc[name, 0, position] for name in ("intact", variant))
                # the page keeps 16 bits of a number
                assert float(row[1]) == pytest.approx(before["nll_nats"], rel=6e-3)
                assert float(row[2]) == pytest.approx(after["nll_nats"], rel=6e-3)
                assert row[3:] == [visible(before["says"]), visible(after["says"])]
                total += after["nll_nats"] - before["nll_nats"]
            said = page.page.locator("#text .detail p").first.inner_text()
            assert float(said.split("ΔNLL ")[1].split(" ")[0].replace("−", "-")) == pytest.approx(total, rel=2e-2, abs=3e-3)


def test_the_words_that_broke_most_are_found(page: Opened, runs: TinyRuns, scores: pd.DataFrame) -> None:
    """By a plain sum over the run's scores."""
    start_text(page)
    slide(page, 0)
    words = pd.read_parquet(runs.tagged / TOKEN_WORDS.name)
    words = words[(words["document"] == 0) & words["word"].notna()]
    texts = pd.read_parquet(runs.tagged / "words.parquet").astype({"text": str}).set_index("word")["text"]
    change = scores.loc["removal-0", 0]["nll_nats"] - scores.loc["intact", 0]["nll_nats"]
    by_word = {word: change.reindex(rows["position"]).sum() for word, rows in words.groupby("word")}
    expected = sorted((value, texts[word]) for word, value in by_word.items() if value > 0)[::-1]
    buttons = page.page.locator("#text .worst button")
    found = [text for text in buttons.locator(".broken").all_inner_texts() if text.strip("␣")]
    assert found == [text for _, text in expected][: len(found)]
    assert len(found) >= min(len(expected), 8)
    buttons.first.click()
    assert page.page.evaluate("document.activeElement.classList.contains('word')")
    assert page.page.evaluate("document.activeElement.textContent") == buttons.first.locator(".broken").inner_text()
    assert found[0] in page.page.locator("#text .detail").inner_text()


def test_arrow_keys_move_over_the_words(page: Opened) -> None:
    start_text(page)
    texts = [span["text"] for span in spans(page)]
    page.page.locator("#text .word").first.focus()

    def at() -> int:
        return int(page.page.evaluate("[...document.querySelectorAll('#text .word')].indexOf(document.activeElement)"))

    assert at() == 0
    for key, expected in (("ArrowRight", 1), ("ArrowRight", 2), ("ArrowLeft", 1), ("ArrowDown", 11), ("ArrowUp", 1)):
        page.page.keyboard.press(key)
        assert at() == min(expected, len(texts) - 1)
        assert texts[at()] in page.page.locator("#text .detail").evaluate("(one) => one.textContent")
    page.page.keyboard.press("ArrowUp")
    assert at() == 0
    assert page.page.locator("#text .word[tabindex='0']").count() == 1, "one stop for the whole text"


def test_html_of_a_corpus_is_text(page: Opened) -> None:
    start_text(page)
    for number, text in enumerate(TEXTS):
        if SCRIPT in text or IMAGE in text or CLOSING in text:
            page.choose("text", "document", str(number))
            for word in page.page.locator("#text .word", has_text=re.compile(r"\S")).all()[::12]:
                word.hover()
            assert page.page.locator("#text .text").evaluate("(one) => one.textContent") == text
    assert page.page.locator("#page img, #page script, #page style:not(svg style), #page b[onclick]").count() == 0
    assert page.page.locator("#page svg[onload]").count() == 0
    attributes = page.page.evaluate(
        "[...document.querySelectorAll('*')].flatMap((one) => one.getAttributeNames()).filter((one) => one.startsWith('on'))"
    )
    assert attributes == []


# contrast


@pytest.fixture(scope="module")
def contrast(runs: TinyRuns) -> FinishedContrast:
    return FinishedContrast.open(runs.contrast)


GROUPS = {"meaning": ["subject", "place", "few"], "grammar": ["tense", "typo"]}
GROUPS["all"] = GROUPS["meaning"] + GROUPS["grammar"]
WALK = """async (n) => {
  const map = document.querySelector(".cells"), said = [];
  const press = (key) => map.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true }));
  ["Home", "ArrowDown", "ArrowDown", "ArrowDown", "ArrowUp"].forEach(press);
  for (let i = 0; i < n; i += 1) {
    said.push(document.querySelector(".cell-map .said").textContent);
    press("ArrowRight");
  }
  return said;
}"""


def cells(run: FinishedContrast, site: str, position: str, scale: str, name: str) -> np.ndarray:
    of_group = run.cells(site, position)[scale]
    return np.mean([of_group[one] for one in GROUPS.get(name, [name])], axis=0)


def start_contrast(one: Opened, site: str = "resid_post", position: str = "edit+1", scale: str = "percentile") -> None:
    """The main place, all pairs, dimensions by index."""
    one.choose("contrast", "site", site)
    one.choose("contrast", "position", position)
    one.choose("contrast", "scale", scale)
    one.choose("contrast", "types", "all")
    one.choose("contrast", "sort", "index")


def cursor(one: Opened, said: str | None = None) -> tuple[int, int, str]:
    """Layer, dimension and value where the cursor of the map stands."""
    said = said or one.page.locator(".cell-map .said").inner_text()
    found = re.match(rf"{one.word('layer')} (\d+), {one.word('dimension')} (\d+): .* (\S+)$", said)
    assert found is not None, said
    return int(found[1]), int(found[2]), found[3]


@pytest.mark.parametrize(
    ("site", "position", "scale", "name"),
    [
        ("resid_post", "edit+1", "percentile", "all"),
        ("mlp_out", "edit", "raw", "grammar"),
        ("resid_post", "last", "relative", "meaning"),
        ("resid_post", "edit+1", "z", "tense"),
    ],
)
def test_sorting_orders_the_map_as_numpy_does(
    page: Opened, contrast: FinishedContrast, site: str, position: str, scale: str, name: str
) -> None:
    start_contrast(page, site, position, scale)
    page.choose("contrast", "types", name)
    values = cells(contrast, site, position, scale, name)
    means = values.mean(axis=0)
    for sort in ("down", "up", "index"):
        page.choose("contrast", "sort", sort)
        dims = []
        for said in page.page.evaluate(WALK, WIDTH):
            layer, dim, value = cursor(page, said)
            assert layer == 1
            assert float(value.replace("−", "-")) == pytest.approx(values[1, dim], rel=6e-3, abs=1e-4)
            dims.append(dim)
        assert sorted(dims) == list(range(WIDTH))
        if sort == "index":
            assert dims == list(range(WIDTH))
        else:
            sign = 1 if sort == "up" else -1
            steps = np.diff(sign * means[dims])
            assert (steps >= -1e-3 * np.abs(means).max()).all(), "16 bits of a number decide between two that are nearly equal"
            assert dims[0] == int(np.argmin(sign * means))


def test_the_cursor_of_the_map(page: Opened, contrast: FinishedContrast) -> None:
    place = page.page.locator(".cells")
    place.focus()
    for key in ("ArrowDown", "ArrowDown", "ArrowDown", "End"):
        page.page.keyboard.press(key)
    assert cursor(page)[:2] == (0, WIDTH - 1)
    for key, expected in (
        ("ArrowUp", (1, 31)),
        ("ArrowLeft", (1, 30)),
        ("ArrowDown", (0, 30)),
        ("ArrowDown", (0, 30)),
        ("Home", (0, 0)),
    ):
        page.page.keyboard.press(key)
        assert cursor(page)[:2] == expected
    box = place.bounding_box()
    place.click(position={"x": box["width"] * 5.5 / WIDTH, "y": box["height"] * 0.5 / LAYERS})
    page.wait()
    assert cursor(page)[:2] == (LAYERS - 1, 5), "the last layer is on top"
    head, *rows = page.table(page.page.locator("#contrast .unit"))
    assert head[0] == f"{page.word('layer')} 3 · {page.word('dimension')} 5"
    names = {"meaning": page.word("set:meaning"), "grammar": page.word("set:grammar"), "tense": page.word("group:tense")}
    by_name = {row[0]: row[1:] for row in rows}
    for name, written in names.items():
        for column, scale in enumerate(("percentile", "raw", "z", "relative")):
            expected = cells(contrast, "resid_post", "edit+1", scale, name)[3, 5]
            assert float(by_name[written][column]) == pytest.approx(expected, rel=6e-3)


def test_single_subtypes_can_be_chosen_where_they_are_kept(page: Opened) -> None:
    def disabled() -> set[str]:
        return set(page.select("contrast", "types").locator("option:disabled").evaluate_all("(all) => all.map((o) => o.value)"))

    start_contrast(page)
    assert disabled() == set()
    page.choose("contrast", "types", "tense")
    page.choose("contrast", "site", "mlp_out")
    assert {"tense", "typo", "subject"} <= disabled()
    assert page.select("contrast", "types").input_value() == "all"
    main = f"{page.word('site:resid_post')}, {page.word('position:edit')}+1"
    assert page.word("map:subtypes_main", place=main) in page.page.inner_text("#contrast")


def test_bars_are_the_ranking_of_the_run(page: Opened, contrast: FinishedContrast) -> None:
    ranking = pd.read_parquet(contrast.directory.path / RANKING.name)
    ranking = ranking.astype(dict.fromkeys(("set", "site", "position", "scale", "scope"), str))
    for site, position, scale, name in (("resid_post", "edit+1", "percentile", "all"), ("mlp_out", "edit", "z", "grammar")):
        start_contrast(page, site, position, scale)
        page.choose("contrast", "types", name)
        here = ranking.query("set == @name and site == @site and position == @position and scale == @scale and scope == 'all'")
        _, *rows = page.table(page.part("contrast", "bars:heading"))
        assert [row[:3] for row in rows] == [[str(row.rank), str(row.layer), str(row.dim)] for row in here.itertuples()]
        assert [row[3:7] for row in rows] == [
            [shown(row[one]) for one in ("percentile", "raw", "z", "relative")] for row in here.to_dict("records")
        ]
        assert page.part("contrast", "bars:heading").locator('[aria-label="bar"] > *').count() == len(here)


def test_bars_where_nothing_was_analysed_are_made_of_the_cells(page: Opened, contrast: FinishedContrast) -> None:
    start_contrast(page, position="last")
    values = cells(contrast, "resid_post", "last", "percentile", "all")
    _, *rows = page.table(page.part("contrast", "bars:heading"))
    assert len(rows) == 20
    found = [values[int(row[1]), int(row[2])] for row in rows]
    np.testing.assert_allclose(found, np.sort(values, axis=None)[:20], atol=1e-4)


def test_the_scatter_shows_every_set(page: Opened) -> None:
    start_contrast(page)
    part = page.part("contrast", "scatter:heading")
    assert part.locator('[aria-label="dot"] > *').count() == 4 * LAYERS * WIDTH
    for name in ("meaning", "grammar", "placebo", "control"):
        assert page.word(f"set:{name}") in part.locator(".legend").inner_text()


def test_the_matrix_has_the_numbers_of_the_run(page: Opened, contrast: FinishedContrast) -> None:
    table = pd.read_parquet(contrast.directory.path / CONSISTENCY.name)
    table = table.astype(dict.fromkeys(("site", "position", "scale", "measure", "first", "second"), str))
    part = page.part("contrast", "matrix:heading")
    squares = part.locator('[aria-label="cell"]').first.locator("> *")
    for site, scale, measure in (("resid_post", "percentile", "jaccard"), ("mlp_out", "raw", "spearman")):
        start_contrast(page, site, scale=scale)
        page.choose("contrast", "agreement_measure", measure)
        here = table.query("site == @site and position == 'edit+1' and scale == @scale and measure == @measure")
        _, *rows = page.table(part)
        expected = [
            [
                *(WORDS.get(f"group:{row[name]}", [row[name]])[0] for name in ("first", "second")),
                shown(row["value"]),
                signed(row["excess"]) + interval(row["low"], row["high"]),
                shown(row["p_value"]),
                shown(row["q_value"]),
            ]
            for row in here.to_dict("records")
        ]
        assert rows == expected
        n = len(set(here["first"]) | set(here["second"]))
        assert squares.count() == n * n == 25
    squares.first.hover(force=True)
    page.wait()
    assert f"{page.word('matrix:excess')} " in page.tip(part)
    assert any(f"{row[0]} × {row[1]}" in page.tip(part) or f"{row[1]} × {row[0]}" in page.tip(part) for row in rows)
    fills = {}
    for value in ("excess", "value"):
        part.locator("select").nth(1).select_option(value)
        page.wait()
        fills[value] = (
            part.locator('[aria-label="cell"]').first.locator("> *").evaluate_all("(a) => a.map((o) => o.getAttribute('fill'))")
        )
    assert fills["excess"] != fills["value"]


def test_what_was_not_analysed_is_said(page: Opened) -> None:
    """No empty axes where an analysis left this position out."""
    start_contrast(page, position="last")
    for key in ("matrix:heading", "profile:heading", "correction:heading"):
        for figure in page.part("contrast", key).locator("figure").all():
            marks = figure.locator('[aria-label="cell"] > *, [aria-label="line"] > *, [aria-label="dot"] > *').count()
            assert marks or figure.locator("svg").count() == 0, key


def test_correction(page: Opened) -> None:
    start_contrast(page)
    part = page.part("contrast", "correction:heading")
    for quantity in ("contraction", "toward_right", "asymmetry", "size"):
        page.choose("contrast", "quantity", quantity)
        assert page.word(f"quantity:{quantity}") in part.locator("svg[role=img]").first.text_content()
        assert part.locator("svg").first.locator('[aria-label="dot"] > *').count() > 0
    after = page.part("contrast", "divergence:heading")
    assert page.word("divergence") in after.locator("svg[role=img]").text_content()
    followed = page.page.locator("#contrast > div:has(> .sticky)")
    assert followed.locator(f'h3:text-is("{page.word("correction:heading")}")').count() == 1
    assert followed.locator(f'h3:text-is("{page.word("divergence:heading")}")').count() == 0, "it follows no bar"


def test_the_intervention_stands_against_its_null(page: Opened, contrast: FinishedContrast) -> None:
    part = page.part("contrast", "intervention:heading")
    table = pd.read_parquet(contrast.directory.path / INTERVENTION.name)
    table = (
        table.astype({"replacement": str, "outcome": str}).set_index(["replacement", "outcome", "set"])["value"].sort_index()
    )
    for replacement in ("resample", "mean"):
        page.choose("contrast", "replacement", replacement)
        assert part.locator(".verdict").inner_text() == f"Verdict of {replacement} {SCRIPT}"
        for outcome in ("did_nats", "accuracy", "damage_nats", "change_nats", "gap_nats"):
            page.choose("contrast", "outcome", outcome)
            here = table.loc[replacement, outcome]
            text = part.inner_text()
            assert f"{page.word('stable_set')}: {signed(here[0])}{interval(here[0] - 0.5, here[0] + 0.5)}" in text
            assert f"{page.word('random_sets')}: {signed(here[1:].mean())}" in text
            assert f"p = {shown((1 + (here[1:] >= here[0]).sum()) / 41)}" in text
            assert page.word(f"outcome:{outcome}") in part.locator("svg[role=img]").text_content()


def test_a_pair_with_both_sentences(page: Opened, contrast: FinishedContrast) -> None:
    part = page.part("contrast", "pairs:heading")
    pairs = contrast.pairs.astype({"group": str})
    for group in ("tense", "subject-placebo", "random-word"):
        page.choose("contrast", "subtype", group)
        rows = pairs[pairs["group"] == group]
        share = min(600 // pairs["group"].nunique(), len(rows))
        rows = rows.iloc[np.linspace(0, len(rows) - 1, share).round().astype(int)].reset_index(drop=True)
        options = page.values("contrast", "pair")
        assert len(options) == len(rows) >= 20, "an even sample of a group"
        for number in (0, 1, 2, 3, len(rows) - 1):
            page.choose("contrast", "pair", str(number))
            sentences = part.locator(".sentence").evaluate_all("(all) => all.map((one) => one.textContent)")
            assert sentences == rows.loc[number, ["sentence1", "sentence2"]].tolist()
            marks = part.locator("mark").evaluate_all("(all) => all.map((one) => one.textContent)")
            assert all(mark in sentence for mark, sentence in zip(marks, sentences, strict=True))
            text = part.inner_text()
            assert (f"✓ {page.word('right_side')}" in text) == bool(rows["right"].notna()[number])
            said = contrast.predictions[contrast.predictions["pair"] == rows.loc[number, "pair"]]
            table = page.table(part)
            assert table[0][1:] == [str(one) for one in said["distance"]]
            assert [one.replace("−", "-") for one in table[3][1:]] == [shown(one).replace("−", "-") for one in said["kl_nats"]]
            part.locator("svg[role=img]").wait_for()  # the chart comes when its place has a width
            assert part.locator("svg[role=img]").locator('[aria-label="dot"] > *').count() == 3 * (LAYERS + 1)
    sentences = page.page.locator(".sentence").first.inner_text()
    part.locator("button").nth(1).click()  # after the last comes the first
    page.wait()
    assert page.select("contrast", "pair").input_value() == "0"
    part.locator("button").nth(0).click()
    page.wait()
    assert page.page.locator(".sentence").first.inner_text() == sentences


def test_hostile_pairs_are_text(page: Opened) -> None:
    page.choose("contrast", "subtype", "tense")
    labels = page.select("contrast", "pair").evaluate("(list) => [...list.options].map((one) => one.textContent)")
    seen = ""
    for number, label in enumerate(labels):
        if "<" in label:
            page.choose("contrast", "pair", str(number))
            seen += page.part("contrast", "pairs:heading").locator(".sentences").evaluate("(one) => one.textContent")
    for text in (SCRIPT, IMAGE, CLOSING):
        assert text in seen


# provenance


@pytest.mark.parametrize("language", LANGUAGES)
def test_provenance(browser, file: Path, runs: TinyRuns, language: str) -> None:
    with opened(browser, file, language=language) as one:
        articles = one.page.locator("#provenance article")
        assert articles.count() == 3
        for number, path in enumerate(runs.all):
            text = articles.nth(number).inner_text()
            record = open_drawn_run(path).record
            assert f"{path.parent.name}/{path.name}" in text
            assert f"torch {record.environment.packages['torch']}" in text
            assert articles.nth(number).locator("pre").inner_text().startswith("layerscope ")
            assert record.model.fingerprint in text
        assert one.word("fact:unscored_first") in articles.first.inner_text()


def test_the_command_can_be_copied(browser, file: Path) -> None:
    with opened(browser, file, permissions=["clipboard-read", "clipboard-write"]) as one:
        command = one.page.locator("#provenance pre").first.inner_text()
        one.page.locator("#provenance .command button").first.click()
        one.wait()
        assert one.page.locator("#provenance .command button").first.inner_text() == one.word("copied")
        assert one.page.evaluate("navigator.clipboard.readText()") == command


def test_it_says_what_it_is_made_of(page: Opened) -> None:
    assert re.search(r"Made by layerscope \d+\.\d+\.\d+ on 20\d\d-\d\d-\d\d", page.page.inner_text("footer"))
