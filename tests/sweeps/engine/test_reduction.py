"""The one-pass reduction against float64 arithmetic on whole rows, compiled and not."""

from __future__ import annotations

import itertools
import math
import shutil

import pytest
import torch
from torch import Tensor

from layerscope.sweeps.engine.reduction import Reducer, Running, nothing_yet, reduce_slice, slice_reducer

COMPILED = [False, True] if shutil.which("g++") else [False]
CUTS = [0, 5, 6, 64, 100]


def reduce_all(
    reducer: Reducer,
    logits: Tensor,
    intact: Tensor,
    targets: Tensor,
    cuts: list[int] = CUTS,
    starts: Tensor | None = None,
) -> Running:
    """All slices of a row, as the scorer goes through them."""
    log_normaliser = intact.float().logsumexp(dim=-1)
    running = nothing_yet(len(logits), logits.device)
    for start, stop in itertools.pairwise(cuts):
        places = torch.arange(start, stop, dtype=torch.float32)
        intact_slice = intact[:, start:stop]
        probabilities = reducer.probabilities(intact_slice, log_normaliser)
        parts = (logits[:, start:stop], intact_slice, probabilities, targets, places)
        running = reducer.reduce(*parts, running, None if starts is None else starts[start:stop])
    return running


def random_case(rows: int = 70, dtype: torch.dtype = torch.float32) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    logits, intact = (torch.randn((rows, 100), generator=generator) * 20 for _ in range(2))
    return logits.to(dtype), intact.to(dtype), torch.randint(0, 100, (rows,), generator=generator)


@pytest.mark.slow
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("compiled", COMPILED)
def test_every_score_equals_float64_arithmetic(dtype: torch.dtype, *, compiled: bool) -> None:
    logits, intact, targets = random_case(dtype=dtype)
    running = reduce_all(slice_reducer(compiled=compiled), logits, intact, targets)
    log_q, log_p = (x.double().log_softmax(dim=-1) for x in (logits, intact))
    nll = running.log_normaliser - running.target
    kl = running.log_normaliser - intact.float().logsumexp(dim=-1) - running.shift
    torch.testing.assert_close(nll.double(), -log_q.gather(1, targets[:, None])[:, 0], atol=2e-5, rtol=0)
    torch.testing.assert_close(kl.double(), (log_p.exp() * (log_p - log_q)).sum(-1), atol=2e-5, rtol=1e-5)
    assert torch.equal(running.top1.long(), logits.argmax(dim=-1))


@pytest.mark.parametrize("compiled", COMPILED)
def test_the_share_of_some_tokens_equals_float64_arithmetic(*, compiled: bool) -> None:
    logits, intact, targets = random_case()
    starts = (torch.arange(100) % 7 == 0).float()
    running = reduce_all(slice_reducer(compiled=compiled), logits, intact, targets, starts=starts)
    share = running.exponentials.log() - running.of_starts.log()
    expected = -logits.double().log_softmax(dim=-1)[:, starts.bool()].logsumexp(dim=-1)
    torch.testing.assert_close(share.double(), expected, atol=2e-5, rtol=0)


def test_two_entries_by_hand() -> None:
    logits, intact = torch.tensor([[0.0, math.log(3.0)]]), torch.tensor([[0.0, 0.0]])
    running = reduce_all(slice_reducer(compiled=False), logits, intact, torch.tensor([0]), cuts=[0, 1, 2])
    assert math.isclose(float(running.log_normaliser), math.log(4.0), rel_tol=1e-6)
    assert math.isclose(float(running.log_normaliser - running.target), math.log(4.0), rel_tol=1e-6)  # p = 1/4
    assert int(running.top1) == 1
    # KL((1/2, 1/2) ‖ (1/4, 3/4)) = ½ ln 2 + ½ ln ⅔
    kl = float(running.log_normaliser) - math.log(2.0) - float(running.shift)
    assert math.isclose(kl, 0.5 * math.log(2.0) + 0.5 * math.log(2.0 / 3.0), rel_tol=1e-5)


def test_the_first_of_equal_logits_wins_across_and_within_slices() -> None:
    logits = torch.zeros((2, 100))
    logits[1, [7, 30, 99]] = 4.0
    for compiled in COMPILED:
        running = reduce_all(slice_reducer(compiled=compiled), logits, logits, torch.tensor([0, 0]))
        assert running.top1.tolist() == [0.0, 7.0]
        assert (running.shift == 0.0).all()


def test_huge_logits_do_not_overflow_and_missing_numbers_stay_missing() -> None:
    logits = torch.zeros((3, 100))
    logits[0, 3], logits[0, 80] = 3e4, 3e4 - 1.0
    logits[1, :] = torch.nan
    logits[2, :50] = -torch.inf
    running = reduce_all(slice_reducer(compiled=False), logits, torch.zeros((3, 100)), torch.tensor([80, 0, 60]))
    nll = running.log_normaliser - running.target
    assert math.isclose(float(nll[0]), 1.0 + math.log(1 + math.exp(-1.0)), rel_tol=1e-3)  # float32 at 3·10⁴ is this coarse
    assert torch.isnan(nll[1])
    assert running.top1[1] == -1.0
    assert math.isclose(float(nll[2]), math.log(50.0), rel_tol=1e-6)


def test_nothing_returned_shares_memory_with_what_was_given() -> None:
    """The scorer writes the result over what it gave."""
    logits, intact, targets = random_case(rows=3)
    running = nothing_yet(3, logits.device)
    probabilities = intact.softmax(dim=-1)
    for starts in (None, torch.ones(100)):
        found = reduce_slice(logits, intact, probabilities, targets, torch.arange(100.0), running, starts)
        assert not {part.data_ptr() for part in found} & {part.data_ptr() for part in running}
