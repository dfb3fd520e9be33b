"""Each Japanese page has the headings, commands, options, tables and links of its English page."""

from __future__ import annotations

import re
from pathlib import Path, PurePosixPath

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = {
    "README.ja.md": "README.md",
    "docs/ja/getting-started.md": "docs/getting-started.md",
    "docs/ja/method.md": "docs/method.md",
    "docs/ja/comparable.md": "docs/comparable.md",
    "docs/ja/troubleshooting.md": "docs/troubleshooting.md",
}
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
COMMENT = re.compile(r"(^|\s{2,})#.*$")
OPTION = re.compile(r"(?<![\w-])--[a-z][a-z-]*")
LINK = re.compile(r"\]\((?!https?:)([^)#]+)")


def read(page: str) -> str:
    return (ROOT / page).read_text(encoding="utf-8")


def commands(text: str) -> list[tuple[str, list[str]]]:
    """Each fenced block's language and lines, less comments, which are translated."""
    return [
        (language, [line for line in (COMMENT.sub("", line).rstrip() for line in block.splitlines()) if line])
        for language, block in FENCE.findall(text)
    ]


def prose(text: str) -> str:
    return FENCE.sub("", text)


def headings(text: str) -> list[int]:
    """The level of each."""
    return [len(marks) for marks in re.findall(r"^(#+) ", prose(text), re.MULTILINE)]


def table_columns(text: str) -> list[int]:
    """Columns of each row of each table."""
    return [len(re.split(r"(?<!\\)\|", line)) - 2 for line in prose(text).splitlines() if line.startswith("|")]


def links(page: str, text: str) -> set[str]:
    """Pages of the project that are linked to, by their English names, the page itself left out."""
    english = PAGES.get(page, page)
    folder = (ROOT / page).parent
    found = {(folder / target).resolve().relative_to(ROOT).as_posix() for target in LINK.findall(prose(text))}
    return {PAGES.get(target, target) for target in found} - {english}


@pytest.fixture(params=sorted(PAGES))
def both(request: pytest.FixtureRequest) -> tuple[str, str]:
    """A Japanese page and its English one."""
    return request.param, PAGES[request.param]


def test_headings_are_the_same(both: tuple[str, str]):
    japanese, english = map(read, both)
    assert headings(japanese) == headings(english)


def test_commands_are_the_same(both: tuple[str, str]):
    japanese, english = map(read, both)
    assert commands(japanese) == commands(english)


def test_tables_have_the_same_rows(both: tuple[str, str]):
    japanese, english = map(read, both)
    assert table_columns(japanese) == table_columns(english)


def test_the_same_options_are_named(both: tuple[str, str]):
    japanese, english = map(read, both)
    assert set(OPTION.findall(prose(japanese))) == set(OPTION.findall(prose(english)))


def test_links_are_the_same_and_lead_somewhere(both: tuple[str, str]):
    japanese, english = (links(page, read(page)) for page in both)
    assert english <= japanese
    more = japanese - english
    assert more <= set(PAGES.values()), f"the English page does not link to {sorted(more)}"
    assert [target for target in japanese if not (ROOT / target).exists()] == []


def test_each_japanese_page_leads_to_its_english_one(both: tuple[str, str]):
    japanese, english = both
    depth = len(PurePosixPath(japanese).parent.relative_to(PurePosixPath(english).parent).parts)
    assert f"[English]({'../' * depth}{PurePosixPath(english).name})" in read(japanese)


def test_a_changed_command_is_seen():
    english = "# A\n\n```sh\nlayerscope sweep --model a   # runs\n# all of it\n```\n"
    assert commands(english.replace("runs", "実行")) == commands(english) == [("sh", ["layerscope sweep --model a"])]
    assert commands(english.replace("--model a", "--model b")) != commands(english)
