"""What a notebook is told apart by, and how progress is shown in one; the kernel is played by what IPython would call."""

from __future__ import annotations

import importlib
import sys
from types import SimpleNamespace

import pytest

import layerscope as ls
from layerscope import notebook
from layerscope.progress import nobody_asks, print_progress


class Screen:
    """A Jupyter kernel's display."""

    def __init__(self) -> None:
        self.shown: list[str] = []

    def display(self, picture: str, *, display_id: bool = False) -> Screen | None:
        self.shown.append(picture)
        return self if display_id else None

    def update(self, picture: str) -> None:
        self.shown[-1] = picture

    @staticmethod
    def HTML(text: str) -> str:  # noqa: N802
        return text


@pytest.fixture
def screen(monkeypatch: pytest.MonkeyPatch) -> Screen:
    shown = Screen()
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: SimpleNamespace(kernel=object())))
    monkeypatch.setitem(sys.modules, "IPython.display", shown)
    return shown


def test_a_script_is_no_notebook_and_is_quiet() -> None:
    assert notebook.notebook_kind() is None
    assert not notebook.show_html("<p>")
    with notebook.progress_in_notebook(None) as told:
        assert told is nobody_asks


def test_ipython_in_a_terminal_is_no_notebook(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: SimpleNamespace()))
    assert notebook.notebook_kind() is None


def test_a_kernel_shows_html_and_a_bar_that_goes(screen: Screen, tiny_decoder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notebook, "_EVERY", 0.0)
    seen = []
    monkeypatch.setattr(Screen, "update", lambda self, picture: (seen.append(picture), self.shown.__setitem__(-1, picture)))
    result = ls.sweep(tiny_decoder, "The cat sat.")
    assert screen.shown == [""]
    assert "Sweeping 5 variants" in seen[0]
    assert "100%" in seen[-2]
    result.show()
    assert screen.shown[-1] == result._repr_html_()


def test_a_bar_goes_when_the_work_fails(screen: Screen) -> None:
    def fail() -> None:
        with notebook.progress_in_notebook(None) as told:
            told("Sweeping", 1, 4)
            raise ValueError

    with pytest.raises(ValueError):  # noqa: PT011
        fail()
    assert screen.shown == [""]


def test_who_asks_is_told_in_a_notebook_too(screen: Screen, tiny_decoder) -> None:
    told = []
    ls.sweep(tiny_decoder, "The cat sat.", progress=lambda *one: told.append(one))
    assert told[-1][1] == told[-1][2]
    assert screen.shown == []


def test_marimo_has_a_bar_of_its_own(monkeypatch: pytest.MonkeyPatch, tiny_decoder) -> None:
    said: list[object] = []

    class Bar:
        def __enter__(self) -> Bar:
            return self

        def __exit__(self, *_: object) -> None:
            said.append("gone")

        def update(self, *, increment: int, title: str) -> None:
            said.append(increment)

    marimo = SimpleNamespace(
        running_in_notebook=lambda: True,
        status=SimpleNamespace(progress_bar=lambda total, title, remove_on_exit: (said.append(total), Bar())[1]),
        output=SimpleNamespace(append=said.append),
        Html=lambda text: text,
    )
    monkeypatch.setitem(sys.modules, "marimo", marimo)
    result = ls.sweep(tiny_decoder, "The cat sat.")
    total, *steps, last = said
    assert sum(steps) == total  # type: ignore[arg-type]
    assert last == "gone"
    result.show()
    assert said[-1] == result._repr_html_()


def test_progress_on_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    print_progress("Sweeping", 1, 4)
    print_progress("Sweeping", 4, 4)
    assert capsys.readouterr().err == "\rSweeping: 25%\rSweeping: 100%\n"


def test_the_facade_lists_public_names_and_nothing_that_it_imports() -> None:
    listed = {name for name in dir(importlib.import_module("layerscope")) if not name.startswith("__")}
    assert listed == set(ls.__all__)
    for name in listed:
        getattr(ls, name)
