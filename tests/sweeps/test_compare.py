"""Comparing finished runs: what is refused and why, what is chosen for the user, what is written; the published summaries."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pandas as pd
import pytest
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from layerscope.errors import DataError, RunError
from layerscope.models.export import export_path
from layerscope.models.loading import LoadOptions, load_decoder
from layerscope.paths.path import LayerPath
from layerscope.results.directory import RunDirectory
from layerscope.sweeps.compare import CompareRequest, compare_runs
from layerscope.sweeps.compare_summaries import compare_summaries
from layerscope.sweeps.drawing import draw_comparison
from layerscope.sweeps.finished import FinishedRun
from layerscope.sweeps.parts_of_speech import TagRequest, tag_run
from layerscope.sweeps.prepare import SweepRequest, prepare_sweep
from layerscope.sweeps.run import run_sweep
from layerscope.sweeps.run_names import distinct_names
from layerscope.sweeps.tables import FRAGILITY, LAYERS, PROFILE_CORRELATION
from tests.checkpoints import save_tiny_llama

FEW = "Only 12 texts: with fewer than 50, intervals and p-values err more often than stated where effects are skewed."
WORDS = [("so", "ADV"), ("the", "DET"), ("cat", "NOUN"), ("sat", "VERB"), ("by", "ADP"), ("a", "DET"), ("dog", "NOUN")]


def treebank(n_sentences: int) -> str:
    """Sentences that differ in their number, in CoNLL-U; two nouns and two determiners each."""
    written = []
    for number in range(n_sentences):
        words = [*WORDS, (str(number), "NUM")]
        lines = [f"{i}\t{word}\t_\t{tag}\t_\t_\t0\t_\t_\t_" for i, (word, tag) in enumerate(words, start=1)]
        written.append("\n".join([f"# text = {' '.join(word for word, _ in words)}", *lines]))
    return "\n\n".join(written) + "\n\n"


def merging_tokenizer() -> PreTrainedTokenizerFast:
    """A token a byte, but one for "th"."""
    vocabulary = {character: index for index, character in enumerate(sorted(pre_tokenizers.ByteLevel.alphabet()))}
    tokenizer = Tokenizer(models.BPE(vocab={**vocabulary, "<bos>": 256, "th": 257}, merges=[("t", "h")]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token="<bos>")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Models, data and runs of this module."""
    folder = tmp_path_factory.mktemp("compared")
    save_tiny_llama(folder / "four")
    save_tiny_llama(folder / "six", n_layers=6)
    save_tiny_llama(folder / "short", context=16)
    save_tiny_llama(folder / "trained-with", n_layers=5, adds_bos=True)
    save_tiny_llama(folder / "merging")
    merging_tokenizer().save_pretrained(folder / "merging")
    (folder / "bank.conllu").write_text(treebank(110), encoding="utf-8")
    (folder / "few.conllu").write_text(treebank(12), encoding="utf-8")
    (folder / "other.conllu").write_text(treebank(9), encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def run(place: Path):
    """Sweep once, without the figures that other tests are about, and return the run directory."""
    done: dict[str, Path] = {}

    def sweep(model: str, *, out: str | None = None, tagged: bool = False, dataset: str = "few", **changes) -> Path:
        out = out or f"{model}-{dataset}"
        if out in done:
            return done[out]
        options = {"experiments": ("removal", "exchange"), "output_dir": place / out, "max_samples": None}
        request = SweepRequest(str(place / model), str(place / f"{dataset}.conllu"), **{**options, **changes})
        prepared = prepare_sweep(request)
        run_sweep(prepared)
        if tagged:
            tag_run(FinishedRun.open(prepared.directory.path), TagRequest())
        done[out] = prepared.directory.path
        return prepared.directory.path

    return sweep


@pytest.fixture
def request_for(tmp_path: Path):
    def make(**changes) -> CompareRequest:
        return CompareRequest(**{"output_dir": tmp_path / "out", **changes})

    return make


def refusal(paths: list[Path], request: CompareRequest) -> str:
    with pytest.raises(RunError) as refused:
        compare_runs(paths, request)
    assert not request.output_dir.exists()
    return str(refused.value)


def test_two_models_with_parts_of_speech(run, tmp_path: Path) -> None:
    paths = [run("four", dataset="bank", tagged=True), run("six", dataset="bank", tagged=True)]
    compared = compare_runs(paths, CompareRequest(families=("removal",), output_dir=tmp_path / "out"))
    names = {path.name for path in (tmp_path / "out").iterdir()}
    figures = {
        f"removal_delta{tags}_{language}.{suffix}"
        for tags in ("", "_tags")
        for language in ("en", "ja")
        for suffix in ("png", "svg")
    }
    tables = {f"{table.name.removesuffix('.parquet')}.{suffix}" for table in (FRAGILITY, PROFILE_CORRELATION)
              for suffix in ("csv", "parquet")}  # fmt: skip
    assert names == {*tables, "comparison.json", "summary_en.md", "summary_ja.md"}
    assert {path.name for path in draw_comparison(compared, ("en", "ja"))} == figures
    assert compared.view.axis == "depth"  # 4 and 6 layers
    assert compared.view.unit == "nats"
    record = json.loads((tmp_path / "out" / "comparison.json").read_text(encoding="utf-8"))
    assert record["tags"] == ["NOUN", "DET"]  # 220 words each, and 110 of every other
    assert record["runs"] == {"four": str(paths[0]), "six": str(paths[1])}
    fragility = pd.read_csv(tmp_path / "out" / "fragility.csv")
    layers = pd.read_parquet(paths[0] / LAYERS.name)
    removed = layers[layers["family"] == "removal"]
    worst = removed.loc[removed["delta_nll_nats"].idxmax()]
    assert fragility.loc[0, "most_variant"] == worst["variant"]
    assert fragility.loc[0, "most_delta_nll_nats"] == pytest.approx(worst["delta_nll_nats"])
    assert fragility.loc[0, "most_delta_bits"] == pytest.approx(worst["bits_per_byte"] - layers["bits_per_byte"].iloc[0])
    assert fragility["compared_anyway"].isna().all()
    correlation = pd.read_parquet(tmp_path / "out" / PROFILE_CORRELATION.name)
    assert correlation["tag"].tolist() == ["all", "NOUN", "DET"]
    assert set(correlation["layers_compared"]) == {4}
    assert not list((tmp_path / "out").rglob(".unfinished-*"))


def test_every_shared_family_over_layers_is_compared(run, request_for) -> None:
    compared = compare_runs([run("four"), run("four", out="half", options=LoadOptions(dtype="bfloat16"))], request_for())
    assert list(dict.fromkeys(compared.fragility["family"])) == ["removal", "exchange"]
    assert compared.view.axis == "layer"
    assert [model.name for model in compared.models] == ["four (float32)", "four (bfloat16)"]
    assert compared.notes == (
        f"No panels by part of speech: run 'layerscope pos {compared.models[0].source}' and 'layerscope pos "
        f"{compared.models[1].source}' first.",
        FEW,
    )


def test_family_that_a_run_lacks(run, request_for) -> None:
    paths = [run("four"), run("six", out="removal-only", experiments=("removal",))]
    assert list(dict.fromkeys(compare_runs(paths, request_for()).fragility["family"])) == ["removal"]
    shutil.rmtree(request_for().output_dir)
    assert refusal(paths, request_for(families=("exchange",))).startswith(
        "--family is a family over layers that every run has; got 'exchange', and four has removal, exchange; six has removal: "
    )
    nothing = [run("four"), run("six", out="repeated", experiments=("repetition",))]
    assert refusal(nothing, request_for()).startswith(
        "A comparison needs a family over layers that every run has; four has removal, exchange; six has repetition: sweep"
    )


def test_fewer_than_two_runs_and_the_same_one_twice(run, request_for, monkeypatch: pytest.MonkeyPatch) -> None:
    path = run("four")
    assert refusal([path], request_for()) == "A comparison takes two runs or more; got 1: name another one."
    monkeypatch.chdir(path.parent)
    message = f"A comparison takes runs that differ; '{path}' is named twice: name each once."
    assert refusal([path, Path(path.name)], request_for()) == message


def test_a_folder_that_is_no_run(run, request_for, tmp_path: Path) -> None:
    message = refusal([run("four"), tmp_path], request_for())
    assert message.startswith(f"A run directory holds manifest.json; '{tmp_path}' has none")


def test_other_texts_are_refused_and_the_difference_named(run, request_for) -> None:
    message = refusal([run("four"), run("six", dataset="other")], request_for())
    assert "four scored 12 texts and six 9, of which 9 are the same (dataset " in message
    assert message.endswith("compare them nevertheless with 'layerscope compare --anyway'.")
    fewer = run("six", out="five-of-them", max_samples=5)
    message = refusal([run("four"), fewer], request_for())
    assert "four scored 12 texts and six 5, of which 5 are the same (max_samples None and 5): sweep them alike" in message


def test_the_same_texts_under_another_name_seed_and_count_are_comparable(run, request_for, place: Path) -> None:
    (place / "renamed.conllu").write_bytes((place / "few.conllu").read_bytes())
    same = run("six", dataset="renamed", seed=7, max_samples=50)
    assert compare_runs([run("four"), same], request_for()).view.unit == "nats"


def test_another_protocol_is_refused(run, request_for) -> None:
    windows = [run(name, out=f"{name}-windows", protocol="windows:64") for name in ("four", "merging")]
    message = refusal([run("four"), windows[0]], request_for())
    assert "the protocol is lines in four (four-few) and windows:64 in four (four-windows); " in message
    message = refusal(windows, request_for())
    assert "(windows are cut in tokens, so another tokenizer has other texts: take the protocol lines or documents)" in message


def test_a_bos_in_one_run_is_refused(run, request_for) -> None:
    message = refusal([run("four"), run("six", out="bos", options=LoadOptions(bos="always"))], request_for())
    assert "six has a BOS before every text, which makes its first token count, and four has none" in message


@pytest.mark.parametrize("order", [0, 1])
def test_models_trained_with_and_without_a_bos_are_compared_as_they_were_trained(run, request_for, order: int) -> None:
    paths = [run("four"), run("trained-with")]
    compared = compare_runs(paths[::-1] if order else paths, request_for())
    assert compared.notes[0] == (
        "Each model as it was trained: trained-with was trained with a BOS, so that the first token of each text counts there, "
        "and four without."
    )
    assert (compared.view.unit, compared.view.axis) == ("bits", "depth")
    assert compared.scored.remarks == ("bos",)
    assert compared.scored.differences == ()
    names = [path.name for path in draw_comparison(compared, ("en",), ("svg",))]
    drawn = (compared.folder / names[0]).read_text(encoding="utf-8")
    assert "first tokens count only for models trained with a BOS" in drawn
    by_model = {model.name: model for model in compared.models}
    # the same bytes but for the first of each of the twelve texts
    assert by_model["trained-with"].bytes_scored == by_model["four"].bytes_scored + 12


def test_a_bos_that_was_taken_away_is_refused(run, request_for) -> None:
    message = refusal([run("trained-with"), run("six", out="bare", options=LoadOptions(bos="never"))], request_for())
    assert "trained-with has a BOS before every text, which makes its first token count, and six has none" in message
    both = [run("trained-with"), run("six", out="bos", options=LoadOptions(bos="always"))]
    assert compare_runs(both, request_for()).scored.remarks == ()


def test_texts_cut_at_another_context_are_refused(run, request_for) -> None:
    message = refusal([run("four"), run("short")], request_for())
    assert "12 of 12 texts are scored to another end, because four has a context of 512 tokens and short of 16" in message


def test_other_tokens_are_shown_in_bits_and_refused_in_nats(run, request_for) -> None:
    paths = [run("four"), run("merging")]
    compared = compare_runs(paths, request_for())
    assert compared.view.unit == "bits"
    # "so the cat sat by a dog 7" has 25 bytes, the first of them with nothing before it; two texts have a byte more
    tokens = "12 of 12 texts are cut into other tokens, 290 scored in four and 278 in merging"
    assert compared.notes[0] == f"In bits per byte: {tokens}."
    shutil.rmtree(request_for().output_dir)
    assert refusal(paths, request_for(unit="nats")) == (
        f"Nats per token can be compared only if tokens are the same; {tokens}: use --unit bits, which is per byte of text, or "
        "compare them nevertheless with --anyway."
    )
    shown = compare_runs(paths, request_for(unit="nats", anyway=True))
    assert shown.view.unit == "nats"
    assert set(shown.fragility["compared_anyway"]) == {tokens}


def test_anyway_shows_and_says_so(run, request_for) -> None:
    paths = [run("four"), run("six", dataset="other")]
    request = request_for(anyway=True)
    compared = compare_runs(paths, request)
    assert compared.scored.differences == ("texts",)
    assert (compared.scored.dataset, compared.scored.documents) == ("few / other", None)
    assert "four scored 12 texts and six 9" in compared.correlation["compared_anyway"].iloc[0]
    assert compared.notes[0].startswith("Not comparable, and shown only because of --anyway: four scored 12 texts")


def test_runs_tagged_differently_have_no_panels_unless_asked_for(run, request_for, tmp_path: Path) -> None:
    one, other = run("four", dataset="bank", tagged=True), tmp_path / "other"
    shutil.copytree(run("six", dataset="bank", tagged=True), other)
    tagging = json.loads((other / "pos.json").read_text(encoding="utf-8"))
    RunDirectory(other).write_json("pos.json", {**tagging, "tagger": "a tagger of 1987"})
    compared = compare_runs([one, other], request_for())
    note = "No panels by part of speech: the runs were tagged by gold tags of bank.conllu and a tagger of 1987; tag them alike"
    assert compared.notes[0].startswith(note)
    assert set(compared.fragility["tag"]) == {"all"}
    assert set(compare_runs([one, other], request_for(anyway=True)).fragility["tag"]) == {"all", "NOUN", "DET"}


def test_too_few_words_for_any_panel(run, request_for) -> None:
    paths = [run(name, out=f"{name}-few-tagged", tagged=True) for name in ("four", "six")]
    notes = compare_runs(paths, request_for()).notes
    assert notes == (FEW, "No panels by part of speech: none has 200 words in every run.")


def test_a_place_that_cannot_be_written(run, request_for, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(RunError, match="name another --output-dir"):
        compare_runs([run("four"), run("six")], request_for(output_dir=tmp_path / "file" / "out"))


def test_names_tell_runs_apart(tmp_path: Path) -> None:
    folders = [tmp_path / "x" / "run", tmp_path / "y" / "run", tmp_path / "y" / "other"]
    assert distinct_names(["a", "b", "c"], [None] * 3, folders) == ["a", "b", "c"]
    assert distinct_names(["a", "a", "c"], ["float32", "float16", None], folders) == ["a (float32)", "a (float16)", "c"]
    assert distinct_names(["a", "a", "c"], ["float32"] * 3, folders) == ["a (x)", "a (y)", "c"]
    assert distinct_names(["a", "a", "a"], ["float32"] * 3, folders) == ["a (x/run)", "a (y/run)", "a (y/other)"]


def alone(path: Path, folder: Path, **changed: object) -> Path:
    """A run's ppl.json by itself."""
    content = {**json.loads((path / "ppl.json").read_text(encoding="utf-8")), **changed}
    folder.mkdir(parents=True)
    (folder / "ppl.json").write_text(json.dumps({k: v for k, v in content.items() if v is not None}), encoding="utf-8")
    return folder / "ppl.json"


@pytest.mark.usefixtures("request_for")
def test_summaries_in_their_run_directories_are_compared_as_runs(run, tmp_path: Path) -> None:
    files = [run("four") / "ppl.json", run("six") / "ppl.json"]
    compared = compare_summaries(files, experiment="exchange", output_dir=tmp_path / "out")
    assert set(compared.fragility["family"]) == {"exchange"}
    assert compared.view.measure == "ppl"
    assert all(model.words is None and model.bytes_scored for model in compared.models)
    with pytest.raises(RunError, match="six has a BOS before every text"):
        compare_summaries(
            [files[0], run("six", out="bos", options=LoadOptions(bos="always")) / "ppl.json"],
            experiment="removal",
            output_dir=tmp_path / "out",
        )


@pytest.mark.usefixtures("request_for")
def test_summaries_alone_give_the_same_numbers(run, tmp_path: Path) -> None:
    paths = [run("four"), run("six")]
    whole = compare_summaries([path / "ppl.json" for path in paths], experiment="removal", output_dir=tmp_path / "whole")
    files = [alone(path, tmp_path / path.parts[-1]) for path in paths]
    found = compare_summaries(files, experiment="removal", output_dir=tmp_path / "out")
    pd.testing.assert_frame_equal(found.fragility.drop(columns="run"), whole.fragility.drop(columns="run"))
    pd.testing.assert_frame_equal(found.correlation, whole.correlation)
    assert found.view == whole.view


@pytest.mark.usefixtures("request_for")
def test_summaries_alone_are_refused_by_what_they_say(run, tmp_path: Path) -> None:
    four, six = run("four"), run("six")
    one = alone(four, tmp_path / "one")

    def refused(*files: Path) -> str:
        with pytest.raises((RunError, DataError)) as error:
            compare_summaries(files, experiment="removal", output_dir=tmp_path / "out")
        assert not (tmp_path / "out").exists()
        return str(error.value)

    assert "protocol is lines in four and documents in six" in refused(one, alone(six, tmp_path / "2", protocol="documents"))
    assert "dataset is few in four and lee in six" in refused(one, alone(six, tmp_path / "3", dataset="lee"))
    assert "documents is 12 in four and 13 in six" in refused(one, alone(six, tmp_path / "4", documents=13))
    (tmp_path / "text.json").write_text("no JSON", encoding="utf-8")
    assert "--json_files names ppl.json files that runs wrote. '" in refused(one, tmp_path / "text.json")
    assert "text.json' is not valid JSON (Expecting value at character 1)" in refused(one, tmp_path / "text.json")
    (tmp_path / "huge.json").write_text(f'{{"original": {{"avg_ppl": 1{"0" * 400}}}}}', encoding="utf-8")
    assert "huge.json' has a number that no float holds" in refused(one, tmp_path / "huge.json")
    assert "missing.json' cannot be read (No such file or directory)" in refused(one, tmp_path / "missing.json")
    original = {"avg_ppl": 300.0}
    text_means = alone(six, tmp_path / "5", tokens_scored=99, original=original)
    assert "four has 290 and six has 99, and not every file has bits_per_byte" in refused(one, text_means)


@pytest.mark.usefixtures("request_for")
def test_summaries_with_other_tokens_are_shown_in_bits(run, tmp_path: Path) -> None:
    files = [alone(run(name), tmp_path / name) for name in ("four", "merging")]
    assert compare_summaries(files, experiment="removal", output_dir=tmp_path / "out").view.unit == "bits"


@pytest.mark.usefixtures("request_for")
def test_a_foreign_summary_beside_ours_is_compared_by_means_over_texts(run, tmp_path: Path) -> None:
    ours = alone(run("four"), tmp_path / "ours")
    foreign = tmp_path / "llama_wiki" / "ppl.json"
    foreign.parent.mkdir()
    removed = {f"layer_{layer}": {"avg_ppl": 30.0 - layer} for layer in range(5)}
    foreign.write_text(json.dumps({"original": {"avg_ppl": 12.0}, "removed": removed}), encoding="utf-8")
    compared = compare_summaries([ours, foreign], experiment="removal", output_dir=tmp_path / "out")
    assert [model.name for model in compared.models] == ["four", "llama_wiki"]
    assert compared.view.of_text_means
    assert set(compared.fragility["measured_on"]) == {"text means"}
    assert compared.notes[1] == "Means over texts of each text's perplexity: no other stands in the ppl.json of llama_wiki."
    assert compared.correlation["layers_compared"].tolist() == [4]


# models that were exported from each other


def test_an_exported_model_stands_at_the_numbers_of_its_origin(place: Path, run, request_for) -> None:
    export_path(load_decoder(str(place / "six")), LayerPath.parse("0-1,3,5"), folder=place / "child")
    parent, child = run("six"), run("child")
    found = compare_runs([parent, child], request_for())
    assert found.view.axis == "layer"
    of_child = found.curves[(found.curves["model"] == "child") & (found.curves["tag"] == "all")]
    assert of_child.loc[of_child["family"] == "removal", "layer"].tolist() == [0, 1, 3, 5]
    assert of_child.loc[of_child["family"] == "exchange", "depth"].tolist() == [0.1, 0.4, 0.8]
    assert "Layers of child stand at their numbers in six, from which it was exported (0-1,3,5)." in found.notes
    removal = found.correlation[(found.correlation["family"] == "removal") & (found.correlation["tag"] == "all")].iloc[0]
    assert (removal["alignment"], removal["layers_compared"]) == ("layer by layer", 4)
    exchange = found.correlation[(found.correlation["family"] == "exchange") & (found.correlation["tag"] == "all")].iloc[0]
    assert exchange["layers_compared"] == 1, "of the neighbours in the child only 0 and 1 are neighbours in the parent"
    effects = [FinishedRun.open(one).layers.set_index("variant")["delta_nll_nats"] for one in (parent, child)]
    by_hand = (
        effects[0][[f"removal-{layer}" for layer in (0, 1, 3, 5)]].rank(),
        effects[1][[f"removal-{n}" for n in range(4)]].rank(),
    )
    assert removal["spearman"] == pytest.approx(1 - 6 * ((by_hand[0].to_numpy() - by_hand[1].to_numpy()) ** 2).sum() / (4 * 15))


def test_an_exported_model_beside_others_has_its_own_numbers(run, request_for, place: Path) -> None:
    if not (place / "child").exists():
        export_path(load_decoder(str(place / "six")), LayerPath.parse("0-1,3,5"), folder=place / "child")
    found = compare_runs([run("child"), run("four")], request_for())
    of_child = found.curves[(found.curves["model"] == "child") & (found.curves["family"] == "removal")]
    assert sorted(set(of_child["layer"])) == [0, 1, 2, 3]
    assert not any("stand at their numbers" in note for note in found.notes)
