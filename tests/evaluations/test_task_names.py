"""Names of tasks: what they stand for, and what is refused before any data is loaded."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from lm_eval.tasks import TaskManager

from layerscope.errors import DataError, HubError
from layerscope.evaluations.loaded_tasks import load_tasks
from layerscope.evaluations.task_names import find_tasks


@pytest.fixture(scope="module", autouse=True)
def one_list():
    """The harness's own list, read once: it takes seconds."""
    made = {}
    original = TaskManager

    def manager(*, include_path: str | None = None, include_defaults: bool = True) -> TaskManager:
        key = (include_path, include_defaults)
        if key not in made:
            made[key] = original(include_path=include_path, include_defaults=include_defaults)
        return made[key]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("lm_eval.tasks.TaskManager", manager)
        yield


def names(found: object, groups: object) -> tuple[list[str], dict[str, tuple[str, ...]]]:
    return list(found), {name: group.tasks for name, group in groups.items()}


@pytest.mark.parametrize(
    ("asked", "tasks", "groups"),
    [
        (("blimp",), ["blimp_agreement", "blimp_word_order"], ["blimp"]),
        (("agreement",), ["blimp_agreement"], []),
        (("blimp_word_order", "agreement"), ["blimp_word_order", "blimp_agreement"], []),
        (("blimp_word*",), ["blimp_word_order"], ["blimp_word*"]),
        (("blimp", "agreement"), ["blimp_agreement", "blimp_word_order"], ["blimp"]),
    ],
)
def test_a_folder_s_paradigms(asked: tuple[str, ...], tasks: list[str], groups: list[str], blimp: Path) -> None:
    loaded, averaged = load_tasks(find_tasks(asked, data_dir=blimp), None)
    assert list(loaded) == tasks
    assert list(averaged) == groups
    assert all(task.samples == 10 and task.requests == 20 for task in loaded.values())
    assert all(not group.by_size for group in averaged.values())  # as the harness averages BLiMP


def test_local_tasks_ask_what_the_harness_s_own_would(blimp: Path) -> None:
    """Its template, read from its own file, over the same lines."""
    template = dict(TaskManager().task_index["blimp_adjunct_island"].cfg or {})
    for key in ("dataset_path", "dataset_name", "task", "metadata", "include"):
        template.pop(key, None)
    loaded, _ = load_tasks(find_tasks(("agreement",), data_dir=blimp), None)
    ours = loaded["blimp_agreement"].task
    settings = {"task": "theirs", "dataset_path": "json", **template}
    settings["dataset_kwargs"] = {"data_files": {"train": str(blimp / "agreement.jsonl")}}
    theirs = TaskManager(include_defaults=False).load([settings])["tasks"]["theirs"]
    theirs.build_all_requests(limit=None, rank=0, world_size=1)
    assert [request.args for request in ours.instances] == [request.args for request in theirs.instances]
    assert [request.args for request in ours.instances][:2] == [("", " The keys are old."), ("", " The keys is old.")]
    assert list(ours.aggregation()) == list(theirs.aggregation()) == ["acc"]


@pytest.mark.parametrize("name", ["own_choice", "own_text", "own_word"])
def test_a_user_s_own_tasks(name: str, own_tasks: Path) -> None:
    found = find_tasks((name,), include_path=own_tasks)
    assert len(found.manager.task_index) < 100  # the harness's own are not read
    loaded, averaged = load_tasks(found, 4)
    assert (list(loaded), averaged, loaded[name].samples) == ([name], {}, 4)


def test_a_pattern_a_group_and_a_tag_of_the_harness() -> None:
    (pattern,) = find_tasks(("arc_ea*",)).asked
    assert "arc_easy" in pattern.specs
    assert pattern.several
    (group,) = find_tasks(("blimp",)).asked
    assert (group.specs, group.several) == (("blimp",), True)
    (tag,) = find_tasks(("ai2_arc",)).asked
    assert (tag.specs, tag.several) == (("ai2_arc",), True)


@pytest.mark.parametrize("name", ["gsm8k", "truthfulqa_gen", "own_answer"])
def test_a_task_that_generates_is_refused_by_name(name: str, own_tasks: Path) -> None:
    with pytest.raises(DataError, match=rf"^Paths are evaluated by log-likelihoods; {name} generates text.*layerscope export"):
        find_tasks((name,), include_path=own_tasks)


def test_a_group_with_one_that_generates_is_refused(own_tasks: Path) -> None:
    with pytest.raises(DataError, match=r"^'own_group' cannot be evaluated. Paths.*own_answer generates text"):
        find_tasks(("own_group",), include_path=own_tasks)
    with pytest.raises(DataError, match=r"^'gsm8k\*' cannot be evaluated"):
        find_tasks(("gsm8k*",))


def test_a_task_whose_code_generates_is_refused_when_it_is_loaded(tmp_path: Path) -> None:
    """Of those that are classes only the class knows."""
    (tmp_path / "own.py").write_text(
        "import datasets\nfrom lm_eval.api.instance import Instance\nfrom lm_eval.api.task import ConfigurableTask\n\n\n"
        "class Own(ConfigurableTask):\n    VERSION = 1\n    OUTPUT_TYPE = 'generate_until'\n\n"
        "    def __init__(self, config=None):\n        data = lambda **_: {'train': datasets.Dataset.from_list([{'q': 'a'}])}\n"
        "        super().__init__(config={'task': 'own_class', 'custom_dataset': data, 'validation_split': 'train',\n"
        "                                 'output_type': 'generate_until', 'doc_to_text': 'q', 'doc_to_target': 'q'})\n",
        encoding="utf-8",
    )
    (tmp_path / "own.yaml").write_text("task: own_class\nclass: !function own.Own\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"own_class generates text"):
        load_tasks(find_tasks(("own_class",), include_path=tmp_path), None)


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (("arc_esay",), r"^Unknown task 'arc_esay'. Did you mean arc_easy"),
        (("nothing_like_it_*",), r"matches 'nothing_like_it_\*'"),
        ((), r"^--tasks names one task or more"),
    ],
)
def test_unknown_names(asked: tuple[str, ...], said: str) -> None:
    with pytest.raises(DataError, match=said):
        find_tasks(asked)


def test_unknown_paradigms_and_folders(blimp: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no file for 'blimp_agrement'. Did you mean blimp_agreement"):
        find_tasks(("blimp_agrement",), data_dir=blimp)
    with pytest.raises(DataError, match="is a folder with BLiMP's .jsonl files"):
        find_tasks(("blimp",), data_dir=tmp_path / "none")
    with pytest.raises(DataError, match="--include-path is a folder"):
        find_tasks(("own",), include_path=tmp_path / "none")
    (tmp_path / "other.jsonl").write_text('{"sentence1": "a"}\n', encoding="utf-8")
    with pytest.raises(DataError, match="have sentence_good and sentence_bad"):
        find_tasks(("blimp",), data_dir=tmp_path)
    for wrong in ({"sentence_good": "a"}, {"sentence_good": "a", "sentence_bad": 3}, {"sentence_good": "", "sentence_bad": ""}):
        lines = [json.dumps({"sentence_good": "a", "sentence_bad": "b"}), json.dumps(wrong)]
        (tmp_path / "mine.jsonl").write_text("\n".join(lines), encoding="utf-8")
        with pytest.raises(DataError, match=r"line 2 of '.*mine.jsonl' does not"):
            find_tasks(("mine",), data_dir=tmp_path)


@pytest.mark.parametrize("name", ["arc_easy", "blimp", "wikitext"])
def test_a_hub_that_cannot_be_reached_is_said_with_what_to_do(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("layerscope.connection.hub_resolves", lambda: False)
    with pytest.raises(HubError, match=rf"^The task '{name}' reads .* from the Hugging Face Hub, .*--data-dir.*--include-path"):
        load_tasks(find_tasks((name,)), None)


def test_data_of_a_user_s_own_that_is_not_there(own_tasks: Path) -> None:
    with pytest.raises(DataError, match=r"^The data of the task 'own_lost' cannot be read .*correct its .yaml"):
        load_tasks(find_tasks(("own_lost",), include_path=own_tasks), None)


def test_a_template_that_fails_is_said(own_tasks: Path, tmp_path: Path) -> None:
    written = (own_tasks / "own_choice.yaml").read_text(encoding="utf-8")
    (tmp_path / "bad.yaml").write_text(
        written.replace("{{choices}}", "{{choices / 2}}").replace("own_choice", "bad"), encoding="utf-8"
    )
    with pytest.raises(DataError, match="'bad'"):
        load_tasks(find_tasks(("bad",), include_path=tmp_path), None)


def test_the_digest_tells_questions_answers_and_limits_apart(blimp: Path, own_tasks: Path, tmp_path: Path) -> None:
    def digest(limit: int | None, folder: Path) -> str:
        return load_tasks(find_tasks(("agreement",), data_dir=folder), limit)[0]["blimp_agreement"].digest

    assert digest(None, blimp) == digest(None, blimp)
    assert digest(None, blimp) != digest(5, blimp)
    lines = (blimp / "agreement.jsonl").read_text(encoding="utf-8")
    (tmp_path / "agreement.jsonl").write_text(lines.replace("old", "new"), encoding="utf-8")
    assert digest(None, tmp_path) != digest(None, blimp)
    written = (own_tasks / "own_choice.yaml").read_text(encoding="utf-8")
    digests = []
    for gold in ("gold", "0"):
        (tmp_path / "own.yaml").write_text(written.replace("doc_to_target: gold", f"doc_to_target: {gold}"), encoding="utf-8")
        digests.append(load_tasks(find_tasks(("own_choice",), include_path=tmp_path), None)[0]["own_choice"].digest)
    assert digests[0] != digests[1]
