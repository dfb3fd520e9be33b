"""What an intervention on a stable set of units comes to: its effects among those of random sets.

No model here. The hypothesis is that the set corrects errors: without it, what follows a wrong form loses more probability than
what follows the right one (difference in differences), more so than without random sets that are like it, and not because the
model does worse on any text.

Axes: ``set`` (random sets), ``side`` (2), ``pair``, ``text``, ``item`` (pairs or texts), ``*shape``.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from jaxtyping import Float, Int

from layerscope.stats.permutation import permutation_p
from layerscope.stats.ratio import ratio_interval

LEVEL = 0.05
"""Of every p-value in a verdict."""
CLEAR = 20
"""Random sets on either side of the stable one that make a null clear; more of them where more than 400 are asked for."""


@dataclass(frozen=True)
class Measured:
    """Negative log-probabilities of something, intact and ablated; nats."""

    intact: Float[np.ndarray, "*shape"]
    """Of the intact model."""
    stable: Float[np.ndarray, "*shape"]
    """Without the stable set."""
    random: Float[np.ndarray, " set *shape"]
    """Without each of the random sets."""


@dataclass(frozen=True)
class Placed:
    """The mean effect of ablating the stable set, placed among those of the random sets."""

    effect: float
    """Of the stable set."""
    low: float
    """Lower end of its 95% interval over groups of items."""
    high: float
    """Upper end."""
    random_effects: Float[np.ndarray, " set"]
    """Of the random sets."""
    n_items: int
    """Pairs or tokens that the mean is over."""
    n_groups: int
    """Templates or texts that they come from."""
    p_greater: float
    """(1 + random effects as large or larger) / (1 + random sets); NaN where the sets are not matched."""
    p_less: float
    """Likewise, as small or smaller."""
    p_two_sided: float
    """Likewise, as far from the centre or farther."""

    @property
    def random_mean(self) -> float:
        """Mean effect of the random sets."""
        return float(self.random_effects.mean()) if len(self.random_effects) else float("nan")

    @property
    def z(self) -> float:
        """Standard deviations of the random effects that the stable one lies above their mean; NaN where they do not vary."""
        spread = float(self.random_effects.std(ddof=1)) if len(self.random_effects) > 1 else 0.0
        return (self.effect - self.random_mean) / spread if spread > 0 else float("nan")


@dataclass(frozen=True)
class DamageExcess:
    """How much more neutral text loses without the stable set than without random ones, nats per token."""

    effect: float
    """Mean over tokens."""
    low: float
    """Lower end of its 90% interval over texts: below it lies 5%."""
    high: float
    """Upper end: with it below the margin, damage beyond the margin is excluded at 5%."""


@dataclass(frozen=True)
class InterventionEffects:
    """All outcomes of one intervention."""

    did: Placed
    """Difference in differences, nats: (NLL of what follows the wrong form − the right form), ablated − intact; over pairs that
    have a right side."""
    did_p_given_damage: float
    """Its ``p_greater`` once what damage to neutral text predicts of it, by a line through all sets, is taken off."""
    gap: Placed
    """Change of |NLL of what follows one side − the other|, nats; over all pairs, whether or not one side is right."""
    change: Placed
    """Change of the NLL of what follows, mean of both sides, nats; over all pairs."""
    accuracy: Placed
    """Change of the share of pairs whose right sentence is the likelier one."""
    accuracy_intact: float
    """That share in the intact model; NaN where no pair has a right side."""
    damage: Placed
    """Change of the NLL of neutral text, nats per token."""
    damage_excess: DamageExcess
    """That beyond the random sets' mean."""
    damage_margin: float
    """What ``damage_excess`` must be shown to be below."""
    is_matched: bool
    """Whether the random sets are like the stable one; else there is no p."""


def is_settled(did: Placed, n_sets: int, *, is_matched: bool) -> bool:
    """Whether no more sets are needed: the null is clear, or there will be no p anyway.

    With so many sets as large, and as many as small, that each p of all ``n_sets`` is above ``LEVEL`` whatever comes, who stops
    here says what who goes on would have said; with twenty or more of each, p itself is known well enough to quote.

    Args:
        did: the difference in differences among those of the random sets so far.
        n_sets: that are asked for.
        is_matched: whether the random sets are like the stable one.

    Source: after Besag & Clifford 1991, "Sequential Monte Carlo p-values".
    """
    as_large, as_small = (did.random_effects >= did.effect).sum(), (did.random_effects <= did.effect).sum()
    return not is_matched or bool(min(as_large, as_small) >= max(CLEAR, LEVEL * (1 + n_sets)))


def did_of(
    continuation: Measured,
    right: Int[np.ndarray, " pair"],
    templates: Int[np.ndarray, " pair"],
    *,
    is_matched: bool,
) -> Placed:
    """The difference in differences, placed among those of the random sets.

    Args:
        continuation: NLL of all that follows the edit, ``side pair``; pairs with NaN in the intact model are left out.
        right: the right side of each pair, 1 or 2; 0 where neither is wrong.
        templates: template of each pair, by number; intervals are over templates.
        is_matched: whether random sets are like the stable one on every covariate; if not, there is no p.
    """
    each_pair = np.ones(len(right), dtype=np.int64)
    measured = _through(continuation, lambda nats: _wrong_less_right(nats, right))
    return _with_p(_placed(measured, each_pair, groups=templates), is_matched=is_matched)


def intervention_effects(
    continuation: Measured,
    sentence: Measured,
    *,
    text: Measured,
    n_tokens: Int[np.ndarray, " text"],
    right: Int[np.ndarray, " pair"],
    templates: Int[np.ndarray, " pair"],
    is_matched: bool,
    damage_margin: float,
) -> InterventionEffects:
    """Place every outcome of a stable set among the same of random sets.

    Args:
        continuation: NLL of all that follows the edit, ``side pair``; pairs with NaN in the intact model are left out.
        sentence: NLL of the edit and all that follows, likewise.
        text: NLL of neutral texts, ``text``; of all random sets or the first of them.
        n_tokens: tokens scored in each text.
        right: the right side of each pair, 1 or 2; 0 where neither is wrong.
        templates: template of each pair, by number; intervals are over templates.
        is_matched: whether random sets are like the stable one on every covariate.
        damage_margin: nats per token that damage must be shown to be below.

    Raises:
        ValueError: arrays whose sizes do not fit together, or a right side that is none.
    """
    _check(continuation, sentence, text, n_tokens, right)

    def is_right_likelier(nats: np.ndarray) -> np.ndarray:
        difference = _wrong_less_right(nats, right)
        return np.where(np.isnan(difference), np.nan, difference > 0)

    each_pair = np.ones(len(right), dtype=np.int64)
    likelier = _through(sentence, is_right_likelier)

    def placed(measured: Measured, counts: np.ndarray, groups: np.ndarray) -> Placed:
        return _with_p(_placed(measured, counts, groups=groups), is_matched=is_matched)

    did = did_of(continuation, right, templates, is_matched=is_matched)
    damage = placed(text, n_tokens, np.arange(len(n_tokens)))
    gap = _through(continuation, lambda nats: np.abs(_second_less_first(nats)))
    change = _through(continuation, lambda nats: nats.mean(axis=-2))
    return InterventionEffects(
        did=did,
        did_p_given_damage=_p_given(did, damage) if is_matched else math.nan,
        gap=placed(gap, each_pair, templates),
        change=placed(change, each_pair, templates),
        accuracy=placed(likelier, each_pair, templates),
        accuracy_intact=float(_mean(likelier.intact[~np.isnan(likelier.intact)])),
        damage=damage,
        damage_excess=_damage_excess(text, n_tokens),
        damage_margin=damage_margin,
        is_matched=is_matched,
    )


@dataclass(frozen=True)
class PlaceboSetEffect:
    """What ablating the units that stand still under edits alone does more than ablating those of placebos alone."""

    effect: float
    """Mean over pairs with a right side of (NLL after the wrong form − after the right one), the ones less the others; nats."""
    low: float
    """Lower end of its 95% interval over templates."""
    high: float
    """Upper end."""
    p_value: float
    """Two-sided, of 0; NaN with fewer than eight templates."""
    n_items: int
    """Pairs."""
    n_groups: int
    """Templates."""


def placebo_set_effect(
    of_edits: Float[np.ndarray, "side pair"],
    of_placebos: Float[np.ndarray, "side pair"],
    right: Int[np.ndarray, " pair"],
    templates: Int[np.ndarray, " pair"],
) -> PlaceboSetEffect:
    """From the NLL of what follows the edit without either set.

    Args:
        of_edits: without the units that stand still under edits alone.
        of_placebos: without those of placebos alone.
        right: the right side of each pair, 1 or 2; 0 where neither is wrong.
        templates: of each pair, by number.
    """
    sign = np.where(right == 1, 1.0, np.where(right == 2, -1.0, np.nan))
    with np.errstate(invalid="ignore"):
        change = sign * (_second_less_first(of_edits) - _second_less_first(of_placebos))
    used = np.isfinite(change)
    _, group = np.unique(templates[used], return_inverse=True)
    n_groups = int(group.max(initial=-1)) + 1
    sums = np.bincount(group, change[used], minlength=n_groups).astype(np.float64)
    interval = ratio_interval(sums[None], np.bincount(group, minlength=n_groups))
    low, high, p_value = (float(one[0]) for one in (interval.low, interval.high, interval.p_value))
    return PlaceboSetEffect(float(_mean(change[used])), low, high, p_value, int(used.sum()), n_groups)


def _with_p(found: Placed, *, is_matched: bool) -> Placed:
    return found if is_matched else replace(found, p_greater=math.nan, p_less=math.nan, p_two_sided=math.nan)


def _wrong_less_right(
    nats: Float[np.ndarray, "*set 2 pair"], right: Int[np.ndarray, " pair"]
) -> Float[np.ndarray, "*set pair"]:
    sign = np.where(right == 1, 1.0, np.where(right == 2, -1.0, np.nan))
    return np.asarray(sign * _second_less_first(nats))


def _second_less_first(nats: Float[np.ndarray, "*set 2 pair"]) -> Float[np.ndarray, "*set pair"]:
    return np.asarray(nats[..., 1, :] - nats[..., 0, :])


def _through(measured: Measured, statistic: Callable[[np.ndarray], np.ndarray]) -> Measured:
    """A statistic of each item instead of what was measured."""
    with np.errstate(invalid="ignore"):  # infinities: their difference is no number, and is reported as such
        return Measured(statistic(measured.intact), statistic(measured.stable), statistic(measured.random))


def _placed(measured: Measured, counts: Int[np.ndarray, " item"], *, groups: Int[np.ndarray, " item"]) -> Placed:
    """Σ (ablated − intact) / Σ counts over the items that the intact model has a number for."""
    used = np.isfinite(measured.intact) & (counts > 0)
    counts, (_, group) = counts[used], np.unique(groups[used], return_inverse=True)
    with np.errstate(invalid="ignore"):
        changes = (measured.stable - measured.intact)[used]
        random_effects = _mean((measured.random - measured.intact)[:, used], counts)
    n_groups = int(group.max(initial=-1)) + 1
    sums = np.bincount(group, changes, minlength=n_groups).astype(np.float64)  # of integers where there is none
    interval = ratio_interval(sums[None], np.bincount(group, counts, minlength=n_groups))
    effect = float(_mean(changes, counts))
    p_values = [_p(effect, random_effects, alternative) for alternative in ("greater", "less", "two-sided")]
    return Placed(
        effect, float(interval.low[0]), float(interval.high[0]), random_effects, int(counts.sum()), n_groups, *p_values
    )


def _damage_excess(text: Measured, n_tokens: Int[np.ndarray, " text"]) -> DamageExcess:
    """Σ (NLL without the stable set − mean NLL without random ones) / Σ tokens, over texts."""
    if not len(text.random):
        return DamageExcess(math.nan, math.nan, math.nan)
    with np.errstate(invalid="ignore"):
        excess = text.stable - text.random.mean(axis=0)
    interval = ratio_interval(excess[None], n_tokens, level=1.0 - 2.0 * LEVEL)
    return DamageExcess(float(_mean(excess, n_tokens)), float(interval.low[0]), float(interval.high[0]))


def _mean(values: Float[np.ndarray, "*set item"], counts: Int[np.ndarray, " item"] | None = None) -> Float[np.ndarray, "*set"]:
    """Σ values / Σ counts; NaN without items."""
    n = values.shape[-1] if counts is None else int(counts.sum())
    return np.asarray(values.sum(axis=-1) / n if n else np.full(values.shape[:-1], np.nan))


def _p(effect: float, random_effects: Float[np.ndarray, " set"], alternative: Literal["greater", "less", "two-sided"]) -> float:
    return float(permutation_p(effect, random_effects, alternative=alternative)) if len(random_effects) else float("nan")


def _p_given(did: Placed, damage: Placed) -> float:
    """``p_greater`` of what a line through (damage, difference in differences) of all sets leaves.

    The stable set is one of them, so that without an effect all are treated alike.
    """
    n_sets = len(damage.random_effects)
    effects, harms = np.append(did.random_effects[:n_sets], did.effect), np.append(damage.random_effects, damage.effect)
    if not np.isfinite([effects, harms]).all():
        return float("nan")
    centred = harms - harms.mean()
    squares = float(centred @ centred)
    left = effects - (float(centred @ effects) / squares if squares > 0 else 0.0) * centred
    return _p(float(left[-1]), left[:-1], "greater")


def _check(continuation: Measured, sentence: Measured, text: Measured, n_tokens: np.ndarray, right: np.ndarray) -> None:
    all_sets, n_pairs, n_texts = len(continuation.random), len(right), len(n_tokens)
    for name, measured, shape, n_sets in (
        ("continuation", continuation, (2, n_pairs), all_sets),
        ("sentence", sentence, (2, n_pairs), all_sets),
        ("text", text, (n_texts,), min(len(text.random), all_sets)),
    ):
        shapes = measured.intact.shape, measured.stable.shape, measured.random.shape
        if shapes != (shape, shape, (n_sets, *shape)):
            raise ValueError(
                f"With {n_sets} sets, {n_pairs} pairs and {n_texts} texts, {name} has arrays of {shape}, for random sets "
                f"{(n_sets, *shape)}; got {', '.join(map(str, shapes))}."
            )
    if not np.isin(right, (0, 1, 2)).all():
        raise ValueError(f"The right side is 1 or 2, or 0 where neither is wrong; got {sorted(set(right.tolist()))}.")
