"""Every word that stands in a figure, in English and Japanese."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

from layerscope.bilingual import Bilingual, Language
from layerscope.stats.ratio import FEW_DOCUMENTS

LONGEST_CAPTION = 56
"""Characters that one column holds above its axes, those of Japanese counted twice."""
INCHES_A_LETTER = 0.056
"""Of a note's type, a letter of Japanese counted twice."""
_NOT_FIRST = "、。，．）」；：・ー"
"""Signs that no line of Japanese begins with."""

_LABELS: dict[str, Bilingual] = {
    "log_scale": Bilingual("(log scale)", "（対数目盛）"),
    "symlog_scale": Bilingual("(log; linear within ±{n})", "（対数、±{n} 内は線形）"),
    "root_scale": Bilingual("{name}, square-root scale", "{name}、平方根目盛"),
    "ppl": Bilingual("Perplexity (log scale)", "パープレキシティ（対数）"),
    "intact_ppl": Bilingual("intact perplexity {n}", "元のモデルのパープレキシティ {n}"),
    "nll": Bilingual("NLL (nats per token, log scale)", "NLL（nat／トークン、対数）"),
    "layers": Bilingual("First layer changed", "変更した最初の層"),
    "layers:removal+exchange": Bilingual("Layer i: removed, or exchanged with i+1", "層 i：除去、または i+1 と交換"),
    "removal": Bilingual("Removed layer", "除去した層"),
    "exchange": Bilingual("Exchanged layers (i and i+1), i", "交換した層（i と i+1）の i"),
    "block-removal": Bilingual("First removed layer", "除去した最初の層"),
    "repetition": Bilingual("Repeated layer", "繰り返した層"),
    "parallel": Bilingual("First of the parallel layers", "並列に動かした最初の層"),
    "attention-removal": Bilingual("Layer without attention", "アテンションを除去した層"),
    "mlp-removal": Bilingual("Layer without MLP", "MLP を除去した層"),
    "head-removal": Bilingual("Head left out (key-value group)", "除去したヘッド（キー・バリュー群）"),
    "depth": Bilingual("Last layer that runs (-1: embeddings)", "最後に動く層（-1：埋め込み）"),
    "stays": Bilingual("Final prediction from here on", "以後ずっと最終予測と一致"),
    "share_of_tokens": Bilingual("Share of tokens", "トークンの割合"),
    "name:depth": Bilingual("depth", "深さ"),
    "tuned-depth": Bilingual("Last layer that runs (-1: embeddings)", "最後に動く層（-1：埋め込み）"),
    "name:tuned-depth": Bilingual("depth, tuned lens", "深さ（チューンドレンズ）"),
    "lens:depth": Bilingual("logit lens", "ロジットレンズ"),
    "lens:tuned-depth": Bilingual("tuned lens", "チューンドレンズ"),
    "pairs": Bilingual("pairs", "ペア"),
    "all_pairs": Bilingual("all pairs", "全ペア"),
    "unit:edit": Bilingual("edit", "編集箇所"),
    "unit:continuation": Bilingual("what follows the edit", "編集箇所の後"),
    "unit:sentence": Bilingual("whole sentence", "文全体"),
    "damage": Bilingual("Damage\n(ΔNLL, nats)", "損傷\n（ΔNLL、nat）"),
    "damage_axis": Bilingual("Damage: ΔNLL of neutral text (nats per token)", "損傷：中立なテキストの ΔNLL（nat／トークン）"),
    "delta_accuracy": Bilingual("Change of accuracy on pairs", "ペアの正解率の変化"),
    "margin": Bilingual("Margin: NLL of wrong − right\n(nats per pair)", "マージン：誤り − 正しい側の NLL\n（nat／ペア）"),
    "allowed": Bilingual("what damage allows", "損傷で許される範囲"),
    "note:margin_dots": Bilingual("Dot: change of the margin significant (q < 0.05)", "点：マージンの変化が有意（q < 0.05）"),
    "note:no_test_pairs": Bilingual("Too few templates or pairs for a test", "テンプレートやペアが少なく、検定はできない"),
    "pair_accuracy": Bilingual("Share of pairs whose right side is likelier", "正しい側が選ばれるペアの割合"),
    "note:mean_depth": Bilingual(
        "Bar: mean depth from which on the right side stays likelier, with its 95% interval",
        "縦棒：以後ずっと正しい側が選ばれる深さの平均とその 95% 信頼区間",
    ),
    "note:framed": Bilingual(
        "Frame: margin beyond what damage allows (q < 0.05), lower (−) or higher (+)",
        "枠：マージンが損傷で許される範囲より低い（−）か高い（+）（q < 0.05）",
    ),
    "note:few_pairs_star": Bilingual("*: fewer than 40 pairs", "*：40 ペア未満"),
    "note:beyond": Bilingual("Filled: outside what damage allows (q < 0.05)", "塗り：損傷で許される範囲の外（q < 0.05）"),
    "name:removal": Bilingual("removal", "除去"),
    "name:exchange": Bilingual("exchange", "交換"),
    "name:block-removal": Bilingual("block removal", "ブロック除去"),
    "name:repetition": Bilingual("repetition", "繰り返し"),
    "name:parallel": Bilingual("parallel", "並列"),
    "name:attention-removal": Bilingual("attention removal", "アテンション除去"),
    "name:mlp-removal": Bilingual("MLP removal", "MLP 除去"),
    "name:head-removal": Bilingual("head removal", "ヘッド除去"),
    "name:reversal": Bilingual("reversal", "逆順"),
    "name:shuffle": Bilingual("shuffle", "シャッフル"),
    "name:path": Bilingual("path", "パス"),
    "intact": Bilingual("intact", "元のモデル"),
    "interval": Bilingual("95% interval", "95% 信頼区間"),
    "accuracy": Bilingual("Top-1 accuracy", "Top-1 正解率"),
    "agreement": Bilingual("Agreement with intact", "元のモデルとの一致率"),
    "delta": Bilingual("ΔNLL (nats per token)", "ΔNLL（nat／トークン）"),
    "spearman_of": Bilingual("{name} (Spearman's $\\rho$ = {rho})", "{name}（スピアマンの $\\rho$ = {rho}）"),
    "note:variants": Bilingual("Bar: 95% interval. Dashed: intact", "横棒：95% 信頼区間。破線：元のモデル"),
    "note:variants_bare": Bilingual("Dashed: intact", "破線：元のモデル"),
    "block_influence": Bilingual("Block influence", "ブロック影響度（BI）"),
    "angular_distance": Bilingual("Angular distance", "角距離"),
    "tokens": Bilingual("tokens", "トークン"),
    "words": Bilingual("words", "語"),
    "delta_word": Bilingual("ΔNLL (nats per word)", "ΔNLL（nat／語）"),
    "delta_first": Bilingual("ΔNLL (nats),\nfirst token of a word", "ΔNLL（nat）\n語の最初のトークン"),
    "delta_continuation": Bilingual("ΔNLL (nats),\nlater tokens of a word", "ΔNLL（nat）\n語の続きのトークン"),
    "median_delta_word": Bilingual("Median ΔNLL over layers\n(nats per word)", "ΔNLL の層にわたる中央値\n（nat／語）"),
    "intact_nll_word": Bilingual("NLL in the intact model (nats per word)", "元のモデルの NLL（nat／語）"),
    "current_word": Bilingual("Current word", "現在の語"),
    "next_word": Bilingual("Next word", "次の語"),
    "class:open": Bilingual("open classes", "開放類"),
    "class:closed": Bilingual("closed classes", "閉鎖類"),
    "class:other": Bilingual("punctuation, symbols, other", "句読点・記号・その他"),
    "note:dots": Bilingual("Dot: significant (q < 0.05)", "点：有意（q < 0.05）"),
    "note:hatched": Bilingual("Hatched: not tested", "斜線：検定なし"),
    "note:faded": Bilingual("Faded: fewer than {n} words", "淡色：{n} 語未満"),
    "note:off_scale": Bilingual("not used for the scale", "目盛の範囲には不使用"),
    "note:outside": Bilingual("outside the axes: {tags}", "図の範囲外：{tags}"),
    "note:few": Bilingual("*: fewer than 200 words", "*：200 語未満"),
    "texts": Bilingual("texts", "テキスト"),
    "only_texts": Bilingual("only {n} texts", "テキスト {n} 本のみ"),
    "only_text": Bilingual("only one text", "テキスト 1 本のみ"),
    "note:no_test": Bilingual("Too few texts for a test of any cell", "テキストが少なく、検定はできない"),
    "ppl_bits": Bilingual("Bits per byte", "ビット／バイト"),
    "ppl_text_mean": Bilingual("Perplexity, mean over\ntexts (log scale)", "パープレキシティの\nテキスト平均（対数）"),
    "ppl_word": Bilingual("Perplexity per word (log scale)", "1 語あたりのパープレキシティ（対数）"),
    "ppl_word_bits": Bilingual("NLL (bits per word)", "NLL（ビット／語）"),
    "delta_bits": Bilingual("ΔNLL (bits per byte)", "ΔNLL（ビット／バイト）"),
    "delta_word_bits": Bilingual("ΔNLL (bits per word)", "ΔNLL（ビット／語）"),
    "relative_depth": Bilingual("Relative depth: layer / (L − 1)", "相対的な深さ：層番号／（層数 − 1）"),
    "relative_depth:exchange": Bilingual(
        "Relative depth of i and i+1: (i + 0.5) / (L − 1)",
        "i と i+1 の相対的な深さ：（i + 0.5）／（層数 − 1）",
    ),
    "relative_depth:depth": Bilingual(
        "Relative depth: last layer that runs / (L − 1)", "相対的な深さ：最後に動く層／（層数 − 1）"
    ),
    "relative_depth:middle": Bilingual("Relative depth: middle layer / (L − 1)", "相対的な深さ：中央の層番号／（層数 − 1）"),
    "not_comparable": Bilingual("not comparable, shown anyway; what differs:", "比較条件が異なるが表示。異なる点："),
    "differs:protocol": Bilingual("protocol", "プロトコル"),
    "differs:texts": Bilingual("texts", "テキスト"),
    "differs:bos": Bilingual("BOS", "BOS"),
    "differs:context": Bilingual("context length", "文脈長"),
    "differs:tokens": Bilingual("tokens", "トークン"),
    "remark:bos": Bilingual(
        "first tokens count only for models trained with a BOS", "先頭トークンを数えるのは BOS 付きで学習されたモデルだけ"
    ),
    "differs:tagger": Bilingual("tagger", "品詞タガー"),
    "layer": Bilingual("Layer", "層"),
    "interval_bands": Bilingual("Bands: 95% interval. ", "帯：95% 信頼区間。"),
    "dimension": Bilingual("Dimension", "次元"),
    "scale:percentile": Bilingual("Percentile (similar size)", "パーセンタイル（同程度）"),
    "scale:raw": Bilingual("Mean |a1 − a2|", "平均 |a1 − a2|"),
    "note:smallest": Bilingual(
        "Each column: the smallest value of {n} neighbouring dimensions",
        "各列：隣り合う {n} 次元の最小値",
    ),
    "like_others": Bilingual("same as other words of that size (0.5)", "同程度の大きさの他の語と同じ（0.5）"),
    "stillest:percentile": Bilingual("Changes least on the primary scale", "主尺度で最も変化しない"),
    "stillest:raw": Bilingual("Changes least on the raw scale", "生の尺度で最も変化しない"),
    "on_both": Bilingual("on both scales' lists of {n}: {shared}", "両尺度の上位 {n} に共通：{shared}"),
    "on_one": Bilingual("on this scale's list only", "この尺度の上位のみ"),
    "spread": Bilingual("Dimension's own spread σ in ordinary text", "通常のテキストでの次元の標準偏差 σ"),
    "note:sample": Bilingual(
        "{shown} of {all} units (dimensions of layers) of each type shown, extremes kept; $\\rho$: Spearman, all units",
        "各分類 {all} ユニット（層の次元）中 {shown} を表示（極端な値を含む）。$\\rho$：全ユニットのスピアマン相関",
    ),
    "note:all": Bilingual(
        "Every point: a dimension of a layer; $\\rho$: Spearman",
        "各点：ある層の 1 次元。$\\rho$：スピアマン相関",
    ),
    "measure:jaccard": Bilingual("Jaccard", "Jaccard 係数"),
    "measure:spearman": Bilingual("Spearman", "スピアマン相関"),
    "measure:rbo": Bilingual("Rank-biased overlap", "RBO（順位加重一致度）"),
    "measure:kendall_w": Bilingual("Kendall's W", "ケンドールの W"),
    "excess": Bilingual("Excess over placebos", "プラセボとの差"),
    "note:consistency": Bilingual(
        "Framed diagonal: halves of one subtype. Dot: q < 0.05. Mean over layers; placebos: {placebo}",
        "枠付き対角線：同じ下位分類の半分どうし。点：q < 0.05。層の平均。プラセボ：{placebo}",
    ),
    "profile:positions": Bilingual("{excess}\n({measure})", "{excess}\n（{measure}）"),
    "note:bands": Bilingual("Bands: 95% interval; above: at {position} only", "帯：95% 信頼区間（上：{position}のみ）"),
    "share": Bilingual("Share of units that change least", "最も変化しないユニットの割合"),
    "uniform": Bilingual("1 / layers", "1／層数"),
    "distance": Bilingual("distance {d}, {p}", "距離 {d}、{p}"),
    "note:shares": Bilingual(
        "Band: 95% interval of the excess over placebos, all types. Distance: ½ Σ |share − placebo|",
        "帯：プラセボとの差の 95% 信頼区間（全分類）。距離：½ Σ |割合 − プラセボ|",
    ),
    "set:all": Bilingual("all types", "全分類"),
    "set:meaning": Bilingual("meaning", "意味"),
    "set:grammar": Bilingual("grammar", "文法"),
    "set:control": Bilingual("control (random word)", "対照（無作為語）"),
    "set:placebo": Bilingual("placebo (same size and place)", "プラセボ（同じ大きさ・位置）"),
    "set:error": Bilingual("error", "誤り"),
    "set:error-meaning": Bilingual("error − meaning, equal size", "誤り − 意味（同じ大きさ）"),
    "contraction": Bilingual("Contraction\n(ln R out / in)", "収縮\n（ln R 出力／入力）"),
    "contraction_difference": Bilingual("Difference in\ncontraction, equal size", "収縮の差\n（同じ大きさ）"),
    "toward_right": Bilingual("Move toward\nthe other side", "他方の側へ\n向かう動き"),
    "note:contraction": Bilingual(
        "Contraction < 0: the difference shrinks. Asymmetry: (wrong to right) − (right to wrong)",
        "収縮 < 0：差が縮む。非対称性：（誤→正）−（正→誤）",
    ),
    "movement:toward_right": Bilingual("error: wrong to right", "誤り：誤→正"),
    "movement:asymmetry": Bilingual("error: asymmetry", "誤り：非対称性"),
    "kl": Bilingual("KL of next-token distributions (nats)", "次トークン分布の KL（nat）"),
    "distance_from_edit": Bilingual("Tokens after the edit", "編集位置からのトークン数"),
    "note:few_pairs": Bilingual("Faded: fewer than {n} pairs", "淡色：{n} ペア未満"),
    "replacement:mean": Bilingual("replaced by means", "平均で置換"),
    "replacement:resample": Bilingual("replaced by resampling", "再標本化で置換"),
    "random_sets": Bilingual("random sets", "無作為な集合"),
    "stable_set": Bilingual("stable set", "安定な集合"),
    "no_change": Bilingual("no change", "変化なし"),
    "n_sets": Bilingual("Number of sets", "集合の数"),
    "outcome:did_nats": Bilingual(
        "Change of wrong − right NLL\n(nats per pair)", "誤り − 正しい側の NLL の変化\n（nat／ペア）"
    ),
    "outcome:accuracy": Bilingual("Change of accuracy", "正解率の変化"),
    "outcome:damage_nats": Bilingual(
        "Change of NLL, neutral text\n(nats per token)", "中立なテキストの NLL の変化\n（nat／トークン）"
    ),
    "outcome:change_nats": Bilingual("Change of NLL after the edit\n(nats per pair)", "編集後の NLL の変化\n（nat／ペア）"),
    "outcome:gap_nats": Bilingual("Change of |NLL difference|\n(nats per pair)", "NLL の差の絶対値の変化\n（nat／ペア）"),
    "intact_accuracy": Bilingual("intact: {value}", "元のモデル：{value}"),
    "site:resid_post": Bilingual("residual stream", "残差ストリーム"),
    "site:update": Bilingual("layer's update", "層の更新量"),
    "site:read": Bilingual("what the next layer reads", "次の層が読む値"),
    "site:attn_out": Bilingual("attention's output", "アテンションの出力"),
    "site:mlp_out": Bilingual("MLP's output", "MLP の出力"),
    "position:edit": Bilingual("edit", "編集位置"),
    "position:detection": Bilingual("detection", "検出点"),
    "position:last": Bilingual("last", "末尾"),
    "group:subject": Bilingual("subject", "主語"),
    "group:location": Bilingual("location", "場所"),
    "group:adjective": Bilingual("adjective", "形容詞"),
    "group:negation": Bilingual("negation", "否定"),
    "group:number": Bilingual("number", "数"),
    "group:tense": Bilingual("tense", "時制"),
    "group:article": Bilingual("article", "冠詞"),
    "group:preposition": Bilingual("preposition", "前置詞"),
    "group:subject-verb-agreement": Bilingual("subj.–verb agr.", "主語と動詞の一致"),
    "group:determiner-noun-agreement": Bilingual("det.–noun agr.", "限定詞と名詞の一致"),
    "group:pronoun-gender": Bilingual("pronoun gender", "代名詞の性"),
    "group:typo": Bilingual("typo", "綴り誤り"),
    "group:random-word": Bilingual("random word", "無作為語"),
    "restored": Bilingual("Restored share of the margin", "マージンの回復率"),
    "carried": Bilingual(
        "Extra loss without the stillest,\ncompared with similar ones", "最も変化しない次元を除いて\n余分に失われる割合"
    ),
    "note:restoring": Bilingual(
        "After a layer, the wrong side is given the right side's values at one position. "
        "Margin: NLL after the wrong form − after the right one. Band: 95% interval over templates",
        "ある層の後、1 つの位置で誤りの側に正しい側の値を与える。"
        "マージン：誤った形の後の NLL − 正しい形の後の NLL。帯：テンプレート単位の 95% 信頼区間",
    ),
    "kept_layers": Bilingual("Layers that run (the model has {n})", "動く層の数（元のモデルは {n} 層）"),
    "parameters": Bilingual("Parameters on the path (millions)", "パスのパラメータ数（百万）"),
    "time_ratio": Bilingual("Time per token (intact model: 1)", "1 トークンの処理時間（元のモデルとの比）"),
    "held_out_delta": Bilingual("ΔNLL, held-out texts\n(nats per token)", "評価用テキストの ΔNLL\n（nat／トークン）"),
    "way:search": Bilingual("search", "探索"),
    "way:one-shot": Bilingual("one-shot", "一括（one-shot）"),
    "way:random": Bilingual("random paths", "無作為なパス"),
    "single_draws": Bilingual("single draws", "各組のパス"),
    "held_out_texts": Bilingual("{n} held-out texts", "評価用テキスト {n} 本"),
    "held_out_few": Bilingual("only {n} held-out texts", "評価用テキスト {n} 本のみ"),
    "draws": Bilingual("{n} draws of {texts} calibration texts", "較正用テキスト {texts} 本 × {n} 組"),
    "one_draw": Bilingual("{texts} calibration texts", "較正用テキスト {texts} 本"),
    "note:best_path": Bilingual(
        "Bold: the best path of each size on the calibration texts of all draws",
        "太線：各サイズで、全組の較正用テキストによる最良のパス",
    ),
    "note:frontier_bands": Bilingual("Bands: 95% interval over held-out texts", "帯：評価用テキスト単位の 95% 信頼区間"),
    "note:frontier_bars": Bilingual(
        "Bars: 95% interval over held-out texts; across: all rounds of timing",
        "縦棒：評価用テキスト単位の 95% 信頼区間。横棒：計測の全回の範囲",
    ),
    "share_without": Bilingual("Share of draws without it", "その層を含まない組の割合"),
    "note:order_dots": Bilingual(
        "Marked: left out by the first draw's path; above: its moves", "印：最初の組のパスが含まない。上：その操作"
    ),
    "note:order_halves": Bilingual("Left half: attention; right half: MLP", "左半分：アテンション、右半分：MLP"),
    "other_path": Bilingual("another path", "別のパス"),
    "aligned": Bilingual("{name}, aligned", "{name}（長さ違い）"),
    "placebo": Bilingual("{name}, placebo", "{name}（プラセボ）"),
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
    name, is_placebo, _ = group.partition("-placebo")
    if is_placebo:
        return label("placebo", language).format(name=group_label(name, language))
    name = group.removesuffix("-aligned")
    if f"group:{name}" in _LABELS:
        shown = label(f"group:{name}", language)
        return shown if name == group else label("aligned", language).format(name=shown)
    return group if len(group) <= _LONGEST_GROUP else f"{group[: _LONGEST_GROUP - 1]}…"


def labelled_groups() -> list[str]:
    """Groups of pairs that have a label."""
    return [key.removeprefix("group:") for key in _LABELS if key.startswith("group:")]


def family_axis_label(family: str, language: Language) -> str:
    """What stands at a layer axis of one family; a family without words of its own has the general ones."""
    name = family.partition(":")[0]
    return label(name if name in _LABELS else "layers", language)


def position_label(position: str, language: Language) -> str:
    """Where in a pair: ``edit``, ``edit+1``, ``detection`` or ``last``."""
    name, plus, number = position.partition("+")
    return f"{label(f'position:{name}', language)}{plus}{number}"


def texts_label(n_texts: int, language: Language) -> str:
    """How many texts; fewer than fifty are said to be few."""
    if n_texts < FEW_DOCUMENTS:
        return label("only_text" if n_texts == 1 else "only_texts", language).format(n=n_texts)
    return f"{n_texts:,} {label('texts', language)}"


def width_of(text: str) -> int:
    """Characters, those that are twice as wide counted twice."""
    return sum(1 + (unicodedata.east_asian_width(character) in "WF") for character in text)


def in_lines(parts: Sequence[str], separator: str = " · ") -> list[str]:
    """Parts joined into lines that half a page holds above its axes."""
    lines: list[str] = []
    for part in parts:
        joined = f"{lines[-1]}{separator}{part}" if lines else part
        if lines and width_of(joined) <= LONGEST_CAPTION:
            lines[-1] = joined
        else:
            lines.append(part)
    return lines


def wrapped(text: str, room: int) -> list[str]:
    """A text in lines of so many letters, those of Japanese counted twice.

    Examples:
        >>> wrapped("Dot: significant. Hatched: not tested", 20)
        ['Dot: significant.', 'Hatched: not tested']
        >>> wrapped("点：有意（q < 0.05）。", 12)
        ['点：有意（q', '< 0.05）。']
    """
    lines = []
    for given in text.splitlines():
        line = ""
        for piece in re.findall(r"[\u3000-\u9fff\uff00-\uffef]|\s*[^\s\u3000-\u9fff\uff00-\uffef]+|\s+", given):
            if line and width_of(line + piece) > room and piece not in _NOT_FIRST:
                lines.append(line)
                line = piece.lstrip()
            else:
                line += piece
        lines.append(line)
    return lines


def label(key: str, language: Language) -> str:
    """A word by key; families with an argument, such as ``block-removal:3``, share the word of their name."""
    name, _, argument = key.partition(":")
    if key in _LABELS:
        return _LABELS[key].of(language)
    if name == "name":
        family, _, number = argument.partition(":")
        return f"{_LABELS[f'name:{family}'].of(language)} {number}".strip()
    return _LABELS[name].of(language)
