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
    "layer": ("Layer", "層"),
    "interval_bands": ("Bands: 95% interval. ", "帯：95% 区間。"),
    "dimension": ("Dimension", "次元"),
    "scale:percentile": ("Control percentile", "対照パーセンタイル"),
    "scale:raw": ("Mean |a1 − a2|", "平均 |a1 − a2|"),
    "note:smallest": (
        "Each column: the smallest value of {n} neighbouring dimensions",
        "各列：隣り合う {n} 次元の最小値",
    ),
    "like_control": ("like a random word (0.5)", "無作為語と同じ（0.5）"),
    "stillest:percentile": ("Changes least on the primary scale", "主尺度で変化が最小"),
    "stillest:raw": ("Changes least on the raw scale", "生の尺度で変化が最小"),
    "on_both": ("on both scales' lists of {n}: {shared}", "両尺度の上位 {n} に共通：{shared}"),
    "on_one": ("on this scale's list only", "この尺度の上位のみ"),
    "spread": ("Dimension's own spread σ in ordinary text", "通常のテキストでの次元の標準偏差 σ"),
    "note:sample": (
        "{shown} of {all} units (dimensions of layers) of each type shown,\nextremes kept; $\\rho$: Spearman, all units",
        "各タイプ {all} ユニット（層の次元）中 {shown} を表示（極端な値を含む）\n$\\rho$：全ユニットのスピアマン相関",
    ),
    "note:all": (
        "Every point: a dimension of a layer; $\\rho$: Spearman",
        "各点：ある層の1次元；$\\rho$：スピアマン相関",
    ),
    "measure:jaccard": ("Jaccard", "Jaccard 係数"),
    "measure:spearman": ("Spearman", "スピアマン相関"),
    "measure:rbo": ("Rank-biased overlap", "RBO（順位加重一致度）"),
    "measure:kendall_w": ("Kendall's W", "ケンドールの W"),
    "excess": ("Excess over control", "対照との差"),
    "note:consistency": (
        "Framed diagonal: halves of one subtype. Dot: q < 0.05. Mean over layers; control: {control}",
        "枠付き対角線：同じ種類の半分同士。点：q < 0.05。層の平均；対照：{control}",
    ),
    "profile:positions": ("{excess}\n({measure})", "{excess}\n（{measure}）"),
    "note:bands": ("Bands: 95% interval; above: at {position} only", "帯：95% 区間（上：{position}のみ）"),
    "share": ("Share of the stillest units", "最も安定なユニットの割合"),
    "uniform": ("1 / layers", "1／層数"),
    "distance": ("distance {d}, {p}", "距離 {d}、{p}"),
    "note:shares": (
        "Band: 95% interval of the excess over control, all types.\nDistance: ½ Σ |share − control|",
        "帯：対照との差の 95% 区間（全タイプ）\n距離：½ Σ |割合 − 対照|",
    ),
    "set:all": ("all types", "全タイプ"),
    "set:meaning": ("meaning", "意味"),
    "set:grammar": ("grammar", "文法"),
    "set:control": ("control (random word)", "対照（無作為語）"),
    "set:error": ("error", "誤り"),
    "set:error-meaning": ("error − meaning, equal size", "誤り − 意味（同じ大きさ）"),
    "contraction": ("Contraction $\\rho$\n(ln R out / in)", "収縮 $\\rho$\n（ln R 出力／入力）"),
    "contraction_difference": ("Difference in $\\rho$\nat equal size", "$\\rho$ の差\n（同じ大きさ）"),
    "toward_right": ("Way to the\nother side", "他方の側へ\n向かう動き"),
    "note:contraction": (
        "$\\rho$ < 0: the difference shrinks.\nAsymmetry: (wrong to right) − (right to wrong)",
        "$\\rho$ < 0：差が縮む\n非対称性：（誤→正）−（正→誤）",
    ),
    "movement:toward_right": ("error: wrong to right", "誤り：誤→正"),
    "movement:asymmetry": ("error: asymmetry", "誤り：非対称性"),
    "kl": ("KL of next-token distributions (nats)", "次トークン分布の KL（nat）"),
    "distance_from_edit": ("Tokens after the edit", "編集位置からのトークン数"),
    "note:few_pairs": ("Hollow: fewer than {n} pairs", "白抜き：{n} ペア未満"),
    "replacement:mean": ("replaced by means", "平均で置換"),
    "replacement:resample": ("replaced by resampling", "再標本で置換"),
    "random_sets": ("random sets", "無作為な集合"),
    "stable_set": ("stable set", "安定な集合"),
    "no_change": ("no change", "変化なし"),
    "n_sets": ("Number of sets", "集合の数"),
    "outcome:did_nats": ("Change of wrong − right NLL\n(nats a pair)", "誤り − 正しい側の NLL の変化\n（nat／ペア）"),
    "outcome:accuracy": ("Change of accuracy", "正解率の変化"),
    "outcome:damage_nats": ("Change of NLL, neutral text\n(nats per token)", "中立な文章の NLL の変化\n（nat／トークン）"),
    "outcome:change_nats": ("Change of NLL after the edit\n(nats a pair)", "編集後の NLL の変化\n（nat／ペア）"),
    "outcome:gap_nats": ("Change of |NLL difference|\n(nats a pair)", "NLL の差の絶対値の変化\n（nat／ペア）"),
    "intact_accuracy": ("intact: {value}", "元のモデル：{value}"),
    "site:resid_post": ("residual stream", "残差ストリーム"),
    "site:update": ("layer's update", "層の更新量"),
    "site:read": ("what the next layer reads", "次の層が読む値"),
    "site:attn_out": ("attention's output", "アテンションの出力"),
    "site:mlp_out": ("MLP's output", "MLP の出力"),
    "position:edit": ("edit", "編集位置"),
    "position:detection": ("detection", "検出点"),
    "position:last": ("last", "末尾"),
    "group:subject": ("subject", "主語"),
    "group:location": ("location", "場所"),
    "group:adjective": ("adjective", "形容詞"),
    "group:negation": ("negation", "否定"),
    "group:number": ("number", "数"),
    "group:tense": ("tense", "時制"),
    "group:article": ("article", "冠詞"),
    "group:preposition": ("preposition", "前置詞"),
    "group:subject-verb-agreement": ("subj.–verb agr.", "主語と動詞の一致"),
    "group:determiner-noun-agreement": ("det.–noun agr.", "限定詞と名詞の一致"),
    "group:pronoun-gender": ("pronoun gender", "代名詞の性"),
    "group:typo": ("typo", "綴り誤り"),
    "group:random-word-a": ("random word a", "無作為語 a"),
    "group:random-word-b": ("random word b", "無作為語 b"),
    "aligned": ("{name}, aligned", "{name}（長さ違い）"),
}

_LONGEST_GROUP = 18
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


def group_label(group: str, language: Language) -> str:
    """A group of pairs, short enough to stand beside others; one that is not ours keeps its name."""
    name = group.removesuffix("-aligned")
    if f"group:{name}" in _LABELS:
        shown = label(f"group:{name}", language)
        return shown if name == group else label("aligned", language).format(name=shown)
    return group if len(group) <= _LONGEST_GROUP else f"{group[: _LONGEST_GROUP - 1]}…"


def labelled_groups() -> list[str]:
    """Groups of pairs that have a label."""
    return [key.removeprefix("group:") for key in _LABELS if key.startswith("group:")]


def position_label(position: str, language: Language) -> str:
    """Where in a pair: ``edit``, ``edit+1``, ``detection`` or ``last``."""
    name, plus, number = position.partition("+")
    return f"{label(f'position:{name}', language)}{plus}{number}"


def label(key: str, language: Language) -> str:
    """A word by key; families with an argument, such as ``block-removal:3``, share the word of their name."""
    name, _, argument = key.partition(":")
    if key in _LABELS:
        return _LABELS[key][language == "ja"]
    if name == "name":
        family, _, number = argument.partition(":")
        return f"{_LABELS[f'name:{family}'][language == 'ja']} {number}".strip()
    return _LABELS[name][language == "ja"]
