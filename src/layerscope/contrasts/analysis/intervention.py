"""What an intervention on a stable set of units says: its effects among those of random sets, and a verdict in a sentence.

No model here. The hypothesis is that the set corrects errors: without it, what follows a wrong form loses more probability than
what follows the right one (difference in differences), more so than without random sets that are like it, and not because the
model does worse on any text.

Axes: ``set`` (random sets), ``side`` (2), ``pair``, ``text``, ``item`` (pairs or texts), ``*shape``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float, Int

from layerscope.bilingual import Bilingual
from layerscope.contrasts.enough import FEWEST_SCORED_PAIRS, FEWEST_SCORED_TEMPLATES, FEWEST_SETS
from layerscope.stats.permutation import permutation_p
from layerscope.stats.ratio import ratio_interval

LEVEL = 0.05
"""Of every p-value in a verdict."""

Conclusion = Literal["too few", "not finite", "supports", "not established", "general damage", "null", "below"]
"""Refused for want of pairs or sets, or of numbers; the hypothesis holds; above the random sets, but not over templates; not to
be told from damage; like the random sets; less than they."""


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
    """Lower end of its 95 % interval over groups of items."""
    high: float
    """Upper end."""
    random_effects: Float[np.ndarray, " set"]
    """Of the random sets."""
    n_items: int
    """Pairs or tokens that the mean is over."""
    n_groups: int
    """Templates or texts that they come from."""
    p_greater: float
    """(1 + random effects as large or larger) / (1 + random sets)."""
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
    """Change of the NLL of neutral text, nats a token."""


def intervention_effects(
    continuation: Measured,
    sentence: Measured,
    *,
    text: Measured,
    n_tokens: Int[np.ndarray, " text"],
    right: Int[np.ndarray, " pair"],
    templates: Int[np.ndarray, " pair"],
) -> InterventionEffects:
    """Place every outcome of a stable set among the same of random sets.

    Args:
        continuation: NLL of all that follows the edit, ``side pair``; pairs with NaN in the intact model are left out.
        sentence: NLL of the edit and all that follows, likewise.
        text: NLL of neutral texts, ``text``.
        n_tokens: tokens scored in each text.
        right: the right side of each pair, 1 or 2; 0 where neither is wrong.
        templates: template of each pair, by number; intervals are over templates.

    Raises:
        ValueError: arrays whose sizes do not fit together, or a right side that is none.
    """
    _check(continuation, sentence, text, n_tokens, right)

    def wrong_less_right(nats: np.ndarray) -> np.ndarray:
        sign = np.where(right == 1, 1.0, np.where(right == 2, -1.0, np.nan))
        return np.asarray(sign * _second_less_first(nats))

    def is_right_likelier(nats: np.ndarray) -> np.ndarray:
        difference = wrong_less_right(nats)
        return np.where(np.isnan(difference), np.nan, difference > 0)

    each_pair = np.ones(len(right), dtype=np.int64)
    likelier = _through(sentence, is_right_likelier)
    did = _placed(_through(continuation, wrong_less_right), each_pair, groups=templates)
    damage = _placed(text, n_tokens, groups=np.arange(len(n_tokens)))
    gap = _through(continuation, lambda nats: np.abs(_second_less_first(nats)))
    change = _through(continuation, lambda nats: nats.mean(axis=-2))
    return InterventionEffects(
        did=did,
        did_p_given_damage=_p_given(did, damage),
        gap=_placed(gap, each_pair, groups=templates),
        change=_placed(change, each_pair, groups=templates),
        accuracy=_placed(likelier, each_pair, groups=templates),
        accuracy_intact=float(_mean(likelier.intact[~np.isnan(likelier.intact)])),
        damage=damage,
    )


def conclusion(effects: InterventionEffects) -> Conclusion:
    """What the effects amount to; every p-value is held against ``LEVEL``."""
    did, damage = effects.did, effects.damage
    if did.n_items < FEWEST_SCORED_PAIRS or did.n_groups < FEWEST_SCORED_TEMPLATES or len(did.random_effects) < FEWEST_SETS:
        return "too few"
    if not np.isfinite([did.p_greater, did.low, damage.p_greater, effects.did_p_given_damage]).all():
        return "not finite"
    if did.p_greater > LEVEL:
        return "below" if did.p_two_sided <= LEVEL and did.effect < did.random_mean else "null"
    if damage.p_greater <= LEVEL or effects.did_p_given_damage > LEVEL:
        return "general damage"
    return "supports" if did.low > 0 else "not established"


def verdict(effects: InterventionEffects) -> Bilingual:
    """One sentence, made from the numbers."""
    return Bilingual(_verdict_en(effects), _verdict_ja(effects))


def _verdict_en(effects: InterventionEffects) -> str:
    did, damage, n_sets = effects.did, effects.damage, len(effects.did.random_effects)
    found = (
        f"ablating the stable set changed the wrong form's disadvantage in what follows by {did.effect:+.4f} nats a pair (95 % "
        f"interval {did.low:+.4f} to {did.high:+.4f}), {n_sets} matched random sets by {did.random_mean:+.4f} on average"
    )
    harm = (
        f"the NLL of neutral text changed by {damage.effect:+.4f} nats a token (random sets {damage.random_mean:+.4f}, p = "
        f"{damage.p_greater:.3g})"
    )
    above = f"{found} (p = {did.p_greater:.3g})"
    match conclusion(effects):
        case "too few":
            return (
                f"No inference: it needs {FEWEST_SCORED_PAIRS} pairs with a right side from {FEWEST_SCORED_TEMPLATES} "
                f"templates and {FEWEST_SETS} random sets, and there are {did.n_items} pairs from {did.n_groups} templates and "
                f"{n_sets} sets."
            )
        case "not finite":
            return "No inference: some effects, or what they are compared with, are not finite numbers."
        case "supports":
            return f"The hypothesis is supported: {above}, while {harm}, which does not explain it."
        case "not established":
            return f"Not established: {above}, but the interval over templates does not lie above 0; {harm}."
        case "general damage":
            return (
                f"It cannot be told from general damage: {above}, but {harm}, and given that damage the p-value is "
                f"{effects.did_p_given_damage:.3g}."
            )
        case "below":
            return (
                f"The opposite of the hypothesis: {found}, significantly more than the stable set (two-sided p = "
                f"{did.p_two_sided:.3g}); {harm}."
            )
        case "null":
            return (
                f"No effect beyond that of random sets: {above}; {harm}; since models repair themselves, this is no proof that "
                "there is none."
            )


def _verdict_ja(effects: InterventionEffects) -> str:
    did, damage, n_sets = effects.did, effects.damage, len(effects.did.random_effects)
    found = (
        f"安定な次元の集合を除去すると、誤った形の後に続く部分の不利が1ペアあたり {did.effect:+.4f} nats 変化し"
        f"（95 % 区間 {did.low:+.4f} から {did.high:+.4f}）、対応づけた {n_sets} 個の無作為な集合では"
        f"平均 {did.random_mean:+.4f} だった"
    )
    harm = (
        f"中立な文章の NLL の変化は1トークンあたり {damage.effect:+.4f} nats"
        f"（無作為な集合では {damage.random_mean:+.4f}、p = {damage.p_greater:.3g}）"
    )
    above = f"{found}（p = {did.p_greater:.3g}）"
    match conclusion(effects):
        case "too few":
            return (
                f"推論は行わない：正しい側のあるペアが {FEWEST_SCORED_PAIRS} 組以上、"
                f"テンプレートが {FEWEST_SCORED_TEMPLATES} 種以上、"
                f"無作為な集合が {FEWEST_SETS} 個以上必要だが、{did.n_items} 組、{did.n_groups} 種、{n_sets} 個しかない。"
            )
        case "not finite":
            return "推論は行わない：効果またはその比較対象に有限でない値がある。"
        case "supports":
            return f"仮説は支持される：{above}が、{harm}であり、これでは説明できない。"
        case "not established":
            return f"確立されていない：{above}が、テンプレートに関する区間が 0 より上にない（{harm}）。"
        case "general damage":
            return (
                f"全般的な損傷と区別できない：{above}が、{harm}であり、その損傷を考慮すると p = "
                f"{effects.did_p_given_damage:.3g} である。"
            )
        case "below":
            return f"仮説とは逆である：{found}ので、安定な集合の変化は有意に小さい（両側 p = {did.p_two_sided:.3g}、{harm}）。"
        case "null":
            return (
                f"無作為な集合を超える効果は見られない：{above}が、{harm}であり、モデルは自己修復するため、効果がないことの"
                "証明にはならない。"
            )


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
    effects, harms = (np.append(one.random_effects, one.effect) for one in (did, damage))
    if not np.isfinite([effects, harms]).all():
        return float("nan")
    centred = harms - harms.mean()
    squares = float(centred @ centred)
    left = effects - (float(centred @ effects) / squares if squares > 0 else 0.0) * centred
    return _p(float(left[-1]), left[:-1], "greater")


def _check(continuation: Measured, sentence: Measured, text: Measured, n_tokens: np.ndarray, right: np.ndarray) -> None:
    n_sets, n_pairs, n_texts = len(text.random), len(right), len(n_tokens)
    for name, measured, shape in (
        ("continuation", continuation, (2, n_pairs)),
        ("sentence", sentence, (2, n_pairs)),
        ("text", text, (n_texts,)),
    ):
        shapes = measured.intact.shape, measured.stable.shape, measured.random.shape
        if shapes != (shape, shape, (n_sets, *shape)):
            raise ValueError(
                f"With {n_sets} sets, {n_pairs} pairs and {n_texts} texts, {name} has arrays of {shape}, for random sets "
                f"{(n_sets, *shape)}; got {', '.join(map(str, shapes))}."
            )
    if not np.isin(right, (0, 1, 2)).all():
        raise ValueError(f"The right side is 1 or 2, or 0 where neither is wrong; got {sorted(set(right.tolist()))}.")
