"""One state in a real browser: what is chosen anywhere moves every view, stands in the address, and comes back from it."""

from __future__ import annotations

import csv
import io
import re
from pathlib import Path
from urllib.parse import parse_qs, parse_qsl, quote
from xml.etree import ElementTree

import pandas as pd
import pytest

from layerscope.models.export import export_path
from layerscope.models.loading import load_decoder
from layerscope.paths.path import LayerPath
from layerscope.report.write import write_report
from layerscope.summaries import summarise
from layerscope.sweeps.finished import FinishedRun
from layerscope.sweeps.tables import POS, SCORES, TOKEN_WORDS
from tests.checkpoints import save_tiny_llama
from tests.report.in_browser import CHROMIUM, Opened, opened, signed
from tests.tiny_runs import IMAGE, SCRIPT, TEXTS, TinyRuns, sweep

sync_api = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed: pip install playwright")
pytestmark = [
    pytest.mark.browser,
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on the PATH, and 'make browser' could install none"),
]
PHONE = 400


@pytest.fixture(scope="module")
def file(runs: TinyRuns, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("state") / "a page.html"
    write_report(runs.all, path)
    return path


def address(one: Opened) -> dict[str, str]:
    one.wait(150)  # addresses are not written more often
    return {name: values[0] for name, values in parse_qs(str(one.page.evaluate("location.hash")).lstrip("#")).items()}


def variant_of_text(one: Opened) -> str:
    return one.page.locator("#text .slider output").inner_text().split(" · ")[0]


def marked(one: Opened, place: str) -> int:
    return one.page.locator(f"{place} svg .chosen > *").count()


def click_variant(one: Opened, name: str) -> None:
    """The point of a variant in the first chart, by its place there."""
    at = one.page.evaluate(
        """(name) => {
          const svg = document.querySelector("#sweep .chart svg[role=img]");
          svg.scrollIntoView({ block: "center" });
          const dots = [...svg.querySelectorAll("[aria-label=dot] > *")].map((one) => one.getBoundingClientRect());
          const place = dots.map((box) => [box.x + box.width / 2, box.y + box.height / 2]).sort((a, b) => a[0] - b[0]);
          return place[Number(name.split("-")[1])];
        }""",
        name,
    )
    one.page.mouse.click(*at)
    one.wait(150)


@pytest.fixture
def alone(browser, runs: TinyRuns, tmp_path: Path):
    """A page of one sweep and one contrast, at their beginning."""
    write_report([runs.tagged, runs.contrast], tmp_path / "a.html")
    with opened(browser, tmp_path / "a.html") as one:
        yield one


def test_a_click_moves_the_address_and_every_view_and_back_undoes_it(alone: Opened) -> None:
    layers = {one: f"removal-{one}" for one in range(4)}
    before = variant_of_text(alone)
    assert before in {layers[2], layers[3]}, "it opens outside the first two layers"
    assert address(alone) == {}
    click_variant(alone, "removal-1")
    assert address(alone)["layer"] == "1"
    assert variant_of_text(alone) == "removal-1"
    assert alone.page.locator("#lexicon").get_by_text("ΔNLL at removal-1.").count() == 1
    assert marked(alone, "#pos") > 0
    alone.page.locator('#pos [aria-label="cell"] > *').first.click(force=True)
    found = address(alone)
    assert found["tag"]
    assert found["layer"] == "0"
    assert variant_of_text(alone) == "removal-0"
    assert alone.select("lexicon", "tag").input_value() == found["tag"]
    alone.page.go_back()
    assert address(alone)["layer"] == "1"
    assert variant_of_text(alone) == "removal-1"
    assert alone.select("lexicon", "tag").input_value() == ""
    alone.page.go_back()
    assert address(alone) == {}
    assert variant_of_text(alone) == before
    alone.page.go_forward()
    assert address(alone)["layer"] == "1"
    assert variant_of_text(alone) == "removal-1"


def test_a_family_chosen_anywhere_is_chosen_everywhere(alone: Opened) -> None:
    alone.choose("pos", "family", "exchange")
    assert address(alone)["family"] == "exchange"
    for section in ("sweep", "pos", "text", "lexicon"):
        assert alone.select(section, "family").input_value() == "exchange", section
    assert variant_of_text(alone).startswith("exchange-")


def test_a_word_leads_to_its_profile_and_back_into_the_text(alone: Opened) -> None:
    alone.page.locator("#text .word", has_text=re.compile("^dog$")).click()
    alone.wait(150)
    found = address(alone)
    assert (found["word"], found["place"].split(".")[0]) == ("dog", "0")
    assert alone.page.locator("#lexicon svg[role=img]").get_attribute("aria-label").startswith("dog, ")
    assert alone.page.locator("#text .word[aria-current]").inner_text() == "dog"
    alone.page.locator("#lexicon input[type=search]").fill("numb")
    alone.wait(60)
    alone.page.locator("#lexicon .plain-button", has_text=re.compile("^Number$")).click()
    alone.wait(150)
    assert address(alone)["word"] == "Number"
    assert alone.page.locator("#text .text").inner_text().startswith("Number"), "the first document that has it"


def test_an_address_opens_the_same_view(browser, alone: Opened, tmp_path: Path) -> None:
    alone.choose("contrast", "site", "mlp_out")
    alone.choose("contrast", "scale", "z")
    alone.choose("contrast", "subtype", "tense")
    alone.choose("contrast", "pair", "2")
    click_variant(alone, "removal-1")
    alone.page.locator("#text .word", has_text=re.compile("^dog$")).click()
    there = address(alone)
    assert there["pair"] == "tense 2"
    hash_ = str(alone.page.evaluate("location.hash"))

    def view(one: Opened) -> list[object]:
        lists = [("text", "family"), *(("contrast", key) for key in ("site", "position", "scale", "types", "subtype", "pair"))]
        chosen = [one.select(*which).input_value() for which in lists]
        return [*chosen, variant_of_text(one), one.page.locator("#text .word[aria-current]").inner_text(), address(one)]

    with opened(browser, tmp_path / "a.html", address=hash_) as other:
        assert view(other) == view(alone)


def test_the_link_that_is_copied_says_all_that_is_shown(browser, file: Path) -> None:
    with opened(browser, file, permissions=["clipboard-read", "clipboard-write"]) as one:
        one.page.locator("#link").click()
        one.wait()
        link = str(one.page.evaluate("navigator.clipboard.readText()"))
        assert link.startswith(f"{file.as_uri()}#")
        found = {name: values[0] for name, values in parse_qs(link.split("#")[1]).items()}
        assert set(found) >= {"model", "family", "layer", "contrast", "site", "position", "scale"}
        assert found["model"].startswith("tiny <img")


HOSTILE = [
    f"#model={quote(SCRIPT)}&family={quote(IMAGE)}&layer={quote(IMAGE)}&tag=constructor&site=__proto__&scale={quote(IMAGE)}",
    f"#word={quote(IMAGE)}&pair={quote(SCRIPT)}&types={quote(IMAGE)}&place=99999.99999&contrast={quote(SCRIPT)}",
    f"#{quote(IMAGE)}",
    "#%E0%A4%A",
    "#layer=99&place=0.9999999&pair=tense%20999999&position=last%0A&__proto__=1&constructor=2",
    "#at=%22%5D%3Cscript%3E&at=data&word=" + "x" * 5000,
]


@pytest.mark.parametrize("hostile", HOSTILE)
def test_a_hostile_address_is_text_or_nothing(browser, file: Path, hostile: str) -> None:
    with opened(browser, file, address=hostile) as one:
        assert one.page.locator("#page img, #page script").count() == 0
        assert variant_of_text(one).startswith("removal-"), "as without an address"
        assert one.select("contrast", "scale").input_value() == "percentile"
        if "word=%3C" in hostile:
            said = one.page.locator("#lexicon").evaluate("(one) => one.textContent")
            assert IMAGE.replace(" ", "␣") in said, "said, as text"
        one.page.evaluate("(hash) => { location.hash = hash; }", HOSTILE[0])
        one.wait(100)
        assert one.select("sweep", "family").input_value() == "removal"


def test_findings_on_top_lead_to_what_they_speak_of(browser, file: Path, runs: TinyRuns) -> None:
    known = {finding.said.en for path in runs.all for finding in summarise(path)}
    with opened(browser, file) as one:
        links = one.page.locator("#findings a")
        assert 3 <= links.count() <= 5
        sections = set()
        for number in range(links.count()):
            said, led = links.nth(number).inner_text(), links.nth(number).get_attribute("href") or ""
            assert any(said.endswith(f": {sentence}") for sentence in known), said
            state = dict(parse_qsl(led.removeprefix("#")))
            section = state.pop("at")
            sections.add(section)
            links.nth(number).click()
            one.wait(200)
            assert address(one).items() >= state.items()
            assert one.page.evaluate("document.activeElement.id") == section
            if section == "sweep" and "layer" in state and state["family"] in ("removal", "exchange"):
                family, layer = state["family"], state["layer"]
                assert variant_of_text(one) == (
                    f"exchange-{layer}-{int(layer) + 1}" if family == "exchange" else f"removal-{layer}"
                )
        assert sections >= {"sweep", "contrast"}


def test_an_exported_model_stands_at_the_numbers_of_its_origin(browser, tmp_path: Path) -> None:
    parent = save_tiny_llama(tmp_path / "parent", n_layers=5)
    child = tmp_path / "child"
    export_path(load_decoder(str(parent)), LayerPath.parse("0,2,4"), folder=child)
    runs = [sweep(model, TEXTS, tmp_path, name=model.name, experiments=("removal",)) for model in (parent, child)]
    write_report(runs, tmp_path / "page.html")
    with opened(browser, tmp_path / "page.html") as one:
        assert one.values("sweep", "axis") == ["layer", "original", "depth"]
        assert one.select("sweep", "axis").input_value() == "original", "where it lines the models up"
        chart = one.page.locator("#sweep figure").first
        assert "layer of the original model" in chart.inner_text()
        one.choose("sweep", "axis", "layer")
        assert "layer of the original model" not in chart.inner_text()
        at = {}
        for axis in ("original", "layer"):
            one.choose("sweep", "axis", axis)
            dots = chart.locator("svg g[aria-label=dot] path, svg g[aria-label=dot] circle")
            boxes = [dots.nth(number).bounding_box() for number in range(dots.count())]
            middles = pd.Series([box["x"] + box["width"] / 2 for box in boxes]).div(20).round()  # layers lie 230 px apart
            at[axis] = middles.value_counts().sort_index().tolist()
        assert at == {"original": [2, 1, 2, 1, 2], "layer": [2, 2, 2, 1, 1]}, "dots over each layer, both models together"


# what is taken away


def taken(one: Opened, figure, kind: str) -> bytes:
    figure.locator("details.save summary").click()
    with one.page.expect_download() as download:
        figure.locator("details.save button", has_text=kind).click()
    path = download.value.path()
    assert re.fullmatch(r"layerscope-[\w-]+\.(svg|png|csv)", download.value.suggested_filename)
    return Path(path).read_bytes()


def table_of(data: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(data.decode("utf-8-sig"))))


def test_charts_can_be_saved(browser, file: Path, runs: TinyRuns) -> None:
    with opened(browser, file, accept_downloads=True) as one:
        one.page.locator("#sweep input[type=checkbox]").nth(1).uncheck()
        one.wait()
        first = one.page.locator("#sweep figure").first
        svg = taken(one, first, "SVG").decode()
        root = ElementTree.fromstring(svg)
        assert root.tag.endswith("}svg")
        assert "var(--" not in svg, "colours stand by themselves"
        assert "<script" not in svg
        assert one.word("measure:delta") in "".join(root.itertext())
        png = taken(one, first, "PNG")
        assert png.startswith(b"\x89PNG")
        assert int.from_bytes(png[16:20], "big") > 1500, "for paper, too"
        rows = table_of(taken(one, first, "CSV"))
        layers = FinishedRun.open(runs.tagged).layers
        expected = layers[layers["family"] == "removal"].to_dict("records")
        assert [row[one.word("variant")] for row in rows] == [row["variant"] for row in expected]
        for row, true in zip(rows, expected, strict=True):
            assert float(row["ΔNLL"]) == pytest.approx(true["delta_nll_nats"], rel=1e-4)
            assert float(row[f"{one.word('interval')} {one.word('csv:low')}"]) == pytest.approx(
                true["delta_nll_low_nats"], rel=1e-4
            )
        table = one.table(one.page.locator("#sweep"))
        assert [signed(float(row["ΔNLL"])) for row in rows] == [line[3] for line in table[1:]]


def test_every_figure_gives_a_drawing_and_numbers(browser, file: Path) -> None:
    with opened(browser, file, accept_downloads=True) as one:
        figures = one.page.locator("figure:has(svg[role=img]), figure:has(.cell-map)")
        assert figures.count() >= 9
        for number in range(figures.count()):
            ElementTree.fromstring(taken(one, figures.nth(number), "SVG"))
            assert len(table_of(taken(one, figures.nth(number), "CSV"))) > 0, number
        assert taken(one, one.page.locator("figure:has(.cell-map)"), "PNG").startswith(b"\x89PNG")


def test_a_word_of_a_corpus_is_no_formula(browser, file: Path) -> None:
    with opened(browser, file) as one:
        one.page.locator("#lexicon details.save summary").click()
        with one.page.expect_download() as download:
            one.page.locator("#lexicon details.save button").click()
        rows = table_of(Path(download.value.path()).read_bytes())
        assert len(rows) > 20
        assert not [row for row in rows if row[one.word("lexicon:word")][:1] in set("=+@")]


# words of the run


def test_words_of_the_run_have_its_numbers(browser, file: Path, runs: TinyRuns) -> None:
    run = FinishedRun.open(runs.tagged)
    scores = pd.concat(shard.to_pandas() for shard in run.directory.parts(SCORES)).astype({"variant": str})
    words = pd.read_parquet(runs.tagged / "words.parquet").astype({"text": str, "upos": str})
    of = pd.read_parquet(runs.tagged / TOKEN_WORDS.name)
    rows = scores[scores["variant"].isin(["intact", "removal-2"])].merge(of[["document", "position", "word"]])
    by_word = rows.pivot_table(index="word", columns="variant", values="nll_nats", aggfunc="sum")
    named = by_word.join(words.set_index("word")[["text", "upos"]])
    expected = (named["removal-2"] - named["intact"]).groupby([named["text"], named["upos"]]).agg(["mean", "size"])
    with opened(browser, file, address="#layer=2&family=removal") as one:
        found = one.table(one.page.locator("#lexicon"))[1:]
        shown_ = {(row[0].replace("␣", " "), row[2]): (row[1], row[3]) for row in found}
        for (text, tag), line in list(expected.iterrows())[::5]:
            delta, items = shown_[text.replace("\n", "⏎"), one.word(f"tag:{tag}")]
            assert float(delta.replace("−", "-")) == pytest.approx(line["mean"], rel=6e-3, abs=2e-3)
            assert items == str(int(line["size"]))
        values = [float(row[1].replace("−", "-")) for row in found]
        assert values == sorted(values, reverse=True)
        one.page.locator("#lexicon th button", has_text=one.word("lexicon:items")).click()
        counts = [int(row[3]) for row in one.table(one.page.locator("#lexicon"))[1:]]
        assert counts == sorted(counts, reverse=True)
        one.page.locator("#lexicon input[type=search]").fill("DOG")
        one.wait(60)
        left = [row[0] for row in one.table(one.page.locator("#lexicon"))[1:]]
        assert left
        assert all("dog" in word.lower() for word in left)


# keys, marks, language, phone, and drawing late


def test_points_are_walked_and_chosen_by_keys(alone: Opened) -> None:
    chart = alone.page.locator("#sweep svg[role=img]").first
    chart.focus()
    said = alone.page.locator("#sweep figure").first.locator(".walking")
    seen = []
    for key in ("Home", "Home", "ArrowRight", "ArrowRight", "ArrowLeft"):
        alone.page.keyboard.press(key)
        seen.append(re.search(r"removal-(\d)", said.inner_text())[1])
    assert seen[1:] == ["0", "1", "2", "1"]
    alone.page.keyboard.press("Enter")
    assert address(alone)["layer"] == "1"
    assert variant_of_text(alone) == "removal-1"
    cells = alone.page.locator("#pos svg[role=img]")
    cells.focus()
    alone.page.keyboard.press("Home")
    first = alone.page.locator("#pos .walking").inner_text()
    alone.page.keyboard.press("ArrowDown")
    second = alone.page.locator("#pos .walking").inner_text()
    assert first.split(" · ")[0] == second.split(" · ")[0]
    assert first != second, "another part of speech at the same layer"
    described = chart.evaluate("(one) => document.getElementById(one.getAttribute('aria-describedby')).textContent")
    assert described.startswith("4 values. Lowest: ")


def test_marks_mean_what_the_key_says(alone: Opened, runs: TinyRuns) -> None:
    pos = pd.read_parquet(runs.tagged / POS.name).astype({"variant": str, "unit": str, "kind": str, "tag": str, "family": str})
    here = pos[(pos["family"] == "removal") & (pos["unit"] == "word") & (pos["kind"] == "tag")]
    if alone.page.locator("#pos input[type=checkbox]").count():
        alone.page.locator("#pos input[type=checkbox]").check()
        alone.wait(60)
    dots = alone.page.locator('#pos svg [aria-label="dot"] > *').count()
    assert dots == (here["contrast_q_value"] < 0.05).sum()
    assert alone.page.locator('#pos svg [aria-label="hatch"] > *').count() == here["contrast_q_value"].isna().sum()
    faded = alone.page.locator('#pos [aria-label="cell"] > [fill-opacity="0.35"]').count()
    assert faded == (here["items"] < 20).sum()


@pytest.mark.parametrize(("locale", "language"), [("ja-JP", "ja"), ("en-GB", "en"), ("de-DE", "en")])
def test_the_browsers_language_is_taken(browser, file: Path, locale: str, language: str) -> None:
    with opened(browser, file, language=language, whole=False, locale=locale, scheme="dark") as one:
        assert one.language == language
        assert one.page.evaluate("getComputedStyle(document.documentElement).colorScheme") == "dark"


def test_sections_are_drawn_when_they_come_into_view(browser, file: Path) -> None:
    with opened(browser, file, whole=False) as one:
        waiting = one.page.locator("section.waiting")
        ids = waiting.evaluate_all("(all) => all.map((one) => one.id)")
        assert {"contrast", "provenance"} <= set(ids)
        assert one.page.locator("#contrast svg, #contrast select").count() == 0
        one.page.locator("nav a[href='#contrast']").click()
        one.wait(100)
        assert one.page.locator("#contrast svg").count() > 5
        assert "contrast" not in waiting.evaluate_all("(all) => all.map((one) => one.id)")


def test_on_a_phone_a_word_opens_a_sheet_at_the_bottom(browser, file: Path) -> None:
    with opened(browser, file, width=PHONE, has_touch=True, is_mobile=True) as one:
        detail = one.page.locator("#text .detail")
        assert detail.evaluate("(one) => getComputedStyle(one).position") != "fixed"
        one.page.locator("#text .word", has_text=re.compile("^cat$")).tap()
        one.wait(150)
        box = detail.bounding_box()
        height = one.page.evaluate("innerHeight")
        assert box is not None
        assert box["y"] + box["height"] == pytest.approx(height, abs=2), "at the bottom of the window"
        assert (box["x"], box["width"]) == (0, pytest.approx(PHONE, abs=1))
        assert "cat" in detail.inner_text()
        detail.locator(".close").tap()
        one.wait(60)
        assert detail.evaluate("(one) => getComputedStyle(one).position") != "fixed"


def test_a_table_is_sorted_by_its_headings_and_has_all_rows(alone: Opened) -> None:
    rows = alone.table(alone.page.locator("#pos"))[1:]
    head = alone.page.locator("#pos details.numbers th", has_text=re.compile("^ΔNLL$"))
    head.locator("button").click()
    ordered = alone.table(alone.page.locator("#pos"))[1:]
    assert head.get_attribute("aria-sort") == "descending"
    assert len(ordered) == len(rows)
    values = [float(row[5].split(" ")[0].replace("−", "-")) for row in ordered]
    assert values == sorted(values, reverse=True)
    assert values != [float(row[5].split(" ")[0].replace("−", "-")) for row in rows]
