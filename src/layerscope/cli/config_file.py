"""Options in a YAML file: ``max-samples: 8`` is ``--max-samples 8``.

Every value stays the text that stands in the file and is checked as on the command line, so that a commit ``0123`` or a path
``1:2`` is neither a number nor a time. Nothing of YAML but names, texts and lists is read; a tag that would make an object of a
text is refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from layerscope.errors import DataError, did_you_mean, first_line
from layerscope.reading import read_text

_LARGEST = 1_000_000
"""Characters of a file; one of every option takes some thousand."""
_TAG = "tag:yaml.org,2002:"
_PLAIN = {f"{_TAG}{name}" for name in ("null", "bool", "int", "float", "str", "timestamp")}
_BOOLEANS = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}


@dataclass(frozen=True)
class Value:
    """What a file gives for one option or argument."""

    parameter: Any
    """That it is for."""
    texts: tuple[str, ...]
    """As they stand in the file."""
    is_list: bool
    """Whether they stand there as a list, which may be of one."""


def read_config(file: Path, *, command: str, parameters: Mapping[str, Any]) -> dict[str, Value]:
    """What a file gives, by name; names without a value are left out.

    Args:
        file: YAML, of a stranger.
        command: that reads it, in its words.
        parameters: of the command, by name in a file.

    Raises:
        DataError: it cannot be read, is for another command, or names what the command does not have.
    """
    found: dict[str, Value] = {}
    for name, texts, is_list in _entries(file):
        if name == "command":
            if texts is not None and texts != (command,):
                raise DataError(
                    f"'{file}' is for 'layerscope {' '.join(texts)}', as its line 'command' says, but this is 'layerscope "
                    f"{command}': use it with that command, or change the line."
                )
            continue
        if name == "config":
            raise DataError(
                f"An options file cannot refer to another one; '{file}' has a line 'config': copy the other file's lines."
            )
        if name not in parameters:
            near = did_you_mean(name, parameters) or f" See layerscope {command} --help."
            raise DataError(f"Names in '{file}' are options of 'layerscope {command}' without dashes; got '{name}'.{near}")
        if texts is not None:
            found[name] = Value(parameters[name], texts, is_list)
    return found


def words_of(values: Mapping[str, Value], file: Path) -> tuple[list[str], list[str]]:
    """The options and the arguments as they would be typed.

    Raises:
        DataError: several values for what takes one, or a switch that is neither true nor false.
    """
    options: list[str] = []
    positional: list[str] = []
    for name, value in values.items():
        parameter = value.parameter
        if parameter.param_type_name == "argument":
            _check_one(name, value, file, may_be_several=parameter.nargs != 1)
            positional += value.texts
        elif parameter.is_flag:
            if _is_on(name, value, file):
                options.append(f"--{name}")
        elif parameter.multiple:
            options += [f"--{name}={text}" for text in value.texts]
        else:
            may_be_several = "comma-separated" in (parameter.help or "").lower()
            _check_one(name, value, file, may_be_several=may_be_several)
            options.append(f"--{name}={','.join(value.texts)}")
    return options, positional


def _check_one(name: str, value: Value, file: Path, *, may_be_several: bool) -> None:
    if value.is_list and not may_be_several:
        raise DataError(f"'{name}' takes one value; '{file}' has a list: write it as '{name}: VALUE'.")


def _is_on(name: str, value: Value, file: Path) -> bool:
    text = " ".join(value.texts).lower()
    if value.is_list or text not in _BOOLEANS:
        raise DataError(f"'{name}' is true or false; '{file}' has '{text}'.")
    return _BOOLEANS[text]


def _entries(file: Path) -> list[tuple[str, tuple[str, ...] | None, bool]]:
    """Names with their texts, None where there is no value, and whether they stand there as a list."""
    import yaml

    text = read_text(file)
    if len(text) > _LARGEST:
        raise DataError(f"An options file has at most {_LARGEST:,} characters; '{file}' has {len(text):,}: name another file.")
    try:
        whole = yaml.compose(text, Loader=yaml.SafeLoader)
    except (yaml.YAMLError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        where = "" if mark is None else f", line {mark.line + 1}"
        reason = getattr(error, "problem", None) or first_line(error)
        raise DataError(f"'{file}' is not valid YAML ({reason}{where}): write 'name: value' on each line.") from error
    if whole is None:
        return []
    if not isinstance(whole, yaml.MappingNode) or whole.tag != f"{_TAG}map":
        raise DataError(f"An options file has 'name: value' on each line; '{file}' has something else.")
    entries: list[tuple[str, tuple[str, ...] | None, bool]] = []
    for key, node in whole.value:
        name = _scalar(key, file) or ""
        if any(name == known for known, _, _ in entries):
            raise DataError(f"'{file}' has '{name}' twice: write its values as one list, or leave one out.")
        if isinstance(node, yaml.SequenceNode) and node.tag == f"{_TAG}seq":
            entries.append((name, tuple(_scalar(one, file) or "" for one in node.value), True))
            continue
        value = _scalar(node, file)
        entries.append((name, None if value is None else (value,), False))
    return entries


def _scalar(node: Any, file: Path) -> str | None:
    """The text of a node as it stands in the file; None for null."""
    if not isinstance(node.value, str) or node.tag not in _PLAIN:
        raise DataError(
            f"Values are texts, numbers, true, false or lists of them; '{file}', line {node.start_mark.line + 1}, has "
            f"something else ({node.tag.removeprefix(_TAG)})."
        )
    return None if node.tag == f"{_TAG}null" else node.value
