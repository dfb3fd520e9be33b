"""A sweep in Python: of a loaded model as of one by name, shown in a notebook, saved and opened again."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from io import StringIO
from pathlib import Path

import jaxtyping
import numpy as np
import pandas as pd
import pytest
import torch
from transformers import AutoModel, AutoModelForCausalLM, AutoTokenizer, T5Config, T5ForConditionalGeneration, pipeline

import layerscope as ls
from layerscope.bilingual import Bilingual
from layerscope.errors import DataError, ModelError, PathError, RunError
from layerscope.models.encoder import TextEncoder
from layerscope.paths.families import build_variants
from layerscope.sweeps.inline_chart import effect_chart, effect_scale
from layerscope.sweeps.view import ShownVariants, shown_variants
from tests.naive import naive_scores, rearranged

TEXTS = ["The cat sat on the mat.", "She is good at math, he said.", "It rained all day in the small town."]
HOSTILE = "<script>window.x=1</script></style></div> & \"q\" 'a' \x00\x1b[31m \u202eabc\u2066 שלום \u2028 é 👩‍👩‍👧"


def loaded(folder: Path):
    """As a user of transformers has them."""
    return AutoModelForCausalLM.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)


@pytest.fixture
def as_users_run_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the types that are checked while tests run."""
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)


@pytest.fixture(scope="module")
def swept(either_checkpoint: Path) -> ls.SweepResult:
    return ls.sweep(*loaded(either_checkpoint), [HOSTILE, *TEXTS])


class Read(HTMLParser):
    """What a browser makes of a piece of HTML: its text, its tags, its attributes."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.pieces: list[tuple[str, str]] = []
        self.open: list[dict[str, str | None]] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]
        self.open.append(dict(attrs))

    def handle_endtag(self, tag: str) -> None:
        self.open.pop()

    def handle_data(self, data: str) -> None:
        self.pieces.append((str(self.open[-1].get("class", "")) if self.open else "", data))

    @property
    def text(self) -> str:
        return "".join(data for _, data in self.pieces)


def test_a_loaded_model_gives_the_numbers_of_one_by_name(either_checkpoint: Path, either_decoder) -> None:
    model, tokenizer = loaded(either_checkpoint)
    variants = build_variants(["removal"], [], 4)
    of_name = ls.sweep(either_decoder, TEXTS, variants)
    of_model = ls.sweep(model, tokenizer, TEXTS)
    pd.testing.assert_frame_equal(of_model.layers, of_name.layers, check_exact=True)
    pd.testing.assert_frame_equal(of_model.scores, of_name.scores, check_exact=True)
    by_keyword = ls.sweep(model, tokenizer=tokenizer, texts=TEXTS, variants=variants)
    pd.testing.assert_frame_equal(by_keyword.layers, of_name.layers, check_exact=True)
    pd.testing.assert_frame_equal(ls.sweep(str(either_checkpoint), TEXTS).layers, of_name.layers, check_exact=True)


def test_it_agrees_with_naive_surgery(either_checkpoint: Path, either_decoder) -> None:
    result = ls.sweep(*loaded(either_checkpoint), TEXTS[0])
    ids = [*either_decoder.encoder.prefix_ids, *either_decoder.encoder.encode(TEXTS[0]).ids.tolist()]
    own = naive_scores(rearranged(either_decoder.model, [0, 1, 3]), ids)
    mine = result.scores[result.scores["variant"] == "removal-2"]
    np.testing.assert_allclose(mine["nll_nats"], own.nll, atol=2e-5)


def test_one_text_is_a_list_of_one(tiny_decoder) -> None:
    one, listed = ls.sweep(tiny_decoder, TEXTS[0]), ls.sweep(tiny_decoder, [TEXTS[0]])
    pd.testing.assert_frame_equal(one.layers, listed.layers, check_exact=True)
    assert one.layers["documents"].tolist() == [1] * 5


def test_a_loaded_model_is_taken_as_it_is(either_checkpoint: Path) -> None:
    model, tokenizer = loaded(either_checkpoint)
    model.to(torch.bfloat16)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    decoder = ls.load_decoder(model=model, tokenizer=tokenizer)
    ls.sweep(decoder, TEXTS)
    assert decoder.model is model
    assert (decoder.dtype, decoder.name) == (torch.bfloat16, str(either_checkpoint))
    assert decoder.encoder == TextEncoder.from_tokenizer(tokenizer)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    never = ls.load_decoder(model=model, tokenizer=tokenizer, options=ls.LoadOptions(bos="never"))
    assert never.encoder is not None
    assert never.encoder.prefix_ids == ()


def test_a_model_in_training_mode_is_refused_and_left_in_it(tiny_checkpoint: Path) -> None:
    model, tokenizer = loaded(tiny_checkpoint)
    model.model.layers[1].train()
    with pytest.raises(ModelError, match=r"model.layers.1 is in training mode: call model.eval\(\) first"):
        ls.sweep(model, tokenizer, TEXTS)
    assert model.model.layers[1].training


def test_what_is_no_causal_model_is_refused_by_name(tiny_checkpoint: Path) -> None:
    model, tokenizer = loaded(tiny_checkpoint)
    with pytest.raises(ModelError, match=r"is a causal LM of transformers .* got Linear: .* merge_and_unload"):
        ls.load_decoder(model=torch.nn.Linear(2, 2), tokenizer=tokenizer)
    with pytest.raises(ModelError, match=r"LlamaModel has no output matrix: load it with AutoModelForCausalLM"):
        ls.load_decoder(model=AutoModel.from_pretrained(tiny_checkpoint), tokenizer=tokenizer)
    small = T5Config(vocab_size=260, d_model=8, d_kv=4, d_ff=8, num_layers=1, num_heads=2, decoder_start_token_id=0)
    with pytest.raises(ModelError, match=r"'t5' has an encoder before its decoder"):
        ls.load_decoder(model=T5ForConditionalGeneration(small).eval(), tokenizer=tokenizer)
    with pytest.raises(ModelError, match=r"comes with its tokenizer .* got none"):
        ls.load_decoder(model=model)
    with pytest.raises(ModelError, match=r"comes with its tokenizer .* got str"):
        ls.sweep(model, "gpt2", TEXTS)
    with torch.device("meta"):
        empty = AutoModelForCausalLM.from_config(model.config).eval()
    with pytest.raises(ModelError, match="on the meta device"):
        ls.load_decoder(model=empty, tokenizer=tokenizer)


def test_options_that_would_change_a_loaded_model_are_refused(tiny_checkpoint: Path) -> None:
    model, tokenizer = loaded(tiny_checkpoint)
    with pytest.raises(ModelError, match="A loaded model stays as it is; got dtype, revision for one"):
        ls.load_decoder(model=model, tokenizer=tokenizer, revision="main", options=ls.LoadOptions(dtype="float16"))
    with pytest.raises(ModelError, match="by name or loaded; got 'gpt2' and a loaded one"):
        ls.load_decoder("gpt2", model=model)
    decoder = ls.load_decoder(model=model, tokenizer=tokenizer)
    with pytest.raises(ModelError, match="have their tokenizer: leave it out"):
        ls.sweep(decoder, texts=TEXTS, tokenizer=tokenizer)


@pytest.mark.parametrize(
    ("texts", "help_"),
    [
        (None, ""),
        (3, ""),
        (np.array("a cat"), ""),
        ({"a": "b"}, " with list(texts.values())"),
        ({"b", "a"}, " with sorted(texts), since a set has no order"),
        (b"abc", " with texts.decode()"),
        (StringIO("abc"), " with what is in the file, such as file.read().splitlines()"),
        (Path("a.txt"), " with what is in the file, such as path.read_text().splitlines()"),
        (pd.DataFrame({"text": ["a cat"]}), " with one of its columns, such as frame['text']"),
    ],
)
def test_texts_are_strings(tiny_decoder, texts, help_: str) -> None:
    with pytest.raises(DataError) as error:
        ls.sweep(tiny_decoder, texts)
    kind = type(texts).__name__
    assert str(error.value) == f"Texts are one string or a list of strings; got {kind}: ls.sweep(model, texts){help_}."


@pytest.mark.parametrize(
    ("texts", "place"),
    [
        ([1, 2, 3], r"texts\[0\] is 1 \(int\)"),
        (["a cat", None], r"texts\[1\] is None \(NoneType\)"),
        (pd.Series(["a cat", "a dog", np.nan]), r"texts\[2\] is nan \(float\)"),
        (np.array([["a cat"]]), r"texts\[0\] is array.* \(ndarray\)"),
        ([{"text": "a cat"}], r"texts\[0\] is {'text': 'a cat'} \(dict\)"),
    ],
)
def test_what_is_no_string_is_named_by_its_place(tiny_decoder, texts, place: str) -> None:
    with pytest.raises(DataError, match=rf"Texts are strings; {place}: leave it out, or give its text"):
        ls.sweep(tiny_decoder, texts)


@pytest.mark.parametrize("made", [tuple, np.array, pd.Series, iter, lambda texts: pd.Index(texts)])
def test_any_row_of_strings_is_a_list_of_texts(tiny_decoder, made) -> None:
    expected = ls.sweep(tiny_decoder, TEXTS)
    found = ls.sweep(tiny_decoder, made(TEXTS))
    pd.testing.assert_frame_equal(found.layers, expected.layers, check_exact=True)
    assert found.record.data.texts_sha256 == expected.record.data.texts_sha256


@pytest.mark.usefixtures("as_users_run_it")
def test_no_texts_and_texts_too_short_are_refused_with_what_python_can_do(tiny_decoder, tiny_checkpoint: Path) -> None:
    with pytest.raises(DataError, match=r"A sweep needs at least one text; got an empty list: ls.sweep\(model, texts\)"):
        ls.sweep(tiny_decoder, [])
    model, tokenizer = loaded(tiny_checkpoint)
    with pytest.raises(DataError, match=r"longest has 1 token\(s\)\): give longer texts") as error:
        ls.sweep(model, tokenizer, ["a"])
    assert ("LoadOptions(bos='always')" in str(error.value)) == (tokenizer.bos_token_id is not None)
    assert "--" not in str(error.value)
    with pytest.raises(DataError, match="batch_tokens is a whole number from 1; got 0"):
        ls.sweep(tiny_decoder, TEXTS, batch_tokens=0)
    with pytest.raises(DataError, match=r"A protocol is named by a string; got 3 \(int\)"):
        ls.sweep(tiny_decoder, TEXTS, protocol=3)


def test_a_forgotten_tokenizer_is_asked_for(tiny_checkpoint: Path) -> None:
    model, tokenizer = loaded(tiny_checkpoint)
    needs = r"A loaded model comes with its tokenizer .*; got {}: ls.sweep\(model, tokenizer, texts\)"
    for given, kind in (((TEXTS[0],), "str"), ((TEXTS,), "list"), ((TEXTS, tokenizer), "list"), ((TEXTS[0], TEXTS[1]), "str")):
        with pytest.raises(ModelError, match=needs.format(f"{kind} in its place")):
            ls.sweep(model, *given)
    with pytest.raises(ModelError, match=needs.format("none")):
        ls.sweep(model, texts=TEXTS)


def test_a_tokenizer_too_many_is_refused(tiny_checkpoint: Path, tiny_decoder) -> None:
    _, tokenizer = loaded(tiny_checkpoint)
    for model in (str(tiny_checkpoint), tiny_checkpoint, tiny_decoder):
        with pytest.raises(ModelError, match=r"have their tokenizer: leave it out, ls.sweep\(model, texts\)"):
            ls.sweep(model, tokenizer, TEXTS)


def test_a_folder_may_be_a_path(tiny_checkpoint: Path) -> None:
    found = ls.sweep(tiny_checkpoint, TEXTS)
    pd.testing.assert_frame_equal(found.layers, ls.sweep(str(tiny_checkpoint), TEXTS).layers, check_exact=True)
    assert found.record.model.name == str(tiny_checkpoint)


def test_several_texts_are_one_list(tiny_checkpoint: Path, tiny_decoder) -> None:
    with pytest.raises(DataError, match=r"one list; got 2 .*: ls.sweep\(model, tokenizer, \[one_text, another_text\]\)"):
        ls.sweep(*loaded(tiny_checkpoint), *TEXTS[:2])
    with pytest.raises(DataError, match=r"one list; got 3 .*: ls.sweep\(model, \[one_text, another_text\]\)"):
        ls.sweep(tiny_decoder, *TEXTS)


def test_a_pipeline_is_told_to_be_taken_apart(tiny_checkpoint: Path) -> None:
    model, tokenizer = loaded(tiny_checkpoint)
    both = pipeline("text-generation", model=model, tokenizer=tokenizer)
    for given in ((tokenizer, TEXTS), (TEXTS,), (tokenizer, *TEXTS)):
        with pytest.raises(ModelError, match="got TextGenerationPipeline: give its .model and its .tokenizer"):
            ls.sweep(both, *given)
    for model in (None, 3, torch.nn.Linear(2, 2), tokenizer):
        with pytest.raises(ModelError, match="is a causal LM of transformers .*; got .*: give the model inside it"):
            ls.sweep(model, TEXTS)


@pytest.mark.usefixtures("as_users_run_it")
def test_a_sweep_can_be_named(tiny_decoder, tmp_path: Path) -> None:
    unnamed, named = (ls.sweep(tiny_decoder, TEXTS, **given) for given in ({}, {"name": "May 1.5/3 (Mai)"}))
    assert "on texts in memory: " in unnamed.summary()
    assert "on May 1.5/3 (Mai): " in named.summary()
    assert "May 1.5/3 (Mai)" in named.plot()._suptitle.get_text()  # type: ignore[attr-defined]
    assert "May 1.5/3 (Mai)" in named.as_text()
    run = ls.open_run(named.save(tmp_path / "mine"))
    assert run.summary() == named.summary()
    for wrong in ("", "  ", 3, None, "two\nlines", "x" * 101):
        with pytest.raises(DataError, match="The name of a sweep is a line of at most 100 letters, such as 'news of May'; got"):
            ls.sweep(tiny_decoder, TEXTS, name=wrong)


@pytest.mark.parametrize("variants", [["removal"], "removal", 3, build_variants(["removal"], [], 4)[1]])
def test_variants_are_variants(tiny_decoder, variants) -> None:
    with pytest.raises(PathError, match=r"Variants are a list, made by build_variants; got .*: ls.build_variants"):
        ls.sweep(tiny_decoder, TEXTS, variants)


def test_the_intact_model_alone_can_be_scored(tiny_decoder, tmp_path: Path) -> None:
    for none in ([], (), build_variants(["removal"], [], 4)[:1]):
        result = ls.sweep(tiny_decoder, TEXTS, none)
        assert result.layers["variant"].tolist() == ["intact"]
        assert result.summary().endswith(f"(perplexity {result.layers['ppl'][0]:,.4g}).")
        assert "<summary>The table: 1 row</summary>" in result._repr_html_()
        assert repr(result).startswith(f"SweepResult({result.model}: 0 variants on 3 texts, ")
        with pytest.raises(RunError, match="A figure shows variants beside the intact model; this sweep has none"):
            result.plot()
    assert ls.open_run(result.save(tmp_path / "mine")).summary() == result.summary()


def test_no_argument_is_too_many(tiny_decoder) -> None:
    with pytest.raises(DataError, match="got 1 more: leave it out"):
        ls.sweep(tiny_decoder, TEXTS, build_variants(["removal"], [], 4), "lines")


def test_a_saved_result_is_a_run_that_shows_the_same(swept: ls.SweepResult, tmp_path: Path) -> None:
    run = ls.open_run(swept.save(tmp_path / "mine"))
    assert isinstance(run, ls.FinishedRun)
    pd.testing.assert_frame_equal(run.layers, swept.layers, check_exact=True)
    assert run.summary() == swept.summary()
    assert run._repr_html_() == swept._repr_html_()
    assert repr(run) == repr(swept).replace("SweepResult", "FinishedRun")
    pd.testing.assert_frame_equal(run.scores, swept.scores, check_exact=True)
    pd.testing.assert_frame_equal(run.proxies, swept.proxies, check_exact=True)
    assert run.scores is run.scores, "read once"
    scores = [shard.nll_nats for shard in run.score_shards()]
    np.testing.assert_array_equal(np.concatenate([one.ravel() for one in scores]), swept.scores["nll_nats"])
    assert run.record.request.in_memory
    assert run.record.request.prefix_ids == swept.record.request.prefix_ids
    with pytest.raises(RunError, match="'.*mine' holds something: name another"):
        swept.save(tmp_path / "mine")


def test_a_saved_result_goes_through_the_commands_that_read_runs(swept: ls.SweepResult, tmp_path: Path) -> None:
    swept.save(tmp_path / "mine")
    assert ls.draw_figures(tmp_path / "mine", formats=["svg"])
    page = ls.write_report([tmp_path / "mine"], tmp_path / "page.html").path
    assert "made in Python by layerscope.sweep" in page.read_text(encoding="utf-8")


def test_the_html_needs_nothing_and_hostile_text_stays_text(swept: ls.SweepResult) -> None:
    html = swept._repr_html_()
    read = Read(html)
    assert not set(read.tags) & {"script", "img", "link", "iframe", "object", "base", "meta", "a"}
    assert not [value for name, value in read.attributes if name in ("src", "href") or name.startswith("on")]
    assert "http" not in html.replace("http://www.w3.org", "")
    assert "url(" not in html
    assert read.open == [], "every tag is closed, so nothing got out"
    assert "<script>window.x=1</script></style></div>" in read.text.replace("\u200b", "")
    assert not {"\x00", "\x1b", "\u202e", "\u2066", "\u2028"} & set(html)
    assert "\\u202e" in read.text


def test_every_token_is_there_with_both_losses(tiny_decoder) -> None:
    result = ls.sweep(tiny_decoder, "A cat.")
    read = Read(ls_html(result, "removal-1"))
    shown = "".join(data for kind, data in read.pieces if kind == "token")
    assert shown == "A cat."
    scores = result.scores.set_index(["variant", "position"])["nll_nats"]
    titles = [value for name, value in read.attributes if name == "title" and "NLL" in value]
    assert len(titles) == 5  # no BOS, so the first token is not scored
    for position, title in enumerate(titles, start=1):
        intact, changed = float(scores["intact", position]), float(scores["removal-1", position])
        assert (
            title == f"“{'A cat.'[position]}” · NLL intact {intact:.2f}, removal-1 {changed:.2f}: {changed - intact:+.2f} nats"
        )


def ls_html(result: ls.SweepResult, variant: str) -> str:
    from layerscope.sweeps.view import sweep_html

    return sweep_html(result.view(), result.summary(), variant)


def test_tokens_of_one_character_are_one_piece(tiny_decoder) -> None:
    """A byte-level emoji is four tokens, whose losses are added."""
    result = ls.sweep(tiny_decoder, "a🙂b")
    titles = [value for name, value in Read(ls_html(result, "removal-0")).attributes if name == "title" and "NLL" in value]
    nll = result.scores[result.scores["variant"] == "intact"]["nll_nats"].to_numpy()
    assert [re.search("“(.)”", title)[1] for title in titles] == ["🙂", "b"]  # type: ignore[index]
    assert f"NLL intact {nll[:4].sum():.2f}," in titles[0]


def test_the_sentence_is_no_stronger_than_its_table(tiny_decoder) -> None:
    one, three = ls.sweep(tiny_decoder, TEXTS[0]), ls.sweep(tiny_decoder, TEXTS)
    assert one.summary().endswith(
        "Only one text: no interval, p-value or q-value. Give several texts; from 8 on there are p-values."
    )
    assert "without intervals." in one.summary()
    assert "[" not in one.summary()
    assert "with fewer than 8 there are no p- or q-values" in three.summary()
    assert one.summary(language="ja").endswith("複数のテキストを与えれば信頼区間が求まり、8 本以上なら p 値も求まる。")


def test_the_chart_has_a_point_a_layer_with_its_numbers(swept: ls.SweepResult) -> None:
    read = Read(swept._repr_html_())
    assert read.tags.count("circle") == 4
    said = [data for _, data in read.pieces if data.startswith("removal-") and "ΔNLL" in data and "[" in data]
    assert [one.split(":")[0] for one in said] == [f"removal-{layer}" for layer in range(4)]


def made_up_layers(n_layers: int, families: list[str], *, n_texts: int, seed: int) -> pd.DataFrame:
    """Effects of which some are large, each with an interval if there are several texts."""
    random = np.random.default_rng(seed)
    size = n_layers * len(families)
    delta = np.exp(random.normal(-1, 1.5, size)) * np.where(random.random(size) < 0.1, -0.1, 1)
    delta[0] = abs(delta[0])
    spread = np.abs(delta) * random.uniform(0.1, 2, size) if n_texts > 1 else np.full(size, np.nan)
    layers = np.tile(np.arange(n_layers), len(families))
    frame = pd.DataFrame({"family": np.repeat(families, n_layers), "span_first": layers, "span_last": layers})
    frame["variant"] = [f"{row.family}-{row.span_first}" for row in frame.itertuples()]
    return frame.assign(
        delta_nll_nats=delta, delta_nll_low_nats=delta - spread, delta_nll_high_nats=delta + spread, documents=n_texts
    )


@pytest.mark.parametrize("n_texts", [1, 8])
@pytest.mark.parametrize("families", [["removal"], ["removal", "repetition"]])
@pytest.mark.parametrize("n_layers", [2, 4, 30, 80])
def test_labels_stand_clear_of_intervals_points_and_each_other(n_texts: int, families: list[str], n_layers: int) -> None:
    found = [
        _labels_clear(effect_chart(made_up_layers(n_layers, families, n_texts=n_texts, seed=seed)), n_texts=n_texts)
        for seed in range(20)
    ]
    assert min(found) >= 1
    assert np.mean(found) > (2 if n_layers > 2 else 1), "most of the five are there"


def _labels_clear(chart: str, *, n_texts: int) -> int:
    """How many labels there are, all of them legible."""
    bars = re.findall(r'<line x1="([\d.]+)" x2="([\d.]+)" y1="([\d.]+)" y2="([\d.]+)" stroke="#', chart)
    assert bool(bars) == (n_texts > 1)
    taken = [(float(left) - 1, float(right) + 1, *sorted((float(one), float(other)))) for left, right, one, other in bars]
    points = re.findall(r'<circle cx="([\d.]+)" cy="([\d.]+)"', chart)
    points += [
        (float(left) + 3.5, float(top) + 3.5) for left, top in re.findall(r'<rect x="([\d.]+)" y="([\d.]+)" width="7"', chart)
    ]
    for left, top in points:
        taken.append((float(left) - 4, float(left) + 4, float(top) - 4, float(top) + 4))
    labels = re.findall(r'<text x="([\d.]+)" y="([\d.]+)" text-anchor="middle">(\d+: \+[\d.]+)</text>', chart)
    for middle, bottom, text in labels:
        half = 6 * len(text) / 2  # a digit of an 11-pixel sans-serif is 6.1 wide
        box = (float(middle) - half, float(middle) + half, float(bottom) - 9, float(bottom))
        assert 0 <= box[0] < box[1] <= 680
        assert box[2] > 13, "clear of the title, too"
        for other in taken:
            assert box[0] >= other[1] or other[0] >= box[1] or box[2] >= other[3] or other[2] >= box[3], (text, box, other)
        taken.append(box)
    return len(labels)


def test_the_chart_says_its_scale_as_figures_do(tiny_decoder) -> None:
    layers = ls.sweep(tiny_decoder, TEXTS).layers
    layers.loc[1:, "delta_nll_nats"] = [8.0, 0.02, 0.05, 1.0]
    layers.loc[1:, ["delta_nll_low_nats", "delta_nll_high_nats"]] = np.nan
    within = re.search(r"nats per token\) \(log; linear within ±([\d.]+)\)</text>", effect_chart(layers))
    assert within is not None
    assert within[1] == f"{effect_scale([8.0, 0.02, 0.05, 1.0]).linear_within:g}"
    layers.loc[1:, "delta_nll_nats"] = [1.0, 1.1, 1.2, 0.9]
    assert "nats per token)</text>" in effect_chart(layers)


def test_the_folded_table_rounds_as_the_terminal_does(tiny_decoder) -> None:
    result = ls.sweep(tiny_decoder, TEXTS)
    result.layers.loc[1:4, "ppl"] = [101_123.4, 12.3456, 2.5e7, 999_999.0]
    folded = result._repr_html_().partition("The table: 5 rows")[2]
    printed = result.as_text()
    for shown in ("101,123.40", "12.35", "2.50e+07", "999,999.00"):
        assert f"<td>{shown}</td>" in folded
        assert shown in printed
    accuracy = f"{result.layers['top1_accuracy'][2]:.3f}"
    assert f"<td>{accuracy}</td>" in folded
    result.layers.loc[2, "tokens_not_finite"] = 1
    assert "<td>removal-1</td><td>not finite</td><td>–</td>" in result._repr_html_()


@pytest.mark.parametrize(
    ("values", "ticks"),
    [([0.0], (-1.0, 0.0, 1.0)), ([0.1, 0.4], (0.0, 0.2, 0.4)), ([-0.1, 0.1, 0.1, 8.0], (-0.1, 0.0, 0.1, 1.0))],
)
def test_a_scale_holds_zero_and_every_value(values: list[float], ticks: tuple[float, ...]) -> None:
    scale = effect_scale(values)
    assert scale.ticks == pytest.approx(ticks)
    places = [scale.place(value) for value in sorted([*values, 0.0])]
    assert places == sorted(places)
    assert min(places) > 0
    assert max(places) < 1


def test_the_text_opens_on_a_layer_after_the_first_two() -> None:
    layers = pd.DataFrame(
        {
            "variant": ["intact", "removal-0", "removal-1", "removal-2", "removal-3", "broken"],
            "family": ["intact", *["removal"] * 5],
            "span_first": [np.nan, 0, 1, 2, 3, 4],
            "delta_nll_nats": [0.0, 9.0, 5.0, 0.1, 2.0, np.inf],
        }
    )
    shown = shown_variants(layers, None)
    assert shown.names == ["removal-3", "removal-2", "removal-0"]
    assert shown.rule == (
        "Changing layer 0 or 1 usually breaks nearly every token, so the texts begin with the largest effects of later layers; "
        "the largest effect of all, removal-0, comes last; not shown: removal-1 (show('removal-1') shows it)."
    )
    assert shown_variants(layers, "removal-1") == ShownVariants(["removal-1"])
    only_first = shown_variants(layers.drop(index=2), None)
    assert only_first.names == shown.names
    assert only_first.rule.endswith("the largest effect of all, removal-0, comes last.")
    assert shown_variants(layers.drop(index=[1, 2]), None) == ShownVariants(["removal-3", "removal-2"])
    assert shown_variants(layers.head(3), None) == ShownVariants(["removal-0", "removal-1"]), "nothing else to begin with"
    with pytest.raises(PathError, match=r"got 'removal-9'. Did you mean removal-"):
        shown_variants(layers, "removal-9")


def test_the_rule_stands_above_the_texts_and_help_says_it(tiny_decoder) -> None:
    result = ls.sweep(tiny_decoder, TEXTS)
    result.layers.loc[1:4, "delta_nll_nats"] = [9.0, 5.0, 0.1, 2.0]
    html = result._repr_html_()
    rule = shown_variants(result.layers, None).rule.replace("'", "&#x27;")
    title = "The text coloured by the effect of <b>removing layer 3</b> (removal-3): ΔNLL +2 nats per token"
    assert f'<p class="note">{rule}</p><details open><summary>{title}</summary>' in html
    assert "usually breaks" not in ls_html(result, "removal-1")
    result.layers.loc[1:4, "delta_nll_nats"] = [0.1, 0.2, 3.0, 2.0]
    assert "usually breaks" not in result._repr_html_()
    assert "leave layers 0 and 1" in " ".join((type(result).show.__doc__ or "").split())


@pytest.mark.parametrize(
    ("family", "title"),
    [
        ("exchange", "<b>exchanging layers 2 and 3</b> (exchange-2-3)"),
        ("mlp-removal", "<b>silencing the MLP of layer 3</b> (mlp-removal-3)"),
        ("shuffle:7", "<b>shuffling the layers (shuffle-7)</b>:"),
        ("depth", "<b>stopping after layer 1</b> (depth-1)"),
    ],
)
def test_titles_are_in_words(tiny_decoder, family: str, title: str) -> None:
    result = ls.sweep(tiny_decoder, TEXTS, build_variants([family], [], 4))
    name = next(name for name in result.layers["variant"] if name in title or f"({name})" in title)
    assert f"The text coloured by the effect of {title}" in ls_html(result, name)


@pytest.mark.usefixtures("as_users_run_it")
def test_a_name_that_is_no_text_is_refused(swept: ls.SweepResult, either_decoder, tmp_path: Path) -> None:
    with pytest.raises(
        PathError, match=r"colours a text is named by a string; got 3 \(int\): write its name, such as 'removal-3'"
    ):
        swept.show(3)
    with pytest.raises(PathError, match=r"got \['removal-3'\] \(list\): write its name, such as 'removal-0'"):
        swept.show(["removal-3"])
    for given in (1, ["removal"], 2.5):
        with pytest.raises(RunError, match=r"A figure is named by a string; got .*: write its name, such as 'removal'"):
            swept.plot(given)
    with pytest.raises(RunError, match=r"What is drawn is named by a string; got 1 \(int\): write its name, such as 'layers'"):
        ls.draw_figures(swept.save(tmp_path / "mine"), of=[1])
    with pytest.raises(PathError, match=r"An experiment is named by a string; got None \(NoneType\)"):
        build_variants([None], [], 4)
    with pytest.raises(PathError, match=r"A path is named by a string; got 3 \(int\)"):
        build_variants([], [3], 4)
    with pytest.raises(
        ModelError, match=r"A model is named by a string; got 3 \(int\): write its name, such as 'smollm2-135m'"
    ):
        ls.load_decoder(3)
    with pytest.raises(DataError, match=r"A data set is named by a string; got 3 \(int\): write its name, such as '"):
        ls.load_documents(3, "lines")
    with pytest.raises(ModelError, match=r"A site is named by a string; got 0 \(int\): write its name, such as 'resid_post'"):
        ls.Units.of(0, layer=np.array([0]), dim=np.array([0]))


@pytest.mark.usefixtures("as_users_run_it")
@pytest.mark.parametrize("language", ["jp", "EN", "", None, 3, ["ja"]])
def test_an_unknown_language_is_refused(swept: ls.SweepResult, language, tmp_path: Path) -> None:
    run = ls.open_run(swept.save(tmp_path / "mine"))
    tries = [
        lambda: swept.summary(language=language),
        lambda: swept.plot(language=language),
        lambda: run.summary(language=language),
        lambda: run.plot("accuracy", language=language),
        lambda: ls.draw_figures(tmp_path / "mine", languages=["en", language]),
    ]
    if language is not None:  # which leaves the choice to the browser
        tries.append(lambda: ls.write_report([tmp_path / "mine"], tmp_path / "page.html", language=language))
    for one in tries:
        with pytest.raises(DataError, match="A language is 'en' or 'ja'; got .*: take one of them"):
            one()
    with pytest.raises(ValueError, match="A language is en or ja; got"):
        Bilingual("layer", "層").of(language)
    assert not (tmp_path / "mine" / "figures").exists()


def test_without_a_notebook_show_prints_table_and_sentences(swept: ls.SweepResult, capsys: pytest.CaptureFixture[str]) -> None:
    swept.show()
    printed = capsys.readouterr().out
    assert "removal-3" in printed
    assert swept.summary() in printed
    assert repr(swept) == f"SweepResult({swept.model}: 4 variants on 4 texts, {swept.layers['tokens_scored'][0]} tokens scored)"


def test_a_figure_shows_itself(swept: ls.SweepResult) -> None:
    data, size = swept.plot()._repr_png_()
    assert data.startswith(b"\x89PNG")
    assert size["width"] == round(8.5 / 2.54 * 150)
    with pytest.raises(RunError, match=r"Figures of this sweep are removal, .*; got 'removl'. Did you mean removal"):
        swept.plot("removl")


def test_variants_without_an_axis_have_no_chart(tiny_decoder) -> None:
    result = ls.sweep(tiny_decoder, TEXTS, build_variants([], ["0,2,1,3"], 4))
    assert "<svg" not in result._repr_html_()
    assert "The text coloured by the effect of <b>the path 0,2,1,3</b>:" in result._repr_html_()


def test_a_long_text_says_that_it_is_cut(tiny_decoder) -> None:
    result = ls.sweep(tiny_decoder, "abcdefghi " * 40)
    assert "The first 300 pieces are shown; 100 tokens more are in the tables." in result._repr_html_()


def test_depths_are_saved_too(tiny_decoder, tmp_path: Path) -> None:
    result = ls.sweep(tiny_decoder, TEXTS, build_variants(["depth"], [], 4))
    run = ls.open_run(result.save(tmp_path / "mine"))
    assert run._repr_html_() == result._repr_html_()
    assert type(run.plot("depth")).__name__ == type(result.plot("depth")).__name__


@pytest.mark.parametrize("page", ["README.md", "README.ja.md", "docs/api.md"])
def test_examples_of_the_pages_run(page: str, tiny_checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a tiny model in the place of the real ones."""
    monkeypatch.chdir(tmp_path)
    model, tokenizer = loaded(tiny_checkpoint)
    text = (Path(__file__).parents[2] / page).read_text(encoding="utf-8")
    examples = re.findall(r"^```python\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    assert len(examples) >= 2
    names: dict[str, object] = {"model": model, "tokenizer": tokenizer}
    for example in examples:
        code = re.sub(r"smollm2-135m|\./my-model", lambda _: str(tiny_checkpoint), example).replace("removal-11", "removal-2")
        exec(code, names)
    assert (tmp_path / "slide.png").read_bytes().startswith(b"\x89PNG")
    assert isinstance(names["result"], ls.SweepResult)
    if page == "docs/api.md":
        assert isinstance(ls.open_run("mine"), ls.FinishedRun)
