"""What a sweep found, in a few sentences for somebody who has half a minute: the layers that matter most, parts of speech.

Sizes, intervals and counts are those of the tables. An effect is resolved if its q is below 0.05; with too few texts for a q,
if its interval leaves out 0; of one text there is no interval, and the sentence says so.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from layerscope.bilingual import Bilingual, Language
from layerscope.finding import MOST, Finding
from layerscope.paths.families import DEPTHS
from layerscope.sweeps.analysis.depth_finding import depth_finding
from layerscope.sweeps.analysis.few_texts import few_texts
from layerscope.sweeps.analysis.findings import in_nats, told_from_zero
from layerscope.sweeps.analysis.tag_findings import comparable_tags
from layerscope.sweeps.analysis.variant_words import VariantWords, variant_words

NAMED = 5
"""Variants of a sentence."""
_FAMILIES = 3
"""With a sentence each."""
_LARGE = 3
"""Effects that are not resolved and are named all the same."""
_OVERFLOWED = 5
"""Variants that are named."""


def sweep_heading(layers: pd.DataFrame, *, model: str, dataset: str) -> Bilingual:
    """What was measured.

    Args:
        layers: layers.parquet, the intact model first.
        model: its name.
        dataset: its name.
    """
    intact = layers.to_dict("records")[0]
    n_texts, n_tokens = int(intact["documents"]), int(intact["tokens_scored"])
    value = f"{intact['nll_nats']:.3f}"
    return Bilingual(
        f"{model} on {dataset}: {n_tokens:,} scored tokens of {n_texts:,} {'text' if n_texts == 1 else 'texts'}; NLL of the "
        f"intact model {value} nats per token (perplexity {_perplexity(intact['ppl'])}).",
        f"{model}、{dataset}：テキスト {n_texts:,} 本、採点したトークン {n_tokens:,} 個。元のモデルの NLL は 1 トークンあたり "
        f"{value} nat（パープレキシティ {_perplexity(intact['ppl'])}）。",
    )


def sweep_findings(
    layers: pd.DataFrame,
    dtype: str,
    pos: pd.DataFrame | None = None,
    preference: Mapping[str, Mapping[str, str]] | None = None,
) -> tuple[Finding, ...]:
    """What a sweep found, five sentences at most, the most important first; warnings come last, and have their place.

    Args:
        layers: layers.parquet.
        dtype: of the model.
        pos: pos.parquet, if the run has it.
        preference: what ``layerscope preference`` says of each family, by language.
    """
    families = [str(name) for name in dict.fromkeys(layers["family"]) if name != "intact"]
    of_families = [family_headline(layers[layers["family"] == name]) for name in families[:_FAMILIES]]
    of_tags: list[Finding] = []
    if pos is not None:
        tags = (tag_headline(rows) for name in families if len(rows := pos[pos["family"] == name]))
        of_tags = [finding for finding in tags if finding is not None][:1]
    of_pairs = [
        Finding(Bilingual(said["en"], said["ja"]), {"family": name, "section": "preference"})
        for name, said in (preference or {}).items()
    ][:1]
    found = [*of_families[:1], *of_pairs, *of_tags, *of_families[1:]]
    warnings = [
        Finding(said, is_warning=True)
        for said in (_overflowed(layers, dtype), few_texts(int(layers["documents"].iloc[0])))
        if said
    ]
    return (*found[: MOST - len(warnings)], *warnings)


def family_headline(family: pd.DataFrame) -> Finding:
    """Which variants of a family cost most, and how many effects are not resolved.

    Args:
        family: rows of layers.parquet, of one family, one or more.
    """
    name = str(family["family"].iloc[0])
    if name in DEPTHS:
        return Finding(depth_finding(family), {"family": name})
    ranked = family[np.isfinite(family["delta_nll_nats"])].sort_values("delta_nll_nats", ascending=False, kind="stable")
    if ranked.empty:
        said = Bilingual(f"No variant of {name} has a finite loss.", f"{name} には損失が有限な変種がない。")
        return Finding(said, {"family": name})
    hurts, helps, is_tested = told_from_zero(ranked, "delta_nll", "q_value")
    rows = [row for _, row in ranked.iterrows()]
    if is_tested is None:
        said = _of_one_text(rows)
    elif len(rows) == 1:
        said = _alone(rows[0], is_resolved=bool(hurts[0] or helps[0]), is_tested=is_tested)
    else:
        counts = _counts(int((~hurts & ~helps).sum()), int(helps.sum()), len(ranked), is_tested=is_tested)
        if hurts.any():
            rows = [row for _, row in ranked[hurts].head(NAMED).iterrows()]
            open_ = ranked[~hurts & ~helps & (ranked["delta_nll_nats"] > rows[-1]["delta_nll_nats"])]
            most = _most(rows, is_largest=open_.empty or bool(rows[0]["delta_nll_nats"] >= open_["delta_nll_nats"].max()))
            large = _large([row for _, row in open_.iterrows()])
            counts = Bilingual(f"{counts.en}{large.en}", f"{counts.ja}{large.ja}")
        else:
            most = Bilingual(
                f"No variant of {name} is known to raise the loss; the largest change is {_size(rows[0], 'en')}, from "
                f"{_words(rows[0]).done.en}.",
                f"{name} に損失を増やすと言える変種はない。最大の変化は{_words(rows[0]).done.ja}場合の "
                f"{_size(rows[0], 'ja')}。",
            )
        said = Bilingual(f"{most.en}{counts.en}", f"{most.ja}{counts.ja}")
    return Finding(said, {"family": name, **_where(rows[0])})


def tag_headline(rows: pd.DataFrame) -> Finding | None:
    """Which part of speech a family of variants breaks more than other words, and where.

    Args:
        rows: rows of pos.parquet, of one family.

    Returns:
        None where no part of speech has words enough to be named.
    """
    tags = comparable_tags(rows)
    family = str(rows["family"].iloc[0])
    if tags.empty or family in DEPTHS:
        return None
    more, less, is_tested = told_from_zero(tags, "contrast", "contrast_q_value")
    n_open, n_all = int((~more & ~less).sum()), len(tags)
    if not more.any():
        said = Bilingual(
            f"No part of speech is known to suffer more than other words from a variant of {family} ({n_all} contrasts).",
            f"{family} で、他の語より大きく悪化すると言える品詞はない（対比 {n_all} 件）。",
        )
        return Finding(said, {"family": family, "section": "pos"})
    row = tags[more].iloc[0]
    size = {language: in_nats(row.to_dict(), "contrast", language) for language in ("en", "ja")}
    counts = _not_resolved(n_open, n_all, Bilingual("such contrasts", "対比"), is_tested=is_tested)
    said = Bilingual(
        f"By part of speech, the largest contrast that can be distinguished from 0 is that of {row['tag']}: "
        f"{_words(row).done.en} costs it {size['en']} per word more than other words ({int(row['items']):,} words).{counts.en}",
        f"品詞別に見て 0 と区別できる最大の対比は {row['tag']} である。{_words(row).done.ja}と、他の語より 1 語あたり "
        f"{size['ja']} 多く悪化する（{int(row['items']):,} 語）。{counts.ja}",
    )
    return Finding(said, {"family": family, "tag": str(row["tag"]), **_where(row)})


def _most(rows: list[pd.Series[Any]], *, is_largest: bool) -> Bilingual:
    """The variant that costs most, with its interval, and those after it.

    Args:
        rows: effects that are resolved, the largest first.
        is_largest: whether no effect that is not resolved is larger than the first.
    """
    first, *others = rows
    then = Bilingual("", "")
    if others:
        listed = _listed(others)
        then = Bilingual(f"; next {'comes' if len(others) == 1 else 'come'} {listed.en}", f"、続いて{listed.ja}")
    done = _words(first).done
    among = Bilingual("", "")
    if not is_largest:
        among = Bilingual("Among effects that can be distinguished from 0, ", "0 と区別できる効果のうち、")
    return Bilingual(
        f"{among.en}{done.en if among.en else _capital(done.en)} raises the loss most, by {_size(first, 'en')}{then.en}.",
        f"{among.ja}損失が最も増えるのは{done.ja}場合（{_size(first, 'ja')}）{then.ja}。",
    )


def _large(rows: list[pd.Series[Any]]) -> Bilingual:
    """Effects that are not resolved although they are larger than some that are named."""
    if not rows:
        return Bilingual("", "")
    listed, rest = _listed(rows[:_LARGE]), len(rows) - _LARGE
    more = Bilingual(f" and {rest} more", f"、ほか {rest} 件") if rest > 0 else Bilingual("", "")
    return Bilingual(
        f" Large but not distinguished from 0: {listed.en}{more.en}.",
        f"大きいが 0 と区別できないもの：{listed.ja.strip()}{more.ja}。",
    )


def _listed(rows: list[pd.Series[Any]]) -> Bilingual:
    """Variants of one family with their effects."""
    of = Bilingual("", " ")
    if _words(rows[0]).is_layer:
        of = Bilingual("layer " if len(rows) == 1 else "layers ", "層 ")
    listed = [f"{_words(row).short} ({row['delta_nll_nats']:+.3g})" for row in rows]
    listed_ja = [one.replace(" (", "（").replace(")", "）") for one in listed]
    return Bilingual(f"{of.en}{_and(listed)}", f"{of.ja}{'、'.join(listed_ja)}")


def _alone(row: pd.Series[Any], *, is_resolved: bool, is_tested: bool) -> Bilingual:
    """Of a family of one variant."""
    said = Bilingual(
        f"{_capital(_words(row).done.en)} changes the loss by {_size(row, 'en')}",
        f"{_words(row).done.ja}と、損失は {_size(row, 'ja')} 変化する",
    )
    if is_resolved:
        return Bilingual(f"{said.en}.", f"{said.ja}。")
    by = _unresolved_by(is_tested=is_tested)
    return Bilingual(
        f"{said.en}, which cannot be distinguished from 0 ({by.en}).", f"{said.ja}が、0 と区別できない（{by.ja}）。"
    )


def _of_one_text(rows: list[pd.Series[Any]]) -> Bilingual:
    most, least = _words(rows[0]), _words(rows[-1])
    if len(rows) == 1:
        return Bilingual(
            f"{_capital(most.done.en)} changes the loss by {_size(rows[0], 'en')}, without an interval.",
            f"{most.done.ja}と、損失は {_size(rows[0], 'ja')} 変化する（信頼区間なし）。",
        )
    return Bilingual(
        f"{_capital(most.done.en)} raises the loss most ({_size(rows[0], 'en')}) and {least.done.en} least "
        f"({_size(rows[-1], 'en')}), without intervals.",
        f"損失が最も増えるのは{most.done.ja}場合（{_size(rows[0], 'ja')}）、最も増えないのは{least.done.ja}場合"
        f"（{_size(rows[-1], 'ja')}）、信頼区間なし。",
    )


def _counts(n_open: int, n_lower: int, n_all: int, *, is_tested: bool) -> Bilingual:
    """Effects that are not resolved, and those that are below 0."""
    said = _not_resolved(n_open, n_all, Bilingual("effects", "効果"), is_tested=is_tested)
    if not n_lower:
        return said
    return Bilingual(
        f"{said.en} {n_lower} of {n_all} {'lowers' if n_lower == 1 else 'lower'} the loss.",
        f"{said.ja}{n_all} 件のうち {n_lower} 件は損失を減らす。",
    )


def _not_resolved(n_open: int, n_all: int, things: Bilingual, *, is_tested: bool | None) -> Bilingual:
    if not n_open:
        return Bilingual("", "")
    by = _unresolved_by(is_tested=is_tested)
    return Bilingual(
        f" {n_open} of {n_all} {things.en} cannot be distinguished from 0 ({by.en}).",
        f"{things.ja} {n_all} 件のうち {n_open} 件は 0 と区別できない（{by.ja}）。",
    )


def _unresolved_by(*, is_tested: bool | None) -> Bilingual:
    if is_tested:
        return Bilingual("q ≥ 0.05", "q ≥ 0.05")
    return Bilingual("the 95% interval includes 0", "95% 信頼区間が 0 を含む")


def _overflowed(layers: pd.DataFrame, dtype: str) -> Bilingual | None:
    """Variants with tokens whose loss is not finite."""
    broken = layers[layers["tokens_not_finite"] > 0]
    if broken.empty:
        return None
    n_tokens, rows = int(broken["tokens_scored"].iloc[0]), broken.head(_OVERFLOWED).to_dict("records")
    rest = len(broken) - len(rows)
    named = ", ".join(f"{row['variant']} ({row['tokens_not_finite']:,} of {n_tokens:,} tokens)" for row in rows)
    named_ja = "、".join(f"{row['variant']}（{n_tokens:,} トークン中 {row['tokens_not_finite']:,}）" for row in rows)
    return Bilingual(
        f"Not finite in {dtype}: {named}{f' and {rest} more' if rest else ''}; a wider --dtype may give finite values.",
        f"{dtype} で有限でない：{named_ja}{f'、ほか {rest} 件' if rest else ''}。より広い --dtype なら値が得られることがある。",
    )


def _size(row: pd.Series[Any], language: Language) -> str:
    low, high = row["delta_nll_low_nats"], row["delta_nll_high_nats"]
    interval = f" [{low:+.3g}, {high:+.3g}]" if np.isfinite(low) else ""
    value = f"{row['delta_nll_nats']:+.3g}"
    return f"{value} nats per token{interval}" if language == "en" else f"1 トークンあたり {value} nat{interval}"


def _words(row: pd.Series[Any]) -> VariantWords:
    return variant_words(str(row["variant"]))


def _where(row: pd.Series[Any]) -> dict[str, str]:
    layer = _words(row).layer
    return {"variant": str(row["variant"])} | ({} if layer is None else {"layer": layer})


def _perplexity(value: float) -> str:
    return f"{value:,.4g}" if value < 1e4 or not np.isfinite(value) else f"{value:,.0f}"


def _capital(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}"


def _and(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
