"""What an intervention allows to be said: a conclusion by rules fixed beforehand, and its sentence in English and Japanese.

Damage to neutral text that is not seen is not damage that is excluded: it must be shown to be below a margin. Two replacements
are run, and the hypothesis is supported only if both say so.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import numpy as np

from layerscope.bilingual import Bilingual
from layerscope.contrasts.analysis.choosing import AgainstPlacebos
from layerscope.contrasts.analysis.intervention import LEVEL, InterventionEffects, PlaceboSetEffect, is_settled
from layerscope.contrasts.enough import FEWEST_SCORED_PAIRS, FEWEST_SCORED_TEMPLATES, FEWEST_SETS

Conclusion = Literal[
    "too few",
    "not matched",
    "not finite",
    "supports",
    "not established",
    "general damage",
    "damage not excluded",
    "null",
    "below",
]
"""Refused for want of pairs or sets, of sets that are alike, or of numbers; the hypothesis holds; above the random sets, but
not over templates; not to be told from damage, or damage not shown to be small; like the random sets; less than they."""
Joint = Conclusion | Literal["mixed"]
"""Of both replacements; they may say different things."""


def conclusion(effects: InterventionEffects) -> Conclusion:
    """What the effects amount to; every p-value is held against ``LEVEL``."""
    did, damage = effects.did, effects.damage
    too_few_sets = len(did.random_effects) < FEWEST_SETS and not is_settled(did, FEWEST_SETS, is_matched=effects.is_matched)
    if did.n_items < FEWEST_SCORED_PAIRS or did.n_groups < FEWEST_SCORED_TEMPLATES or too_few_sets:
        return "too few"
    if not effects.is_matched:
        return "not matched"
    if not np.isfinite([did.p_greater, did.low, damage.p_greater, effects.did_p_given_damage]).all():
        return "not finite"
    if did.p_greater > LEVEL:
        return "below" if did.p_two_sided <= LEVEL and did.effect < did.random_mean else "null"
    if damage.p_greater <= LEVEL or effects.did_p_given_damage > LEVEL:
        return "general damage"
    if not effects.damage_excess.high < effects.damage_margin:
        return "damage not excluded"
    return "supports" if did.low > 0 else "not established"


def joint_conclusion(effects: Mapping[str, InterventionEffects]) -> Joint:
    """What all replacements come to together, by a rule fixed beforehand: what all say; refused if one is; else mixed."""
    found = [conclusion(one) for one in effects.values()]
    refused = [one for one in found if one in ("too few", "not matched", "not finite")]
    return refused[0] if refused else found[0] if len(set(found)) == 1 else "mixed"


_IN_SHORT: dict[Conclusion, Bilingual] = {
    "too few": Bilingual(
        "no inference, because there are too few pairs, templates or sets", "ペア、テンプレート、または集合が足りず、検定なし"
    ),
    "not matched": Bilingual(
        "no inference, because no random sets match the stable one", "対応する無作為な集合がなく、検定なし"
    ),
    "not finite": Bilingual("no inference, because some numbers are not finite", "有限でない値があり、検定なし"),
    "supports": Bilingual("the hypothesis is supported", "仮説は支持される"),
    "not established": Bilingual(
        "above the random sets, but not established over templates", "無作為な集合を超えるが、テンプレート単位では確立されない"
    ),
    "general damage": Bilingual("cannot be distinguished from general damage", "全般的な損傷と区別できない"),
    "damage not excluded": Bilingual("damage is not shown to be small", "損傷が小さいとは示されていない"),
    "null": Bilingual("no effect beyond that of random sets", "無作為な集合を超える効果は見られない"),
    "below": Bilingual("the opposite of the hypothesis", "仮説とは逆"),
}


def joint_verdict(effects: Mapping[str, InterventionEffects]) -> Bilingual:
    """One sentence for all replacements."""
    joint = joint_conclusion(effects)
    if joint != "mixed":
        said = _IN_SHORT[joint]
        return Bilingual(f"Together: {said.en}.", f"総合：{said.ja}。")
    each = {name: _IN_SHORT[conclusion(one)] for name, one in effects.items()}
    en, ja = "; ".join(f"{name}: {said.en}" for name, said in each.items()), "、".join(f"{n}：{s.ja}" for n, s in each.items())
    return Bilingual(
        f"Together: nothing is claimed, since the replacements disagree ({en}).",
        f"総合：置換のしかたによって結論が異なるため、何も主張しない（{ja}）。",
    )


def read_apart(beside: AgainstPlacebos, apart: Mapping[str, PlaceboSetEffect]) -> Bilingual:
    """One sentence on units that stand still under errors alone against those that do under placebos alone."""
    en, ja = [], []
    for name, one in apart.items():
        ends = f"{one.effect:+.4f} [{one.low:+.4f}, {one.high:+.4f}]"
        en.append(f"{name} {ends}")
        ja.append(f"{name} {ends}")
    resolved = [not np.isnan(one.p_value) and one.p_value <= LEVEL for one in apart.values()]
    signs = {float(np.sign(one.effect)) for one in apart.values()}
    if not beside.is_matched:
        off = ", ".join(f"{name} {value:+.2f}" for name, value in beside.balance.items())
        said = Bilingual(f"not matched (SD: {off}), so nothing is inferred", f"共変量が揃わず（標準偏差：{off}）、検定なし")
    elif any(np.isnan(one.p_value) for one in apart.values()):
        said = Bilingual("too few templates to tell", "テンプレートが足りず、判定できない")
    elif all(resolved) and len(signs) == 1:
        said = (
            Bilingual("the first matter more for errors", "前者のほうが誤りに関わる")
            if signs == {1.0}
            else Bilingual("the second matter more for errors", "後者のほうが誤りに関わる")
        )
    else:
        said = Bilingual("no difference is significant with both replacements", "両方の置換で確かな差は認められない")
    n = len(beside.of_edits)
    return Bilingual(
        f"In the stable set, {n} units are not among those that change least under placebos; ablating them, minus ablating the "
        f"{n} that change least under placebos alone, changes the wrong form's disadvantage by (nats per pair) "
        f"{'; '.join(en)}: {said.en}.",
        f"安定な集合のうち {n} ユニットは、プラセボでは最も変化しない集合に入らない。これらの切除と、プラセボでのみ入る {n} "
        f"ユニットの切除との差は、誤った形の不利の変化にして（nat／ペア）{'、'.join(ja)}。{said.ja}。",
    )


def verdict(effects: InterventionEffects) -> Bilingual:
    """One sentence, made from the numbers."""
    return Bilingual(_verdict_en(effects), _verdict_ja(effects))


def _verdict_en(effects: InterventionEffects) -> str:
    did, damage, n_sets = effects.did, effects.damage, len(effects.did.random_effects)
    found = (
        f"ablating the stable set changed the wrong form's disadvantage in what follows by {did.effect:+.4f} nats per pair "
        f"(95% interval {did.low:+.4f} to {did.high:+.4f}), while {n_sets} matched random sets changed it by "
        f"{did.random_mean:+.4f} on average"
    )
    harm = (
        f"the NLL of neutral text changed by {damage.effect:+.4f} nats per token ({len(damage.random_effects)} random sets "
        f"{damage.random_mean:+.4f}, p = "
        f"{damage.p_greater:.3g})"
    )
    above = f"{found} (p = {did.p_greater:.3g})"
    match conclusion(effects):
        case "too few":
            return (
                f"No inference: it needs at least {FEWEST_SCORED_PAIRS} pairs with a right side from {FEWEST_SCORED_TEMPLATES} "
                f"templates and {FEWEST_SETS} random sets, but there are {did.n_items} pairs from {did.n_groups} templates and "
                f"{n_sets} sets."
            )
        case "not matched":
            return (
                "Not matched: no random sets match the stable one within 0.1 standard deviations on every covariate, so "
                f"there is no p-value; {found}."
            )
        case "damage not excluded":
            return (
                f"Damage is not excluded: {above}, but {harm}, and the excess over random sets is known only to be below "
                f"{effects.damage_excess.high:+.4f} (margin {effects.damage_margin:g}): increase --text-tokens."
            )
        case "not finite":
            return "No inference: some effects, or what they are compared with, are not finite numbers."
        case "supports":
            return (
                f"The hypothesis is supported: {above}, while {harm}, which does not explain it and exceeds that of random "
                f"sets by at most {effects.damage_excess.high:+.4f} (margin {effects.damage_margin:g})."
            )
        case "not established":
            return f"Not established: {above}, but the interval over templates does not lie above 0; {harm}."
        case "general damage":
            return (
                f"The effect cannot be distinguished from general damage: {above}, but {harm}, and given that damage the "
                f"p-value is {effects.did_p_given_damage:.3g}."
            )
        case "below":
            return (
                f"The opposite of the hypothesis: {found}, significantly more than the stable set (two-sided p = "
                f"{did.p_two_sided:.3g}); {harm}."
            )
        case "null":
            return (
                f"No effect beyond that of random sets: {above}; {harm}; since models repair themselves, this does not prove "
                "that there is none."
            )


def _verdict_ja(effects: InterventionEffects) -> str:
    did, damage, n_sets = effects.did, effects.damage, len(effects.did.random_effects)
    found = (
        f"安定な集合を切除すると、誤った形の後に続く部分の不利が 1 ペアあたり {did.effect:+.4f} nat 変化し"
        f"（95% 信頼区間 {did.low:+.4f} から {did.high:+.4f}）、対応づけた {n_sets} 個の無作為な集合では"
        f"平均 {did.random_mean:+.4f} だった"
    )
    harm = (
        f"中立なテキストの NLL の変化は 1 トークンあたり {damage.effect:+.4f} nat"
        f"（無作為な集合 {len(damage.random_effects)} 個では {damage.random_mean:+.4f}、p = {damage.p_greater:.3g}）"
    )
    above = f"{found}（p = {did.p_greater:.3g}）"
    match conclusion(effects):
        case "too few":
            return (
                f"検定なし：正しい側のあるペアが {FEWEST_SCORED_PAIRS} ペア以上、"
                f"テンプレートが {FEWEST_SCORED_TEMPLATES} 種以上、"
                f"無作為な集合が {FEWEST_SETS} 個以上必要だが、{did.n_items} ペア、{did.n_groups} 種、{n_sets} 個しかない。"
            )
        case "not matched":
            return (
                "対応する集合なし：すべての共変量が標準偏差の 0.1 倍以内で一致する"
                f"無作為な集合がないため、p 値は求めない（{found}）。"
            )
        case "damage not excluded":
            return (
                f"損傷を除外できない：{above}が、{harm}であり、無作為な集合を超える損傷は"
                f" {effects.damage_excess.high:+.4f} 未満としか言えないので（許容限界 {effects.damage_margin:g}）、"
                "--text-tokens を増やすこと。"
            )
        case "not finite":
            return "検定なし：効果またはその比較対象に有限でない値がある。"
        case "supports":
            return (
                f"仮説は支持される：{above}が、{harm}であり、これでは説明できず、無作為な集合を超える損傷は大きくても"
                f" {effects.damage_excess.high:+.4f} である（許容限界 {effects.damage_margin:g}）。"
            )
        case "not established":
            return f"確立されていない：{above}が、テンプレート単位の信頼区間が 0 より上にない（{harm}）。"
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
