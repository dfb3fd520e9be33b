"""Tasks that tests evaluate: BLiMP's files and a user's own .yaml files, all of them local."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

NOUNS = ("key", "cat", "town", "door", "song", "book", "tree", "road", "bird", "lamp")


def write_blimp(folder: Path, *, n: int = 10) -> Path:
    """Two paradigms."""
    folder.mkdir(parents=True, exist_ok=True)
    pairs = {
        "agreement": [(f"The {noun}s are old.", f"The {noun}s is old.") for noun in NOUNS[:n]],
        "word_order": [(f"A {noun} fell down.", f"{noun} A fell down.") for noun in NOUNS[:n]],
    }
    for name, rows in pairs.items():
        lines = [json.dumps({"sentence_good": good, "sentence_bad": bad, "UID": name}) for good, bad in rows]
        (folder / f"{name}.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder


def write_tasks(folder: Path) -> Path:
    """Three kinds that need no generation, one that does, and a group with it."""
    folder.mkdir(parents=True, exist_ok=True)
    _data(folder / "choices.jsonl", [{"q": f"Where is the {noun}?", "choices": ["here", "far away"], "gold": i % 2}
                                     for i, noun in enumerate(NOUNS)])  # fmt: skip
    _data(folder / "texts.jsonl", [{"text": f"It rained on the {noun} all day."} for noun in NOUNS])
    choices = 'doc_to_text: "{{q}}"\ndoc_to_choice: "{{choices}}"\ndoc_to_target: gold\n'
    _task(folder, "own_choice", "choices", "multiple_choice", choices, ("acc", "acc_norm"))
    _task(folder, "own_text", "texts", "loglikelihood_rolling", 'doc_to_text: ""\ndoc_to_target: "{{text}}"\n',
          ("word_perplexity", "bits_per_byte"))  # fmt: skip
    _task(folder, "own_word", "texts", "loglikelihood",
          "doc_to_text: \"{{text.split(' ')[:-1]|join(' ')}}\"\ndoc_to_target: \"{{' ' + text.split(' ')[-1]}}\"\n",
          ("perplexity", "acc"))  # fmt: skip
    fewshot = f"fewshot_split: train\nnum_fewshot: 2\n{choices}"
    _task(folder, "own_fewshot", "choices", "multiple_choice", fewshot, ("acc",))
    _task(folder, "own_answer", "choices", "generate_until", 'doc_to_text: "{{q}}"\ndoc_to_target: "here"\n', ("exact_match",))
    (folder / "group.yaml").write_text("group: own_group\ntask: [own_choice, own_answer]\n", encoding="utf-8")
    (folder / "lost.yaml").write_text(
        "task: own_lost\ndataset_path: json\ndataset_kwargs: {data_files: {train: nowhere.jsonl}}\n"
        "output_type: multiple_choice\nvalidation_split: train\n" + choices,
        encoding="utf-8",
    )
    return folder


def _data(path: Path, rows: Sequence[dict[str, object]]) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def _task(folder: Path, name: str, data: str, kind: str, template: str, metrics: Sequence[str]) -> None:
    listed = "".join(f"  - metric: {metric}\n" for metric in metrics)
    (folder / f"{name}.yaml").write_text(
        f"task: {name}\ndataset_path: json\ndataset_kwargs:\n  data_files: {{train: {folder / f'{data}.jsonl'}}}\n"
        f"validation_split: train\noutput_type: {kind}\n{template}metric_list:\n{listed}",
        encoding="utf-8",
    )
