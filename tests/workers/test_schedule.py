"""The schedule with imagined workers: everything is done once, longest first, whoever is slow, hangs or dies."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.imagined_pool import ImaginedPool, least_makespan
from layerscope.errors import DataError, RunError
from layerscope.workers.part import Part, longest_first
from layerscope.workers.schedule import ATTEMPTS, Patience, Schedule, Unit


def done(pool: ImaginedPool, seconds: list[float], n_workers: int, patience: Patience | None = None) -> tuple[Schedule, list]:
    schedule = Schedule(pool, n_workers, lambda hello: hello, patience or Patience(beat=1e6, work=1e7))
    schedule.open()
    told = [0.0] * len(seconds)

    def tell(number: int, work: float) -> None:
        told[number] += work

    schedule.run([Unit(one, number) for number, one in enumerate(seconds)], tell)
    return schedule, told


@pytest.mark.parametrize("n_workers", [1, 2, 7, 64, 256])
@pytest.mark.parametrize("share_lost", [0.0, 0.1])
def test_near_the_earliest_end_whatever_the_size(n_workers: int, share_lost: float) -> None:
    generator = np.random.default_rng(n_workers)
    seconds = (60 * np.exp(0.3 * generator.normal(size=20 * n_workers))).tolist()
    n_lost = int(share_lost * n_workers)
    lost = {int(one): float(generator.uniform(0, 1500)) for one in generator.choice(n_workers, n_lost, replace=False)}
    pool = ImaginedPool(seconds, lost_at=lost)
    schedule, told = done(pool, seconds, n_workers)
    assert told == pytest.approx(seconds)
    assert len(schedule.lost) == n_lost
    assert pool.now() <= 1.05 * least_makespan(seconds, pool.spans)
    assert pool.times_done.sum() == len(seconds)


def test_the_least_makespan_by_hand() -> None:
    def least(seconds: list[float], *ready: float) -> float:
        return least_makespan(seconds, [(at, np.inf) for at in ready])

    assert least([4.0, 4.0, 2.0], 0.0, 0.0) == 5.0
    assert least([4.0, 4.0], 0.0, 100.0) == 8.0
    assert least([10.0, 2.0], 0.0, 0.0, 0.0) == 10.0
    assert least([6.0, 2.0], 1.0, 3.0) == 7.0
    # 20 s of work: both until 4 (8 s done), one until 10 (14), then its replacement, too (6 s left for two)
    assert least_makespan([10.0, 10.0], [(0.0, np.inf), (0.0, 4.0), (10.0, np.inf)]) == 13.0


def test_workers_load_one_after_the_other_on_a_node_and_the_first_alone() -> None:
    pool = ImaginedPool([1000.0] * 8, opening=50.0, per_node=2)
    done(pool, [1000.0] * 8, 8)
    starts = sorted(start for start, _ in pool.opened)
    assert starts == [1.0, 51.0, 51.0, 51.0, 51.0, 101.0, 101.0, 101.0]


def test_a_worker_that_hangs_is_given_up_and_its_unit_done_by_another() -> None:
    pool = ImaginedPool([10.0] * 12, opening=5.0, hangs=[1])
    schedule, told = done(pool, [10.0] * 12, 3, Patience(work=100.0, beat=1.0))
    assert told == pytest.approx([10.0] * 12)
    assert [why.rpartition(": ")[2] for why in schedule.lost] == ["no progress in 100 s"]


def test_a_unit_that_ends_its_workers_ends_the_run() -> None:
    class Poisoned(ImaginedPool):
        def ask(self, worker: int, what: str, *given: int):
            question = super().ask(worker, what, *given)
            question.lost = what == "work" and given[0] == 3
            return question

    seconds = [1.0] * 5
    pool = Poisoned(seconds, opening=1.0)
    with pytest.raises(
        RunError, match=rf"{ATTEMPTS} workers ended at the same batch \(the last one, node-\d: the worker died\)"
    ):
        done(pool, seconds, 2)


def test_workers_that_never_open_end_the_run() -> None:
    pool = ImaginedPool([1.0], opening=10.0, lost_at=dict.fromkeys(range(10), 5.0))
    with pytest.raises(RunError, match="ended before they had loaded the model"):
        done(pool, [1.0], 1)


def test_no_room_for_any_worker_ends_the_run() -> None:
    class Full(ImaginedPool):
        def ask(self, worker: int, what: str, *given: int):
            question = super().ask(worker, what, *given)
            question.at = np.inf
            return question

    with pytest.raises(RunError, match="No worker could be started within 20 s: the cluster has no room for one"):
        done(Full([1.0]), [1.0], 1, Patience(start=20.0, beat=5.0))


def test_a_node_that_goes_while_its_workers_are_idle_costs_no_unit_its_attempts() -> None:
    pool = ImaginedPool([5.0] * 3, opening=1.0, per_node=8)
    schedule = Schedule(pool, 9, lambda hello: hello, Patience(beat=2.0, work=1e6))
    schedule.open()
    schedule.run([Unit(5.0, number) for number in range(3)], lambda _number, _done: None)
    schedule.run([Unit(5.0, number) for number in range(3)], lambda _number, _done: None)
    for worker in range(8):  # all of the first node
        pool.kill(worker)
    assert schedule.run([Unit(5.0, number) for number in range(3)], lambda _number, _done: None) == [None] * 3
    assert schedule.run([Unit(5.0, 0)], lambda _number, _done: None) == [None]


def test_parts_are_equal_as_far_as_their_units_are() -> None:
    generator = np.random.default_rng(3)
    costs = generator.lognormal(size=200).tolist()
    parts = [Part(number, 7).choose(costs) for number in range(1, 8)]
    assert sorted(unit for part in parts for unit in part) == list(range(200))
    loads = [sum(costs[unit] for unit in part) for part in parts]
    assert max(loads) <= sum(costs) / 7 * 1.02 + 1e-9 or max(loads) <= max(costs)
    assert longest_first([1.0, 3.0, 3.0, 2.0]) == [1, 2, 3, 0]
    assert Part.parse("7/7").choose([1.0]) == []
    for wrong in ("", "0/3", "3", "1/0", "-1/3", "1/3/4", "a/b", "2/1"):
        with pytest.raises(DataError, match="--shard is I/N"):
            Part.parse(wrong)


def test_a_unit_goes_to_the_worker_that_has_at_hand_what_it_needs() -> None:
    """In each round of work of one length, whoever did a thing before does it again; a lost worker's things go to others."""

    class Watched(ImaginedPool):
        def ask(self, worker: int, what: str, *given: int):
            if what == "work":
                self.rounds[-1][given[0]] = worker
            return super().ask(worker, what, *given)

    pool = Watched([10.0] * 6, per_node=1)
    pool.rounds = []
    schedule = Schedule(pool, 3, lambda hello: hello, Patience(beat=1e6, work=1e7))
    schedule.open()
    for order in ([0, 1, 2, 3, 4, 5], [5, 4, 3, 2, 1, 0], [2, 0, 4, 1, 5, 3]):
        pool.rounds.append({})
        schedule.run([Unit(10.0, number, at=number) for number in order], lambda *_: None)
        if len(pool.rounds) == 1:  # the first round began before all workers were there
            schedule.run([Unit(10.0, number, at=number) for number in order], lambda *_: None)
    assert pool.rounds[1] == pool.rounds[2]
    assert set(pool.rounds[2].values()) == {0, 1, 2}
    lost = pool.rounds[2][0]
    pool.kill(lost)
    pool.rounds.append({})
    schedule.run([Unit(10.0, number, at=number) for number in range(6)], lambda *_: None)
    kept = {number: worker for number, worker in pool.rounds[2].items() if worker != lost}
    assert sum(pool.rounds[3][number] == worker for number, worker in kept.items()) >= len(kept) - 1
    assert lost not in pool.rounds[3].values()
