"""Fields of a run's manifest, from its model."""

from __future__ import annotations

import typing
from typing import Any

from pydantic import BaseModel
from site_markdown import table

from layerscope.contrasts.record import ContrastRecord
from layerscope.evaluations.record import EvaluationRecord
from layerscope.searches.record import SearchRecord
from layerscope.sweeps.record import SweepRecord

RECORDS: dict[str, type[BaseModel]] = {
    "sweep": SweepRecord,
    "contrast": ContrastRecord,
    "search": SearchRecord,
    "evaluation": EvaluationRecord,
}


def fields(kind: str) -> str:
    """Every field with its type and meaning, those of parts after a dot.

    Raises:
        KeyError: no such kind of run.
    """
    return table(("field", "type", "meaning"), list(_rows(RECORDS[kind], "")))


def _rows(record: type[BaseModel], before: str) -> typing.Iterator[tuple[str, str, str]]:
    for name, field in record.model_fields.items():
        assert field.description, f"{record.__name__}.{name} has no docstring"
        inner = _part_of(field.annotation)
        written = f"`{before}{name}`"
        yield written, _type(field.annotation), field.description
        if inner is not None:
            key = ".<name>" if typing.get_origin(field.annotation) is dict else ""
            yield from _rows(inner, f"{before}{name}{key}.")


def _part_of(annotation: Any) -> type[BaseModel] | None:
    """The record within a field, if there is one."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for one in typing.get_args(annotation) if (found := _part_of(one)) is not None), None)


def _type(annotation: Any) -> str:
    """In JSON's words."""
    origin, inner = typing.get_origin(annotation), typing.get_args(annotation)
    if _part_of(annotation) is not None:
        return "object, or null" if type(None) in inner else "object"
    if type(None) in inner:
        return f"{_type(next(one for one in inner if one is not type(None)))}, or null"
    if origin is typing.Literal:
        return " or ".join(f"`{value}`" for value in inner)
    if origin is tuple:
        return f"list of {_type(inner[0])}"
    if origin is dict:
        return "object"
    return {str: "text", int: "integer", float: "number", bool: "true or false"}[annotation]
