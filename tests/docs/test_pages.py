"""Pages against the code: what is declared and public stands there, and nothing stands there twice."""

from __future__ import annotations

import re

import pytest
import site_columns
import site_marks
import site_models

import layerscope
from layerscope.paths.families import FAMILIES
from layerscope.paths.formats.registry import FORMATS
from layerscope.paths.path import LayerPath
from tests.docs.pages import DOCS
from tests.tiny_models import TINY


def read(name: str) -> str:
    return (DOCS / name).read_text(encoding="utf-8")


def test_every_declared_table_stands_once_in_the_run_directory() -> None:
    marked = re.findall(r"<!-- generated: table (\S+) -->", read("run-directory.md"))
    assert sorted(marked) == sorted(site_columns.TABLES)


@pytest.mark.parametrize("name", site_columns.TABLES)
def test_a_table_has_a_row_for_every_column(name: str) -> None:
    rows = site_columns.columns(name).splitlines()
    table = site_columns.TABLES[name]
    assert rows[0] == f"One row is {table.row}."
    assert [row.split("`")[1] for row in rows[4:]] == [column.name for column in table.columns]


def test_every_public_name_is_in_the_interface() -> None:
    named = re.findall(r"^::: layerscope\.(?:[\w.]+\.)?(\w+)$", read("api.md"), re.MULTILINE)
    assert sorted(named) == sorted(layerscope.__all__)


def test_every_family_of_the_tests_is_listed() -> None:
    page = site_marks.expand(read("models.md"))
    for entry in TINY.values():
        assert f"| `{entry.model_type}` |" in page
    assert f"{len(TINY)} settings of {len({entry.model_type for entry in TINY.values()})} families" in page
    assert "whole" in site_models.families("")


def test_every_family_of_variants_is_on_the_page_of_the_sweep() -> None:
    page = read("commands/sweep.md")
    for family in FAMILIES.values():
        assert f"`{family.form.split(' or ')[0]}`" in page


SAID = {
    "removed blocks": "0,2-3",
    "half blocks": "0,1.mlp,2-3",
    "another order": "0,2,1,3",
    "a block twice": "0-2,1-3",
    "side by side": "0,(1|2),3",
    "without a head": "0,1.h2,2-3",
}


def test_the_table_of_formats_says_what_each_can_say() -> None:
    rows = [[cell.strip() for cell in row.split("|")[1:-1]] for row in read("design/formats.md").splitlines() if row[:1] == "|"]
    assert rows[0][1:] == list(SAID)
    assert [row[0].strip("`") for row in rows[2:]] == list(FORMATS)
    for name, *cells in rows[2:]:
        can = [FORMATS[name.strip("`")].difference(LayerPath.parse(path)) is None for path in SAID.values()]
        assert [cell == "yes" for cell in cells] == can, name
    assert all(f"| `{name}` |" in read("commands/paths.md") for name in FORMATS)


def test_a_mark_of_an_unknown_kind_is_refused() -> None:
    with pytest.raises(ValueError, match="A mark is of the kind options, table, .* got 'optoins'"):
        site_marks.expand("<!-- generated: optoins sweep -->")


def test_text_without_marks_stays_as_it_is() -> None:
    page = read("method.md")
    assert site_marks.expand(page) == page
