"""``strided:N/S`` against the loop of Hugging Face's guide "Perplexity of fixed-length models", which knows nothing of windows.

The loop is the guide's: windows of N tokens every S, labels of the overlap at −100, the model's own mean loss, which shifts the
labels by one. From it come three perplexities. *By tokens*, each mean weighted with the labels that it is a mean of, is ours.
The guide's own code weights with one label fewer in every window, though only the first has a label that is not predicted; its
versions before 2025 took the plain mean over windows.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from layerscope.models.decoder import Decoder
from layerscope.models.encoder import BosPolicy, TextEncoder
from layerscope.paths.path import LayerPath
from layerscope.paths.variants import Variant
from layerscope.sweeps.in_memory import sweep
from layerscope.sweeps.result import SweepResult
from tests.checkpoints import BOS_ID, byte_tokenizer
from tests.naive import rearranged

ROWS = ["", " = Robert = \n", "", " He sat on the mat , and it rained all day in the small town . \n", " Then it stopped . \n"]
"""As the Hub serves WikiText: 105 bytes, which are tokens here, with the blank lines between them."""
SHAPES = [(16, 8), (16, 15), (30, 7), (100, 1), (104, 50), (105, 50)]
"""The last three: windows of one new token each, a last window of one, and one window for all."""


@dataclass(frozen=True)
class GuideWindow:
    """What the guide's loop has of one window."""

    loss: float
    """The model's own, a mean over the labels that it predicts; in float64 from its logits, because torch's log-softmax in
    float32 is off by 10⁻⁵ nats where the vocabulary is large."""
    n_labels: int
    """That are not −100, the first token of the first window among them."""
    n_predicted: int
    """Of these, those with a token before them in the window."""


def guide_windows(model: nn.Module, ids: list[int], size: int, stride: int) -> list[GuideWindow]:
    found, previous_end = [], 0
    for begin in range(0, len(ids), stride):
        end = min(begin + size, len(ids))
        window = torch.tensor([ids[begin:end]])
        labels = window.clone()
        labels[:, : -(end - previous_end)] = -100
        with torch.no_grad():
            output = model(window, labels=labels, use_cache=False)
        loss = float(nn.functional.cross_entropy(output.logits[0, :-1].double(), labels[0, 1:]))
        assert math.isclose(loss, float(output.loss), rel_tol=1e-5)
        found.append(GuideWindow(loss, int((labels != -100).sum()), int((labels[:, 1:] != -100).sum())))
        previous_end = end
        if end == len(ids):
            break
    return found


def perplexity(windows: list[GuideWindow], weights: list[int]) -> float:
    return math.exp(sum(w.loss * n for w, n in zip(windows, weights, strict=True)) / sum(weights))


def by_tokens(windows: list[GuideWindow]) -> float:
    return perplexity(windows, [window.n_predicted for window in windows])


def by_the_guide(windows: list[GuideWindow]) -> float:
    return perplexity(windows, [window.n_labels - 1 for window in windows])


def by_the_older_guide(windows: list[GuideWindow]) -> float:
    return perplexity(windows, [1] * len(windows))


def ours(decoder: Decoder, size: int, stride: int, *variants: Variant, rows: list[str] = ROWS) -> SweepResult:
    return sweep(decoder, rows, variants, protocol=f"strided:{size}/{stride}")


def with_bos(decoder: Decoder, policy: BosPolicy) -> Decoder:
    return Decoder(decoder.model, "tiny", TextEncoder.from_tokenizer(byte_tokenizer(adds_bos=True), policy))


def bare_ids(decoder: Decoder, rows: list[str] = ROWS) -> list[int]:
    return decoder.encoder.tokenizer("\n\n".join(rows), add_special_tokens=False)["input_ids"]


@pytest.mark.parametrize(("size", "stride"), SHAPES)
def test_without_a_bos_it_is_the_guides_loop_weighted_by_tokens(tiny_decoder: Decoder, size: int, stride: int) -> None:
    ids = bare_ids(tiny_decoder)
    path = LayerPath.parse("0,2,1")
    layers = ours(tiny_decoder, size, stride, Variant.from_path(path)).layers
    for row, model in enumerate((tiny_decoder.model, rearranged(tiny_decoder.model, [0, 2, 1]))):
        windows = guide_windows(model, ids, size, stride)
        assert layers["tokens_scored"][row] == sum(window.n_predicted for window in windows) == len(ids) - 1
        np.testing.assert_allclose(layers["ppl"][row], by_tokens(windows), rtol=1e-5)


@pytest.mark.parametrize(("size", "stride"), SHAPES)
def test_the_guides_own_figures_can_be_had_from_our_scores(tiny_decoder: Decoder, size: int, stride: int) -> None:
    """They weight the same means: where ours differs from them, it is by the weights and by nothing else."""
    windows = guide_windows(tiny_decoder.model, bare_ids(tiny_decoder), size, stride)
    result = ours(tiny_decoder, size, stride)
    of_windows = result.scores.groupby("document")["nll_nats"]
    means, counts = of_windows.mean().to_numpy(), of_windows.size().to_numpy()
    np.testing.assert_allclose(means, [window.loss for window in windows], rtol=1e-5)
    weights = counts - (np.arange(len(counts)) > 0)  # one fewer in each window but the first
    if weights.sum():
        np.testing.assert_allclose(math.exp(np.average(means, weights=weights)), by_the_guide(windows), rtol=1e-5)
    np.testing.assert_allclose(math.exp(means.mean()), by_the_older_guide(windows), rtol=1e-5)
    if len(windows) > 1:
        assert not math.isclose(result.layers["ppl"][0], by_the_older_guide(windows), rel_tol=1e-5)


@pytest.mark.parametrize(("size", "stride"), SHAPES)
def test_a_bos_stands_before_each_window_of_ours_and_once_before_the_guides_text(
    tiny_decoder: Decoder, size: int, stride: int
) -> None:
    ids = bare_ids(tiny_decoder)
    always, never = with_bos(tiny_decoder, "auto"), with_bos(tiny_decoder, "never")
    nll, scored_to = [], 0
    for begin in range(0, len(ids), stride):
        end = min(begin + size, len(ids))
        with torch.no_grad():
            logits = tiny_decoder.model(torch.tensor([[BOS_ID, *ids[begin:end]]]), use_cache=False).logits[0].double()
        log_probabilities = torch.log_softmax(logits, dim=-1)
        nll += [-float(log_probabilities[at - begin, ids[at]]) for at in range(scored_to, end)]
        scored_to = end
        if end == len(ids):
            break
    layers = ours(always, size, stride).layers
    assert layers["tokens_scored"][0] == len(ids)
    np.testing.assert_allclose(layers["ppl"][0], math.exp(np.mean(nll)), rtol=1e-5)
    without = ours(never, size, stride).layers["ppl"][0]
    np.testing.assert_allclose(without, by_tokens(guide_windows(tiny_decoder.model, ids, size, stride)), rtol=1e-5)
    dressed = by_tokens(
        guide_windows(tiny_decoder.model, always.encoder.tokenizer("\n\n".join(ROWS))["input_ids"], size, stride)
    )
    assert not math.isclose(dressed, without, rel_tol=1e-4)


@pytest.mark.slow
@pytest.mark.real
@pytest.mark.parametrize("real_model", ["smollm2-135m"], indirect=True)  # over 262,144 tokens torch's float32 is 10⁻⁵ off
def test_the_real_model_on_wikitext(real_decoder: Decoder, shared_data: Path) -> None:
    raw = (shared_data / "wikitext-2-raw" / "wiki.test.raw").read_text(encoding="utf-8").split("\n")[:3]
    rows = [f"{line}\n" if line.strip() else "" for line in raw]
    ids = bare_ids(real_decoder, rows)
    windows = guide_windows(real_decoder.model, ids, 128, 64)
    assert len(windows) > 3
    layers = ours(real_decoder, 128, 64, rows=rows).layers
    assert layers["tokens_scored"][0] == len(ids) - 1
    np.testing.assert_allclose(layers["ppl"][0], by_tokens(windows), rtol=1e-5)
    np.testing.assert_allclose(layers["ppl"][0], by_the_guide(windows), rtol=0.02)
