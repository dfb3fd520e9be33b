"""Tables in narrow terminals: names are whole, and what is left out is said."""

from __future__ import annotations

import io

import pytest
from rich import box
from rich.console import Console
from rich.table import Table

from layerscope.cli.fitting import fit

NAMES = ("determiner-noun-agreement", "subject", "identical")


def made(numbers: int, *, heading: str = "pairs that are usable", note: str = "") -> Table:
    table = Table(box=box.SIMPLE_HEAD, caption="of a model")
    table.add_column("type")
    table.add_column("subtype", overflow="fold")
    for number in range(numbers):
        table.add_column(f"{heading} {number}", justify="right", no_wrap=True)
    table.add_column("")
    for name in NAMES:
        table.add_row("grammar", name, *(f"{number}12,345" for number in range(numbers)), note)
    return table


def shown(table: Table, width: int) -> str:
    file = io.StringIO()
    fit(table, width)
    Console(file=file, width=width).print(table)
    text = file.getvalue()
    assert max(len(line.rstrip()) for line in text.splitlines()) <= width
    assert "…" not in text
    return text


@pytest.mark.parametrize("width", [60, 80, 100, 200])
@pytest.mark.parametrize("numbers", [1, 4, 9])
def test_no_name_and_no_number_is_cut(numbers: int, width: int) -> None:
    text = shown(made(numbers, note="too few for inference"), width)
    for name in NAMES:
        assert f" {name} " in text
    left_out = text.count("no room at")
    assert "012,345" in text
    assert left_out == (f"{numbers - 1}12,345" not in text)


def test_what_fits_stays_as_it_is() -> None:
    table, untouched = made(2), made(2)
    assert shown(table, 200) == shown(untouched, 200)
    assert all(column.width is None for column in table.columns)


def test_headings_are_broken_before_a_column_goes() -> None:
    text = shown(made(3), 80)
    assert "pairs that are usable 0" not in text
    assert "no room" not in text


def test_columns_stand_closer_before_one_goes() -> None:
    table = made(4)
    text = shown(table, 80)
    assert "312,345" in text
    assert table.padding == (0, 0, 0, 0)
    assert "no room" not in text


def test_columns_go_from_the_right_and_are_named() -> None:
    text = " ".join(shown(made(9), 80).split())
    assert "no room at 80 columns for: " in text
    assert "usable 8" in text
    assert "812,345" not in text
