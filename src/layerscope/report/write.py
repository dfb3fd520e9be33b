"""From finished run directories to one HTML page that can be mailed, archived and opened offline. No model."""

from __future__ import annotations

import importlib.metadata
import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import pandas as pd

from layerscope.atomic import whole_file
from layerscope.contrasts.analysis.place import main_place
from layerscope.contrasts.finished import FinishedContrast
from layerscope.contrasts.tables import INTERVENTION, STABILITY_TABLES
from layerscope.errors import RunError
from layerscope.evaluations.finished import FinishedEvaluation
from layerscope.evaluations.record import EvaluationRecord
from layerscope.progress import Progress, nobody_asks
from layerscope.reading import checked_language
from layerscope.report.contrast_data import INTERVENTION_SHOWN, ContrastTables, contrast_data
from layerscope.report.first_findings import FoundOf, first_findings
from layerscope.report.packing import Packing
from layerscope.report.page import page
from layerscope.report.preference_data import WRITTEN, preference_data
from layerscope.report.provenance import provenance
from layerscope.report.search_data import SearchTables, search_data
from layerscope.report.sweep_data import sweep_data
from layerscope.report.text_data import text_data
from layerscope.report.word_data import word_data
from layerscope.results.directory import RunDirectory
from layerscope.results.schema import Table
from layerscope.runs import AnyRun, open_drawn_run
from layerscope.searches.finished import FinishedSearch
from layerscope.sweeps.finished import FinishedRun
from layerscope.sweeps.pair_tables import BEYOND_DAMAGE, PREFERENCE, PREFERENCE_DEPTH
from layerscope.sweeps.preference import JSON as PREFERENCE_JSON
from layerscope.sweeps.tables import DEPTH_BY_TAG, POS, PREDICTION_DEPTH, PROXIES, TOKEN_WORDS, VOCABULARY, WORDS


@dataclass(frozen=True)
class Report:
    """The page that was written."""

    path: Path
    """Where it is."""
    size: int
    """Bytes."""
    missing: tuple[str, ...]
    """What a command would add to it, in a sentence each."""


def write_report(
    runs: Sequence[Path],
    output: Path,
    *,
    language: Literal["en", "ja"] | None = None,
    force: bool = False,
    progress: Progress = nobody_asks,
) -> Report:
    """Write an HTML page about some runs.

    Args:
        runs: run directories of sweeps, searches and contrasts, finished.
        output: the file.
        language: the page opens in; None for the browser's. The reader can switch.
        force: replace the file if it exists.
        progress: told of the runs that are read.

    Raises:
        DataError: the language is neither English nor Japanese.
        RunError: a folder is not a finished run, or the file is there, or cannot be written.

    Examples:
        >>> report = ls.write_report([Path("results/removal/my_model_texts_nall")], Path("report.html"))
        >>> report.path.name, report.missing
        ('report.html', ())
    """
    if output.suffix.lower() not in (".html", ".htm"):
        raise RunError(f"A report is a file that ends in .html; got '{output}'.")
    if output.is_dir():
        raise RunError(f"'{output}' is a folder: name another --output.")
    if output.exists() and not force:
        raise RunError(f"'{output}' already exists: name another --output, or use --force to replace it.")
    language = None if language is None else checked_language(language)
    given = list({path.resolve(): Path(os.path.normpath(path)) for path in runs}.values())
    opened = [open_drawn_run(path) for path in given]
    names, kinds = _names(opened), [type(run) for run in opened]
    packing, sweeps, searches, contrasts, missing = Packing(), [], [], [], list[str]()
    found: list[FoundOf] = []
    for done, (run, name) in enumerate(zip(opened, names, strict=True)):
        progress("Reading runs", done, len(opened))
        common = {"name": name, "folder": str(run.directory.path), "provenance": provenance(run.record, _folder(run))}
        if isinstance(run, FinishedContrast):
            found.append(FoundOf(run.findings(), "contrast", name, run.model, {}))
            said = [finding.said._asdict() for finding in found[-1].findings]
            share = 1.0 / kinds.count(FinishedContrast)
            contrasts.append({**common, "findings": said, **_contrast(run, packing, share=share)})
            missing += _missing_of_contrast(run)
        elif isinstance(run, FinishedSearch):
            searches.append({**common, **_search(run, packing)})
            found.append(FoundOf(run.findings(), "search", name, run.model, {}))
        else:
            sweeps.append({**common, **_sweep(run, packing, share=1.0 / kinds.count(FinishedRun))})
            missing += _missing_of_sweep(run, sweeps[-1])
            found.append(FoundOf(run.findings(), "sweep", name, run.model, sweeps[-1]["key_of"]))
    progress("Reading runs", len(opened), len(opened))
    data = {
        "version": importlib.metadata.version("layerscope"),
        "date": datetime.now(tz=UTC).date().isoformat(),
        "findings": first_findings(found),
        "sweeps": sweeps,
        "searches": searches,
        "contrasts": contrasts,
    }
    text = page(data, packing, title=f"layerscope: {', '.join(names)}", language=language)
    with whole_file(output) as unfinished:
        unfinished.write_text(text, encoding="utf-8")
    return Report(output, output.stat().st_size, tuple(missing))


def _names(runs: Sequence[AnyRun]) -> list[str]:
    """The model's name and what it was run on; the folder behind it where two are alike."""
    plain = [f"{run.model} · {run.record.request.pairs if isinstance(run, FinishedContrast) else run.dataset}" for run in runs]
    kinds = [type(run) for run in runs]
    both = list(zip(plain, kinds, strict=True))
    some = [
        name if both.count((name, kind)) == 1 else f"{name} · {_folder(run)}"
        for (name, kind), run in zip(both, runs, strict=True)
    ]
    alike = list(zip(some, kinds, strict=True))
    return [
        name if alike.count((name, kind)) == 1 else f"{name} ({alike[:i].count((name, kind)) + 1})"
        for i, (name, kind) in enumerate(alike)
    ]


def _folder(run: AnyRun) -> str:
    path = run.directory.path
    return f"{path.parent.name}/{path.name}"


def _sweep(run: FinishedRun, packing: Packing, *, share: float) -> dict[str, Any]:
    directory = run.directory
    pos, depths, depth_by_tag = (_if_there(run, table) for table in (POS, PREDICTION_DEPTH, DEPTH_BY_TAG))
    proxies = directory.read_table(PROXIES).to_pandas()
    found = sweep_data(
        run.layers,
        proxies,
        pos,
        n_layers=run.record.model.layers,
        origin=run.record.model.origin,
        packing=packing,
        depths=depths,
        depth_by_tag=depth_by_tag,
    )
    vocabulary = directory.read_table(VOCABULARY).to_pydict()
    text = text_data(
        run.documents.to_pandas(),
        run.tokens.to_pandas(),
        run.score_shards(),
        dict(zip(vocabulary["id"], vocabulary["text"], strict=True)),
        variants=[str(name) for name in run.layers["variant"]],
        word_of=_if_there(run, TOKEN_WORDS),
        packing=packing,
        share=share,
    )
    lexicon = word_data(
        run.documents.to_pandas(),
        run.tokens.to_pandas(),
        run.score_shards(),
        n_variants=len(run.layers),
        word_of=_if_there(run, TOKEN_WORDS),
        words=_if_there(run, WORDS),
        packing=packing,
        share=share,
    )
    preference = _preference(run, packing, share=share)
    return {**found, "model": run.model, "data": run.dataset, "text": text, "words": lexicon, "preference": preference}


def _search(run: FinishedSearch, packing: Packing) -> dict[str, Any]:
    tables = SearchTables(run.frontier, run.gains, run.left_out, run.candidates, run.speed, _tasks_of(run))
    found = search_data(tables, run.record, folder=str(run.directory.path), packing=packing)
    return {"model": run.model, "data": run.dataset, **found}


def _tasks_of(run: FinishedSearch) -> pd.DataFrame | None:
    """What ``layerscope evaluate`` found of the search's paths; None where it did not run, or is still running."""
    directory = RunDirectory(run.directory.path / "evaluation")
    if directory.kind() != EvaluationRecord.model_fields["kind"].default:
        return None
    record = directory.record(EvaluationRecord)
    if record is None or record.status != "finished":
        return None
    return FinishedEvaluation.open(directory.path).tasks


def _preference(run: FinishedRun, packing: Packing, *, share: float) -> dict[str, Any] | None:
    """Of a run with pairs."""
    if run.record.pairs is None:
        return None
    return preference_data(
        run.directory.read_table(PREFERENCE).to_pandas(),
        _if_there(run, BEYOND_DAMAGE),
        _if_there(run, PREFERENCE_DEPTH),
        run.directory.read_json(PREFERENCE_JSON, made_by="layerscope preference", needs=WRITTEN),
        protocol=run.record.pairs.protocol,
        packing=packing,
        share=share,
    )


def _if_there(run: FinishedRun, table: Table) -> pd.DataFrame | None:
    return run.directory.read_table(table).to_pandas() if run.directory.has_table(table) else None


def _missing_of_sweep(run: FinishedRun, found: dict[str, Any]) -> list[str]:
    path = run.directory.path
    missing = [f"Parts of speech: layerscope pos {path}"] if found["pos"] is None else []
    if found["preference"] is not None and found["preference"]["beyond"] is None:
        missing.append(f"Preference beyond the damage: layerscope preference {path}")
    return missing


def _contrast(run: FinishedContrast, packing: Packing, *, share: float) -> dict[str, Any]:
    directory = run.directory
    stability = {
        table.name.removesuffix(".parquet"): directory.read_table(table).to_pandas()
        for table in STABILITY_TABLES
        if directory.has_table(table)
    }
    intervention = directory.read_json("intervention.json", made_by="layerscope intervene", needs=INTERVENTION_SHOWN)
    tables = ContrastTables(
        run.groups,
        run.pairs,
        run.movement,
        run.predictions,
        {site: run.spread(site) for site in run.sites},
        stability,
        directory.read_json("stability.json", made_by="layerscope stability", needs=["request"]) or {},
        intervention,
        directory.read_table(INTERVENTION).to_pandas() if intervention is not None else None,
    )
    found = contrast_data(
        tables, run.cells, _places(run, stability.get("ranking")), positions=run.positions, packing=packing, share=share
    )
    return {**found, "model": run.model, "data": run.record.request.pairs, "layers": run.n_layers, "width": run.width}


def _places(run: FinishedContrast, ranking: pd.DataFrame | None) -> list[tuple[str, str]]:
    """Sites and positions that pairs have, the main place of the analysis first, then what was analysed."""
    there = set(run.movement["position"].astype(str))
    places = [(site, position) for site in run.sites for position in run.positions if position in there]
    analysed = set() if ranking is None else set(zip(ranking["site"].astype(str), ranking["position"].astype(str), strict=True))
    some = [place for place in places if place in analysed] or places
    sites, positions = (list(dict.fromkeys(place[axis] for place in some)) for axis in (0, 1))
    main = main_place(sites, positions)
    return sorted(places, key=lambda place: (place != main, place not in analysed))


def _missing_of_contrast(run: FinishedContrast) -> list[str]:
    path = run.directory.path
    wanted = {"stability.json": ("Rankings and agreement", "stability"), "intervention.json": ("Does it matter?", "intervene")}
    return [f"{what}: layerscope {command} {path}" for name, (what, command) in wanted.items() if not (path / name).is_file()]
