"""YAML of strangers: plain values only, so that nothing is run, grows or nests without end. No torch."""

from __future__ import annotations

from typing import Any

import yaml

from layerscope.errors import PathError, first_line
from layerscope.paths.formats.format import shown

_DEEPEST = 50
_LONGEST = 300_000
"""Characters; PyYAML takes some seconds for so many."""


def parse_plain_yaml(text: str, place: str) -> Any:
    """What a YAML text says: mappings, lists and scalars, as ``yaml.safe_load`` gives them.

    Args:
        text: of a stranger.
        place: where it stands, as the start of a sentence.

    Raises:
        PathError: it is not valid YAML, is longer or deeper than is read, or has tags or aliases.
    """
    if len(text) > _LONGEST:
        raise PathError(f"{place} has {len(text):,} characters; YAML is read up to {_LONGEST:,}: name a recipe.")
    try:
        _check_events(text, place)
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise PathError(f"{place} is not valid YAML ({_where(error)}): correct it there.") from error
    except (ValueError, OverflowError, RecursionError) as error:  # a date that there is not, a number of 5,000 digits
        raise PathError(f"{place} holds a value that YAML cannot have ({first_line(error)}): correct it.") from error


def _check_events(text: str, place: str) -> None:
    """Aliases can grow without end, and tags can stand for values of any kind."""
    depth = 0
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        if isinstance(event, yaml.AliasEvent):
            raise PathError(
                f"{place} repeats a part by an alias, {shown(f'*{event.anchor}')}; none is read: write the part out."
            )
        if getattr(event, "tag", None) is not None:
            raise PathError(f"{place} has a tag, {shown(event.tag)}; none is read: write the plain value.")
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > _DEEPEST:
            raise PathError(f"{place} is nested more than {_DEEPEST} deep, and YAML is read no deeper: write it flatter.")


def _where(error: yaml.YAMLError) -> str:
    problem, mark = getattr(error, "problem", None), getattr(error, "problem_mark", None)
    if problem is None or mark is None:
        return first_line(error)
    return f"{problem} at line {mark.line + 1}, character {mark.column + 1}"
