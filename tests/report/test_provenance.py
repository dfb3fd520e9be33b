"""What ran, and the command that runs it again: read by the command line itself, it asks for the same."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from layerscope.cli.main import main
from layerscope.contrasts.finished import FinishedContrast
from layerscope.contrasts.prepare import ContrastRequest, prepare_contrast
from layerscope.contrasts.reference import ReferenceText
from layerscope.models.loading import LoadOptions
from layerscope.pairs.format import write_pairs
from layerscope.report.provenance import command_of, provenance
from layerscope.report.write import open_drawn_run
from layerscope.sweeps.finished import FinishedRun
from layerscope.sweeps.prepare import SweepRequest, prepare_sweep
from tests.checkpoints import save_tiny_llama
from tests.letter_pairs import pairs_of_names
from tests.made_up_records import contrast_record, sweep_record
from tests.tiny_runs import MODEL, TinyRuns

ODD = "an odd 'folder' with \"$quotes\" & ; spaces"


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Any]:
    """What a command asks for, as a request."""

    def of(command: str) -> Any:
        seen: list[Any] = []
        monkeypatch.setattr("layerscope.cli.sweep.show_sweep", lambda request, *_, **__: seen.append(request))
        monkeypatch.setattr("layerscope.cli.contrast.show_contrast", lambda request, *_, **__: seen.append(request))
        program, *arguments = shlex.split(command)
        assert program == "layerscope"
        with pytest.raises(SystemExit) as ended:
            main(arguments)
        assert ended.value.code == 0
        return seen[0]

    return of


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder whose name needs quoting, with a model, texts and pairs."""
    folder = tmp_path_factory.mktemp("provenance") / ODD
    save_tiny_llama(folder / MODEL)
    (folder / "its texts.txt").write_text("A line of text.\nAnd another one, longer.\n" * 20, encoding="utf-8")
    write_pairs(pairs_of_names(), folder / "some pairs.jsonl")
    write_pairs(pairs_of_names(), folder / "templates.jsonl")
    write_pairs(pairs_of_names(), folder / "pairs.txt")
    return folder


SWEEPS: list[dict[str, Any]] = [
    {},
    {"experiments": ("removal",), "max_samples": None, "protocol": "documents"},
    {"experiments": (), "paths": ("0,2", "3,2,1,0")},
    {"experiments": ("block-removal:2", "shuffle:3"), "paths": ("0-1,3",), "max_samples": 7, "seed": 5},
    {"protocol": "strided:16/8", "batch_tokens": 64, "until_ci": 0.125},
    {"protocol": "windows:12", "options": LoadOptions(dtype="bfloat16", bos="always")},
    {"options": LoadOptions(bos="never"), "plain": True},
    {"until_ci": 0.012345678},
]


@pytest.mark.parametrize("changes", SWEEPS, ids=str)
def test_the_command_of_a_sweep_asks_for_the_same(place: Path, tmp_path: Path, asked, changes: dict[str, Any]) -> None:
    request = SweepRequest(str(place / MODEL), str(place / "its texts.txt"), output_dir=tmp_path, **changes)
    record = prepare_sweep(request).record
    again = asked(command_of(sweep_record(request=record.model_dump())))
    assert prepare_sweep(replace(again, output_dir=tmp_path)).record == record


@pytest.mark.parametrize("protocol", ["plain", "lm-eval"])
def test_the_pairs_of_a_sweep_are_asked_for_again(place: Path, tmp_path: Path, asked, protocol: str) -> None:
    pairs = {"file": str(place / "some pairs.jsonl"), "protocol": protocol, "start": [], "pairs": 96, "left_out": {}}
    request = SweepRequest(
        str(place / MODEL), str(place / "its texts.txt"), pairs=Path(pairs["file"]), pair_protocol=protocol, output_dir=tmp_path
    )
    record = prepare_sweep(request).record
    again = asked(command_of(sweep_record(request=record.model_dump(), pairs=pairs)))
    assert (again.pairs, again.pair_protocol) == (place / "some pairs.jsonl", protocol)
    assert prepare_sweep(replace(again, output_dir=tmp_path)).record == record


def test_word_boundaries_and_splits_are_asked_for_again(asked) -> None:
    changes = {"word_boundaries": True, "dataset": "wiki-text-2", "split": "validation", "quantize": "int8"}
    again = asked(command_of(sweep_record(request=changes)))
    assert (again.word_boundaries, again.dataset, again.split) == (True, "wiki-text-2", "validation")
    assert again.options.quantize == "int8"


def test_a_compiled_run_is_compiled_again(asked) -> None:
    """What is left to 'auto' may be decided otherwise on another machine, and decides the last digits."""
    assert asked(command_of(sweep_record(request={"compile": True}))).compile == "on"


def test_a_revision_is_asked_for_again(asked, runs: TinyRuns) -> None:
    for path in (runs.tagged, runs.contrast):
        record = open_drawn_run(path).record
        record = record.model_copy(update={"model": record.model.model_copy(update={"revision": "0123abcd"})})
        assert asked(provenance(record, "")["command"]).revision == "0123abcd"
        assert provenance(record, "")["facts"]["revision"] == "0123abcd"


CONTRASTS: list[dict[str, Any]] = [
    {},
    {"sites": ("update", "read"), "positions": ("edit", "edit+2", "detection"), "values": (0, 3), "seed": 3},
    {"prefix": 'So, "well" it\'s $HOME; -x ', "batch_tokens": 77},
    {"prefix": "--bos "},
    {"placebos": 2},
    {"aligned": True, "options": LoadOptions(dtype="float16", bos="always")},
    {"pairs": "templates.jsonl"},
    {"pairs": "pairs.txt"},
]


@pytest.mark.parametrize("changes", CONTRASTS, ids=str)
def test_the_command_of_a_contrast_asks_for_the_same(
    place: Path, tmp_path: Path, asked, monkeypatch: pytest.MonkeyPatch, changes: dict[str, Any]
) -> None:
    """Pairs are named by their file's name alone: the command is right where that lies."""
    monkeypatch.chdir(place)
    pairs = Path(changes.get("pairs", "some pairs.jsonl"))
    changes = {name: value for name, value in changes.items() if name != "pairs"}
    reference = ReferenceText(str(place / "its texts.txt"), 123)
    request = ContrastRequest(str(place / MODEL), pairs, reference=reference, output_dir=tmp_path, **changes)
    record = prepare_contrast(request).record
    again = asked(command_of(contrast_record(request=record.model_dump())))
    assert prepare_contrast(replace(again, output_dir=tmp_path)).record == record


def test_template_pairs_are_asked_for_again(asked) -> None:
    again = asked(command_of(contrast_record(request={"subtypes": None, "quantize": "nf4"})))
    assert (again.pairs, again.per_subtype, again.subtypes) == (None, 45, None)
    assert (again.reference.dataset, again.reference.n_tokens) == ("lee", 123)
    assert again.options.quantize == "nf4"


@pytest.mark.parametrize(("asked_for", "expected"), [(["tense", "subject"], ("tense", "subject")), (None, None)])
def test_subtypes_of_template_pairs_are_asked_for_again(asked, asked_for, expected) -> None:
    assert asked(command_of(contrast_record(request={"subtypes": asked_for}))).subtypes == expected


def test_subtypes_of_a_run_that_did_not_note_them_are_its_groups(asked) -> None:
    roles = {
        "random-word": "control",
        "identical": "bound",
        "subject": "meaning",
        "subject-placebo": "placebo",
        "tense": "grammar",
    }
    record = contrast_record(groups={name: {"role": role, "pairs": 45} for name, role in roles.items()})
    assert asked(command_of(record)).subtypes == ("subject", "tense")


def test_facts_of_a_sweep(runs: TinyRuns) -> None:
    record = FinishedRun.open(runs.tagged).record
    found = provenance(record, "a/b")
    facts, data = found["facts"], record.data
    assert found["folder"] == "a/b"
    assert found["packages"] == record.environment.packages
    assert {"layerscope", "torch", "transformers", "numpy"} <= set(found["packages"])
    assert facts["texts"] == data.documents == 12
    assert facts["tokens_scored"] == data.tokens_scored
    assert facts["unscored_first"] == 12, "no BOS: of every text the first token"
    assert facts["tokens"] - facts["tokens_scored"] == 12
    assert (facts["unscored_cut"], facts["unscored_tail"], facts["unscored_texts"]) == (0, 0, 0)
    assert facts["model"] == record.model.name
    assert facts["fingerprint"].startswith("sha256:")
    assert (facts["protocol"], facts["seed"], facts["layers"], facts["dtype"]) == ("lines", 42, 4, "float32")
    assert facts["texts_sha256"] == data.texts_sha256 == record.request.texts_sha256
    assert "revision" not in facts, "what is not known is not shown"
    assert "quantize" not in facts
    json.dumps(found, allow_nan=False)


def test_facts_of_a_contrast(runs: TinyRuns) -> None:
    record = FinishedContrast.open(runs.contrast).record
    facts = provenance(record, "")["facts"]
    known = {name: group.pairs for name, group in record.groups.items() if group.pairs is not None}
    assert {"random-word", "subject", "tense", "typo"} <= set(known)
    assert facts["pairs"] == sum(known.values()), "how many placebos there are is not known before the model has run"
    assert facts["pairs_sha256"] == record.request.pairs_sha256
    assert facts["spread_from"].endswith(f"text.txt, {record.reference.tokens}")
    assert "unusable" in facts
    assert "protocol" not in facts


def test_pairs_that_cannot_be_compared_are_counted(runs: TinyRuns) -> None:
    """As the run's own table of groups counts them."""
    run = FinishedContrast.open(runs.contrast)
    assert run.groups["unusable"].sum() == 1
    assert provenance(run.record, "")["facts"]["unusable"] == int(run.groups["unusable"].sum())
