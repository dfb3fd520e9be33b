"""The file itself: what is untrusted stays text, nothing is loaded, only its own scripts run, and it speaks both languages."""

from __future__ import annotations

import base64
import hashlib
import html
import json
import re
from html.parser import HTMLParser
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from layerscope.report.packing import Packing
from layerscope.report.page import page
from layerscope.report.words import page_words
from tests.tiny_runs import CLOSING, IMAGE, OUTCOMES, SCRIPT, SEPARATOR

ASSETS = resources.files("layerscope.report").joinpath("assets")
SCRIPTS = sorted(one.name for one in ASSETS.iterdir() if one.name.endswith(".js"))
HOSTILE = [
    *(CLOSING, IMAGE, SCRIPT, f"a{SEPARATOR}b\u2029c", "\"' & &lt; &#x3c;", "<!-- <script>", "]]>", "\\u003c/script>"),
    *("\0\x1f\x7f", "%%SCRIPTS%%", "東京 🙂"),
]


class Elements(HTMLParser):
    """What a browser would find, text included."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.is_open = False
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attributes)))
        self.texts.append("")
        self.is_open = True

    def handle_endtag(self, tag: str) -> None:
        self.is_open = False

    def handle_data(self, data: str) -> None:
        if self.is_open:
            self.texts[-1] += data

    def of(self, tag: str) -> list[tuple[dict[str, str | None], str]]:
        return [(attributes, text) for (name, attributes), text in zip(self.found, self.texts, strict=True) if name == tag]

    def held(self, name: str) -> str:
        (text,) = [text for attributes, text in self.of("script") if attributes.get("id") == name]
        return text


def a_page(data: Any = None, *, title: str = "a title", language: str | None = "en") -> Elements:
    packing = Packing()
    packing.floats(np.zeros(3))
    return Elements(page({"x": data}, packing, title=title, language=language))


PLAIN = [(tag, sorted(attributes)) for tag, attributes in a_page().found]


def attributes_of(found: Elements) -> list[tuple[str, list[str]]]:
    return [(tag, sorted(attributes)) for tag, attributes in found.found]


@pytest.mark.parametrize("text", HOSTILE)
def test_untrusted_text_stays_text(text: str) -> None:
    data = {"text": text, text: [text], "list": [[text]]}
    found = a_page(data, title=text)
    assert attributes_of(found) == PLAIN, "no element and no attribute more than without it"
    assert json.loads(found.held("data")) == {"x": data}
    ((_, title),) = found.of("title")
    assert title.replace("\0", "\ufffd") == text.replace("\0", "\ufffd")


def test_held_json_has_nothing_that_html_or_javascript_reads_otherwise() -> None:
    found = a_page(HOSTILE)
    assert not re.search("[<>&\u2028\u2029]", found.held("data") + found.held("words"))


def test_chunks_are_in_order_and_only_base64() -> None:
    packing = Packing()
    for n in range(3):
        packing.floats(np.arange(float(n)))
    found = Elements(page({}, packing, title="", language="en"))
    chunks = [(a["id"], text) for a, text in found.of("script") if a.get("type") == "text/plain"]
    assert chunks == [(f"chunk-{n}", chunk) for n, chunk in enumerate(packing.chunks)]
    for _, text in chunks:
        base64.b64decode(text, validate=True)


def test_numbers_that_json_does_not_have_are_refused() -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        a_page(float("nan"))


# nothing is loaded, and nothing runs but its own scripts


def test_no_element_refers_to_another_place() -> None:
    for tag, attributes in a_page(HOSTILE).found:
        assert tag not in {"link", "img", "iframe", "object", "embed", "base", "form", "svg", "audio", "video", "a", "source"}
        assert not {"src", "href", "srcset", "action", "data", "poster", "background", "ping"} & set(attributes), tag
        assert not [name for name in attributes if name.startswith("on")]


def test_style_loads_nothing() -> None:
    ((_, style),) = a_page().of("style")
    assert "url(" not in style
    assert "@import" not in style
    assert "@font-face" not in style


@pytest.mark.parametrize("name", SCRIPTS)
def test_scripts_neither_ask_for_anything_nor_make_html_of_text(name: str) -> None:
    source = ASSETS.joinpath(name).read_text(encoding="utf-8")
    for word in (
        "innerHTML",
        "outerHTML",
        "insertAdjacentHTML",
        "document.write",
        "eval(",
        "new Function",
        "fetch(",
        "XMLHttp",
    ):
        assert word not in source
    for word in ("DOMParser", "srcdoc", "createContextualFragment", ".html(", "import(", "WebSocket", "sendBeacon", "http"):
        assert word not in source


def test_only_its_own_scripts_may_run() -> None:
    found = a_page(HOSTILE)
    (policy,) = [a["content"] for a, _ in found.of("meta") if a.get("http-equiv") == "Content-Security-Policy"]
    rules = {rule.split()[0]: rule.split()[1:] for rule in policy.split(";")}
    runs = [text for attributes, text in found.of("script") if "type" not in attributes]
    hashes = [f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'" for text in runs]
    assert rules["script-src"] == hashes
    assert len(hashes) == 3, "two libraries and the page's own"
    assert rules["default-src"] == ["'none'"]
    assert (rules["base-uri"], rules["form-action"]) == (["'none'"], ["'none'"])
    assert set(rules) == {"default-src", "script-src", "style-src", "img-src", "base-uri", "form-action"}, "no other is let in"
    assert rules["img-src"] == ["data:"], "a chart becomes a picture; no picture is fetched"
    order = [tag for tag, _ in found.found]
    assert order.index("meta") < order.index("script"), "a policy holds for what comes after it"
    assert [a.get("http-equiv") for a, _ in found.of("meta")].index("Content-Security-Policy") <= 1


def test_a_policy_holds_for_every_script_whatever_its_line_ends() -> None:
    """A browser hashes a script after reading carriage returns as line feeds."""
    for name in (*SCRIPTS, "vendor/d3.min.js", "vendor/plot.umd.min.js", "page.html", "page.css"):
        assert "\r" not in ASSETS.joinpath(name).read_bytes().decode("utf-8")
        assert "</script" not in ASSETS.joinpath(name).read_text(encoding="utf-8") or name == "page.html"


def test_licences_of_what_is_put_in_are_kept() -> None:
    for name in ("LICENSE-d3.txt", "LICENSE-plot.txt"):
        assert "Copyright 20" in ASSETS.joinpath("vendor", name).read_text(encoding="utf-8")
    found = a_page()
    libraries = "".join(text for _, text in found.of("script")[-3:-1])
    assert "Copyright" in libraries, "the libraries' own notices go into the page with them"


# languages


@pytest.mark.parametrize(("language", "says"), [("en", "need JavaScript"), ("ja", "JavaScript が必要")])
def test_the_language_that_it_opens_in(language: str, says: str) -> None:
    found = a_page(language=language)
    assert found.found[0] == ("html", {"lang": language})
    assert a_page(language=None).found[0] == ("html", {"lang": "en", "data-language": "auto"}), "without one, the browser's"
    ((_, text),) = found.of("noscript")
    assert says in html.unescape(text)


def sources() -> str:
    return "\n".join(ASSETS.joinpath(name).read_text(encoding="utf-8") for name in SCRIPTS)


def own_words() -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = json.loads(ASSETS.joinpath("words.json").read_text(encoding="utf-8"))
    return found


def patterns() -> list[str]:
    """Keys that are put together in the scripts, as regular expressions."""
    source = sources()
    made = re.findall(r"`([a-z_]+:)\$\{", source)  # `fact:${name}`
    made += [f"{kind}:" for kind in re.findall(r'named\("([a-z_]+)"', source)]
    return [f"{re.escape(kind)}.+" for kind in dict.fromkeys(made)]


def literal_keys() -> set[str]:
    """Every string in quotes that is a key, and those that t() takes literally."""
    return set(re.findall(r'"([A-Za-z0-9_:-]+)"', sources()))


def test_every_literal_key_of_the_scripts_is_a_word() -> None:
    there = page_words()
    used = set(re.findall(r'\bt\(\s*"([^"]+)"', sources()))
    assert len(used) > 60
    assert used <= set(there)


def test_every_list_of_choices_has_its_words() -> None:
    """Choices are lists of names in the scripts, and their words are made of a kind and a name."""
    source, there = sources(), page_words()
    lists = {"measure": "MEASURES", "pos": "TAG_VALUES", "scale": "DIFFERENCE_SCALES", "set": "SET_ORDER", "tag": "TAG_ORDER"}
    lists["preference"] = "PREFERENCE_MEASURES"
    for kind, name in lists.items():
        (found,) = re.findall(rf"const {name} = (.*?);", source)
        for one in re.findall(r'"([^"]+)"', found.replace(" ", '" "') if "split" in found else found):
            assert f"{kind}:{one}" in there or one in " ().split", (kind, one)
    inline = re.findall(
        r'\[((?:"[a-z_0-9]+"(?:, )?)+)\]\.map\(\((?:one|name)\) => \[(?:one|name), (t|named)\((.*?)\)\]', source
    )
    assert len(inline) >= 7
    for names, _, key in inline:
        for one in re.findall(r'"([a-z_0-9]+)"', names):
            written = re.sub(r"\$\{(?:one|name)\}", one, key).strip("`")
            written = re.sub(r'^"([a-z_]+)", (?:one|name)$', rf"\1:{one}", written)
            assert (one if written in ("one", "name") else written) in there


@pytest.mark.slow
def test_every_fact_and_outcome_has_a_word(runs) -> None:
    from layerscope.report.provenance import provenance
    from layerscope.report.write import open_drawn_run

    there = page_words()
    for path in runs.all:
        facts = provenance(open_drawn_run(path).record, "")["facts"]
        assert {f"fact:{name}" for name in facts} <= set(there)
    assert {f"outcome:{name}" for name in OUTCOMES} <= set(there)


def test_no_word_is_unused() -> None:
    literal, made = literal_keys(), patterns()
    asked_in_python = {"no_script"}
    unused = [
        key
        for key in own_words()
        if key not in literal and key not in asked_in_python and not any(re.fullmatch(one, key) for one in made)
    ]
    assert unused == []


@pytest.mark.parametrize("key", sorted(page_words()))
def test_both_languages_say_it_with_the_same_gaps(key: str) -> None:
    english, japanese = page_words()[key]
    assert english.strip()
    assert japanese.strip()
    gaps = [re.findall(r"\{[a-z_]+\}", one) for one in (english, japanese)]
    assert sorted(set(gaps[0])) == sorted(set(gaps[1]))


def test_every_gap_is_filled() -> None:
    """A word with gaps is asked for with a value for each."""
    source = sources()
    for key, both in own_words().items():
        gaps = set(re.findall(r"\{([a-z_]+)\}", both["en"]))
        for given in re.findall(rf't\("{re.escape(key)}"(.{{0,200}})', source, flags=re.DOTALL):
            assert gaps <= set(re.findall(r"([a-z_]+):", given)), key


def test_japanese_is_japanese() -> None:
    latin_alone = {"pos:delta", "quantity:contraction"}
    for key, both in own_words().items():
        if both["ja"] == both["en"]:
            assert key in latin_alone or not re.search("[a-z]{4}", both["en"]), key


def test_assets_are_in_the_package() -> None:
    import tomllib

    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text(encoding="utf-8"))
    assert project["tool"]["setuptools"]["package-data"]["layerscope.report"] == ["assets/*", "assets/vendor/*"]
