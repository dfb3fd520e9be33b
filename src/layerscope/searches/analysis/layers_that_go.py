"""Which layers the smallest paths do without, in a sentence, and in how many draws of calibration texts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd

from layerscope.bilingual import Bilingual
from layerscope.searches.analysis.wording import listed, ranges, size_name

_PARTS = {
    "layer": Bilingual("layers {names}", "層 {names}"),
    "attention": Bilingual("the attention of layers {names}", "層 {names} のアテンション"),
    "mlp": Bilingual("the MLP of layers {names}", "層 {names} の MLP"),
}


def layers_that_go(left_out: pd.DataFrame, whole: float) -> Bilingual | None:
    """What goes at the size that is farthest from the model's own; None where nothing does.

    Args:
        left_out: left_out.parquet.
        whole: layers of the model.

    Returns:
        With a full stop.
    """
    if left_out.empty:
        return None
    size = max(left_out["layers"], key=lambda one: abs(one - whole))
    rows = left_out[left_out["layers"] == size]
    n_draws = int(rows["draws"].max())
    by_count: dict[int, dict[str, list[int]]] = {}
    for row in rows.to_dict("records"):
        for part, count in _parts(row).items():
            if count:
                by_count.setdefault(count, {}).setdefault(part, []).append(int(row["layer"]))
    if not by_count:
        return None
    name = size_name(size)
    if n_draws == 1:
        what = _written(by_count[1])
        return Bilingual(
            f"The path of {name} layers leaves out {what.en}; with one draw of calibration texts, how far that depends on the "
            "texts is not known.",
            f"{name} 層のパスは{_spaced(what.ja)}を含まない。較正用テキストが 1 組なので、テキストによる違いはわからない。",
        )
    counts = sorted(by_count, reverse=True)
    first, *others = (f"{_written(by_count[count]).en}{{}} {_how_often_en(count, n_draws)}" for count in counts)
    goes = " is left out" if _is_one(by_count[counts[0]]) else " are left out"
    en = "; ".join([first.format(goes), *(one.format("") for one in others)])
    ja = "、".join(f"{_spaced(_written(by_count[count]).ja)}は{_how_often_ja(count, n_draws)}" for count in counts)
    return Bilingual(
        f"At {name} layers, over {n_draws} draws of calibration texts, {en}.",
        f"較正用テキスト {n_draws} 組での {name} 層のパス：{ja}除去される。",
    )


def _is_one(found: Mapping[str, Sequence[int]]) -> bool:
    return [len(layers) for layers in found.values()] == [1]


def _parts(row: Mapping[object, object]) -> dict[str, int]:
    """Draws without the whole layer, and those that lack one half of it only."""
    whole, attention, mlp = (int(str(row[f"without_{part}"])) for part in _PARTS)
    return {"layer": whole, "attention": attention - whole, "mlp": mlp - whole}


def _how_often_en(count: int, n_draws: int) -> str:
    return "in every draw" if count == n_draws else f"in {count} of {n_draws}"


def _how_often_ja(count: int, n_draws: int) -> str:
    return "すべての組で" if count == n_draws else f" {n_draws} 組中 {count} 組で"


def _spaced(text: str) -> str:
    """Japanese after which a particle stands: off a digit or letter."""
    return f"{text} " if text[-1].isascii() else text


def _written(found: Mapping[str, Sequence[int]]) -> Bilingual:
    there = [part for part in _PARTS if part in found]
    en = [_singular(_PARTS[part].en, found[part]).format(names=listed(ranges(found[part]))) for part in there]
    ja = [_PARTS[part].ja.format(names="、".join(ranges(found[part]))) for part in there]
    return Bilingual(listed(en), "、".join(ja))


def _singular(text: str, layers: Sequence[int]) -> str:
    return text.replace("layers", "layer") if len(layers) == 1 else text
