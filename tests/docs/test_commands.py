"""The pages of commands against the command line: every command has its page, and every option stands on it."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
import site_marks
import site_options

from tests.docs.pages import DOCS, Example, examples, page_of, read_page, shown_commands


@pytest.mark.parametrize("command", site_options.commands())
def test_every_option_of_a_command_stands_on_its_page(command: str) -> None:
    page = site_marks.expand(read_page(page_of(command)))
    assert f"layerscope {command}" in page
    for parameter in site_options.parameters(site_options.commands()[command]):
        for name in site_options.names(parameter):
            assert f"`{name}`" in page, f"docs/commands/{page_of(command)}.md says nothing of {name} of {command}"


def test_every_command_has_an_example_that_is_run() -> None:
    pages = {page_of(command) for command in site_options.commands()}
    run = {" ".join(example.words) for page in pages for example in examples(read_page(page)) if isinstance(example, Example)}
    for command in site_options.commands():
        assert any(line.startswith(f"layerscope {command} ") or line == f"layerscope {command}" for line in run), command


@pytest.mark.parametrize("page", sorted(DOCS.glob("**/*.md")), ids=lambda page: str(page.relative_to(DOCS)))
def test_every_command_line_that_is_shown_names_commands_and_options_that_there_are(page: Path) -> None:
    for line in shown_commands(page.read_text(encoding="utf-8")):
        words = shlex.split(line[line.index("layerscope ") :], comments=True)[1:]
        command = next((" ".join(words[:n]) for n in (1, 2) if " ".join(words[:n]) in site_options.commands()), None)
        assert command is not None, line
        known = {name for parameter in site_options.commands()[command].params for name in parameter.opts}
        assert {word for word in words if word.startswith("-")} <= known, line


def test_no_page_of_a_command_names_an_option_that_there_is_not() -> None:
    known = {name for command in site_options.commands().values() for p in command.params for name in p.opts}
    for page in {page_of(command) for command in site_options.commands()}:
        for option in re.findall(r"(?<![\w-])--[a-z][a-z-]+", read_page(page)):
            assert option in known | {"--help"}, f"docs/commands/{page}.md: {option}"
