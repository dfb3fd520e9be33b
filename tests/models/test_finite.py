"""Numbers that are none: in the file, at load, on the first texts, and of one variant alone."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from layerscope.errors import ModelError
from layerscope.judging import judge_file
from layerscope.models.loading import LoadOptions, load_config, load_decoder, load_streamed
from layerscope.models.sources import resolve_model
from layerscope.pairs.format import write_pairs
from layerscope.pairs.pair import MinimalPair
from layerscope.paths.families import build_variants
from layerscope.sweeps.in_memory import sweep
from layerscope.sweeps.prepare import SweepRequest, prepare_sweep
from layerscope.sweeps.run import run_sweep
from tests.checkpoints import save_shifting_llama, save_tiny_llama

CALM = "Rain fell on it all."
LOUD = "Rain fell on it all, ~ and ~."
TOO_MUCH = (0.0, 0.0, 10_000.0, 0.0)


def _with_number(folder: Path, name: str, number: float) -> Path:
    save_tiny_llama(folder)
    weights = load_file(folder / "model.safetensors")
    weights[name].view(-1)[3] = number
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    return folder


@pytest.mark.parametrize(
    ("name", "place"),
    [
        ("model.layers.2.mlp.down_proj.weight", r"layer 2 hold {what} \(mlp.down_proj.weight\)"),
        ("model.layers.0.input_layernorm.weight", r"layer 0 hold {what} \(input_layernorm.weight\)"),
        ("model.embed_tokens.weight", r"what lies outside the layers hold {what} \(model.embed_tokens.weight\)"),
        ("lm_head.weight", r"what lies outside the layers hold {what} \(lm_head.weight\)"),
    ],
)
@pytest.mark.parametrize(("number", "what"), [(float("nan"), "not-a-number"), (float("-inf"), "infinity")])
def test_weights_that_are_no_numbers_are_named(tmp_path: Path, name: str, place: str, number: float, what: str) -> None:
    with pytest.raises(ModelError, match=place.format(what=what)):
        load_decoder(str(_with_number(tmp_path / "m", name, number)))


def test_they_are_named_when_they_are_streamed(tmp_path: Path) -> None:
    folder = _with_number(tmp_path / "m", "model.layers.3.mlp.up_proj.weight", float("nan"))
    source = resolve_model(str(folder))
    with pytest.raises(ModelError, match=r"the weights of layer 3 hold not-a-number \(mlp.up_proj.weight\)"):
        load_streamed(source, load_config(source, LoadOptions()), None, LoadOptions())


def test_weights_that_float16_cannot_hold_are_named(tmp_path: Path) -> None:
    folder = _with_number(tmp_path / "m", "model.layers.1.self_attn.v_proj.weight", 1e5)
    assert load_decoder(str(folder)).dtype == torch.float32
    with pytest.raises(ModelError, match=r"layer 1 hold infinity .* in float16: load it in bfloat16 or float32"):
        load_decoder(str(folder), options=LoadOptions(dtype="float16"))


@pytest.mark.parametrize(("shifts", "layer"), [((4e4, 4e4, 0.0, 0.0), 1), ((0.0, 0.0, 4e4, 4e4), 3), ((-4e4, -4e4, 0, 0), 1)])
def test_a_model_that_overflows_on_any_text_is_refused_at_load(tmp_path: Path, shifts: tuple[float, ...], layer: int) -> None:
    folder = save_shifting_llama(tmp_path / "m", shifts)
    with pytest.raises(ModelError, match=rf"float16 overflows in layer {layer}: load it in bfloat16 or float32"):
        load_decoder(str(folder))
    for dtype in ("bfloat16", "float32"):
        assert load_decoder(str(folder), options=LoadOptions(dtype=dtype)).n_layers == 4


def test_an_overflow_that_only_a_text_shows_stops_the_run_before_it_begins(tmp_path: Path) -> None:
    folder = save_shifting_llama(tmp_path / "m", TOO_MUCH, loud="~")
    texts = tmp_path / "texts.txt"
    texts.write_text(f"{LOUD}\n{CALM}\n", encoding="utf-8")
    prepared = prepare_sweep(SweepRequest(str(folder), str(texts), experiments=("removal",), output_dir=tmp_path / "r"))
    with pytest.raises(ModelError, match="float16 overflows in layer 2: load it in bfloat16 or float32"):
        run_sweep(prepared)
    assert not prepared.directory.path.exists()


def test_an_overflow_in_a_later_text_stops_the_run(tmp_path: Path) -> None:
    """The longest texts come first; the loud one is short."""
    folder = save_shifting_llama(tmp_path / "m", TOO_MUCH, loud="~")
    texts = tmp_path / "texts.txt"
    texts.write_text(f"{CALM} {CALM} {CALM}\n~ x.\n", encoding="utf-8")
    request = SweepRequest(str(folder), str(texts), experiments=("removal",), output_dir=tmp_path / "r", batch_tokens=8)
    with pytest.raises(ModelError, match="float16 overflows in layer 2"):
        run_sweep(prepare_sweep(request))


@pytest.mark.parametrize("texts", [[LOUD], [CALM * 20, "~ x."]])
def test_texts_in_memory_are_stopped_too(tmp_path: Path, texts: list[str]) -> None:
    decoder = load_decoder(str(save_shifting_llama(tmp_path / "m", TOO_MUCH, loud="~")))
    with pytest.raises(ModelError, match="float16 overflows in layer 2"):
        sweep(decoder, texts, build_variants(["removal"], [], 4), batch_tokens=32)
    assert sweep(decoder, [CALM], build_variants(["exchange"], [], 4)).layers["nll_nats"].notna().all()


def test_a_judge_that_overflows_is_refused(tmp_path: Path) -> None:
    folder = save_shifting_llama(tmp_path / "m", TOO_MUCH, loud="~")
    pairs = [
        MinimalPair.from_sentences(one, other, type="grammar", subtype="s", right=1, template="t", source="test")
        for one, other in ((CALM, CALM.upper()), (LOUD, CALM))
    ]
    write_pairs(pairs[:1], tmp_path / "calm.jsonl")
    write_pairs(pairs, tmp_path / "loud.jsonl")
    assert len(judge_file(tmp_path / "calm.jsonl", str(folder), LoadOptions(), output=None).pairs) == 1
    with pytest.raises(ModelError, match="float16 overflows in layer 2"):
        judge_file(tmp_path / "loud.jsonl", str(folder), LoadOptions(), output=tmp_path / "judged.jsonl")
    assert not (tmp_path / "judged.jsonl").exists()
