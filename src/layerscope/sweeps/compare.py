"""Several finished runs laid over each other: checked, put into one unit and over one axis, written as figures and tables."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from layerscope.atomic import check_place, whole_file, write_json
from layerscope.errors import RunError
from layerscope.finding import FILES, Finding, in_lines
from layerscope.lock import alone
from layerscope.paths.families import DEPTHS, is_of_heads
from layerscope.results.directory import RunDirectory
from layerscope.sweeps.analysis.comparison import Axis, ComparedModel, Measure, Unit, View, curves, often_everywhere
from layerscope.sweeps.analysis.comparison_finding import comparison_findings
from layerscope.sweeps.analysis.few_texts import few_texts
from layerscope.sweeps.analysis.fragility import correlation_table, fragility_table
from layerscope.sweeps.analysis.places import layer_families
from layerscope.sweeps.comparable import (
    Difference,
    ScoredTexts,
    check_comparable,
    differing_models,
    differing_tokens,
    find_differences,
)
from layerscope.sweeps.figures.comparison import Scored
from layerscope.sweeps.finished import FinishedRun
from layerscope.sweeps.record import OriginRecord, SweptModelRecord
from layerscope.sweeps.run_names import distinct_names
from layerscope.sweeps.tables import FRAGILITY, POS, PROFILE_CORRELATION

_FIGURE = re.compile(r".+_(delta|ppl)(_tags)?_(en|ja)\.(png|svg)")
"""Names of a comparison's figures."""


@dataclass(frozen=True)
class CompareRequest:
    """What the user asks for; the command line's options in the same words."""

    families: tuple[str, ...] = ()
    """In their written form; every layer family that all runs have if empty."""
    measure: Measure = "delta"
    """ΔNLL, or perplexity."""
    axis: Axis | None = None
    """Layer or relative depth; layer where all models have the same number of them if None."""
    unit: Unit | None = None
    """Nats per token or bits per byte; nats where all tokens are the same if None."""
    anyway: bool = False
    """Show runs that are not comparable, and say so."""
    output_dir: Path = Path("figures/comparisons")
    """Where figures and tables go."""


@dataclass(frozen=True)
class Comparison:
    """What a comparison came to; everything lies in ``folder``, too."""

    models: tuple[ComparedModel, ...]
    """In the order in which they were given."""
    view: View
    """What was shown, over what and in which unit."""
    fragility: pd.DataFrame
    """fragility.parquet."""
    correlation: pd.DataFrame
    """profile_correlation.parquet."""
    curves: pd.DataFrame
    """What is drawn: one row per model, variant and part of speech."""
    scored: Scored
    """What the models were scored on."""
    notes: tuple[str, ...]
    """What was chosen or left out, in sentences."""
    folder: Path
    """Where figures and tables are."""

    def findings(self) -> tuple[Finding, ...]:
        """Where each model is most fragile and how alike they rank, one sentence per family, five at most."""
        return comparison_findings(self.fragility, self.correlation, self.view)


def compare_runs(paths: Sequence[Path], request: CompareRequest) -> Comparison:
    """Compare finished runs.

    Args:
        paths: two or more run directories.
        request: what to show.

    Raises:
        LayerscopeError: fewer than two, one that is not finished, runs that are not comparable, or no family in common.
    """
    check_several(paths)
    RunDirectory(request.output_dir).check_writable()
    runs = [FinishedRun.open(path) for path in paths]
    names = distinct_names([run.model for run in runs], [run.record.request.dtype for run in runs], paths)
    scored = [ScoredTexts.of(run) for run in runs]
    differences = find_differences(runs, names, scored)
    tokens = differing_tokens(names, scored)
    unit: Unit = request.unit or ("nats" if tokens is None else "bits")
    if tokens is not None and unit == "nats":
        differences.append(tokens)
    if not request.anyway:
        check_comparable(differences)
    of_heads = _check_heads(runs, names, request.families)
    families = shared_families([layer_families(run.layers) for run in runs], names, request.families)
    words, untagged, notes = _words(runs, anyway=request.anyway)
    notes = [*of_heads, *notes]
    differences += untagged
    origins = [origin_beside(run.record.model, [other.record.model for other in runs]) for run in runs]
    models = [
        ComparedModel(
            name=name,
            source=str(path),
            n_layers=run.record.model.layers,
            layers=run.layers,
            tokens_scored=int(run.layers["tokens_scored"].iloc[0]),
            bytes_scored=float(sum(run.documents["bytes_scored"].to_pylist())),
            words=of_run,
            places=None if origin is None else origin.places(),
            of_layers=None if origin is None else origin.layers,
        )
        for run, name, path, of_run, origin in zip(runs, names, paths, words, origins, strict=True)
    ]
    notes += [
        f"Layers of {name} stand at their numbers in {origin.model}, from which it was exported ({origin.path})."
        for name, origin in zip(names, origins, strict=True)
        if origin is not None
    ]
    own_bos = differing_models(runs, names)
    if tokens is not None and unit == "bits":
        notes = [f"In bits per byte: {tokens.sentence}.", *notes]
    if own_bos is not None:
        notes = [f"Each model as it was trained: {own_bos.sentence}.", *notes]
    notes += few_texts_notes(names, [int(run.layers["documents"].iloc[0]) for run in runs])
    about = Scored(
        dataset=" / ".join(dict.fromkeys(run.dataset for run in runs)),
        documents=_if_same([run.documents.num_rows for run in runs]),
        tokens=_if_same([model.tokens_scored for model in models]),
        remarks=() if own_bos is None else (own_bos.kind,),
    )
    view = View(request.measure, unit, request.axis or common_axis(models))
    return write_comparison(models, families, view, about, differences=differences, notes=notes, folder=request.output_dir)


def check_several(paths: Sequence[Path]) -> None:
    """Refuse fewer than two, and the same one twice.

    Raises:
        RunError: how many there are, or which is named twice.
    """
    if len(paths) < 2:
        raise RunError(f"A comparison takes two runs or more; got {len(paths)}: name another one.")
    places = [path.resolve() for path in paths]
    for path in paths:
        if places.count(path.resolve()) > 1:
            raise RunError(f"A comparison takes runs that differ; '{path}' is named twice: name each once.")


def few_texts_notes(names: Sequence[str], n_texts: Sequence[int | None]) -> list[str]:
    """The warning beside what rests on few texts, once for all models that have as many; None is not known."""
    notes = []
    for n in dict.fromkeys(n_texts):
        if n is not None and (warning := few_texts(n)) is not None:
            those = [name for name, own in zip(names, n_texts, strict=True) if own == n]
            notes.append(warning.en if len(those) == len(names) else f"{', '.join(those)}: {warning.en}")
    return notes


def origin_beside(model: SweptModelRecord, models: Sequence[SweptModelRecord]) -> OriginRecord | None:
    """What numbers an exported model's layers: its origin, if layers kept their order and another model has that many.

    Args:
        model: of a run.
        models: of all runs, this one among them.
    """
    origin = model.origin
    if origin is None or origin.places() is None:
        return None
    others = [other for other in models if other is not model]
    of_others = {other.layers if other.origin is None else other.origin.layers for other in others}
    return origin if origin.layers in of_others else None


def common_axis(models: Sequence[ComparedModel]) -> Axis:
    """Layer numbers where all models have as many, else relative depth."""
    return "layer" if len({model.axis_layers for model in models}) == 1 else "depth"


def shared_families(of_each: Sequence[Sequence[str]], names: Sequence[str], asked: Sequence[str]) -> list[str]:
    """The families of variants to compare.

    Args:
        of_each: families over layers that each run has.
        names: how messages call the runs.
        asked: families asked for; all that are shared if empty.

    Raises:
        RunError: what each run has, where one that was asked for is missing or none is shared.
    """
    shared = [family for family in of_each[0] if all(family in families for families in of_each)]
    there = "; ".join(f"{name} has {', '.join(some) or 'none'}" for name, some in zip(names, of_each, strict=True))
    for family in asked:
        if family not in shared:
            raise RunError(
                f"--family is a family over layers that every run has; got '{family}', and {there}: name another one, or sweep "
                "the runs with the same --experiment."
            )
    if not shared:
        raise RunError(
            f"A comparison needs a family over layers that every run has; {there}: sweep them with the same --experiment."
        )
    return list(dict.fromkeys(asked)) or shared


def write_comparison(
    models: Sequence[ComparedModel],
    families: Sequence[str],
    view: View,
    scored: Scored,
    *,
    differences: Sequence[Difference],
    notes: Sequence[str],
    folder: Path,
) -> Comparison:
    """Tables and a record of what they show, written whole into a folder; ``draw_comparison`` draws it.

    Args:
        models: to lay over each other, in the order of the legend.
        families: that each of them has.
        view: what to show, over what and in which unit.
        scored: what they were scored on.
        differences: what is not comparable and was asked for all the same.
        notes: what was chosen or left out.
        folder: made if it is not there.

    Raises:
        RunError: the folder cannot be written, or another process writes to it.
    """
    with alone(folder):
        return _write_comparison(models, families, view, scored, differences=differences, notes=notes, folder=folder)


def _write_comparison(
    models: Sequence[ComparedModel],
    families: Sequence[str],
    view: View,
    scored: Scored,
    *,
    differences: Sequence[Difference],
    notes: Sequence[str],
    folder: Path,
) -> Comparison:
    for table in (FRAGILITY, PROFILE_CORRELATION):
        check_place(folder / table.name)
        check_place((folder / table.name).with_suffix(".csv"))
    check_place(folder / "comparison.json")
    tags = often_everywhere(models)
    kinds = tuple(dict.fromkeys(difference.kind for difference in differences))
    anyway = "; ".join(difference.sentence for difference in differences) or None
    harming = [family for family in families if family not in DEPTHS]  # which break nothing
    fragility = fragility_table(models, harming, view, tags=tags, anyway=anyway)
    correlation = correlation_table(models, harming, tags=tags, anyway=anyway)
    for table, data in ((FRAGILITY, fragility), (PROFILE_CORRELATION, correlation)):
        _write_table(folder / table.name, data)
    for figure in folder.iterdir():
        if _FIGURE.fullmatch(figure.name):  # of an earlier comparison, whose tables are gone
            figure.unlink(missing_ok=True)
    if anyway is not None:
        notes = [f"Not comparable, and shown only because of --anyway: {anyway}.", *notes]
    if all(model.words is not None for model in models) and not tags:
        notes = [*notes, "No panels by part of speech: none has 200 words in every run."]
    record = {
        "runs": {model.name: model.source for model in models},
        "families": list(families),
        "measure": view.measure,
        "unit": view.unit,
        "axis": view.axis,
        "tags": tags,
        "notes": list(notes),
    }
    write_json(folder / "comparison.json", record)
    found = Comparison(
        tuple(models),
        view,
        fragility.to_pandas(),
        correlation.to_pandas(),
        curves(models, families, view, tags=tags),
        replace(scored, differences=kinds),
        tuple(notes),
        folder,
    )
    for language, name in FILES.items():
        with whole_file(folder / name) as unfinished:
            unfinished.write_text(in_lines(found.findings(), language), encoding="utf-8")
    return found


def _check_heads(runs: Sequence[FinishedRun], names: Sequence[str], asked: Sequence[str]) -> list[str]:
    """A note on families of single heads, which are left out.

    Raises:
        RunError: one was asked for, or a run has no other family.
    """
    of_each = [[str(name) for name in dict.fromkeys(run.layers["family"]) if is_of_heads(str(name))] for run in runs]
    wanted = next((family for family in asked if is_of_heads(family)), None)
    alone = [name for name, run, some in zip(names, runs, of_each, strict=True) if some and not layer_families(run.layers)]
    reason = "a head of one model has no counterpart in another"
    if wanted is not None or alone:
        what = f"got '{wanted}'" if wanted is not None else f"{alone[0]} has families of single heads and no other"
        raise RunError(
            f"A comparison is of layers, because {reason}; {what}: name a family over layers, or see each run's own figures "
            "and layers.parquet."
        )
    found = list(dict.fromkeys(family for some in of_each for family in some))
    return [f"Left out: {', '.join(found)}, because {reason}."] if found else []


def _words(runs: Sequence[FinishedRun], *, anyway: bool) -> tuple[list[pd.DataFrame | None], list[Difference], list[str]]:
    """Each run's rows of pos.parquet for words and single tags; all None, with a note why, where they cannot be compared."""
    records = [_tagging(run) for run in runs]
    nothing: list[pd.DataFrame | None] = [None] * len(runs)
    missing = [run.directory.path for run, record in zip(runs, records, strict=True) if record is None]
    if missing:
        which = " and ".join(f"'layerscope pos {path}'" for path in missing)
        return nothing, [], [f"No panels by part of speech: run {which} first."]
    taggers = list(dict.fromkeys(str(record["tagger"]) for record in records if record is not None))
    tagged = f"the runs were tagged by {' and '.join(taggers)}"
    if len(taggers) > 1 and not anyway:
        return nothing, [], [f"No panels by part of speech: {tagged}; tag them alike with 'layerscope pos'."]
    differences = [Difference("tagger", tagged)] if len(taggers) > 1 else []
    tables = [run.directory.read_table(POS).to_pandas() for run in runs]
    return [table[(table["unit"] == "word") & (table["kind"] == "tag")] for table in tables], differences, []


def _tagging(run: FinishedRun) -> dict[str, Any] | None:
    """pos.json, which is written last; None where the run is not tagged."""
    record = run.directory.read_json("pos.json", made_by="layerscope pos", needs=["tagger"])
    return record if run.directory.has_table(POS) else None


def _write_table(path: Path, data: pa.Table) -> None:
    """As Parquet, with units and meanings, and as CSV beside it."""
    with whole_file(path) as unfinished:
        pq.write_table(data, unfinished, compression="zstd")
    with whole_file(path.with_suffix(".csv")) as unfinished:
        data.to_pandas().to_csv(unfinished, index=False)


def _if_same(values: Sequence[int | None]) -> int | None:
    return values[0] if len(set(values)) == 1 else None
