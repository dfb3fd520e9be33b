"""What ran, on what, with which versions, and the command that runs it again: from a run's manifest."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

from layerscope.contrasts.record import ContrastRecord, ContrastRequestRecord
from layerscope.results.record import RequestRecord
from layerscope.sweeps.record import SweepRecord, SweepRequestRecord


def provenance(record: SweepRecord | ContrastRecord, folder: str) -> dict[str, Any]:
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
        **(_contrast_facts(record) if isinstance(record, ContrastRecord) else _sweep_facts(record)),
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


def command_of(record: SweepRecord | ContrastRecord) -> str:
    """The command that asks for the same again.

    A local file or folder is named as the run recorded it; where that is a name alone, the reader has to say where it lies.
    """
    if isinstance(record, ContrastRecord):
        words = _contrast_words(record.request, _subtypes_of(record))
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
