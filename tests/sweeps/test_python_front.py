"""A sweep in Python: of a loaded model as of one by name, shown in a notebook, saved and opened again."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from transformers import AutoModel, AutoModelForCausalLM, AutoTokenizer, T5Config, T5ForConditionalGeneration

import layerscope as ls
from layerscope.errors import DataError, ModelError, PathError, RunError
from layerscope.models.encoder import TextEncoder
from layerscope.paths.families import build_variants
from layerscope.sweeps.inline_chart import effect_scale
from layerscope.sweeps.view import shown_variants
from tests.naive import naive_scores, rearranged

TEXTS = ["The cat sat on the mat.", "She is good at math, he said.", "It rained all day in the small town."]
HOSTILE = "<script>window.x=1</script></style></div> & \"q\" 'a' \x00\x1b[31m \u202eabc\u2066 שלום \u2028 é 👩‍👩‍👧"


def loaded(folder: Path):
    """As a user of transformers has them."""
    return AutoModelForCausalLM.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)


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


@pytest.mark.parametrize("texts", [None, 3, ["a", 3], {"a": "b"}])
def test_texts_are_strings(tiny_decoder, texts) -> None:
    with pytest.raises(DataError, match=r"one string or a list of strings; got .*: ls.sweep\(model, tokenizer, texts\)"):
        ls.sweep(tiny_decoder, texts)


def test_variants_are_variants(tiny_decoder) -> None:
    with pytest.raises(PathError, match="made by build_variants"):
        ls.sweep(tiny_decoder, TEXTS, ["removal"])
    with pytest.raises(DataError, match="got 1 more: leave it out"):
        ls.sweep(tiny_decoder, TEXTS, build_variants(["removal"], [], 4), "lines")


def test_a_saved_result_is_a_run_that_shows_the_same(swept: ls.SweepResult, tmp_path: Path) -> None:
    run = ls.open_run(swept.save(tmp_path / "mine"))
    assert isinstance(run, ls.FinishedRun)
    pd.testing.assert_frame_equal(run.layers, swept.layers, check_exact=True)
    assert run.summary() == swept.summary()
    assert run._repr_html_() == swept._repr_html_()
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
    assert "Only one text: no interval, p-value or q-value." in one.summary()
    assert "without intervals." in one.summary()
    assert "[" not in one.summary()
    assert "with fewer than 8 there are no p- or q-values" in three.summary()
    assert "テキストが 1 本のみ" in one.summary(language="ja")


def test_the_chart_has_a_point_a_layer_with_its_numbers(swept: ls.SweepResult) -> None:
    read = Read(swept._repr_html_())
    assert read.tags.count("circle") == 4
    said = [data for _, data in read.pieces if data.startswith("removal-") and "ΔNLL" in data and "[" in data]
    assert [one.split(":")[0] for one in said] == [f"removal-{layer}" for layer in range(4)]


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
    assert shown_variants(layers, None) == ["removal-3", "removal-2", "removal-0"]
    assert shown_variants(layers, "removal-1") == ["removal-1"]
    with pytest.raises(PathError, match=r"got 'removal-9'. Did you mean removal-"):
        shown_variants(layers, "removal-9")


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
    assert "The text at <b>0,2,1,3</b>" in result._repr_html_()


def test_a_long_text_says_that_it_is_cut(tiny_decoder) -> None:
    result = ls.sweep(tiny_decoder, "abcdefghi " * 40)
    assert "The first 300 pieces are shown; 100 tokens more are in the tables." in result._repr_html_()


def test_depths_are_saved_too(tiny_decoder, tmp_path: Path) -> None:
    result = ls.sweep(tiny_decoder, TEXTS, build_variants(["depth"], [], 4))
    run = ls.open_run(result.save(tmp_path / "mine"))
    assert run._repr_html_() == result._repr_html_()
    assert type(run.plot("depth")).__name__ == type(result.plot("depth")).__name__
