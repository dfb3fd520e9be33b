"""What ran, on what, with which versions, and the command that runs it again: from a run's manifest."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def provenance(manifest: Mapping[str, Any], folder: str) -> dict[str, Any]:
    """The facts of a run.

    Args:
        manifest: of the run directory.
        folder: its name.

    Returns:
        ``folder``, ``command``, ``facts`` (word of the page and value) and ``packages``.
    """
    request, environment = manifest["request"], manifest["environment"]
    is_contrast = request.get("kind") == "contrast"
    data = manifest.get("data", {})
    texts = f"{data.get('name', '')} {data.get('split') or ''}".strip()
    facts = {
        "model": manifest["model"]["name"],
        "revision": manifest["model"].get("revision"),
        "fingerprint": manifest["model"].get("fingerprint"),
        "dtype": manifest["model"]["dtype"],
        "quantize": None if request["quantize"] == "none" else request["quantize"],
        "layers": manifest["model"]["layers"],
        **(_contrast_facts(manifest) if is_contrast else {"data": texts, **_sweep_facts(manifest)}),
        "seed": request["seed"],
        "device": environment.get("gpu") or request["device"],
        "seconds": manifest.get("seconds"),
        "platform": f"Python {environment['python']}, {environment['platform']}",
    }
    return {
        "folder": folder,
        "command": command_of(request, revision=manifest["model"].get("revision"), groups=manifest.get("groups")),
        "facts": {key: value for key, value in facts.items() if value is not None},
        "packages": environment["packages"],
    }


def _sweep_facts(manifest: Mapping[str, Any]) -> dict[str, Any]:
    data = manifest["data"]
    unscored = data["unscored"]
    return {
        "protocol": manifest["request"]["protocol"],
        "texts_sha256": data["texts_sha256"],
        "texts": data["documents"],
        "tokens": data["tokens"],
        "tokens_scored": data["tokens_scored"],
        "unscored_first": unscored["first_tokens_without_context"],
        "unscored_cut": unscored["tokens_past_the_context_length"],
        "unscored_tail": unscored["tokens_of_the_dropped_tail"],
        "unscored_texts": unscored["texts_without_a_scored_token"],
    }


def _contrast_facts(manifest: Mapping[str, Any]) -> dict[str, Any]:
    request, groups = manifest["request"], manifest["groups"]
    return {
        "pairs": sum(group["pairs"] for group in groups.values()),
        "pairs_from": request["pairs"],
        "pairs_sha256": request["pairs_sha256"],
        "unusable": sum(group.get("unusable", 0) for group in groups.values()),
        "spread_from": f"{request['reference']['dataset']}, {manifest['reference']['tokens']}",
    }


def command_of(
    request: Mapping[str, Any], *, revision: str | None = None, groups: Mapping[str, Mapping[str, Any]] | None = None
) -> str:
    """The command that asks for the same again.

    A local file or folder is named as the run recorded it; where that is a name alone, the reader has to say where it lies.
    """
    # runs that did not note which subtypes were asked for have their groups
    there = [name for name, group in (groups or {}).items() if group["role"] in ("meaning", "grammar")]
    subtypes = (request["subtypes"] or []) if "subtypes" in request else there
    words = _contrast_words(request, subtypes) if request.get("kind") == "contrast" else _sweep_words(request)
    if revision is not None:
        words += ["--revision", revision]
    return shlex.join(["layerscope", *words])


def _sweep_words(request: Mapping[str, Any]) -> list[str]:
    words = ["sweep", "--model", str(request["model"]), "--dataset", str(request["dataset"])]
    if request.get("split"):
        words += ["--split", request["split"]]
    if request["experiments"]:
        words += ["--experiment", ",".join(request["experiments"])]
    for path in request["paths"]:
        words += ["--path", path]
    samples = request["max_samples"]
    words += ["--max-samples", "all" if samples is None else str(samples), "--protocol", request["protocol"]]
    words += _common_words(request)
    if request.get("until_ci") is not None:
        words += ["--until-ci", repr(request["until_ci"])]
    if request["compile"]:
        words += ["--compile", "on"]
    words += [
        option for option, key in (("--word-boundaries", "word_boundaries"), ("--reference", "reference")) if request[key]
    ]
    return words


def _contrast_words(request: Mapping[str, Any], subtypes: list[str]) -> list[str]:
    words = ["contrast", "--model", str(request["model"])]
    if request["per_subtype"] is not None:
        words += ["--per-subtype", str(request["per_subtype"])]
        if subtypes:
            words += ["--subtypes", ",".join(subtypes)]
    else:
        words += ["--pairs", request["pairs"] if Path(request["pairs"]).suffix else f"{request['pairs']}.jsonl"]
    words += ["--sites", ",".join(request["sites"]), "--positions", ",".join(request["positions"])]
    if request["values"]:
        words += ["--values", ",".join(map(str, request["values"]))]
    if request["prefix"]:
        words += ["--prefix", request["prefix"]]
    reference = request["reference"]
    words += ["--reference-dataset", reference["dataset"], "--reference-tokens", str(reference["tokens"])]
    return [*words, *(["--aligned"] if request["aligned"] else []), *_common_words(request)]


def _common_words(request: Mapping[str, Any]) -> list[str]:
    words = ["--dtype", request["dtype"], "--seed", str(request["seed"]), "--batch-tokens", str(request["batch_tokens"])]
    if request["bos"] != "auto":
        words += ["--bos", request["bos"]]
    return words if request["quantize"] == "none" else [*words, "--quantize", request["quantize"]]
