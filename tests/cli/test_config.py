"""``--config`` and ``layerscope config``: options in a file are those of the line, and a run's file asks for the same run."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from layerscope.cli.config import yaml_text
from layerscope.cli.config_of import options_of
from layerscope.cli.main import main
from layerscope.contrasts.prepare import ContrastRequest, prepare_contrast
from layerscope.contrasts.reference import ReferenceText
from layerscope.contrasts.run import run_contrast
from layerscope.evaluations.prepare import EvaluationRequest, prepare_evaluation
from layerscope.evaluations.run import run_evaluation
from layerscope.models.loading import LoadOptions
from layerscope.pairs.format import write_pairs
from layerscope.searches.prepare import SearchRequest, prepare_search
from layerscope.searches.run import run_search
from layerscope.summaries import summarise
from layerscope.sweeps.prepare import SweepRequest, prepare_sweep
from layerscope.sweeps.run import run_sweep
from tests.checkpoints import save_tiny_llama
from tests.evaluations.own_tasks import write_blimp
from tests.letter_pairs import pairs_of_names
from tests.made_up_records import contrast_manifest, sweep_manifest

Asked = Callable[..., Any]
SHOWN = ("sweep.show_sweep", "search.show_search", "contrast.show_contrast", "evaluate.show_evaluation")


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Asked:
    """What a command asks for, as a request."""
    seen: list[Any] = []
    for name in SHOWN:
        monkeypatch.setattr(f"layerscope.cli.{name}", lambda request, *_, **__: seen.append(request))

    def of(*arguments: str) -> Any:
        with pytest.raises(SystemExit) as ended:
            main(arguments)
        assert ended.value.code == 0
        return seen.pop()

    return of


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a name that needs quoting, a model, texts, pairs and tasks."""
    folder = tmp_path_factory.mktemp("config") / "it's: a #folder"
    save_tiny_llama(folder / "tiny model", adds_bos=True)
    (folder / "its texts.txt").write_text(
        "".join(f"Line {n} of a text.\nAnd line {n}, a longer one.\n" for n in range(12)), encoding="utf-8"
    )
    write_pairs(pairs_of_names(), folder / "some pairs.jsonl")
    write_blimp(folder / "blimp")
    return folder


def config_of(run: Path, file: Path) -> str:
    """Write the file of a run, and give the command that it is for."""
    with pytest.raises(SystemExit) as ended:
        main(["config", str(run), "--output", str(file)])
    assert ended.value.code == 0
    return str(yaml.safe_load(file.read_text(encoding="utf-8"))["command"])


SWEEPS: list[dict[str, Any]] = [
    {},
    {"experiments": ("removal",), "max_samples": None, "protocol": "documents"},
    {"experiments": (), "paths": ("0,2", "3,2,1,0"), "max_samples": 3},
    {"experiments": ("block-removal:2", "shuffle:3"), "paths": ("0-1,3",), "max_samples": 7, "seed": 5},
    {"protocol": "strided:16/8", "batch_tokens": 64, "until_ci": 0.125, "max_samples": 2},
    {"options": LoadOptions(dtype="bfloat16", bos="always")},
    {"options": LoadOptions(bos="never"), "plain": True, "max_samples": 2, "experiments": ("removal",)},
    {"with_pairs": True, "pair_protocol": "lm-eval", "max_samples": 2, "experiments": ("removal",)},
]


@pytest.mark.parametrize("changes", SWEEPS, ids=str)
def test_the_file_of_a_sweep_asks_for_the_same(place: Path, tmp_path: Path, asked: Asked, changes: dict[str, Any]) -> None:
    changes = {"experiments": ("removal", "exchange"), **changes}
    if changes.pop("with_pairs", False):
        changes["pairs"] = place / "some pairs.jsonl"
    request = SweepRequest(str(place / "tiny model"), str(place / "its texts.txt"), output_dir=tmp_path / "r", **changes)
    prepared = prepare_sweep(request)
    run_sweep(prepared)
    command = config_of(prepared.directory.path, tmp_path / "run.yaml")
    again = prepare_sweep(asked(command, "--config", str(tmp_path / "run.yaml")))
    assert command == "sweep"
    assert prepared.record.differing(again.record) == []
    assert again.directory.path == prepared.directory.path


CONTRASTS: list[dict[str, Any]] = [
    {"pairs": "some pairs.jsonl", "prefix": 'So, "well": it\'s # -x \n\t', "values": (0, 3), "placebos": 2},
    {"pairs": "some pairs.jsonl", "aligned": True, "positions": ("edit", "last"), "sites": ("update", "read"), "seed": 3},
]


@pytest.mark.parametrize("changes", CONTRASTS, ids=str)
def test_the_file_of_a_contrast_asks_for_the_same(place: Path, tmp_path: Path, asked: Asked, changes: dict[str, Any]) -> None:
    settings = {"sites": ("resid_post",), "positions": ("edit",), **changes}
    if "pairs" in settings:
        settings["pairs"] = place / settings["pairs"]
    reference = ReferenceText(str(place / "its texts.txt"), 123)
    request = ContrastRequest(str(place / "tiny model"), reference=reference, output_dir=tmp_path / "r", **settings)
    prepared = prepare_contrast(request)
    run_contrast(prepared)
    command = config_of(prepared.directory.path, tmp_path / "run.yaml")
    again = prepare_contrast(asked(command, "--config", str(tmp_path / "run.yaml")))
    assert command == "contrast"
    assert prepared.record.differing(again.record) == []
    assert again.directory.path == prepared.directory.path


SEARCHES: list[dict[str, Any]] = [
    {"drop": 1.0},
    {"drop": 0.5, "moves": ("attention-removal", "mlp-removal"), "keep": (0,), "method": "beam:2", "until_ci": 0.5, "draws": 2},
    {"budget": 3.0, "method": "evolution:1", "random_paths": 0, "seed": 9},
]


@pytest.mark.parametrize("changes", SEARCHES, ids=str)
def test_the_file_of_a_search_asks_for_the_same(place: Path, tmp_path: Path, asked: Asked, changes: dict[str, Any]) -> None:
    request = SearchRequest(
        str(place / "tiny model"),
        str(place / "its texts.txt"),
        **{"calibration": 2, "held_out": 3, **changes},
        output_dir=tmp_path / "r",
    )
    prepared = prepare_search(request)
    run_search(prepared)
    command = config_of(prepared.directory.path, tmp_path / "run.yaml")
    again = prepare_search(asked(command, "--config", str(tmp_path / "run.yaml")))
    assert command == "search"
    assert prepared.record.differing(again.record) == []
    assert again.directory.path == prepared.directory.path


@pytest.mark.parametrize("changes", [{"limit": 3}, {"batch_size": 2, "limit": 2}])
def test_the_file_of_an_evaluation_asks_for_the_same(
    place: Path, tmp_path: Path, asked: Asked, changes: dict[str, Any]
) -> None:
    request = EvaluationRequest(
        str(place / "tiny model"), ("blimp",), ("0,2-3", "0-2"), data_dir=place / "blimp", output_dir=tmp_path / "r", **changes
    )
    prepared = prepare_evaluation(request)
    run_evaluation(prepared)
    command = config_of(prepared.directory.path, tmp_path / "run.yaml")
    again = prepare_evaluation(asked(command, "--config", str(tmp_path / "run.yaml")))
    assert command == "evaluate"
    assert prepared.record.differing(again.record) == []
    assert again.cells == prepared.cells
    assert again.directory.path == prepared.directory.path


def test_a_whole_run_from_its_file_is_there_already(
    place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(place)
    words = ["--model", "tiny model", "--dataset", "its texts.txt", "--max-samples", "2", "--figures", "none"]
    ends(["sweep", *words, "--output-dir", str(tmp_path), "--experiment", "removal"], 0)
    run = next(path.parent for path in tmp_path.rglob("manifest.json"))
    ends(["config", str(run), "-o", str(tmp_path / "run.yaml")], 0)
    capsys.readouterr()
    ends(["sweep", "--config", str(tmp_path / "run.yaml"), "--figures", "none"], 0)
    said = capsys.readouterr().out.splitlines()
    assert f"Already finished: {run} (--force runs it again)." in said
    assert [line.removeprefix("• ") for line in said if line.startswith("• ")] == [one.said.en for one in summarise(run)]


def ends(arguments: list[str], code: int) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == code


BASE = "model: m\ndataset: d\n"


def written(folder: Path, text: str) -> str:
    (folder / "o.yaml").write_text(text, encoding="utf-8")
    return str(folder / "o.yaml")


def test_values_are_the_texts_of_the_file(tmp_path: Path, asked: Asked) -> None:
    """What YAML would make numbers, dates and booleans of stays as it was typed."""
    text = 'revision: 0123\npath:\n- 1,0\n- "2"\nexperiment: [removal, exchange]\nmax-samples: 8\nseed: 7\nuntil-ci: 1e-1\n'
    request = asked(
        "sweep", "--config", written(tmp_path, BASE + text + "split: 2001-01-01\nword-boundaries: yes\nplain: no\n")
    )
    assert (request.revision, request.split, request.max_samples, request.seed) == ("0123", "2001-01-01", 8, 7)
    assert request.paths == ("1,0", "2")
    assert request.experiments == ("removal", "exchange")
    assert (request.until_ci, request.word_boundaries, request.plain) == (0.1, True, False)


def test_what_is_given_on_the_line_wins(tmp_path: Path, asked: Asked, monkeypatch: pytest.MonkeyPatch) -> None:
    file = written(tmp_path, f"{BASE}seed: 7\npath: [0, 1]\ndtype: bf16\nquiet: false\ndata-dir: of-the-file\n")
    monkeypatch.setenv("LAYERSCOPE_DATA_DIR", "of-the-environment")
    request = asked("sweep", "--seed", "8", "--config", file, "--path", "2", "--model=other")
    assert (request.seed, request.paths, request.model, request.dataset) == (8, ("2",), "other", "d")
    assert request.options.dtype == "bf16"
    assert request.data_dir == Path("of-the-file"), "a file that is named is nearer than the environment"


def test_names_without_a_value_and_an_empty_file_give_nothing(tmp_path: Path, asked: Asked) -> None:
    request = asked("sweep", "--config", written(tmp_path, "split:\nrevision: null\ncommand:\n" + BASE))
    assert (request.split, request.revision) == (None, None)
    request = asked("sweep", "--model", "m", "--dataset", "d", "--config", written(tmp_path, "# nothing\n"))
    assert request == replace(request, seed=42)


def test_arguments_come_from_the_file_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ends(["pos", "--config", written(tmp_path, "run: -nowhere\n")], 2)
    assert "'-nowhere' does not exist" in capsys.readouterr().err
    ends(["compare", "--config", written(tmp_path, "runs: [one, two]\n")], 2)
    assert "'one' does not exist" in capsys.readouterr().err
    ends(["pairs", "import", "table", "--config", written(tmp_path, "kind: blimp\npath: no.csv\noutput: o.jsonl\n")], 2)
    assert "no.csv" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("max_samples: 3", "without dashes; got 'max_samples'. Did you mean max-samples?"),
        ("zzz: 3", "without dashes; got 'zzz'. See layerscope sweep --help."),
        ("--seed: 3", "got '--seed'. Did you mean seed?"),
        ("seed: x", "Invalid value for '--seed': Input should be a valid integer"),
        ("seed: x", "(in '"),
        ("seed: true", "Invalid value for '--seed'"),
        ("seed: [1]", "'seed' takes one value"),
        ("plain: maybe", "'plain' is true or false; '"),
        ("plain: [true]", "'plain' is true or false; '"),
        ("command: search", "is for 'layerscope search', as its line 'command' says, but this is 'layerscope sweep'"),
        ("config: other.yaml", "An options file cannot refer to another one"),
        ("seed: 1\nseed: 2", "has 'seed' twice"),
        ("- seed", "has 'name: value' on each line"),
        ("seed: {a: 1}", "Values are texts, numbers, true, false or lists of them"),
        ("path: [[0]]", "Values are texts, numbers, true, false or lists of them"),
        ("path: &a [*a]", "Values are texts, numbers, true, false or lists of them"),
        ("model: !!python/object/apply:os.system [touch here]", "(python/object/apply:os.system)"),
        ("model: !!python/name:os.system ''", "(python/name:os.system)"),
        ("a: b: c", "is not valid YAML"),
        ("seed: 1\n---\nseed: 2", "is not valid YAML"),
        ("a: \x01", "is not valid YAML"),
        ("path: " + "[" * 5000, "is not valid YAML"),
        ("model: " + "x" * 1_000_001, "has at most 1,000,000 characters"),
        ("seed: 1" + "0" * 20, "--seed is a number of at most 18 digits"),
        ("model: 'a\\0b'\ndataset: \"a\\0b\"", "--dataset is UTF-8 text without the character NUL"),
    ],
    ids=lambda text: text[:30],
)
def test_a_file_that_cannot_be_is_one_sentence(
    text: str, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    full = text if "model:" in text or (text.startswith("-") and ":" not in text) else f"{text}\n{BASE}"
    ends(["sweep", "--config", written(tmp_path, full)], 2)
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.startswith("layerscope: ")
    assert said in shown.err
    assert len(shown.err) < 2500
    assert not (tmp_path / "here").exists()


def test_a_file_is_not_written_over(place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = made_sweep(place, tmp_path)
    (tmp_path / "run.yaml").write_text("mine", encoding="utf-8")
    ends(["config", str(run), "-o", str(tmp_path / "run.yaml")], 2)
    assert "already exists: name another --output, or use --force" in capsys.readouterr().err
    ends(["config", str(run), "-o", str(tmp_path / "run.yaml"), "--force"], 0)
    ends(["config", str(run)], 0)
    assert capsys.readouterr().out.endswith((tmp_path / "run.yaml").read_text(encoding="utf-8"))


def test_what_tiny_models_cannot_run_is_written_too(tmp_path: Path) -> None:
    """Template pairs, word boundaries and quantized weights, from manifests that were made up."""
    manifests = (
        contrast_manifest(request={"per_subtype": 45, "subtypes": ["subject", "tense"], "quantize": "nf4"}, data_dir="there"),
        sweep_manifest(request={"word_boundaries": True, "compile": True, "split": "validation"}),
    )
    found = []
    for name, manifest in zip(("a", "b"), manifests, strict=True):
        (tmp_path / name).mkdir()
        (tmp_path / name / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
        found.append(options_of(tmp_path / name))
    (of_contrast, contrast), (of_sweep, sweep) = found
    assert (of_contrast, of_sweep) == ("contrast", "sweep")
    assert (contrast["per-subtype"], contrast["subtypes"], contrast["quantize"]) == (45, "subject,tense", "nf4")
    assert (contrast["data-dir"], "pairs" in contrast) == ("there", False)
    assert (sweep["word-boundaries"], sweep["compile"], sweep["split"]) == (True, "on", "validation")


def made_sweep(place: Path, folder: Path) -> Path:
    settings: dict[str, Any] = {"experiments": ("removal",), "max_samples": 1, "output_dir": folder / "r"}
    prepared = prepare_sweep(SweepRequest(str(place / "tiny model"), str(place / "its texts.txt"), **settings))
    run_sweep(prepared)
    return prepared.directory.path


def test_a_folder_without_a_run_has_no_options(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ends(["config", str(tmp_path)], 2)
    assert "has none: name the folder that a command printed." in capsys.readouterr().err


@pytest.mark.parametrize(
    "text", ["0123", "1e5", "true", "null", "", "- a", "a: b", "é\u2028x", "2001-01-01", " x ", "1:30", "~"]
)
def test_texts_are_written_so_that_they_are_read_as_they_were(text: str, tmp_path: Path, asked: Asked) -> None:
    file = written(tmp_path, yaml_text("contrast", {"model": "m", "prefix": text}))
    assert asked("contrast", "--config", file).prefix == text


def test_a_run_in_this_folder_goes_where_it_lies(place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = made_sweep(place, tmp_path)
    monkeypatch.chdir(run)
    assert (run / options_of(Path())[1]["output-dir"]).resolve() == (tmp_path / "r").resolve()
