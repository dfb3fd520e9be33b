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
    "words": ("words", "語"),
    "delta_word": ("ΔNLL (nats per word)", "ΔNLL（nat／語）"),
    "delta_first": ("ΔNLL (nats),\nfirst token of a word", "ΔNLL（nat）\n語の最初のトークン"),
    "delta_continuation": ("ΔNLL (nats),\nlater tokens of a word", "ΔNLL（nat）\n語の続きのトークン"),
    "median_delta_word": ("Median ΔNLL over layers\n(nats per word)", "ΔNLL の層にわたる中央値\n（nat／語）"),
    "intact_nll_word": ("NLL in the intact model (nats per word)", "元のモデルの NLL（nat／語）"),
    "current_word": ("Current word", "現在の語"),
    "next_word": ("Next word", "次の語"),
    "class:open": ("open classes", "開放類"),
    "class:closed": ("closed classes", "閉鎖類"),
    "class:other": ("punctuation, symbols, other", "句読点・記号・その他"),
    "note:uncertain": ("Dot: zero is not excluded (q ≥ 0.05)", "点：0 を除外できない（q ≥ 0.05）"),
    "note:few_dots": ("Dot: fewer than 200 words", "点：200 語未満"),
    "note:few_hollow": ("Hollow: fewer than 200 words", "白抜き：200 語未満"),
    "note:few": ("*: fewer than 200 words", "*：200 語未満"),
    "texts": ("texts", "テキスト"),
    "ppl_bits": ("Bits per byte", "ビット／バイト"),
    "ppl_text_mean": ("Perplexity, mean over\ntexts (log scale)", "パープレキシティの\nテキスト平均（対数）"),
    "ppl_word": ("Perplexity per word (log scale)", "語あたりのパープレキシティ（対数）"),
    "ppl_word_bits": ("NLL (bits per word)", "NLL（ビット／語）"),
    "delta_bits": ("ΔNLL (bits per byte)", "ΔNLL（ビット／バイト）"),
    "delta_word_bits": ("ΔNLL (bits per word)", "ΔNLL（ビット／語）"),
    "depth": ("Relative depth: layer / (L − 1)", "相対的な深さ：層番号／（層数 − 1）"),
    "depth:exchange": (
        "Relative depth of i and i+1: (i + 0.5) / (L − 1)",
        "i と i+1 の相対的な深さ：（i + 0.5）／（層数 − 1）",
    ),
    "depth:middle": ("Relative depth: middle layer / (L − 1)", "相対的な深さ：中央の層番号／（層数 − 1）"),
    "not_comparable": ("not comparable, shown anyway; what differs:", "比較条件が異なるが表示。異なる点："),
    "differs:protocol": ("protocol", "プロトコル"),
    "differs:texts": ("texts", "テキスト"),
    "differs:bos": ("BOS", "BOS"),
    "differs:context": ("context length", "文脈長"),
    "differs:tokens": ("tokens", "トークン"),
    "differs:tagger": ("tagger", "品詞タガー"),
}

_TAGS_JA = {
    "ADJ": "形容詞",
    "ADP": "接置詞",
    "ADV": "副詞",
    "AUX": "助動詞",
    "CCONJ": "等位接続詞",
    "DET": "限定詞",
    "INTJ": "間投詞",
    "NOUN": "名詞",
    "NUM": "数詞",
    "PART": "小辞",
    "PRON": "代名詞",
    "PROPN": "固有名詞",
    "PUNCT": "句読点",
    "SCONJ": "従属接続詞",
    "SYM": "記号",
    "VERB": "動詞",
    "X": "その他",
}


def tag_label(tag: str, language: Language) -> str:
    """A universal part of speech; in Japanese with its name there."""
    return tag if language == "en" else f"{_TAGS_JA[tag]} {tag}"


def label(key: str, language: Language) -> str:
    """A word by key; families with an argument, such as ``block-removal:3``, share the word of their name."""
    name, _, argument = key.partition(":")
    if key in _LABELS:
        return _LABELS[key][language == "ja"]
    if name == "name":
        family, _, number = argument.partition(":")
        return f"{_LABELS[f'name:{family}'][language == 'ja']} {number}".strip()
    return _LABELS[name][language == "ja"]
