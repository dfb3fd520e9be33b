"""What ran, on what, with which versions, and the command that runs it again: from a run's manifest."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

from layerscope.contrasts.record import ContrastRecord, ContrastRequestRecord
from layerscope.results.record import RequestRecord
from layerscope.searches.record import SearchRecord, SearchRequestRecord
from layerscope.sweeps.record import SweepRecord, SweepRequestRecord


def provenance(record: SweepRecord | ContrastRecord | SearchRecord, folder: str) -> dict[str, Any]:
    """The facts of a run.

    Args:
        record: its manifest.
        folder: its name.

    Returns:
        ``folder``, ``command``, ``facts`` (word of the page and value) and ``packages``.
    """
    request, model, environment = record.request, record.model, record.environment
    facts = {
        "model": model.name,
        "revision": model.revision,
        "fingerprint": model.fingerprint,
        "dtype": model.dtype,
        "quantize": None if request.quantize == "none" else request.quantize,
        "layers": model.layers,
        **_own_facts(record),
        "seed": request.seed,
        "device": environment.gpu or request.device,
        "seconds": record.seconds,
        "platform": f"Python {environment.python}, {environment.platform}",
    }
    return {
        "folder": folder,
        "command": command_of(record),
        "facts": {key: value for key, value in facts.items() if value is not None},
        "packages": environment.packages,
    }


def _own_facts(record: SweepRecord | ContrastRecord | SearchRecord) -> dict[str, Any]:
    if isinstance(record, SearchRecord):
        return _search_facts(record)
    return _contrast_facts(record) if isinstance(record, ContrastRecord) else _sweep_facts(record)


def _search_facts(record: SearchRecord) -> dict[str, Any]:
    request, work = record.request, record.work
    return {
        "data": f"{request.dataset} {request.split or ''}".strip(),
        "protocol": request.protocol,
        "texts_sha256": request.texts_sha256,
        "moves": ", ".join(request.moves),
        "method": f"{request.method}, {request.objective}",
        "calibration": f"{request.draws} × {request.calibration}",
        "held_out": request.held_out,
        "paths_scored": work.paths_scored if work else None,
        "layer_runs": f"{work.layer_runs:,} / {work.layer_runs_without_sharing:,}" if work else None,
    }


def _sweep_facts(record: SweepRecord) -> dict[str, Any]:
    data, unscored, pairs = record.data, record.data.unscored, record.pairs
    return {
        "data": f"{data.name} {data.split or ''}".strip(),
        "protocol": record.request.protocol,
        **_lens_facts(record),
        "texts_sha256": data.texts_sha256,
        "texts": data.documents,
        "tokens": data.tokens,
        "tokens_scored": data.tokens_scored,
        "unscored_first": unscored.first_tokens_without_context,
        "unscored_cut": unscored.tokens_past_the_context_length,
        "unscored_tail": unscored.tokens_of_the_dropped_tail,
        "unscored_texts": unscored.texts_without_a_scored_token,
        "pairs": pairs.pairs if pairs else None,
        "pairs_from": pairs.file if pairs else None,
        "pairs_sha256": record.request.pairs_sha256,
        "pair_protocol": pairs.protocol if pairs else None,
        "pairs_left_out": sum(pairs.left_out.values()) or None if pairs else None,
    }


def _lens_facts(record: SweepRecord) -> dict[str, Any]:
    lens = record.tuned_lens
    if lens is None:
        return {}
    told = "unembed_hash: -" if lens.unembed_hash is None else f"unembed_hash: {lens.unembed_hash[:12]} ({lens.unembed_dtype})"
    return {
        "tuned_lens": f"{Path(lens.folder).name}, {lens.base_model}, {told}",
        "tuned_lens_sha256": record.request.tuned_lens_sha256,
    }


def _contrast_facts(record: ContrastRecord) -> dict[str, Any]:
    request, groups = record.request, record.groups.values()
    return {
        "pairs": sum(group.pairs or 0 for group in groups),
        "pairs_from": request.pairs,
        "pairs_sha256": request.pairs_sha256,
        "unusable": sum(group.unusable for group in groups),
        "spread_from": f"{request.reference.dataset}, {record.reference.tokens}",
    }


def command_of(record: SweepRecord | ContrastRecord | SearchRecord) -> str:
    """The command that asks for the same again; of texts that were in memory there is none, and a comment says so.

    A local file or folder is named as the run recorded it; where that is a name alone, the reader has to say where it lies.
    """
    if isinstance(record, ContrastRecord):
        words = _contrast_words(record.request, _subtypes_of(record))
    elif isinstance(record, SearchRecord):
        words = _search_words(record.request)
    elif record.request.in_memory:
        return "# made in Python by layerscope.sweep, of texts in memory"
    else:
        words = _sweep_words(record.request)
        if record.pairs is not None:
            words += ["--pairs", record.pairs.file, "--pair-protocol", record.pairs.protocol]
        if record.tuned_lens is not None:
            words += ["--tuned-lens", record.tuned_lens.folder]
    if record.model.revision is not None:
        words += ["--revision", record.model.revision]
    return shlex.join(["layerscope", *words])


def _subtypes_of(record: ContrastRecord) -> tuple[str, ...]:
    """Those that were asked for; of a run that did not note them, those that it has."""
    if "subtypes" in record.request.model_fields_set:
        return record.request.subtypes or ()
    return tuple(name for name, group in record.groups.items() if group.role in ("meaning", "grammar"))


def _sweep_words(request: SweepRequestRecord) -> list[str]:
    words = ["sweep", "--model", request.model, "--dataset", request.dataset]
    if request.split:
        words += ["--split", request.split]
    if request.experiments:
        words += ["--experiment", ",".join(request.experiments)]
    for path in request.paths:
        words += ["--path", path]
    samples = "all" if request.max_samples is None else str(request.max_samples)
    words += ["--max-samples", samples, "--protocol", request.protocol, *_common_words(request)]
    if request.until_ci is not None:
        words += ["--until-ci", repr(request.until_ci)]
    if request.compile:
        words += ["--compile", "on"]
    flags = {"--word-boundaries": request.word_boundaries, "--plain": request.plain}
    return [*words, *(flag for flag, is_set in flags.items() if is_set)]


def _search_words(request: SearchRequestRecord) -> list[str]:
    words = ["search", "--model", request.model, "--dataset", request.dataset]
    if request.split:
        words += ["--split", request.split]
    words += ["--moves", ",".join(request.moves), "--method", request.method, "--budget", f"{request.budget_layers:g}"]
    words += ["--draws", str(request.draws), "--calibration", str(request.calibration), "--held-out", str(request.held_out)]
    words += ["--objective", request.objective, "--random-paths", str(request.random_paths), "--protocol", request.protocol]
    if request.keep:
        words += ["--keep", ",".join(map(str, request.keep))]
    if request.steps is not None:
        words += ["--steps", str(request.steps)]
    if request.until_ci is not None:
        words += ["--until-ci", repr(request.until_ci)]
    return [*words, *(["--compile", "on"] if request.compile else []), *_common_words(request)]


def _contrast_words(request: ContrastRequestRecord, subtypes: tuple[str, ...]) -> list[str]:
    words = ["contrast", "--model", request.model]
    if request.per_subtype is not None:
        words += ["--per-subtype", str(request.per_subtype)]
        if subtypes:
            words += ["--subtypes", ",".join(subtypes)]
    else:
        words += ["--pairs", request.pairs if Path(request.pairs).suffix else f"{request.pairs}.jsonl"]
    words += ["--sites", ",".join(request.sites), "--positions", ",".join(request.positions)]
    if request.placebos != 1:
        words += ["--placebos", str(request.placebos)]
    if request.values:
        words += ["--values", ",".join(map(str, request.values))]
    if request.prefix:
        words += ["--prefix", request.prefix]
    words += ["--reference-dataset", request.reference.dataset, "--reference-tokens", str(request.reference.tokens)]
    return [*words, *(["--aligned"] if request.aligned else []), *_common_words(request)]


def _common_words(request: RequestRecord) -> list[str]:
    words = ["--dtype", request.dtype, "--seed", str(request.seed), "--batch-tokens", str(request.batch_tokens)]
    if request.bos != "auto":
        words += ["--bos", request.bos]
    return words if request.quantize == "none" else [*words, "--quantize", request.quantize]
