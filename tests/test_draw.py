"""Figures of a finished run from its tables: which there are, in which language and format, and that they are never stale."""

from __future__ import annotations

import shlex
import shutil
from pathlib import Path

import pytest

from layerscope.cli.main import main
from layerscope.contrasts.drawing import of_intervention, of_stability
from layerscope.contrasts.figures.units import STABILITY_FIGURES
from layerscope.contrasts.finished import FinishedContrast
from layerscope.contrasts.intervene import InterveneRequest, intervene
from layerscope.contrasts.stability import StabilityRequest, find_stability
from layerscope.draw import draw_figures
from layerscope.errors import RunError
from layerscope.figures.files import own_language
from layerscope.sweeps.drawing import by_layer, by_part_of_speech
from layerscope.sweeps.finished import FinishedRun
from layerscope.sweeps.parts_of_speech import TagRequest, tag_run
from tests.tiny_runs import TinyRuns

pytestmark = pytest.mark.slow


@pytest.fixture
def tagged(runs: TinyRuns, tmp_path: Path) -> Path:
    return Path(shutil.copytree(runs.tagged, tmp_path / "tagged"))


@pytest.fixture
def contrast(runs: TinyRuns, tmp_path: Path) -> Path:
    return Path(shutil.copytree(runs.contrast, tmp_path / "contrast"))


def names(folder: Path) -> set[str]:
    return {path.name for path in (folder / "figures").iterdir()}


def stems(folder: Path, language: str) -> set[str]:
    return {name.rpartition("_")[0] for name in names(folder) if f"_{language}." in name}


def drawn_by(draw) -> set[str]:
    """Names of figures that a run's tables give material for."""
    return set(draw(language="en"))


@pytest.fixture(scope="module")
def swept(runs: TinyRuns) -> set[str]:
    return drawn_by(by_layer(FinishedRun.open(runs.tagged)))


@pytest.fixture(scope="module")
def of_words(runs: TinyRuns) -> set[str]:
    return drawn_by(by_part_of_speech(FinishedRun.open(runs.tagged)))


@pytest.mark.parametrize(("fixture", "damaged"), [("tagged", "transitions.parquet"), ("contrast", "intervention.parquet")])
def test_nothing_is_drawn_where_a_table_is_damaged(fixture: str, damaged: str, request: pytest.FixtureRequest) -> None:
    """Though what is drawn first does not need it."""
    run: Path = request.getfixturevalue(fixture)
    (run / damaged).write_bytes((run / damaged).read_bytes()[:-100])
    with pytest.raises(RunError, match=damaged):
        draw_figures(run, languages=["en"], formats=["svg"])
    assert not (run / "figures").exists()


def test_jobs_draw_nothing(runs: TinyRuns) -> None:
    assert not any((path / "figures").exists() for path in (*runs.all, runs.bare))


def test_everything_of_a_sweep(tagged: Path, swept: set[str], of_words: set[str]) -> None:
    told: list[tuple[str, int, int]] = []
    written = draw_figures(tagged, languages=("en", "ja"), progress=lambda *one: told.append(one))
    assert {path.name for path in written} == names(tagged)
    assert stems(tagged, "en") == stems(tagged, "ja") == swept | of_words
    assert {"removal", "exchange"} <= swept
    assert {"pos_removal", "pos_classes_exchange"} <= of_words
    assert len(written) == 4 * len(swept | of_words), "two languages, two formats"
    assert all(path.stat().st_size > 1000 for path in written)
    assert told == [
        ("Drawing: layers", 0, 3),
        ("Drawing: parts of speech", 1, 3),
        ("Drawing: preference", 2, 3),
        ("Drawing", 3, 3),
    ]


def test_the_same_tables_give_the_same_bytes(tagged: Path) -> None:
    first = {path: path.read_bytes() for path in draw_figures(tagged, languages=("ja",), of=("layers",))}
    again = {path: path.read_bytes() for path in draw_figures(tagged, languages=("ja",), of=("layers",))}
    assert first == again


def test_everything_of_a_contrast(contrast: Path) -> None:
    draw_figures(contrast, languages=("ja",), formats=("svg",))
    run = FinishedContrast.open(contrast)
    stability, intervention = drawn_by(of_stability(run)), drawn_by(of_intervention(run))
    assert names(contrast) == {f"{name}_ja.svg" for name in stability | intervention}
    assert {"heatmap", "consistency"} <= stability <= set(STABILITY_FIGURES)


def test_one_language_by_default_that_of_the_locale(tagged: Path, swept: set[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("layerscope.draw.own_language", lambda: "ja")
    draw_figures(tagged, of=("layers",), formats=("png",))
    assert names(tagged) == {f"{name}_ja.png" for name in swept}


@pytest.mark.parametrize(
    ("environment", "language"),
    [
        ({}, "en"),
        ({"LANG": "C.UTF-8"}, "en"),
        ({"LANG": "ja_JP.UTF-8"}, "ja"),
        ({"LANG": "en_US.UTF-8", "LC_MESSAGES": "ja_JP"}, "ja"),
        ({"LANG": "ja_JP", "LC_ALL": "de_DE"}, "en"),
        ({"LANG": "ja_JP", "LC_ALL": ""}, "ja"),
    ],
)
def test_the_language_of_the_locale(environment: dict[str, str], language: str) -> None:
    assert own_language(environment) == language


def test_a_run_without_analysis_has_what_its_tables_allow(runs: TinyRuns, tmp_path: Path) -> None:
    plain = Path(shutil.copytree(runs.plain, tmp_path / "plain"))
    assert by_part_of_speech(FinishedRun.open(plain)) is None
    draw_figures(plain, languages=("en",), formats=("png",))
    assert names(plain) == {f"{name}_en.png" for name in drawn_by(by_layer(FinishedRun.open(plain)))}
    assert of_stability(FinishedContrast.open(runs.bare)) is of_intervention(FinishedContrast.open(runs.bare)) is None
    assert draw_figures(runs.bare) == []


def test_figures_of_earlier_tables_go(tagged: Path, contrast: Path, swept: set[str]) -> None:
    """A new analysis leaves no figure of the one before, in any language."""
    draw_figures(tagged, languages=("en", "ja"), formats=("png",))
    tag_run(FinishedRun.open(tagged), TagRequest())
    assert names(tagged) == {f"{name}_{language}.png" for name in swept for language in ("en", "ja")}
    draw_figures(contrast, languages=("en", "ja"), formats=("png",))
    find_stability(FinishedContrast.open(contrast), StabilityRequest(k=4, n_resamples=0, positions=("edit",)))
    assert names(contrast) == {"intervention_en.png", "intervention_ja.png"}


def run(*arguments: str) -> None:
    with pytest.raises(SystemExit) as ended:
        main(list(arguments))
    assert ended.value.code == 0


def test_the_command(
    tagged: Path, runs: TinyRuns, swept: set[str], of_words: set[str], capsys: pytest.CaptureFixture[str]
) -> None:
    run("figures", str(tagged), "--language", "ja", "--format", "svg")
    assert names(tagged) == {f"{name}_ja.svg" for name in swept | of_words}
    assert capsys.readouterr().out.strip() == f"{len(swept | of_words)} files: {tagged / 'figures'}"
    run("figures", str(tagged), "--language", "both", "--format", "png")
    assert names(tagged) == {f"{name}_{ending}" for name in swept | of_words for ending in ("ja.svg", "en.png", "ja.png")}, (
        "what was drawn before stays"
    )
    capsys.readouterr()
    run("figures", str(runs.bare))
    said = capsys.readouterr().out.splitlines()
    assert said == ["There is nothing to draw yet.", f"Next: layerscope stability {shlex.quote(str(runs.bare))}"]


@pytest.mark.parametrize(
    ("arguments", "rule"),
    [
        (("--language", "de"), "--language is auto, en, ja or both; got 'de'."),
        (("--format", "gif"), "--format is png, svg, pdf, both or all; got 'gif'."),
    ],
)
def test_unknown_choices(tagged: Path, capsys: pytest.CaptureFixture[str], arguments: tuple[str, str], rule: str) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["figures", str(tagged), *arguments])
    assert ended.value.code == 2
    assert capsys.readouterr().err == f"layerscope: {rule}\n"
    assert not (tagged / "figures").exists()


@pytest.mark.parametrize(("asked", "languages"), [("en", {"en"}), ("both", {"en", "ja"}), ("none", set())])
def test_a_job_draws_in_the_languages_asked_for(tagged: Path, of_words: set[str], asked: str, languages: set[str]) -> None:
    run("pos", str(tagged), "--figures", asked)
    found = names(tagged) if (tagged / "figures").exists() else set()
    assert found == {f"{name}_{language}.{form}" for name in of_words for language in languages for form in ("png", "svg")}


def test_what_is_not_drawn_of_a_run_is_refused(tagged: Path) -> None:
    with pytest.raises(
        RunError, match="Of this run are drawn layers, parts of speech and preference; got 'part of speech'. Did you mean"
    ):
        draw_figures(tagged, of=["part of speech"])


def test_an_intervention_takes_its_own_figure_away(contrast: Path) -> None:
    draw_figures(contrast, languages=("en", "ja"), formats=("svg",))
    before = names(contrast)
    intervene(FinishedContrast.open(contrast), InterveneRequest(stable=3, n_sets=2, max_pairs=4, text_tokens=20))
    assert before - names(contrast) == {"intervention_en.svg", "intervention_ja.svg"}
    assert len(names(contrast)) == len(before) - 2


def test_a_comparison_leaves_no_figure_of_an_earlier_one(runs: TinyRuns, tmp_path: Path) -> None:
    arguments = ["compare", str(runs.tagged), str(runs.plain), "--anyway", "--unit", "bits", "--output-dir", str(tmp_path)]
    run(*arguments, "--figures", "both")
    assert {path.suffix for path in tmp_path.glob("*_delta_ja.*")} == {".png", ".svg"}
    (tmp_path / "notes_en.md").write_text("mine")
    run(*arguments, "--figures", "en")
    assert not [path for path in tmp_path.glob("*_ja.*") if path.suffix != ".md"], "no figure"
    assert (tmp_path / "removal_delta_en.png").is_file()
    run(*arguments, "--figures", "none")
    assert sorted(path.name for path in tmp_path.glob("*_en.*")) == ["notes_en.md", "summary_en.md"]


@pytest.mark.parametrize(
    ("arguments", "name", "said"),
    [
        (("stability", "{contrast}", "--k", "4", "--resamples", "0", "--positions", "edit"), "heatmap", "Tables, reading"),
        (("intervene", "{contrast}", "--stable", "3", "--sets", "2", "--max-pairs", "4", "--text-tokens", "20"),
         "intervention", "Table"),
        (("pos", "{tagged}"), "pos_removal", "Tables"),
    ],
)  # fmt: skip
def test_a_command_says_what_it_left(
    tagged: Path, contrast: Path, arguments: tuple[str, ...], name: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    filled = [part.format(tagged=tagged, contrast=contrast) for part in arguments]
    folder = Path(filled[1])
    run(*filled, "--figures", "none")
    assert f"{said}: {folder}" in capsys.readouterr().out.splitlines()
    assert not (folder / "figures").exists()
    run(*filled, "--figures", "ja")
    assert f"{said} and figures: {folder}" in capsys.readouterr().out.splitlines()
    assert {path.name for path in (folder / "figures").glob(f"{name}_*")} == {f"{name}_ja.png", f"{name}_ja.svg"}


def test_a_finished_sweep_gets_the_figures_that_it_lacks(
    tiny_checkpoint: Path, text_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """As one that was killed while drawing; its numbers are not computed again."""
    arguments = ("sweep", "--model", str(tiny_checkpoint), "--dataset", str(text_file), "--experiment", "removal")
    arguments += ("--output-dir", str(tmp_path / "out"))
    run(*arguments, "--figures", "none")
    (manifest,) = (tmp_path / "out").rglob("manifest.json")
    assert "\nResults: " in capsys.readouterr().out
    assert not (manifest.parent / "figures").exists()
    written = manifest.stat().st_mtime_ns
    run(*arguments, "--figures", "ja")
    assert "\nAlready finished: " in capsys.readouterr().out
    assert "removal_ja.png" in names(manifest.parent)
    assert manifest.stat().st_mtime_ns == written
