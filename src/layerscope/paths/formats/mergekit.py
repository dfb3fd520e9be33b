"""mergekit: slices of one model, passed through in order. Pure values; no torch.

mergekit, too, numbers layers from 0, but its ranges leave out their end: ``0-9`` is ``layer_range: [0, 10]``. Half a layer is a
slice of one layer with the other half's output weights scaled by 0; a slice with both halves at 0 adds nothing and is no step.

Source: github.com/arcee-ai/mergekit, ``config.py`` and ``merge_methods/passthrough.py``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, cast

import yaml

from layerscope.errors import PathError, printable
from layerscope.paths.formats.format import FoundPath, PathFormat, Source, shown
from layerscope.paths.formats.plain_yaml import parse_plain_yaml
from layerscope.paths.part_names import is_mixer
from layerscope.paths.path import LONGEST_PATH, LayerPath
from layerscope.paths.sequential import sequential_steps
from layerscope.paths.steps import LayerStep, ParallelStep

_KEYS = re.compile(r"(?:^|[{,])[ \t]*[\"']?(?:slices|merge_method|models|modules)[\"']?[ \t]*:", re.MULTILINE)
_SILENCERS = frozenset((
    "o_proj", "out_proj", "c_proj", "dense", "linear_out", "qkv_proj", "in_proj_z", "conv1d",
    "down_proj", "dense_4h_to_h", "fc2", "fc_out", "w2", "output_linear",
))  # fmt: skip
"""Last names of maps whose zeros silence a half, as found in the families of the tests; zeros in a ``q_proj`` do not."""
_BESIDE = ("merge_method", "dtype", "out_dtype", "tokenizer_source", "tokenizer", "chat_template", "base_model")
"""Keys of a recipe that do not touch the order of its layers."""


def mergekit_recipe(path: LayerPath, model: str, *, dtype: str | None, silent: Mapping[LayerStep, Sequence[str]]) -> str:
    """A path as a passthrough merge.

    Args:
        path: no layers side by side.
        model: the name under which mergekit finds the source model.
        dtype: of the weights, as torch names it; None to leave them as they are stored.
        silent: for each half step of the path, the modules of its layer whose weights are zero, by name within the layer.

    Returns:
        The text of a YAML file, with a comment that says what it is.

    Raises:
        PathError: mergekit has no word for such a path.
    """
    slices: list[dict[str, Any]] = []
    for step in sequential_steps(path):
        last = slices[-1]["sources"][0] if slices else None
        if step.part != "whole":
            scale = [*({"filter": name, "value": 0.0} for name in silent[step]), {"value": 1.0}]
            slices.append(_slice(model, step.layer, parameters={"scale": scale}))
        elif last is not None and "parameters" not in last and last["layer_range"][1] == step.layer:
            last["layer_range"][1] += 1
        else:
            slices.append(_slice(model, step.layer))
    recipe = {"slices": slices, "merge_method": "passthrough", **({} if dtype is None else {"dtype": dtype})}
    heading = f"# The path {path} of '{printable(model)}', for mergekit, which must find a model under that name.\n"
    return heading + str(yaml.safe_dump(recipe, sort_keys=False, default_flow_style=None, allow_unicode=True, width=1000))


def _slice(model: str, layer: int, **more: Any) -> dict[str, Any]:
    return {"sources": [{"model": model, "layer_range": [layer, layer + 1], **more}]}


def _write(path: LayerPath, source: Source) -> str:
    if source.model is None:
        raise PathError("A recipe of mergekit names the model that it takes layers from; none is given: add --model.")
    half = next((step for step in path.steps if isinstance(step, LayerStep) and step.part != "whole"), None)
    if half is not None:
        raise PathError(
            f"mergekit is told half of a layer by the names of the weights to set to zero, and only the weights tell which "
            f"those are; '{path}' has {half}: run layerscope export --path, which writes such a recipe, mergekit.yaml."
        )
    return mergekit_recipe(path, source.model, dtype=source.dtype, silent={})


def _difference(path: LayerPath) -> str | None:
    if not path.steps:
        return "visits no layer"
    for step in path.steps:
        if isinstance(step, ParallelStep):
            return f"has layers side by side, {step}"
        if step.missing_head is not None:
            return f"leaves out a single head ({step})"
    return None


def _read(text: str, place: str, n_layers: int | None) -> tuple[FoundPath, ...]:
    recipe = parse_plain_yaml(text, place)
    if not isinstance(recipe, dict) or not isinstance(recipe.get("slices"), list):
        raise PathError(f"A recipe of mergekit that is a path holds a list of slices; {place} does not: write the slices out.")
    if recipe.get("merge_method") != "passthrough":
        method = shown(recipe.get("merge_method"))
        raise PathError(f"A path takes layers as they are, merge_method: passthrough; {place} says {method}: it mixes weights.")
    _refuse_others(recipe, ("slices", *_BESIDE), f"the recipe {place}")
    steps: list[LayerStep] = []
    models = [recipe["base_model"]] if "base_model" in recipe else []
    for number, part in enumerate(recipe["slices"], start=1):
        where = f"slice {number} of {place}"
        source = _source(part, where)
        models.append(source.get("model"))
        if models[-1] != models[0] or models[-1] is None:
            raise PathError(f"A path is of one model; {where} takes {shown(models[-1])} beside {shown(models[0])}.")
        steps += _steps(source, where)
        if len(steps) > LONGEST_PATH:
            raise PathError(f"A path has at most {LONGEST_PATH:,} steps; {where} leads past them: leave some out.")
    if not steps:
        raise PathError(f"A recipe has one layer or more; {place} has none: name the layers to keep.")
    return (FoundPath(LayerPath(tuple(steps)), n_layers),)


def _source(part: Any, where: str) -> Mapping[str, Any]:
    sources = part.get("sources") if isinstance(part, dict) else None
    if not isinstance(sources, list) or len(sources) != 1 or not isinstance(sources[0], dict):
        raise PathError(f"A slice of a passthrough recipe has one source; {where} has {shown(sources)}.")
    _refuse_others(part, ("sources",), where)
    _refuse_others(sources[0], ("model", "layer_range", "parameters"), where)
    return cast(Mapping[str, Any], sources[0])


def _refuse_others(given: Mapping[Any, Any], known: Sequence[str], where: str) -> None:
    others = [key for key in given if key not in known]
    if others:
        raise PathError(f"What is read here is {', '.join(known)}; {where} has {shown(others[0])}, which a path cannot say.")


def _steps(source: Mapping[str, Any], where: str) -> Iterator[LayerStep]:
    given = source.get("layer_range")
    bounds = given if isinstance(given, list) and len(given) == 2 and all(type(one) is int for one in given) else [0, 0]
    first, end = bounds
    if not 0 <= first < end < 10**18:
        raise PathError(
            f"layer_range is [first, end] with 0 <= first < end, the end left out; {where} has "
            f"{shown(given) if not isinstance(given, list) else ', '.join(map(shown, given[:3]))}."
        )
    if end - first > LONGEST_PATH:
        raise PathError(f"A path has at most {LONGEST_PATH:,} steps; {where} has {end - first:,} layers: leave some out.")
    part = _part(source.get("parameters"), where)
    return iter(()) if part is None else (LayerStep(layer, part) for layer in range(first, end))


def _part(parameters: Any, where: str) -> str | None:
    """Of a slice's layers, what its scales leave: ``whole``, ``attn``, ``mlp``, or None for nothing."""
    if parameters is None:
        return "whole"
    if not isinstance(parameters, dict):
        raise PathError(f"The parameters of a source are a mapping; got {shown(parameters)} in {where}.")
    _refuse_others(parameters, ("scale",), where)
    scale = parameters.get("scale", 1.0)
    silent: set[str] = set()
    for entry in scale if isinstance(scale, list) else [{"value": scale}]:
        if not isinstance(entry, dict) or set(entry) - {"filter", "value"}:
            raise PathError(f"A scale is a list of filter and value; got {shown(entry)} in {where}.")
        name, value = entry.get("filter"), entry.get("value")
        if isinstance(value, bool) or value not in (0, 1):
            raise PathError(f"A path runs a module or leaves it out, a scale of 1 or 0; got {shown(value)} in {where}.")
        if name is None or name == "*":
            if value != 1:
                raise PathError(
                    f"A layer that is scaled by 0 whole loses its norms, too; {where} does that: leave the slice out."
                )
            break  # mergekit takes the first entry whose filter fits
        if value == 1:
            raise PathError(f"What is scaled by 1 is what no filter names; {where} names {shown(name)}: leave that entry out.")
        silent.add(_half(name, where))
    return {0: "whole", 2: None}.get(len(silent), "mlp" if silent == {"attn"} else "attn")


def _half(name: Any, where: str) -> str:
    """Which half of a layer is silent where the module of that name gives zeros."""
    names = name.removesuffix(".weight").split(".") if isinstance(name, str) else [""]
    if names[-1] not in _SILENCERS:
        raise PathError(
            f"Half of a layer is left out by scaling its last map by 0, such as self_attn.o_proj or mlp.down_proj; got "
            f"{shown(name)} in {where}: write the path out, if you know which half that is."
        )
    if len(names) == 1 and name not in ("o_proj", "down_proj", "fc2"):
        raise PathError(
            f"A filter names the half, as in self_attn.{name}; got {shown(name)} in {where}, which may be of either."
        )
    return "attn" if is_mixer(names[0]) or name == "o_proj" else "mlp"


FORMAT = PathFormat(
    name="mergekit",
    says="mergekit says any order of layers and halves of layers, one after the other",
    difference=_difference,
    recognises=lambda text: _KEYS.search(text) is not None,
    read=_read,
    write=_write,
)
