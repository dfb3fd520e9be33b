"""Pages against the code: what is declared and public stands there, and nothing stands there twice."""

from __future__ import annotations

import re

import pytest
import site_columns
import site_marks
import site_models

import layerscope
from layerscope.paths.families import FAMILIES
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


def test_a_mark_of_an_unknown_kind_is_refused() -> None:
    with pytest.raises(ValueError, match="A mark is of the kind options, table, .* got 'optoins'"):
        site_marks.expand("<!-- generated: optoins sweep -->")


def test_text_without_marks_stays_as_it_is() -> None:
    page = read("method.md")
    assert site_marks.expand(page) == page
