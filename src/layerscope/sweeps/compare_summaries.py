"""The published comparison: the ppl.json of several runs laid over each other, with as much of each run as lies beside it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from layerscope.corpora.catalogue import dataset_label
from layerscope.errors import DataError, RunError
from layerscope.reading import read_json
from layerscope.results.directory import RunDirectory
from layerscope.sweeps.analysis.comparison import ComparedModel, Unit, View
from layerscope.sweeps.analysis.published_summary import PublishedSummary, by_text_means, read_summary
from layerscope.sweeps.comparable import Difference, check_comparable
from layerscope.sweeps.compare import (
    CompareRequest,
    Comparison,
    check_several,
    common_axis,
    compare_runs,
    few_texts_notes,
    write_comparison,
)
from layerscope.sweeps.figures.comparison import Scored
from layerscope.sweeps.run_names import distinct_names
from layerscope.sweeps.tables import DOCUMENTS, LAYERS, TOKENS


def compare_summaries(files: Sequence[Path], *, experiment: Literal["removal", "exchange"], output_dir: Path) -> Comparison:
    """Perplexity by layer from the ppl.json of several runs.

    Where every file lies in a run directory of ours, the runs themselves are compared. Else only what the files say is there to
    be checked and shown: corpus perplexity where all have it, otherwise the published mean over texts.

    Args:
        files: two or more.
        experiment: which variants to show.
        output_dir: where figures and tables go.

    Raises:
        LayerscopeError: a file that cannot be read as a ppl.json, or runs that are not comparable.
    """
    check_several(files)
    RunDirectory(output_dir).check_writable()
    summaries = [_read(file, experiment) for file in files]
    if all(_lies_in_a_run(file) for file in files):
        request = CompareRequest((experiment,), measure="ppl", output_dir=output_dir)
        return compare_runs([file.parent for file in files], request)
    short = [
        Path(str(summary.facts.get("model_name", file.resolve().parent.name))).name
        for summary, file in zip(summaries, files, strict=True)
    ]
    names = distinct_names(short, [None] * len(files), files)
    check_comparable(_differences(summaries, names))
    unit = _unit(summaries, names)
    of_text_means = not all(summary.has_corpus_measures for summary in summaries)
    models = [
        ComparedModel(
            name=name,
            source=str(file),
            n_layers=summary.n_layers,
            layers=by_text_means(summary.layers) if of_text_means else summary.layers,
            tokens_scored=summary.facts.get("tokens_scored"),
            bytes_scored=None if of_text_means else summary.bytes_scored,
        )
        for summary, name, file in zip(summaries, names, files, strict=True)
    ]
    notes = ["No panels by part of speech: a ppl.json has none; give files that lie in their run directories."]
    if of_text_means:
        lacking = [name for name, summary in zip(names, summaries, strict=True) if not summary.has_corpus_measures]
        notes.append(f"Means over texts of each text's perplexity: no other stands in the ppl.json of {' and '.join(lacking)}.")
    notes += few_texts_notes(names, [summary.facts.get("documents") for summary in summaries])
    view = View("ppl", unit, common_axis(models), of_text_means=of_text_means)
    return write_comparison(models, [experiment], view, _scored(summaries), differences=[], notes=notes, folder=output_dir)


def _read(file: Path, experiment: str) -> PublishedSummary:
    try:
        content = read_json(file)
    except DataError as error:
        raise DataError(f"--json_files names ppl.json files that runs wrote. {error}") from error
    return read_summary(content, family=experiment, source=str(file))


def _lies_in_a_run(file: Path) -> bool:
    names = ("manifest.json", LAYERS.name, DOCUMENTS.name, TOKENS.name)
    return file.name == "ppl.json" and all((file.parent / name).is_file() for name in names)


def _differences(summaries: Sequence[PublishedSummary], names: Sequence[str]) -> list[Difference]:
    """What the files say differently; what one of them does not say cannot differ."""
    found = []
    for key, kind in (("dataset", "texts"), ("protocol", "protocol"), ("documents", "texts")):
        said = [(name, _fact(summary, key)) for name, summary in zip(names, summaries, strict=True) if key in summary.facts]
        for name, value in said[1:]:
            if value != said[0][1]:
                found.append(Difference(kind, f"{key} is {said[0][1]} in {said[0][0]} and {value} in {name}"))
    return found


def _unit(summaries: Sequence[PublishedSummary], names: Sequence[str]) -> Unit:
    """Nats where all files have the same number of scored tokens, else bits.

    Raises:
        RunError: the numbers differ and a file does not say how many bytes they cover.
    """
    said = [
        (name, summary.facts["tokens_scored"])
        for name, summary in zip(names, summaries, strict=True)
        if "tokens_scored" in summary.facts
    ]
    if len({tokens for _, tokens in said}) < 2:
        return "nats"
    if all(summary.bytes_scored is not None for summary in summaries):
        return "bits"
    counted = " and ".join(f"{name} has {tokens:,}" for name, tokens in said)
    raise RunError(
        f"Perplexities per token can be compared only if tokens are the same; {counted}, and not every file has bits_per_byte: "
        "sweep them with layerscope, and compare the run directories."
    )


def _fact(summary: PublishedSummary, key: str) -> str:
    value = str(summary.facts[key])
    return dataset_label(value) if key == "dataset" else value


def _scored(summaries: Sequence[PublishedSummary]) -> Scored:
    """What every file says alike; None for the rest."""

    def same(key: str) -> int | None:
        values = {summary.facts.get(key) for summary in summaries}
        return values.pop() if len(values) == 1 else None

    known = [_fact(summary, "dataset") for summary in summaries if "dataset" in summary.facts]
    return Scored(known[0] if known else None, same("documents"), same("tokens_scored"))
