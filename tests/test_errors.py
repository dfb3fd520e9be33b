"""Messages: whatever a stranger's value holds, a terminal shows it and does not obey it."""

from __future__ import annotations

import pytest

from layerscope.cli.main import main
from layerscope.errors import LayerscopeError, ModelError, first_line


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("\x1b[2J\x1b[31mred", "\\x1b[2J\\x1b[31mred"),
        ("nul \x00 bell \x07", "nul \\x00 bell \\x07"),
        ("line\r\nfeed", "line\\r\\nfeed"),
        ("other line \u2028 and \x85", "other line \\u2028 and \\x85"),
        ("turned \u202e round", "turned \\u202e round"),
        ("half a pair \ud800", "half a pair \\ud800"),
        ("日本語 — naïve 'quoted' \\ and 😀", "日本語 — naïve 'quoted' \\ and 😀"),
    ],
)
def test_what_a_terminal_would_obey_is_written_out(value: str, shown: str) -> None:
    message = str(ModelError(f"A name is a name; got '{value}'."))
    assert message == f"A name is a name; got '{shown}'."
    assert message.encode("utf-8")


def test_a_long_value_keeps_the_rule_and_the_next_step() -> None:
    message = str(LayerscopeError(f"The rule; got '{'x' * 100_000}': the next step."))
    assert message.startswith("The rule; got 'xxx")
    assert message.endswith("xxx': the next step.")
    assert "(98,032 characters)" in message
    assert len(message) < 2100
    assert len(str(LayerscopeError("\x00" * 100_000))) < 2100


def test_the_command_line_prints_no_value_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    for arguments in (["\x1b[31mextra"], ["sweep", "--model", "\x1b]0;title\x07" * 9999, "--dataset", "x"]):
        with pytest.raises(SystemExit) as end:
            main(arguments)
        assert end.value.code == 2
        error = capsys.readouterr().err
        assert error.removesuffix("\n").isprintable()
        assert len(error) < 2100


def test_the_first_line_of_another_librarys_error() -> None:
    assert first_line(ValueError("  one.\ntwo")) == "one"
    assert first_line(KeyError("x")) == "'x'"
    assert first_line(ValueError()) == "ValueError"
