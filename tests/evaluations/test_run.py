"""Evaluations on the tiny checkpoint: against the plain harness and naive means; what is kept, added, resumed and refused."""

from __future__ import annotations

import copy
import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from lm_eval.evaluator import evaluate as plain_evaluate

from layerscope.cli.main import main
from layerscope.errors import DataError, ModelError, PathError, RunError
from layerscope.evaluations.evaluate import evaluate
from layerscope.evaluations.finished import FinishedEvaluation
from layerscope.evaluations.prepare import EvaluationRequest, prepare_evaluation
from layerscope.evaluations.record import EvaluationRecord
from layerscope.evaluations.run import missing_cells, run_evaluation
from layerscope.lm_eval import PathLM
from layerscope.models.loading import LoadOptions, load_decoder
from layerscope.paths.path import LayerPath
from tests.checkpoints import save_shifting_llama
from tests.evaluations.own_tasks import write_blimp
from tests.harness_requests import plain_lm

Made = Callable[..., EvaluationRequest]
KINDS = ("own_choice", "own_text", "own_word")


@pytest.fixture
def run_paths(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Paths that are run, one entry an evaluation."""
    paths: list[str] = []
    begin = PathLM.along

    def counted(self: PathLM, path: LayerPath, **settings: Any) -> PathLM:
        paths.append(str(path))
        return begin(self, path, **settings)

    monkeypatch.setattr(PathLM, "along", counted)
    return paths


def test_every_number_of_the_intact_model_is_the_plain_harness_s(request_of: Made, own_tasks: Path) -> None:
    """Value, error and each sample's log-likelihoods, for every kind of task."""
    request = request_of("0,2-3", tasks=KINDS, data_dir=None, include_path=own_tasks)
    prepared = prepare_evaluation(request)
    found = evaluate(request)
    decoder = load_decoder(request.model)
    assert decoder.encoder is not None
    for name in KINDS:
        lm = plain_lm(decoder.model, decoder.encoder.tokenizer, batch_size=4)
        task = prepared.tasks[name].task
        theirs = plain_evaluate(lm, {"tasks": {name: task}}, bootstrap_iters=1000)
        rows = found.tasks[(found.tasks["path"] == "0-3") & (found.tasks["task"] == name)].set_index("metric")
        results = theirs["results"][name]
        metrics = {key.split(",")[0] for key in results if key.endswith(",none") and "_stderr" not in key}
        assert set(rows.index) == metrics
        for metric in metrics:
            assert rows["value"][metric] == pytest.approx(results[f"{metric},none"], rel=1e-5)
            error = results[f"{metric}_stderr,none"]
            assert (math.isnan(rows["stderr"][metric]) and error == "N/A") or rows["stderr"][metric] == pytest.approx(
                error, rel=1e-4
            )
        samples = found.samples("0-3", name)
        logged = [
            [answer[0][0] if name != "own_text" else answer[0] for answer in one["resps"]] for one in theirs["samples"][name]
        ]
        np.testing.assert_allclose(np.array(samples["log_likelihoods"].tolist()), np.array(logged), rtol=1e-5)


def test_in_half_precision_sentences_do_not_tie_by_rounding(request_of: Made) -> None:
    """Sums are those of float32 log-probabilities; the harness's own default rounds each to eight bits."""
    request = request_of("0,2-3", options=LoadOptions(dtype="bfloat16"))
    found = evaluate(request)
    decoder = load_decoder(request.model, options=request.options)
    assert decoder.encoder is not None
    prepared = prepare_evaluation(request)
    name = sorted(prepared.tasks)[0]
    answers = {}
    for softmax in ("float32", None):
        lm = plain_lm(decoder.model, decoder.encoder.tokenizer, batch_size=4, softmax_dtype=softmax)
        theirs = plain_evaluate(lm, {"tasks": {name: prepared.tasks[name].task}}, bootstrap_iters=0)
        answers[softmax] = np.array([[answer[0][0] for answer in one["resps"]] for one in theirs["samples"][name]])
    ours = np.array(found.samples("0-3", name)["log_likelihoods"].tolist())
    np.testing.assert_allclose(ours, answers["float32"], rtol=1e-5)
    assert np.abs(ours).min() > 64
    assert (answers[None] % 0.5 == 0).all(), "eight bits of a number from 64 to 128"
    assert (ours % 0.5 != 0).mean() > 0.9
    assert found.record.request.softmax_dtype == "float32"


def test_rows_are_means_of_the_samples(request_of: Made) -> None:
    """Values, differences and the group worked out from task_samples alone."""
    found = evaluate(request_of("0,2-3", "0,2,1,3"))
    tasks = found.tasks.set_index(["path", "task"])
    means = {}
    for path in ("0-3", "0,2-3", "0,2,1,3"):
        for name in ("blimp_agreement", "blimp_word_order"):
            samples = found.samples(path, name)
            good, bad = np.array(samples["log_likelihoods"].tolist()).T
            right = (good > bad).astype(float)
            assert [value[0] for value in samples["values"]] == right.tolist()
            means[path, name] = right.mean()
            row = tasks.loc[(path, name)]
            assert (row["value"], row["samples"], row["kind"], row["metric"]) == (right.mean(), 10, "task", "acc")
            assert row["delta"] == pytest.approx(right.mean() - means["0-3", name])
            assert row["stderr"] == pytest.approx(right.std(ddof=1) / math.sqrt(10))
        group = tasks.loc[(path, "blimp")]
        assert group["value"] == pytest.approx((means[path, "blimp_agreement"] + means[path, "blimp_word_order"]) / 2)
        assert (group["kind"], group["samples"]) == ("group", 20)
        errors = [tasks.loc[(path, name)]["stderr"] for name in ("blimp_agreement", "blimp_word_order")]
        assert group["stderr"] == pytest.approx(math.hypot(*errors) / 2)
    intact = found.tasks["path"] == "0-3"
    assert (found.tasks[intact]["delta"] == 0.0).all()
    assert found.tasks[intact]["delta_low"].isna().all()
    assert found.tasks[~intact]["delta_low"].notna().all()
    inside = (found.tasks["delta_low"] <= 0.0) & (found.tasks["delta_high"] >= 0.0)
    assert found.tasks[~intact]["tied"].astype(bool).tolist() == inside[~intact].tolist()


def test_perplexities_have_intervals_and_other_metrics_have_none(request_of: Made, own_tasks: Path) -> None:
    found = evaluate(request_of("0,2-3", tasks=KINDS, data_dir=None, include_path=own_tasks))
    rows = found.tasks[found.tasks["path"] == "0,2-3"].set_index(["task", "metric"])
    for place in (("own_text", "word_perplexity"), ("own_text", "bits_per_byte"), ("own_word", "perplexity")):
        assert rows.loc[place]["delta_low"] < rows.loc[place]["delta"] < rows.loc[place]["delta_high"]
        assert rows.loc[place]["higher_is_better"] == False  # noqa: E712
    assert set(rows.loc["own_choice"].index) == {"acc", "acc_norm"}


def test_what_is_there_is_not_run_again(request_of: Made, run_paths: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    first = evaluate(request_of("0,2-3", tasks=("agreement",)))
    assert run_paths == ["0-3", "0,2-3"]
    before = (first.directory.path / "tasks.parquet").read_bytes()
    assert not run_evaluation(prepare_evaluation(request_of("0,2-3", tasks=("agreement",))))
    assert not run_evaluation(prepare_evaluation(request_of(tasks=("agreement",))))
    assert len(run_paths) == 2
    assert (first.directory.path / "tasks.parquet").read_bytes() == before
    evaluate(request_of("0,2-3", "0-1,3", tasks=("agreement",)))
    assert run_paths[2:] == ["0-1,3"]
    both = evaluate(request_of("0,2-3", tasks=("blimp",)))
    assert run_paths[3:] == ["0-3", "0,2-3"]  # the other task alone
    assert both.tasks["path"][both.tasks["task"] == "blimp_agreement"].tolist() == ["0-3", "0,2-3", "0-1,3"]
    assert both.tasks["path"][both.tasks["task"] == "blimp"].tolist() == ["0-3", "0,2-3"]  # of paths with all its tasks
    monkeypatch.setattr("layerscope.evaluations.run.load_weights", None)  # a name for tasks that are there needs no model
    again = evaluate(request_of("0,2-3", tasks=("blimp*",)))
    assert (
        again.tasks["value"][again.tasks["task"] == "blimp*"].tolist()
        == both.tasks["value"][both.tasks["task"] == "blimp"].tolist()
    )


def test_a_limit_takes_the_first_samples_and_stands_beside_the_whole(request_of: Made, run_paths: list[str]) -> None:
    whole = evaluate(request_of("0,2-3", tasks=("agreement",)))
    values = whole.tasks["value"].tolist()
    both = evaluate(request_of("0,2-3", tasks=("agreement",), limit=9))
    assert len(run_paths) == 4
    assert both.tasks["samples"].tolist() == [10, 10, 9, 9]
    assert both.tasks["limit"].isna().tolist() == [True, True, False, False]
    assert both.tasks["value"].tolist()[:2] == values
    limited = both.samples("0,2-3", "blimp_agreement", 9)["log_likelihoods"].tolist()
    np.testing.assert_allclose(limited, whole.samples("0,2-3", "blimp_agreement")["log_likelihoods"].tolist()[:9], rtol=1e-5)


def test_a_killed_run_goes_on_where_it_was(request_of: Made, run_paths: list[str], tmp_path: Path) -> None:
    whole = evaluate(request_of("0,2-3", output_dir=tmp_path / "whole"))
    run_paths.clear()

    def stop(what: str, done: int, total: int) -> None:
        if len(run_paths) == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        evaluate(request_of("0,2-3"), progress=stop)
    killed = prepare_evaluation(request_of("0,2-3"))
    assert len(missing_cells(killed)) == 2
    with pytest.raises(RunError, match="not finished"):
        FinishedEvaluation.open(killed.directory.path)
    run_paths.clear()
    resumed = evaluate(request_of("0,2-3"))
    assert run_paths == ["0-3", "0,2-3"]
    pd.testing.assert_frame_equal(resumed.tasks, whole.tasks)


def test_a_killed_run_does_not_hold_a_smaller_one_up(request_of: Made, run_paths: list[str]) -> None:
    def stop(what: str, done: int, total: int) -> None:
        if len(run_paths) == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        evaluate(request_of("0,2-3", "0-1,3"), progress=stop)
    found = evaluate(request_of(tasks=("agreement",)))
    assert found.tasks["path"].tolist() == ["0-3"]


@pytest.mark.parametrize("table", ["task_samples", "task_values"])
def test_a_part_that_is_damaged_is_run_again(
    table: str, request_of: Made, run_paths: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    whole = evaluate(request_of("0,2-3"))
    before = _sorted(whole.tasks)
    run_paths.clear()
    path = whole.directory.path / table / "shard-00001.parquet"
    path.write_bytes(path.read_bytes()[:-20])
    again = evaluate(request_of("0,2-3"))
    assert run_paths == ["0,2-3"]
    assert len([one for one in caplog.messages if "is not as it was written: it is made again" in one]) == 1
    pd.testing.assert_frame_equal(_sorted(again.tasks), before)
    assert not path.exists()  # a number of its own
    assert not run_evaluation(prepare_evaluation(request_of("0,2-3")))


def test_a_lost_part_that_nobody_asks_for_is_forgotten(request_of: Made, run_paths: list[str]) -> None:
    whole = evaluate(request_of("0,2-3", "0-1,3", tasks=("agreement",)))
    (whole.directory.path / "task_samples" / "shard-00002.parquet").unlink()
    run_paths.clear()
    found = evaluate(request_of("0,2-3", "0,2,1,3", tasks=("agreement",)))
    assert run_paths == ["0,2,1,3"]
    assert found.tasks["path"].tolist() == ["0-3", "0,2-3", "0,2,1,3"]


def _sorted(tasks: pd.DataFrame) -> pd.DataFrame:
    return tasks.sort_values(["task", "path"]).reset_index(drop=True)


def test_what_would_not_compare_is_refused(request_of: Made, tmp_path: Path) -> None:
    blimp = write_blimp(tmp_path / "blimp")
    evaluate(request_of("0,2-3", data_dir=blimp))
    with pytest.raises(RunError, match='dtype was "float32", now "bfloat16"'):
        evaluate(request_of("0,2-3", data_dir=blimp, options=LoadOptions(dtype="bfloat16")))
    with pytest.raises(RunError, match="batch_size was null, now 2"):
        evaluate(request_of("0,2-3", data_dir=blimp, batch_size=2))
    with pytest.raises(RunError, match='bos was "auto", now "always"'):
        evaluate(request_of("0,2-3", data_dir=blimp, options=LoadOptions(bos="always")))
    (blimp / "agreement.jsonl").write_text(json.dumps({"sentence_good": "a", "sentence_bad": "b"}), encoding="utf-8")
    with pytest.raises(RunError, match="holds the task 'blimp_agreement' with other samples or questions"):
        evaluate(request_of("0,2-3", data_dir=blimp))
    found = evaluate(request_of("0,2-3", data_dir=blimp), force=True)
    assert found.tasks["samples"].tolist() == [1, 1, 10, 10, 11, 11]


def test_cells_of_other_packages_are_not_laid_beside_new_ones(request_of: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    found = evaluate(request_of("0,2-3"))
    changed = {**found.record.environment.packages, "torch": "1.0"}
    monkeypatch.setattr("layerscope.evaluations.run.package_versions", lambda: changed)
    evaluate(request_of("0,2-3"))  # nothing to add
    with pytest.raises(RunError, match="began with torch .* and this is 1.0"):
        evaluate(request_of("0-1,3"))


def test_another_kind_of_run_is_not_written_over(request_of: Made, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("mine", encoding="utf-8")
    with pytest.raises(RunError, match="holds files that are no run"):
        evaluate(request_of(directory=tmp_path / "mine"))
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["notes.txt"]


def test_the_place_and_the_manifest(request_of: Made, tmp_path: Path) -> None:
    found = evaluate(request_of("0,2-3", directory=tmp_path / "run" / "evaluation", limit=3))
    record = found.record
    assert found.directory.path == tmp_path / "run" / "evaluation"
    assert (record.kind, record.status, record.intact, record.request.lm_eval) == ("evaluation", "finished", "0-3", "0.4.13")
    assert [(cell.path, cell.task, cell.limit, cell.part) for cell in record.cells] == [
        ("0-3", "blimp_agreement", 3, 0),
        ("0,2-3", "blimp_agreement", 3, 1),
        ("0-3", "blimp_word_order", 3, 2),
        ("0,2-3", "blimp_word_order", 3, 3),
    ]
    assert record.groups["blimp"].tasks == ("blimp_agreement", "blimp_word_order")
    assert EvaluationRecord.model_validate(record.model_dump(mode="json")) == record
    assert prepare_evaluation(request_of()).directory.path == tmp_path / "results" / "evaluate" / "tiny_llama"
    with pytest.raises(KeyError):
        found.samples("0-3", "blimp_agreement")


def test_a_bos_is_asked_for_as_plain_hflm_is_told(either_checkpoint: Path, own_tasks: Path, tmp_path: Path) -> None:
    decoder = load_decoder(str(either_checkpoint))
    assert decoder.encoder is not None
    for bos, add in (("auto", None), ("always", True), ("never", False)):
        request = EvaluationRequest(
            str(either_checkpoint),
            ("own_choice",),
            include_path=own_tasks,
            options=LoadOptions(bos=bos),
            output_dir=tmp_path / bos,
        )
        found = evaluate(request)
        task = prepare_evaluation(request).tasks["own_choice"].task
        lm = plain_lm(decoder.model, decoder.encoder.tokenizer, batch_size=4, add_bos_token=add)
        logged = plain_evaluate(lm, {"tasks": {"own_choice": copy.copy(task)}}, bootstrap_iters=0)["samples"]["own_choice"]
        expected = [[answer[0][0] for answer in one["resps"]] for one in logged]
        np.testing.assert_allclose(found.samples("0-3", "own_choice")["log_likelihoods"].tolist(), expected, rtol=1e-5)


def test_paths_are_each_once_and_checked_before_anything_is_read(request_of: Made) -> None:
    prepared = prepare_evaluation(request_of("0,2,3", LayerPath.parse("0,2-3"), "0-3", tasks=("agreement",)))
    assert [str(path) for path in prepared.paths] == ["0-3", "0,2-3"]
    with pytest.raises(PathError, match="layers 0-3"):
        prepare_evaluation(request_of("0-4"))
    with pytest.raises(PathError, match="A layer is written"):
        prepare_evaluation(request_of("0;3"))
    for wrong, said in (
        ({"limit": 0}, "--limit is 1 or more; got 0"),
        ({"batch_size": -1}, "--batch-size is 1 or more; got -1"),
    ):
        with pytest.raises(DataError, match=said):
            prepare_evaluation(request_of(**wrong))


def test_examples_before_a_question_are_the_same_for_every_path(request_of: Made, own_tasks: Path) -> None:
    """Drawn at random by the harness: what is run must be what the digest is of."""
    settings = {"tasks": ("own_fewshot",), "data_dir": None, "include_path": own_tasks}
    one = evaluate(request_of("0-3", "0,2-3", **settings))
    twice = evaluate(request_of("0,2-3", **settings), force=True)
    pd.testing.assert_frame_equal(one.samples("0,2-3", "own_fewshot"), twice.samples("0,2-3", "own_fewshot"))
    prepared = prepare_evaluation(request_of(**settings))
    asked = [request.args for request in prepared.tasks["own_fewshot"].task.instances]
    assert all(context.count("Where is the") == 3 for context, _ in asked)
    assert len({context.rsplit("Where", 1)[0] for context, _ in asked}) > 1
    lm = PathLM(load_decoder(request_of().model), batch_size=4)
    answers = lm.loglikelihood(prepared.tasks["own_fewshot"].task.instances, disable_tqdm=True)
    kept = np.ravel(one.samples("0-3", "own_fewshot")["log_likelihoods"].tolist())
    np.testing.assert_allclose(kept, [value for value, _ in answers], rtol=1e-5)


def test_a_path_that_overflows_is_never_right(
    request_of: Made, blimp: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """In float16: layer 1 twice leaves the range. The harness would take the first choice, the right one."""
    folder = save_shifting_llama(tmp_path / "shifting", (0.0, 40_000.0, -40_000.0, 0.0))
    request = EvaluationRequest(str(folder), ("blimp",), ("0-1,1-3", "0,3"), data_dir=blimp, output_dir=tmp_path / "results")
    rows = evaluate(request).tasks.set_index(["path", "task"])
    for task, n in (("blimp_agreement", 10), ("blimp", 20)):
        broken = rows.loc[("0-1,1-3", task)]
        assert (broken["not_finite"], broken["samples"]) == (n, n)
        assert broken[["value", "stderr", "delta", "delta_low", "p_value"]].isna().all()
        assert rows.loc[("0,3", task)]["not_finite"] == 0
        assert rows.loc[("0,3", task)][["value", "delta", "delta_low"]].notna().all()
    with pytest.raises(SystemExit):
        main(["evaluate", "--model", str(folder), "--tasks", "blimp", "--data-dir", str(blimp), "--path", "0-1,1-3",
              "--output-dir", str(tmp_path / "results")])  # fmt: skip
    assert "20 not finite" in capsys.readouterr().out
    loud = save_shifting_llama(tmp_path / "loud", (0.0, 8_000.0, 0.0, 0.0), loud="f")
    with pytest.raises(ModelError, match=r"The intact model gives 10 of 10 samples of 'blimp_word_order'.*wider --dtype"):
        evaluate(EvaluationRequest(str(loud), ("blimp",), data_dir=blimp, output_dir=tmp_path / "results"))


def test_a_continuation_longer_than_the_context_is_a_sentence(request_of: Made, tmp_path: Path) -> None:
    (tmp_path / "own.jsonl").write_text(
        json.dumps({"q": "Where?", "choices": ["b" * 600, "b"], "gold": 0}) + "\n", encoding="utf-8"
    )
    (tmp_path / "own.yaml").write_text(
        f"task: own_long\ndataset_path: json\ndataset_kwargs: {{data_files: {{train: {tmp_path / 'own.jsonl'}}}}}\n"
        'validation_split: train\noutput_type: multiple_choice\ntarget_delimiter: ""\ndoc_to_text: "{{q}}"\n'
        'doc_to_choice: "{{choices}}"\ndoc_to_target: gold\n',
        encoding="utf-8",
    )
    with pytest.raises(DataError, match="cannot score the task 'own_long' with this model"):
        evaluate(request_of(tasks=("own_long",), data_dir=None, include_path=tmp_path))


def test_progress_rises_to_its_end(request_of: Made) -> None:
    told: list[tuple[int, int]] = []
    evaluate(request_of("0,2-3"), progress=lambda what, done, total: told.append((done, total)))
    assert {total for _, total in told} == {80}
    assert [done for done, _ in told] == sorted(done for done, _ in told)
    assert told[-1] == (80, 80)
