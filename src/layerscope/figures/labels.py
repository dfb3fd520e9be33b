"""Every word that stands in a figure, in English and Japanese."""

from __future__ import annotations

from layerscope.figures.style import Language

_LABELS: dict[str, tuple[str, str]] = {
    "ppl": ("Perplexity (log scale)", "パープレキシティ（対数）"),
    "layers": ("Layer (of several: the first)", "層（複数の場合は最初の層）"),
    "removal": ("Removed layer", "除去した層"),
    "exchange": ("Exchanged layers (i and i+1), i", "交換した層（i と i+1）の i"),
    "block-removal": ("First removed layer", "除去した最初の層"),
    "repetition": ("Repeated layer", "繰り返した層"),
    "parallel": ("First of the parallel layers", "並列に動かした最初の層"),
    "attention-removal": ("Layer without attention", "アテンションを除去した層"),
    "mlp-removal": ("Layer without MLP", "MLP を除去した層"),
    "name:removal": ("removal", "除去"),
    "name:exchange": ("exchange", "交換"),
    "name:block-removal": ("block removal", "ブロック除去"),
    "name:repetition": ("repetition", "繰り返し"),
    "name:parallel": ("parallel", "並列"),
    "name:attention-removal": ("attention removal", "アテンション除去"),
    "name:mlp-removal": ("MLP removal", "MLP 除去"),
    "name:reversal": ("reversal", "逆順"),
    "name:shuffle": ("shuffle", "シャッフル"),
    "name:path": ("path", "パス"),
    "intact": ("intact", "元のモデル"),
    "interval": ("95% interval", "95% 区間"),
    "accuracy": ("Top-1 accuracy", "Top-1 正解率"),
    "agreement": ("Agreement with intact", "元のモデルとの一致率"),
    "delta": ("ΔNLL (nats per token)", "ΔNLL（nat／トークン）"),
    "block_influence": ("Block influence", "ブロック影響度（BI）"),
    "angular_distance": ("Angular distance", "角距離"),
    "tokens": ("tokens", "トークン"),
}


def label(key: str, language: Language) -> str:
    """A word by key; families with an argument, such as ``block-removal:3``, share the word of their name."""
    name, _, argument = key.partition(":")
    if key in _LABELS:
        return _LABELS[key][language == "ja"]
    if name == "name":
        family, _, number = argument.partition(":")
        return f"{_LABELS[f'name:{family}'][language == 'ja']} {number}".strip()
    return _LABELS[name][language == "ja"]
