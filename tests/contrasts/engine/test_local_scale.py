"""The local scale against its definition in plain numpy, by hand, and for what it is: small and large pairs read alike."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from torch import Tensor

from layerscope.contrasts.engine.local_scale import N_BINS, LocalScale, ReferenceBins, bin_of
from tests.contrasts.engine.naive_local_scale import parts_of, percentiles, window_of

CPU = torch.device("cpu")


class MadeUp:
    """Pairs of made-up bins and sizes, by site, layer, position and pair; and which of them have each position."""

    def __init__(self, n: int, seed: int, *, shape: tuple[int, int, int, int] = (2, 3, 3, 5), lack: float = 0.0) -> None:
        rng = np.random.default_rng(seed)
        n_sites, n_positions, n_layers, width = shape
        self.shape = shape
        self.bins = rng.integers(20, 40, size=(n_sites, n_layers, n_positions, n, width))
        self.log_size = rng.normal(size=(n_sites, n_layers, n_positions, n)).astype(np.float32)
        self.has = rng.random((n_positions, n)) >= lack

    def of(self, site: int, layer: int, position: int) -> tuple[np.ndarray, np.ndarray]:
        """Bins and sizes of the pairs that have a position."""
        there = self.has[position]
        return self.bins[site, layer, position][there], self.log_size[site, layer, position][there]

    def at(self, site: int, layer: int) -> tuple[Tensor, Tensor]:
        """As the engine hands them over."""
        return torch.from_numpy(self.bins[site, layer]), torch.from_numpy(self.log_size[site, layer])

    def reference(self, at_once: int = 37) -> ReferenceBins:
        n = self.has.shape[1]
        kept = ReferenceBins(self.shape, n, CPU)
        for start in range(0, n, at_once):
            part = slice(start, start + at_once)
            kept.begin_batch(torch.from_numpy(self.has[:, part].T))
            for site, layer in np.ndindex(self.shape[0], self.shape[2]):
                bins, log_size = self.at(site, layer)
                kept.add(site, layer, bins[:, part], log_size[:, part])
        return kept


def one_dimension(bins: list[int], log_size: list[float]) -> LocalScale:
    """Of pairs at one site, layer and position, of one dimension."""
    kept = ReferenceBins((1, 1, 1, 1), len(bins), CPU)
    kept.begin_batch(torch.ones((len(bins), 1), dtype=torch.bool))
    kept.add(0, 0, torch.tensor(bins)[None, :, None], torch.tensor(log_size, dtype=torch.float32)[None])
    return LocalScale.from_bins(kept)


def read_one(scale: LocalScale, bins: list[int], log_size: list[float]) -> list[float]:
    found = scale.read(0, 0, torch.tensor(bins)[None, :, None], torch.tensor(log_size, dtype=torch.float32)[None])
    return found[0, :, 0].tolist()


@pytest.mark.parametrize("n", [1, 2, 7, 50, 51, 99, 100, 101, 149, 150, 151, 230, 400, 401])
@pytest.mark.parametrize("lack", [0.0, 0.4])
def test_every_percentile_is_that_of_the_definition(n: int, lack: float) -> None:
    reference, read = MadeUp(n, n, lack=lack), MadeUp(23, 1)
    scale = LocalScale.from_bins(reference.reference())
    for site, layer in np.ndindex(2, 3):
        found = scale.read(site, layer, *read.at(site, layer)).numpy()
        for position in range(3):
            ref_bins, ref_log_size = reference.of(site, layer, position)
            if len(ref_bins) == 0:
                assert not found[position].any()
                continue
            expected = percentiles(ref_bins, ref_log_size, *read.of(site, layer, position))
            np.testing.assert_allclose(found[position], expected, atol=1e-6)


def test_a_reference_that_no_pair_of_has_the_position_puts_nothing_above_anything() -> None:
    reference = MadeUp(30, 2)
    reference.has[1] = False
    scale = LocalScale.from_bins(reference.reference())
    found = scale.read(0, 0, *MadeUp(23, 1).at(0, 0))
    assert not found[1].any()
    assert found[[0, 2]].any()


def test_the_scale_of_four_pairs_by_hand() -> None:
    # bins 0, 3, 3 and 4, whatever their sizes
    scale = one_dimension([3, 0, 4, 3], [5.0, 1.0, 2.0, -7.0])
    for size in (-100.0, 0.0, 100.0):
        found = read_one(scale, [0, 1, 2, 3, 4, 5, N_BINS - 1], [size] * 7)
        assert found == [0.125, 0.25, 0.25, 0.5, 0.875, 1.0, 1.0]


@pytest.mark.parametrize("n", [3, 51, 100])
def test_up_to_a_hundred_pairs_are_one_window_which_is_the_percentile_among_all(n: int) -> None:
    reference, read = MadeUp(n, 3), MadeUp(40, 4)
    scale = LocalScale.from_bins(reference.reference())
    for site, layer, position in np.ndindex(2, 3, 3):
        ref_bins, _ = reference.of(site, layer, position)
        bins, _ = read.of(site, layer, position)
        below = (ref_bins[None] < bins[:, None]).mean(axis=1)
        same = (ref_bins[None] == bins[:, None]).mean(axis=1)
        found = scale.read(site, layer, *read.at(site, layer))[position].numpy()
        np.testing.assert_allclose(found, below + 0.5 * same, atol=1e-6)
    assert same.mean() > 0.02, "there are ties"


def test_four_hundred_pairs_are_read_by_the_hundred_whose_middle_is_nearest_in_rank() -> None:
    rng = np.random.default_rng(0)
    log_size = rng.permutation(400).astype(np.float32) / 10
    bins = rng.integers(0, N_BINS, size=400)
    scale = one_dimension(bins.tolist(), log_size.tolist())
    order = np.argsort(log_size)
    sizes, places = np.concatenate([[-5.0, 90.0], rng.uniform(0, 40, size=300)]), rng.integers(0, N_BINS, size=302)
    middles = np.arange(50, 351, 50)
    n_of_window = dict.fromkeys(middles.tolist(), 0)
    for size, place, found in zip(sizes, places, read_one(scale, places.tolist(), sizes.tolist()), strict=True):
        rank = int((log_size <= np.float32(size)).sum())
        away = np.abs(middles - rank)
        nearest = int(middles[np.flatnonzero(away == away.min())[-1 if rank % 50 > 25 else 0]])
        n_of_window[nearest] += 1
        window = bins[order[nearest - 50 : nearest + 50]]
        assert found == pytest.approx((window < place).mean() + 0.5 * (window == place).mean(), abs=1e-6)
    assert min(n_of_window.values()) > 20, "every window was read"


def test_from_the_middle_of_a_part_on_the_next_window_is_read() -> None:
    # three parts of 50; bins tell the part, so that a percentile tells the window
    scale = one_dimension([10] * 50 + [20] * 50 + [30] * 50, [float(rank) for rank in range(150)])
    assert read_one(scale, [15] * 4, [-9.0, 74.999, 75.0, 999.0]) == [0.5, 0.5, 0.0, 0.0]
    assert read_one(scale, [25] * 4, [-9.0, 74.999, 75.0, 999.0]) == [1.0, 1.0, 0.5, 0.5]


@pytest.mark.parametrize("n", range(1, 320, 3))
def test_parts_are_never_above_fifty_and_two_of_them_are_a_window(n: int) -> None:
    log_size = [float(rank) for rank in range(n)]
    scale = one_dimension([7] * n, log_size)
    parts = [len(part) for part in parts_of(n)]
    assert max(parts) <= 50
    assert sum(parts) == n
    assert scale.totals[0].tolist() == [2 * (a + b) for a, b in itertools.pairwise(parts)]
    assert int(scale.counts.max()) == max(scale.totals[0].tolist()) <= 200, "eight bits hold a window"
    windows = {tuple(window_of(np.array(log_size), size)) for size in log_size}
    assert len(windows) == scale.totals.shape[1] <= max(1, n // 50 + 1)
    assert read_one(scale, [6, 7, 8] * n, [size for size in log_size for _ in range(3)]) == [0.0, 0.5, 1.0] * n


def test_positions_with_fewer_pairs_have_fewer_windows_and_no_other_position_reads_them() -> None:
    reference, read = MadeUp(260, 5), MadeUp(40, 6)
    reference.has[1, 40:] = False
    reference.has[2, 140:] = False
    scale = LocalScale.from_bins(reference.reference())
    assert [int((row > 1).sum()) for row in scale.totals] == [5, 1, 2]
    alone = []
    for position in range(3):
        one = MadeUp(int(reference.has[position].sum()), 0, shape=(2, 1, 3, 5))
        one.bins = reference.bins[:, :, position : position + 1, reference.has[position]]
        one.log_size = reference.log_size[:, :, position : position + 1, reference.has[position]]
        alone.append(LocalScale.from_bins(one.reference()))
    for site, layer in np.ndindex(2, 3):
        bins, log_size = read.at(site, layer)
        found = scale.read(site, layer, bins, log_size)
        for position, one in enumerate(alone):
            at = slice(position, position + 1)
            assert torch.equal(found[at], one.read(site, layer, bins[at], log_size[at]))


def test_the_order_in_which_pairs_come_and_their_batches_do_not_matter() -> None:
    made = MadeUp(230, 7, lack=0.2)
    shuffled = MadeUp(230, 7, lack=0.2)
    order = np.random.default_rng(0).permutation(230)
    shuffled.bins, shuffled.log_size = made.bins[:, :, :, order], made.log_size[..., order]
    shuffled.has = made.has[:, order]
    one, other = LocalScale.from_bins(made.reference(at_once=1)), LocalScale.from_bins(shuffled.reference(at_once=230))
    for name in ("counts", "totals", "borders"):
        assert torch.equal(getattr(one, name), getattr(other, name)), name


@pytest.mark.parametrize("n", [60, 400])
def test_two_pairs_of_one_size_are_read_on_the_same_pairs_so_that_an_order_of_dimensions_by_size_alone_is_equal(n: int) -> None:
    """What is alike in both sides of a comparison is exactly alike, not by chance."""
    reference, read = MadeUp(n, 8), MadeUp(30, 9)
    scale = LocalScale.from_bins(reference.reference())
    bins, log_size = read.at(1, 2)
    twice = scale.read(1, 2, torch.cat([bins, bins], dim=1), torch.cat([log_size, log_size], dim=1))
    assert torch.equal(twice[:, :30], twice[:, 30:])
    alone = torch.cat([scale.read(1, 2, bins[:, [row]], log_size[:, [row]]) for row in range(30)], dim=1)
    assert torch.equal(alone, twice[:, :30])


GAMMA = torch.linspace(0.0, 1.6, 60)
"""Of each dimension, the power of a pair's size with which its difference grows."""


def growing_pairs(sizes: Tensor, seed: int) -> tuple[Tensor, Tensor]:
    """Differences of pairs that mean nothing: by their size alone, and chance; bins and logarithmic sizes."""
    chance = torch.randn((len(sizes), len(GAMMA)), generator=torch.Generator().manual_seed(seed)).mul(0.5).exp()
    difference = chance * sizes[:, None] ** GAMMA
    return bin_of(difference / 4.0).long()[None], difference.norm(dim=1).log()[None]


def octaves(low: float, high: float, n: int, seed: int) -> Tensor:
    """Random sizes between two powers of two."""
    return 2.0 ** (low + (high - low) * torch.rand(n, generator=torch.Generator().manual_seed(seed)))


def growing_reference(n: int = 3000) -> tuple[LocalScale, Tensor]:
    """The scale of pairs from half to eight times as large as 1, and their bins."""
    bins, log_size = growing_pairs(octaves(-1.0, 3.0, n, 0), 1)
    kept = ReferenceBins((1, 1, 1, len(GAMMA)), n, CPU)
    kept.begin_batch(torch.ones((n, 1), dtype=torch.bool))
    kept.add(0, 0, bins, log_size)
    return LocalScale.from_bins(kept), bins[0]


def test_small_pairs_are_at_a_half_in_every_dimension_where_the_percentile_among_all_is_not() -> None:
    scale, ref_bins = growing_reference()
    bins, log_size = growing_pairs(octaves(-0.8, 0.2, 400, 2), 3)
    local = scale.read(0, 0, bins, log_size)[0].mean(dim=0)
    assert (local - 0.5).abs().amax() < 0.06
    assert abs(float(np.corrcoef(local, GAMMA)[0, 1])) < 0.5
    below, same = ref_bins[None] < bins[0][:, None], ref_bins[None] == bins[0][:, None]
    among_all = below.float().add(same, alpha=0.5).mean(dim=(0, 1))
    assert among_all[0] == pytest.approx(0.5, abs=0.03), "a dimension that does not grow is at a half"
    assert among_all[-1] < 0.2, "one that grows much seems to change least"
    assert float(np.corrcoef(among_all, GAMMA)[0, 1]) < -0.8


@pytest.mark.parametrize("low", [-0.9, 0.5, 1.9])
def test_a_dimension_that_an_edit_moves_less_is_found_whatever_the_size(low: float) -> None:
    scale, _ = growing_reference()
    bins, log_size = growing_pairs(octaves(low, low + 1.0, 400, 4), 5)
    bins[:, :, 40] -= 4  # half as large
    found = scale.read(0, 0, bins, log_size)[0].mean(dim=0)
    assert found.argmin() == 40
    assert found[40] < 0.2
    assert found[torch.arange(60) != 40].amin() > 0.4
