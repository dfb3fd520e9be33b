"""SmolLM2-135M on WikiText-2 in float32, against naive forward passes on copies with their layers rearranged."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from layerscope.corpora.catalogue import load_documents
from layerscope.models.decoder import Decoder
from layerscope.paths.path import LayerPath
from layerscope.paths.variants import Variant
from layerscope.sweeps.in_memory import sweep
from tests.naive import naive_kl, naive_scores, rearranged

PATHS = ["0-28", "1-29", "0-10,12-29", "0-27,29,28", "1,0,2-29", "0-14,20,19,18,17,16,15,21-29"]


@pytest.mark.real
def test_real_model_on_real_text(real_decoder: Decoder, shared_data: Path) -> None:
    rows = load_documents("wiki-text-2", "lines", split="test", data_dir=shared_data / "wikitext-2-raw")
    texts = [row.text for row in rows if 60 < len(row.text) < 400][:3]
    variants = [Variant.from_path(LayerPath.parse(path)) for path in PATHS]
    before = {name: tensor.clone() for name, tensor in real_decoder.model.state_dict().items()}
    result = sweep(real_decoder, texts, variants)
    again = sweep(real_decoder, texts, variants[:1])
    assert all((before[name] == tensor).all() for name, tensor in real_decoder.model.state_dict().items())
    intact = {}
    for variant in [Variant.intact(30), *variants]:
        model = rearranged(real_decoder.model, [step.layer for step in variant.path.steps])
        rows_of = result.scores[result.scores["variant"] == variant.name]
        for document, text in enumerate(texts):
            assert real_decoder.encoder is not None
            expected = naive_scores(model, real_decoder.encoder.encode(text).ids.tolist())
            intact.setdefault(document, expected)
            found = rows_of[rows_of["document"] == document].sort_values("position")
            np.testing.assert_allclose(found["nll_nats"], expected.nll, atol=1e-3, err_msg=variant.name)
            np.testing.assert_allclose(found["kl_nats"], naive_kl(intact[document], expected), atol=1e-3)
            assert (found["top1_id"].to_numpy() == expected.top1).mean() > 0.99  # float ties may fall either way
    first = result.layers.set_index("variant").loc["intact", "nll_nats"]
    assert again.layers.set_index("variant").loc["intact", "nll_nats"] == first
    assert first < 5.0, "the intact model knows English"
