"""Families of variants: one rule that makes a named path for every layer, pair or window of a model. Pure; no torch.

A family is named on the command line by its name and, where it takes one, an argument: ``removal``, ``block-removal:3``,
``reversal:8-20``, ``shuffle:0`` or ``shuffle:0:4-25``.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from layerscope.errors import PathError, check_text, did_you_mean
from layerscope.paths.path import LayerPath
from layerscope.paths.steps import LayerStep, ParallelStep, Step
from layerscope.paths.variants import Variant

DEPTH, TUNED_DEPTH = "depth", "tuned-depth"
DEPTHS = (DEPTH, TUNED_DEPTH)
"""The families whose variants end after some layer, read by the unembedding alone and through a tuned lens."""
HEAD_REMOVAL = "head-removal"
"""The family whose variants are single heads of layers."""


def removal(n_layers: int) -> list[Variant]:
    """Each layer skipped in turn: ``removal-0`` to ``removal-{L-1}``."""
    return [Variant(f"removal-{i}", "removal", _replaced(n_layers, i, i, ())) for i in range(n_layers)]


def exchange(n_layers: int) -> list[Variant]:
    """Each pair of neighbours in the other order: ``exchange-0-1`` to ``exchange-{L-2}-{L-1}``."""
    return [
        Variant(f"exchange-{i}-{i + 1}", "exchange", _replaced(n_layers, i, i + 1, _whole((i + 1, i))))
        for i in range(n_layers - 1)
    ]


def block_removal(n_layers: int, width: int) -> list[Variant]:
    """Every block of ``width`` consecutive layers skipped in turn."""
    family = f"block-removal:{width}"
    return [
        Variant(f"block-removal-{i}-{j}", family, _replaced(n_layers, i, j, ())) for i, j in _windows(n_layers, width, family)
    ]


def reversal(n_layers: int, first: int, last: int) -> list[Variant]:
    """Layers ``first`` to ``last`` in reverse order: one variant."""
    family = f"reversal:{first}-{last}"
    _check_window(first, last, n_layers, family)
    path = _replaced(n_layers, first, last, _whole(range(last, first - 1, -1)))
    return [Variant(f"reversal-{first}-{last}", family, path)]


def repetition(n_layers: int) -> list[Variant]:
    """Each layer run twice in a row, in turn."""
    return [Variant(f"repetition-{i}", "repetition", _replaced(n_layers, i, i, _whole((i, i)))) for i in range(n_layers)]


def shuffle(n_layers: int, seed: int, first: int = 0, last: int | None = None) -> list[Variant]:
    """Layers ``first`` to ``last`` in an order drawn with ``seed``: one variant; all layers by default."""
    last = n_layers - 1 if last is None else last
    everything = (first, last) == (0, n_layers - 1)
    family = f"shuffle:{seed}" if everything else f"shuffle:{seed}:{first}-{last}"
    _check_window(first, last, n_layers, family)
    order = list(range(first, last + 1))
    random.Random(seed).shuffle(order)
    return [Variant(family.replace(":", "-"), family, _replaced(n_layers, first, last, _whole(order)))]


def parallel(n_layers: int, width: int) -> list[Variant]:
    """Every window of ``width`` consecutive layers run side by side, their updates averaged."""
    family = f"parallel:{width}"
    if width < 2:
        raise PathError(f"Layers run side by side two or more at a time; got '{family}'.")
    return [
        Variant(f"parallel-{i}-{j}", family, _replaced(n_layers, i, j, (ParallelStep(_whole(range(i, j + 1))),)))
        for i, j in _windows(n_layers, width, family)
    ]


def depth(n_layers: int) -> list[Variant]:
    """The unembedding of what stands after each depth: of the embeddings, ``depth--1``, to the last layer, ``depth-{L-1}``.

    These are prefixes of the intact path, the last of them all of it, so that no layer runs for them alone. Known as the logit
    lens.

    Source: nostalgebraist 2020, "interpreting GPT: the logit lens".
    """
    return [Variant(f"{DEPTH}-{last}", DEPTH, LayerPath.intact(last + 1)) for last in range(-1, n_layers)]


def tuned_depth(n_layers: int) -> list[Variant]:
    """The same states as in ``depth``, each through its translator of a tuned lens; the last one, the model itself, has none.

    A lens counts its translators by the layer that reads the state next: the embeddings have translator 0, what stands after
    layer k has k + 1.

    Source: Belrose et al. 2023, "Eliciting Latent Predictions from Transformers with the Tuned Lens" (arXiv 2303.08112).
    """
    return [
        Variant(f"{TUNED_DEPTH}-{last}", TUNED_DEPTH, LayerPath.intact(last + 1), last + 1 if last + 1 < n_layers else None)
        for last in range(-1, n_layers)
    ]


def attention_removal(n_layers: int) -> list[Variant]:
    """Each layer's attention silenced in turn; its MLP still runs."""
    return _half_removal(n_layers, "attention-removal", "mlp")


def mlp_removal(n_layers: int) -> list[Variant]:
    """Each layer's MLP silenced in turn; its attention still runs."""
    return _half_removal(n_layers, "mlp-removal", "attn")


def head_removal(heads: Sequence[int], first: int, last: int | None = None) -> list[Variant]:
    """Each head of layers ``first`` to ``last`` silenced in turn: ``head-removal-10-3`` is layer 10 without head 3.

    Where several query heads read one key-value head, they go together, and the number is that of the key-value head.

    Args:
        heads: key-value groups of each layer of the model.
        first: first layer.
        last: last layer; the first one alone if None.
    """
    last, n_layers = first if last is None else last, len(heads)
    family = f"{HEAD_REMOVAL}:{first}" if first == last else f"{HEAD_REMOVAL}:{first}-{last}"
    if not 0 <= first <= last < n_layers:
        raise PathError(f"A range of layers ascends within 0-{n_layers - 1} for this model; got '{family}'.")
    for layer in range(first, last + 1):
        if heads[layer] < 2:
            has, instead = ("one, which all its query heads read", "attention-removal") if heads[layer] else ("none", "removal")
            raise PathError(
                f"'{HEAD_REMOVAL}' needs layers with two key-value heads or more; by the model's configuration layer {layer} "
                f"has {has}: take {instead}, or other layers."
            )
    return [
        Variant(
            f"{HEAD_REMOVAL}-{layer}-{head}",
            family,
            _replaced(n_layers, layer, layer, (LayerStep.without_head(layer, head),)),
        )
        for layer in range(first, last + 1)
        for head in range(heads[layer])
    ]


def is_of_heads(family: str) -> bool:
    """Whether a family's variants are single heads, several of them in one layer."""
    return family.partition(":")[0] == HEAD_REMOVAL


@dataclass(frozen=True)
class Family:
    """What the command line knows of a family."""

    name: str
    """The word before the colon."""
    form: str
    """How it is written, with its argument."""
    pattern: re.Pattern[str]
    """What the argument must match, whole."""
    build: Callable[..., list[Variant]]
    """Called with the number of layers, or the heads of each layer, then the argument's numbers."""
    takes_heads: bool = False
    """Whether it is called with the heads of each layer."""


_NONE, _NUMBER, _RANGE = re.compile(r""), re.compile(r"(\d{1,9})", re.ASCII), re.compile(r"(\d{1,9})-(\d{1,9})", re.ASCII)
_ONE_OR_RANGE = re.compile(r"(\d{1,9})(?:-(\d{1,9}))?", re.ASCII)
_SEED_AND_RANGE = re.compile(r"(\d{1,18})(?::(\d{1,9})-(\d{1,9}))?", re.ASCII)

FAMILIES = {
    family.name: family
    for family in (
        Family("removal", "removal", _NONE, removal),
        Family("exchange", "exchange", _NONE, exchange),
        Family("block-removal", "block-removal:w", _NUMBER, block_removal),
        Family("reversal", "reversal:a-b", _RANGE, reversal),
        Family("repetition", "repetition", _NONE, repetition),
        Family("shuffle", "shuffle:seed or shuffle:seed:a-b", _SEED_AND_RANGE, shuffle),
        Family("parallel", "parallel:w", _NUMBER, parallel),
        Family("attention-removal", "attention-removal", _NONE, attention_removal),
        Family("mlp-removal", "mlp-removal", _NONE, mlp_removal),
        Family(HEAD_REMOVAL, f"{HEAD_REMOVAL}:a or {HEAD_REMOVAL}:a-b", _ONE_OR_RANGE, head_removal, takes_heads=True),
        Family(DEPTH, DEPTH, _NONE, depth),
        Family(TUNED_DEPTH, TUNED_DEPTH, _NONE, tuned_depth),
    )
}


def check_family(written: str) -> tuple[Family, tuple[int, ...]]:
    """Read a family as it is written on the command line, without a model.

    Returns:
        The family and the numbers of its argument.

    Raises:
        PathError: no such family (with near names), or an argument of the wrong form.
    """
    check_text(written, "An experiment", FAMILIES, PathError)
    name, _, argument = written.strip().partition(":")
    if name not in FAMILIES:
        raise PathError(
            f"Unknown experiment '{written}'.{did_you_mean(name, FAMILIES)} Known: "
            + ", ".join(family.form for family in FAMILIES.values())
            + "."
        )
    family = FAMILIES[name]
    matched = family.pattern.fullmatch(argument)
    if matched is None:
        raise PathError(f"The experiment '{name}' is written {family.form}; got '{written}'.")
    return family, tuple(int(number) for number in matched.groups() if number is not None)


def build_variants(
    families: Sequence[str], paths: Sequence[str], n_layers: int, *, heads: Sequence[int] | None = None
) -> list[Variant]:
    """The intact model, then every variant of the families, then the explicit paths, each name once.

    Args:
        families: written families, for example ``["removal", "block-removal:3"]``.
        paths: written paths.
        n_layers: number of layers of the model.
        heads: key-value groups of each layer (``decoder.head_counts``); only needed by ``head-removal``.

    Raises:
        PathError: a family or path that cannot be read or that does not fit the model, or nothing to run.

    Examples:
        >>> [variant.name for variant in ls.build_variants(["exchange"], ["0,3"], 4)]
        ['intact', 'exchange-0-1', 'exchange-1-2', 'exchange-2-3', '0,3']
    """
    variants = [Variant.intact(n_layers)]
    for written in families:
        family, numbers = check_family(written)
        if family.takes_heads and heads is None:
            raise PathError(f"'{written}' needs to know each layer's heads: give build_variants heads=decoder.head_counts.")
        variants += family.build(heads if family.takes_heads else n_layers, *numbers)
    variants += [Variant.from_path(LayerPath.parse(path)) for path in paths]
    unique = {variant.name: variant for variant in variants}
    if len(unique) == 1:
        raise PathError(f"A sweep needs an experiment or a path; {n_layers} layers and {list(families)} gave no variant.")
    for variant in unique.values():
        variant.path.check_fits(n_layers)
        if heads is not None:
            variant.path.check_heads(heads)
    return list(unique.values())


def _replaced(n_layers: int, first: int, last: int, steps: Sequence[Step]) -> LayerPath:
    """The intact path with layers ``first`` to ``last`` replaced by ``steps``."""
    return LayerPath((*_whole(range(first)), *steps, *_whole(range(last + 1, n_layers))))


def _whole(layers: Sequence[int]) -> tuple[LayerStep, ...]:
    return tuple(LayerStep(layer) for layer in layers)


def _half_removal(n_layers: int, family: str, kept: str) -> list[Variant]:
    return [Variant(f"{family}-{i}", family, _replaced(n_layers, i, i, (LayerStep(i, kept),))) for i in range(n_layers)]


def _windows(n_layers: int, width: int, family: str) -> list[tuple[int, int]]:
    if not 1 <= width <= n_layers:
        raise PathError(f"A window is 1 to {n_layers} layers wide for this model; got '{family}'.")
    return [(i, i + width - 1) for i in range(n_layers - width + 1)]


def _check_window(first: int, last: int, n_layers: int, family: str) -> None:
    if not 0 <= first < last < n_layers:
        raise PathError(f"A range of layers ascends within 0-{n_layers - 1} for this model; got '{family}'.")
