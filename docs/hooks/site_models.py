"""Families of models, from the lists that the tests run over."""

from __future__ import annotations

from functools import cache

from site_markdown import table

from tests import tiny_models
from tests.models import (
    test_architectures,
    test_export,
    test_head,
    test_heads,
    test_refusals,
    test_sites,
    test_streaming,
    test_streaming_checkpoints,
)

TINY = tiny_models.TINY
_RULES = {
    test_refusals.NEEDS_OTHERS: "a layer needs keys, values or indices that another leaves behind, so none can be moved",
    test_refusals.LOOKS_AHEAD: "a token sees those after it, so it does not predict the next one",
    test_refusals.CARRIES_MORE: "layers pass on more than the residual stream, so replaying them does not give its own logits",
    test_refusals.NO_ROW_A_TEXT: "it keeps several residual streams, and the state has no row a text",
    test_refusals.RUNS_AGAIN: "a layer is called more than once in a forward pass",
}
"""Each rule of the refusal tests in a sentence; a new rule has no sentence, and the site is not built until it has one."""


@cache
def _by_family() -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name, entry in TINY.items():
        found.setdefault(entry.model_type, []).append(name)
    return found


def families(_: str) -> str:
    """One row per family: in how many settings it is tried, and what holds for them."""
    rows = []
    for family, settings_of in sorted(_by_family().items()):
        rows.append(
            (
                f"`{family}`",
                ", ".join(name.removeprefix(family).lstrip("-") or "plain" for name in settings_of),
                _which(settings_of, test_architectures.WITH_HALVES),
                _heads(settings_of),
                _which(settings_of, test_sites.WITH_HALVES),
                "whole" if set(settings_of) & test_head.WHOLE else "by slices",
                _which(settings_of, test_export.EXPORTED),
                _which(settings_of, [*test_streaming.FAMILIES, *test_streaming_checkpoints.FAMILIES]),
            )
        )
    head = (
        "family",
        "settings",
        "half layers",
        "heads",
        "`attn_out`, `mlp_out`",
        "output matrix",
        "export tried",
        "`--stream` tried",
    )
    return table(head, rows)


def settings(_: str) -> str:
    """How many there are of everything, in one sentence."""
    n_sites, n_halves = len(test_sites.WITH_HALVES), len(test_architectures.WITH_HALVES)
    return (
        f"{len(TINY)} settings of {len(_by_family())} families. In all of them the intact path gives the model's own logits "
        f"*to the bit* (CPU, float32); removal, exchange and reversal equal a model rebuilt by hand; the model is "
        f"bit-identical afterwards. "
        f"{n_halves} of the {len(TINY)} have halves that can be silenced, {n_sites} the sites `attn_out` and `mlp_out`; "
        f"`resid_post` and `update` are compared with plain hooks in all."
    )


def refused(_: str) -> str:
    """What is refused at load, and why."""
    rows = [(f"`{family}`", name.partition(", ")[2], _RULES[rule]) for name, (family, rule, _) in test_refusals.REFUSED.items()]
    return table(("family", "with", "why it is refused"), rows)


def not_exported(_: str) -> str:
    """Which path of which family cannot be a checkpoint."""
    rows = [(f"`{TINY[name].model_type}`", name, ",".join(map(str, order))) for name, (order, _) in test_export.REFUSED.items()]
    return table(("family", "setting", "an order of four layers that is refused"), rows)


def _heads(settings_of: list[str]) -> str:
    """In which layers single heads are proved, in all settings alike."""
    if set(settings_of) & (test_heads.NO_HEADS | test_heads.NOT_PROVED):
        return "–"
    groups = {name: ", one group" if name in test_heads.ONE_GROUP else "" for name in settings_of}
    layers = "yes" if set(settings_of) <= set(test_heads.EVERY_LAYER) else "in some layers"
    alike = len(set(groups.values())) == 1
    return f"{layers}{groups[settings_of[0]]}" if alike else ", ".join(f"{name}: {layers}{of}" for name, of in groups.items())


def _which(settings_of: list[str], good: object) -> str:
    """Yes, no, or in which settings."""
    there = [name for name in settings_of if name in good]  # type: ignore[operator]
    if len(there) == len(settings_of):
        return "yes"
    return ", ".join(there) if there else "–"
