"""LayerPath: the order in which the residual stream visits the layers, and its one written form. Pure values; no torch.

Grammar (inclusive ranges, which ascend; no spaces needed)::

    path   = "none" | item *("," item)
    item   = member | layer "-" layer | "(" member 1*("|" member) ")"
    member = layer | layer "." ("attn" | "mlp") | layer ".h" head

``10.attn`` runs *only* the attention of layer 10, ``10.h3`` runs layer 10 *without* head 3 (of grouped queries: without all
heads of key-value group 3). ``none`` is the path that visits no layer. Every path has exactly one written form,
``str(path)``, and ``LayerPath.parse(str(path)) == path``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from layerscope.errors import PathError, check_text
from layerscope.paths.steps import LayerStep, ParallelStep, Step

_MEMBER = re.compile(r"(\d{1,18})(?:\.(?:(attn|mlp)|h(\d{1,9})))?", re.ASCII)
_RANGE = re.compile(r"(\d{1,18})-(\d{1,18})", re.ASCII)
_ITEM = re.compile(r"\([^()]*\)|[^,()]+")
LONGEST_PATH = 100_000
"""Steps of a path at most."""


@dataclass(frozen=True)
class LayerPath:
    """The steps that the residual stream takes, first to last.

    Examples:
        >>> path = LayerPath.parse("0-9,11,10,12-31")
        >>> len(path), str(path)
        (32, '0-9,11,10,12-31')
    """

    steps: tuple[Step, ...]
    """May be empty: the embeddings then go straight to the unembedding."""

    @classmethod
    def from_layers(cls, layers: Iterable[int]) -> LayerPath:
        """The path that runs whole layers in the order given."""
        return cls(tuple(LayerStep(layer) for layer in layers))

    @classmethod
    def intact(cls, n_layers: int) -> LayerPath:
        """The path of the model as trained."""
        return cls.from_layers(range(n_layers))

    @classmethod
    def parse(cls, text: str) -> LayerPath:
        """Read a written path.

        Args:
            text: for example ``0-9,11-31`` (layer 10 removed) or ``0-9,(10|11),12-31``.

        Raises:
            PathError: the text does not follow the grammar; the message names the part at fault.
        """
        check_text(text, "A path", ["0-9,11-31"], PathError)
        compact = re.sub(r"\s+", "", text)
        if compact == "none":
            return cls(())
        items = _ITEM.findall(compact)
        if not items or ",".join(items) != compact:
            raise PathError(f"A path is layers, ranges and groups separated by commas, such as '0-9,11-31'; got '{text}'.")
        steps: list[Step] = []
        for item in items:
            steps += _parse_item(item, text)
            if len(steps) > LONGEST_PATH:
                raise PathError(f"A path has at most {LONGEST_PATH:,} steps; this one has more by '{item}'.")
        return cls(tuple(steps))

    def check_fits(self, n_layers: int) -> None:
        """Raise PathError if the path visits a layer that a model of ``n_layers`` layers does not have."""
        outside = sorted({layer for step in self.steps for layer in step.layers if layer >= n_layers})
        if outside:
            raise PathError(
                f"A path stays within the model's layers 0-{n_layers - 1}; '{self}' visits {', '.join(map(str, outside))}."
            )

    def check_heads(self, heads: Sequence[int]) -> None:
        """Raise PathError if the path leaves out a head that a layer does not have.

        Args:
            heads: key-value groups of each layer, 0 where it has no heads.
        """
        for member in (member for step in self.steps for member in step.members):
            head, n_heads = member.missing_head, heads[member.layer]
            if head is not None and head >= n_heads:
                has = "has no heads" if n_heads == 0 else f"has heads 0-{n_heads - 1}" if n_heads > 1 else "has head 0 alone"
                raise PathError(f"By the model's configuration layer {member.layer} {has} (key-value groups); got '{member}'.")

    def __len__(self) -> int:
        return len(self.steps)

    def __str__(self) -> str:
        written: list[str] = []
        position = 0
        while position < len(self.steps):
            last = _end_of_run(self.steps, position)
            first_step = self.steps[position]
            written.append(str(first_step) if last == position else f"{first_step}-{self.steps[last]}")
            position = last + 1
        return ",".join(written) or "none"


def _end_of_run(steps: tuple[Step, ...], start: int) -> int:
    """Index of the last step of the ascending run of whole layers that starts at ``start``."""
    end = start
    while end + 1 < len(steps) and _is_successor(steps[end], steps[end + 1]):
        end += 1
    return end


def _is_successor(first: Step, second: Step) -> bool:
    return (
        isinstance(first, LayerStep)
        and isinstance(second, LayerStep)
        and first.part == second.part == "whole"
        and second.layer == first.layer + 1
    )


def _parse_item(item: str, whole: str) -> tuple[Step, ...]:
    if item.startswith("("):
        return (ParallelStep(tuple(_parse_member(member, whole) for member in item[1:-1].split("|"))),)
    as_range = _RANGE.fullmatch(item)
    if as_range is None:
        return (_parse_member(item, whole),)
    first, last = int(as_range[1]), int(as_range[2])
    if first > last:
        raise PathError(f"A range ascends; '{item}' in '{whole}' does not: write its layers out, such as '{first},{last}'.")
    if last - first >= LONGEST_PATH:
        raise PathError(f"A range has at most {LONGEST_PATH} layers; '{item}' in '{whole}' is longer.")
    return tuple(LayerStep(layer) for layer in range(first, last + 1))


def _parse_member(member: str, whole: str) -> LayerStep:
    matched = _MEMBER.fullmatch(member)
    if matched is None:
        raise PathError(
            f"A layer is written '10', '10.attn' or '10.mlp', or '10.h3' for all of it but head 3; got '{member}' in '{whole}'."
        )
    if matched[3] is not None:
        return LayerStep.without_head(int(matched[1]), int(matched[3]))
    return LayerStep(int(matched[1]), matched[2] or "whole")
