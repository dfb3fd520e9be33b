"""A search from request to directory: its numbers by rebuilt models, killed and given again, damaged, refused, rehearsed."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from layerscope.errors import RunError
from layerscope.paths.path import LayerPath
from layerscope.results.directory import RunDirectory
from layerscope.searches import rehearsal, run, worker
from layerscope.searches.prepare import PreparedSearch
from layerscope.searches.record import SearchRecord
from layerscope.searches.rehearsal import Dice, rehearse
from layerscope.searches.run import run_search
from layerscope.searches.tables import CALIBRATION_SCORES, CANDIDATES, FRONTIER, GAINS, HELD_OUT_SCORES, LEFT_OUT, TEXTS
from tests.checkpoints import save_shifting_llama
from tests.naive import naive_kl, naive_scores, rearranged
from tests.searches.runs import prepared_in
from tests.swept_files import tables_but_times

TABLES = (TEXTS, CANDIDATES, FRONTIER, GAINS, LEFT_OUT)
SETTINGS: dict[str, dict[str, object]] = {
    "greedy": {"draws": 2},
    "beam": {"method": "beam:3", "moves": ("removal", "exchange"), "until_ci": 0.02, "calibration": 24},
    "evolution": {"method": "evolution:3", "calibration": 32, "moves": ("attention-removal", "mlp-removal")},
    "random": {"method": "random:4", "draws": 2},
    "one-shot": {"method": "one-shot", "moves": ("attention-removal", "mlp-removal"), "drop": 1.5},
    "growth": {"method": "beam:2", "moves": ("block-repeat:2",), "drop": None, "budget": 6.0},
}
DAMAGED = (f"{CALIBRATION_SCORES.name}/shard-00001.parquet", f"{HELD_OUT_SCORES.name}/shard-00000.parquet", FRONTIER.name)
SLOW = ("beam", "evolution", "one-shot", "growth")


def frame(prepared: PreparedSearch, table) -> pd.DataFrame:
    return prepared.directory.read_table(table).to_pandas()


def record(prepared: PreparedSearch) -> SearchRecord:
    found = prepared.directory.record(SearchRecord)
    assert found is not None
    return found


class Finished(dict[str, PreparedSearch]):
    """One finished search of each kind, run when it is first asked for; to be read only."""

    def __init__(self, model: Path, folder: Path) -> None:
        super().__init__()
        self.model, self.folder = model, folder

    def __missing__(self, name: str) -> PreparedSearch:
        self[name] = prepared_in(self.folder / name, self.model, **SETTINGS[name])
        assert run_search(self[name]) is True
        return self[name]


@pytest.fixture(scope="module")
def finished(tiny_checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Finished:
    return Finished(tiny_checkpoint, tmp_path_factory.mktemp("finished"))


# what it says is true


def naive_sums(decoder, prepared: PreparedSearch, path: str, rows: Sequence[int], objective: str = "nll") -> np.ndarray:
    """By whole forward passes of rebuilt models, text by text."""
    layers = [step.layer for step in LayerPath.parse(path).steps]
    sums = []
    for row in rows:
        ids = prepared.texts[row].ids.tolist()
        changed = naive_scores(rearranged(decoder.model, layers), ids)
        sums.append((changed.nll if objective == "nll" else naive_kl(naive_scores(decoder.model, ids), changed)).sum())
    return np.array(sums)


@pytest.mark.parametrize("name", ["greedy", pytest.param("growth", marks=pytest.mark.slow)])
def test_the_frontier_is_that_of_rebuilt_models(name: str, finished, tiny_decoder) -> None:
    prepared = finished[name]
    frontier = frame(prepared, FRONTIER)
    held_out, counts = range(8), np.array([window.n_scored for window in prepared.texts])
    intact = naive_sums(tiny_decoder, prepared, "0-3", held_out).sum() / counts[:8].sum()
    for row in frontier.itertuples():
        nll = naive_sums(tiny_decoder, prepared, row.path, held_out).sum() / counts[:8].sum()
        assert row.nll_nats == pytest.approx(nll, rel=1e-5)
        assert row.ppl == pytest.approx(np.exp(nll), rel=1e-4)
        assert row.delta_nll_nats == pytest.approx(nll - intact, abs=1e-5)
        if row.way != "random":
            calibration = list(range(8, len(prepared.texts)))
            own = calibration[row.draw * 8 : row.draw * 8 + 8]
            for rows, value in ((own, row.calibration_nats), (calibration, row.all_draws_nats)):
                assert value == pytest.approx(
                    naive_sums(tiny_decoder, prepared, row.path, rows).sum() / counts[rows].sum(), rel=1e-5
                )


def test_evolution_scores_the_divergence(tiny_checkpoint: Path, tmp_path: Path, tiny_decoder) -> None:
    prepared = prepared_in(tmp_path, tiny_checkpoint, method="evolution:2")
    run_search(prepared)
    assert record(prepared).request.objective == "kl"
    rows = range(8, 16)
    count = sum(prepared.texts[row].n_scored for row in rows)
    for row in frame(prepared, FRONTIER).itertuples():
        if row.way in ("search", "one-shot"):
            naive = naive_sums(tiny_decoder, prepared, row.path, rows, "kl").sum() / count
            assert row.calibration_nats == pytest.approx(naive, rel=1e-4)


def test_greedy_takes_what_costs_least_on_its_own_texts(finished, tiny_decoder) -> None:
    prepared = finished["greedy"]
    frontier = frame(prepared, FRONTIER).query("way == 'search'")
    for draw in (0, 1):
        remaining = [0, 1, 2, 3]
        for _ in range(2):
            rows = prepared.draws[draw].texts
            totals = {
                layer: naive_sums(tiny_decoder, prepared, ",".join(str(x) for x in remaining if x != layer), rows).sum()
                for layer in remaining
            }
            remaining.remove(min(totals, key=totals.__getitem__))
            (path,) = frontier.query("draw == @draw and layers == @remaining.__len__()")["path"]
            assert [step.layer for step in LayerPath.parse(path).steps] == remaining


@pytest.mark.parametrize("name", ["greedy", "random", *(pytest.param(name, marks=pytest.mark.slow) for name in SLOW)])
def test_no_text_serves_two_purposes(name: str, finished) -> None:
    prepared = finished[name]
    texts = frame(prepared, TEXTS)
    assert texts["characters"].is_unique
    assert len(texts) == prepared.request.held_out + prepared.request.draws * prepared.request.calibration
    purposes = [set(range(prepared.request.held_out)), *(set(draw.texts) for draw in prepared.draws)]
    assert sum(map(len, purposes)) == len(set().union(*purposes)) == len(texts)
    for number, purpose in enumerate(purposes, start=-1):
        of_draw = texts[texts["draw"] == number]
        assert set(of_draw["text"]) == purpose
        assert set(of_draw["role"]) == {"held-out" if number < 0 else "calibration"}
    scored = {
        table: set().union(*(set(part["text"].to_pylist()) for part in prepared.directory.parts(table)))
        for table in (CALIBRATION_SCORES, HELD_OUT_SCORES)
    }
    assert scored[HELD_OUT_SCORES] == purposes[0]
    assert scored[CALIBRATION_SCORES] <= set().union(*purposes[1:])


def test_more_draws_keep_the_held_out_texts_and_those_of_earlier_draws(tiny_checkpoint: Path, tmp_path: Path) -> None:
    one, three = (prepared_in(tmp_path, tiny_checkpoint, draws=draws) for draws in (1, 3))
    assert [window.text for window in three.texts[: len(one.texts)]] == [window.text for window in one.texts]


@pytest.mark.parametrize("name", ["greedy", "random", *(pytest.param(name, marks=pytest.mark.slow) for name in SLOW)])
def test_candidates_are_consistent(name: str, finished) -> None:
    prepared = finished[name]
    candidates = frame(prepared, CANDIDATES)
    for (_, way, _, _), group in candidates.groupby(["draw", "way", "step", "layers"], observed=True):
        assert group["path"].is_unique
        assert not (group["is_best"] & group["is_dropped"]).any()
        away = group["distance_nats"]
        assert (group["distance_low_nats"] <= away).all()
        assert (away <= group["distance_high_nats"]).all()
        assert group.loc[away <= 0.0, "is_tied"].all()
        assert (group["is_tied"] == (group["distance_low_nats"] <= 0.0))[away != 0.0].all()
        if way == "greedy":
            assert group.loc[group["is_best"], "distance_nats"].tolist() == [0.0]
            assert away.min() == 0.0


# twice, killed, damaged


@pytest.mark.parametrize("name", ["greedy", "random", *(pytest.param(name, marks=pytest.mark.slow) for name in SLOW)])
def test_twice_the_same_to_the_byte(name: str, finished, tiny_checkpoint: Path, tmp_path: Path) -> None:
    """The second time with no state kept, and one directory apart."""
    folder = finished[name].request.output_dir.parent
    shutil.copy(folder / "texts.txt", tmp_path / "texts.txt")
    again = prepared_in(folder, tiny_checkpoint, **SETTINGS[name], output_dir=tmp_path / "again", state_memory=0.0)
    assert run_search(again)
    assert tables_but_times(again.directory.path) == tables_but_times(finished[name].directory.path)
    assert record(again).work.layer_runs >= record(finished[name]).work.layer_runs
    assert run_search(again) is False


class KilledError(Exception):
    """Ends a run."""


@pytest.mark.slow
@pytest.mark.parametrize("name", ["greedy", "beam", "evolution"])
def test_a_run_killed_after_any_part_ends_the_same(
    name: str, finished, tiny_checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = finished[name]
    folder = whole.request.output_dir.parent
    expected = tables_but_times(whole.directory.path)
    n_parts = sum(key.startswith((CALIBRATION_SCORES.name, HELD_OUT_SCORES.name)) for key in expected)
    n_calibration = sum(key.startswith(CALIBRATION_SCORES.name) for key in expected)
    write = RunDirectory.write_part
    for kill_after in sorted({0, 1, n_parts // 3, n_calibration, n_parts - 1}):
        prepared = prepared_in(folder, tiny_checkpoint, **SETTINGS[name], output_dir=tmp_path / f"{kill_after}")
        written = 0

        def dies(self, *given, after: int = kill_after, **named) -> None:
            nonlocal written
            if written == after:
                raise KilledError
            written += 1
            write(self, *given, **named)

        with monkeypatch.context() as patch:
            patch.setattr(RunDirectory, "write_part", dies)
            with pytest.raises(KilledError):
                run_search(prepared)
        assert record(prepared).status == "running"
        assert run_search(prepared) is True
        assert tables_but_times(prepared.directory.path) == expected
        assert record(prepared).work.parts_resumed == min(kill_after, n_calibration)


@pytest.mark.parametrize("at", ["_tabulate", "time_paths"])
def test_a_run_killed_before_its_tables_ends_the_same(
    at: str, finished, tiny_checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def dies(*_, **__) -> None:
        raise KilledError

    prepared = prepared_in(finished["greedy"].request.output_dir.parent, tiny_checkpoint, draws=2, output_dir=tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(worker if at == "time_paths" else run, at, dies)
        with pytest.raises(KilledError):
            run_search(prepared)
    assert run_search(prepared)
    assert tables_but_times(prepared.directory.path) == tables_but_times(finished["greedy"].directory.path)
    work = record(prepared).work
    assert work.layer_runs == 0
    assert work.layer_runs_without_sharing == record(finished["greedy"]).work.layer_runs_without_sharing


@pytest.mark.parametrize("damage", ["torn", "flipped", "gone", "emptied"])
@pytest.mark.parametrize("which", DAMAGED)
def test_a_damaged_part_is_made_again(
    which: str, damage: str, finished, tiny_checkpoint: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    prepared = prepared_in(finished["greedy"].request.output_dir.parent, tiny_checkpoint, draws=2, output_dir=tmp_path)
    shutil.copytree(finished["greedy"].directory.path, prepared.directory.path)
    path = prepared.directory.path / which
    whole = path.read_bytes()
    if damage == "gone":
        path.unlink()
    else:
        at = len(whole) // 2
        changed = {"torn": whole[:at], "flipped": whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :], "emptied": b""}
        path.write_bytes(changed[damage])
    assert run_search(prepared) is True
    assert tables_but_times(prepared.directory.path) == tables_but_times(finished["greedy"].directory.path)
    assert which.rpartition("/")[2] in caplog.text
    n_parts = finished["greedy"].directory.n_parts(CALIBRATION_SCORES)
    assert record(prepared).work.parts_resumed == n_parts - which.startswith(CALIBRATION_SCORES.name)


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"seed": 7}, "seed"),
        ({"held_out": 9}, "held_out"),
        ({"objective": "kl"}, "objective"),
        ({"draws": 1}, "draws"),
        ({"keep": (1,)}, "keep"),
        ({"steps": 1}, "steps"),
        ({"until_ci": 0.1}, "until_ci"),
        ({"random_paths": 0}, "random_paths"),
        ({"batch_tokens": 300}, "batch_tokens"),
    ],
)
def test_another_request_is_refused_and_changes_nothing(
    changes: dict[str, object], named: str, finished, tiny_checkpoint: Path, tmp_path: Path
) -> None:
    shutil.copytree(finished["greedy"].request.output_dir.parent, tmp_path / "copy")
    other = prepared_in(tmp_path / "copy", tiny_checkpoint, **{"draws": 2, **changes})
    before = {path: path.read_bytes() for path in other.directory.path.rglob("*") if path.is_file()}
    assert before
    with pytest.raises(RunError, match=named):
        run_search(other)
    assert before == {path: path.read_bytes() for path in other.directory.path.rglob("*") if path.is_file()}


def test_force_replaces_a_run(finished, tiny_checkpoint: Path, tmp_path: Path) -> None:
    shutil.copytree(finished["greedy"].request.output_dir.parent, tmp_path / "copy")
    other = prepared_in(tmp_path / "copy", tiny_checkpoint, seed=3)
    assert run_search(other, force=True)
    assert record(other).request.seed == 3
    assert record(other).work.parts_resumed == 0


# what it says of its work


class Replayed(Dice):
    """The rehearsal's counts, with the scores of a run in place of noise."""

    def score(self, round_: int, paths: Sequence[LayerPath]) -> np.ndarray:
        noise = super().score(round_, paths)
        return np.stack([self.known[path] for path in paths]).reshape(noise.shape)


@pytest.mark.parametrize(
    "changes", [{}, {"drop": 3.0, "keep": (1,)}, {"method": "beam:2", "moves": ("removal", "exchange")}, {"method": "one-shot"}]
)
def test_a_rehearsal_counts_what_a_run_without_kept_states_takes(
    changes: dict[str, object], tiny_checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepared = prepared_in(tmp_path, tiny_checkpoint, state_memory=0.0, random_paths=0, **changes)
    run_search(prepared)
    parts = pd.concat(part.to_pandas() for part in prepared.directory.parts(CALIBRATION_SCORES))
    by_path = parts.sort_values("text").groupby("path", observed=True)["sum_nats"]
    Replayed.known = {LayerPath.parse(path): sums.to_numpy() for path, sums in by_path}
    monkeypatch.setattr(rehearsal, "Dice", Replayed)
    rehearsed, work = rehearse(prepared), record(prepared).work
    assert (rehearsed.layer_runs, rehearsed.without_sharing) == (work.layer_runs, work.layer_runs_without_sharing)
    assert rehearsed.paths == work.paths_scored == len(Replayed.known)
    by_steps = frame(prepared, CANDIDATES).query("way == @prepared.method.name")
    assert rehearsed.steps == by_steps["step"].max()
    assert rehearsed.first_candidates == (by_steps["step"] == 1).sum()


def test_kept_states_save_layer_runs_and_are_never_more_than_rehearsed(finished, tiny_checkpoint: Path, tmp_path: Path) -> None:
    prepared = prepared_in(tmp_path, tiny_checkpoint, drop=3.0)
    run_search(prepared)
    assert record(prepared).work.layer_runs < rehearse(prepared).layer_runs


def test_a_rehearsal_drops_nobody(tiny_checkpoint: Path, tmp_path: Path) -> None:
    """By noise alone a step would end at its first look."""
    with_looks = prepared_in(tmp_path, tiny_checkpoint, calibration=54, until_ci=0.5)
    n_batches = sum(map(len, with_looks.draws[0].rounds))
    assert len(with_looks.draws[0].rounds) > 2
    work = rehearse(with_looks)
    # one-shot: 4 single removals and the pair of the cheapest; greedy: the second step's 3, of which that pair may be one
    assert work.without_sharing in {n_batches * (4 + 4 * 3 + 2 + 2 * n) for n in (2, 3)}
    assert rehearse(replace(with_looks, request=replace(with_looks.request, until_ci=None))) == work


# models whose paths overflow


def test_a_path_that_overflows_is_measured_as_a_gap_and_never_taken(tmp_path: Path) -> None:
    """In float16 layers 0 and 2 add 40,000, layer 1 takes as much away: without it the sum is out of range."""
    model = save_shifting_llama(tmp_path / "shifting", [40_000.0, -40_000.0, 40_000.0, 1.0])
    prepared = prepared_in(tmp_path / "run", model, drop=2.0, random_paths=20)
    run_search(prepared)
    frontier = frame(prepared, FRONTIER)
    layers = [{step.layer for step in LayerPath.parse(path).steps} for path in frontier["path"]]
    overflows = pd.Series([{0, 2} <= some and 1 not in some for some in layers])
    assert overflows.any()
    assert frontier.loc[overflows, ["nll_nats", "ppl", "delta_nll_nats"]].isna().all().all()
    assert set(frontier.loc[overflows, "way"]) <= {"random", "one-shot"}
    assert frontier.loc[~overflows, "nll_nats"].notna().all()
    candidates = frame(prepared, CANDIDATES)
    bad = candidates["objective_nats"].isna()
    assert bad.any()
    assert not candidates.loc[bad, ["is_best", "is_tied"]].any().any()
    assert json.loads((prepared.directory.path / "manifest.json").read_text())["status"] == "finished"
