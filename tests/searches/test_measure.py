"""Parameters of paths by their names in the model; times by a clock that only steps and unembeddings move."""

from __future__ import annotations

import numpy as np
import pytest

from layerscope.engine.batching import make_shards
from layerscope.models.decoder import Decoder
from layerscope.paths.path import LayerPath
from layerscope.searches import measure
from tests.made_up_windows import windows_of


@pytest.mark.parametrize(
    ("path", "lost", "again"),
    [
        ("0-3", [], []),
        ("0,2", ["layers.1.", "layers.3."], []),
        ("0-3,1-2", [], ["layers.1.", "layers.2."]),
        ("0,1.mlp,2-3", ["layers.1.self_attn."], []),
        ("1.attn,1.mlp,3", ["layers.0.", "layers.2.", "layers.1.self_attn.", "layers.1.mlp."], ["layers.1."]),
    ],
)
def test_parameters_are_those_that_a_path_runs_through(
    path: str, lost: list[str], again: list[str], tiny_decoder: Decoder
) -> None:
    sizes = {name: parameter.numel() for name, parameter in tiny_decoder.model.named_parameters()}

    def of(part: str) -> int:
        return sum(size for name, size in sizes.items() if part in name)

    expected = sum(sizes.values()) - sum(map(of, lost)) + sum(map(of, again))
    assert measure.parameters_of(tiny_decoder, LayerPath.parse(path)) == expected


def test_times_are_of_layers_and_output_matrix_beside_the_intact_model_in_the_same_round(
    tiny_decoder: Decoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock, slowness = [0.0], [1.0]
    run_step = Decoder.run_step

    def step_of_a_second(self: Decoder, *arguments: object) -> object:
        clock[0] += slowness[0]
        return run_step(self, *arguments)

    def unembedding_of_two_seconds(*_: object) -> np.ndarray:
        clock[0] += 2.0 * slowness[0]
        slowness[0] *= 1.001  # a machine that grows slower
        return np.zeros(1)

    monkeypatch.setattr(Decoder, "run_step", step_of_a_second)
    monkeypatch.setattr(measure, "nll_of", unembedding_of_two_seconds)
    monkeypatch.setattr(measure.time, "perf_counter", lambda: clock[0])
    (shard,) = make_shards(windows_of([7, 5]), 100)
    paths = [LayerPath.parse(path) for path in ("0-3", "0,3", "0-3,1-2")]
    found = measure.time_paths(tiny_decoder, paths, shard)
    assert [one.path for one in found] == paths
    for one, steps in zip(found, (4, 2, 6), strict=True):
        assert len(one.ratios) == measure.ROUNDS
        assert one.ratios == pytest.approx([(steps + 2) / (4 + 2)] * measure.ROUNDS, rel=0.002)
        assert one.seconds_a_token == pytest.approx((steps + 2) / 14, rel=0.05)  # of two rows of seven positions
