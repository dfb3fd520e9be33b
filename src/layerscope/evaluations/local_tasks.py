"""BLiMP's files as tasks, for machines without the Hub: asked and counted as the harness's own task ``blimp`` has it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import datasets

from layerscope.errors import DataError
from layerscope.reading import read_json_lines

BLIMP = "blimp"
"""All paradigms; ``blimp_NAME`` is one of them."""
_SIDES = ("sentence_good", "sentence_bad")
_TEMPLATE: dict[str, Any] = {  # lm_eval/tasks/blimp/_template_yaml of 0.4.13
    "output_type": "multiple_choice",
    "validation_split": "train",
    "doc_to_text": "",
    "doc_to_target": 0,
    "doc_to_choice": "{{[sentence_good, sentence_bad]}}",
    "num_fewshot": 0,
    "metric_list": [{"metric": "acc", "aggregation": "mean", "higher_is_better": True}],
}


def find_local(folder: Path) -> dict[str, Path]:
    """BLiMP's files in a folder, by the name of their task.

    Raises:
        DataError: the folder is not there, or holds none.
    """
    if not folder.is_dir():
        raise DataError(f"--data-dir is a folder with BLiMP's .jsonl files; '{folder}' is none.")
    found = {f"{BLIMP}_{path.stem}": path for path in sorted(folder.glob("*.jsonl")) if _is_blimp(path)}
    if not found:
        raise DataError(f"--data-dir holds .jsonl files whose lines have sentence_good and sentence_bad; '{folder}' has none.")
    return found


def local_task(name: str, path: Path) -> dict[str, Any]:
    """A file as the configuration of a task.

    Raises:
        DataError: a line is not a pair.
    """
    rows = [_pair(record, path, number) for number, record in read_json_lines(path)]

    def load(**_: Any) -> datasets.DatasetDict:
        return datasets.DatasetDict({"train": datasets.Dataset.from_list(rows)})

    return {"task": name, "custom_dataset": load, "metadata": {"version": 1.0}, **_TEMPLATE}


def _is_blimp(path: Path) -> bool:
    try:
        _, record = next(read_json_lines(path), (0, {}))
    except DataError:
        return False
    return _SIDES[0] in record


def _pair(record: dict[str, Any], path: Path, number: int) -> dict[str, str]:
    pair = {side: record.get(side) for side in _SIDES}
    if not all(isinstance(sentence, str) and sentence for sentence in pair.values()):
        raise DataError(f"A line of BLiMP's has sentence_good and sentence_bad; line {number} of '{path}' does not.")
    return {side: str(sentence) for side, sentence in pair.items()}
