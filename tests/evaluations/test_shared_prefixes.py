"""Paths that share beginnings, against each by itself: the same to the bit, with fewer layer runs, within the memory."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from layerscope.evaluations.shared_prefixes import SharedPrefixes
from layerscope.lm_eval import PathLM
from layerscope.models.decoder import Decoder
from layerscope.paths.path import LayerPath
from tests.harness_requests import answers, byte_decoder

PATHS = [
    LayerPath.parse(written) for written in ("0-3", "0-1,3", "0-2", "0,2-3", "0-1,3,2", "1-3", "0-1,2.mlp,3", "none", "0-3")
]


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Steps that are run."""
    steps: list[str] = []
    run = Decoder.run_step

    def counted(self: Decoder, step, hidden, recording):
        steps.append(str(step))
        return run(self, step, hidden, recording)

    monkeypatch.setattr(Decoder, "run_step", counted)
    return steps


def evaluated(decoder: Decoder, paths: Sequence[LayerPath], shared: SharedPrefixes) -> list[list[tuple[float, bool]]]:
    return [answers(PathLM(decoder, path, batch_size=3, walk=shared.walker(index))) for index, path in enumerate(paths)]


@pytest.mark.parametrize("family", ["llama", "gemma3_text", "gpt2"])
@pytest.mark.parametrize("limit", [0, 20_000, 2**30])
def test_it_is_each_path_by_itself_to_the_bit(family: str, limit: int, runs: list[str]) -> None:
    decoder = byte_decoder(family)
    _ = decoder.halves
    runs.clear()
    expected = [answers(PathLM(decoder, path, batch_size=3)) for path in PATHS]
    alone = len(runs)
    runs.clear()
    shared = SharedPrefixes(decoder, PATHS, limit_bytes=limit)
    assert evaluated(decoder, PATHS, shared) == expected
    n_batches = alone // sum(len(path) for path in PATHS)
    if limit == 0:
        assert len(runs) == alone
    elif limit == 2**30:  # a step is run once for each way to come to it
        ways = {path.steps[: n + 1] for path in PATHS for n in range(len(path))}
        assert len(runs) == n_batches * len(ways)
    else:
        assert n_batches * 10 < len(runs) < alone


def test_states_stay_within_the_limit_and_are_let_go() -> None:
    decoder = byte_decoder("llama")
    shared = SharedPrefixes(decoder, PATHS[:4], limit_bytes=20_000)
    for index, path in enumerate(PATHS[:4]):
        answers(PathLM(decoder, path, batch_size=3, walk=shared.walker(index)))
        assert shared._bytes == sum(state.nbytes for state in shared._states.values()) <= 20_000
    shared = SharedPrefixes(decoder, PATHS[:4])
    lengths = []
    for index, path in enumerate(PATHS[:4]):
        answers(PathLM(decoder, path, batch_size=3, walk=shared.walker(index)))
        lengths.append({len(prefix) for _, prefix in shared._states})
    assert lengths == [{1, 2, 3}, {1, 2, 3}, {1, 3}, {1}]  # what 0-1,3 parts at goes when it is done, then what 0-2 is
