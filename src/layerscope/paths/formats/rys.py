"""RYS: whole layers in any order, as a list (``layers:0,1,2``) or as blocks that run twice (``blocks:i,j;…``).

A block is half-open, ``i,j`` being the layers i to j-1: the model runs 0 to j-1 and then i to its end; ``0,0`` is the intact
model. Each further block goes in after the last visit of its last layer. Reads either, one per line, and the manifest of an
export; writes the list, which needs no number of layers.

Source: github.com/dnhkng/RYS, ``src/core/layer_config.py`` and ``hf_export/export_model.py``. It also takes a bare ``30,34``, a
block or two layers by where it stands; that is refused here.
"""

from __future__ import annotations

from layerscope.errors import DataError, PathError
from layerscope.paths.formats.dropping import difference_from_whole
from layerscope.paths.formats.format import (
    FoundPath,
    PathFormat,
    Source,
    agreed_layers,
    layer_numbers,
    needed_layers,
    shown,
    typed_numbers,
    within_limit,
)
from layerscope.paths.path import LONGEST_PATH, LayerPath
from layerscope.reading import parse_json

_LAYERS, _BLOCKS = "layers:", "blocks:"


def _recognises(text: str) -> bool:
    start = text.lstrip()[:7].lower()
    return start in (_LAYERS, _BLOCKS) or (start[:1] == "{" and '"layer_indices"' in text)


def _read(text: str, place: str, n_layers: int | None) -> tuple[FoundPath, ...]:
    if text.lstrip().startswith("{"):
        return (_from_manifest(text, place, n_layers),)
    lines = [(number, line.strip()) for number, line in enumerate(text.split("\n"), start=1) if line.strip()]
    if not lines:
        raise PathError(f"RYS's layers are written layers:0,1,1,2 or blocks:1,2; {place} has none.")
    return within_limit((_from_line(line, f"line {number} of {place}", n_layers) for number, line in lines), place)


def _from_manifest(text: str, place: str, given: int | None) -> FoundPath:
    try:
        manifest = parse_json(text, place)
    except DataError as error:
        raise PathError(str(error)) from error
    layers = manifest.get("layer_indices") if isinstance(manifest, dict) else None
    if not isinstance(layers, list):
        raise PathError(f"RYS's manifest holds a list layer_indices; {place} does not: name rys_export_manifest.json.")
    held = manifest.get("source_num_layers")
    if held is not None and (isinstance(held, bool) or not isinstance(held, int)):
        raise PathError(f"source_num_layers is a whole number; got {shown(held)} in {place}.")
    n_layers = agreed_layers(held, given, place)
    return _checked(layer_numbers(layers, n_layers, f"layer_indices of {place}", repeats=True), n_layers, place)


def _from_line(line: str, place: str, n_layers: int | None) -> FoundPath:
    kind, rest = line[:7].lower(), line[7:]
    if kind == _LAYERS:
        layers = layer_numbers(typed_numbers(rest), n_layers, f"The list in {place}", repeats=True)
    elif kind == _BLOCKS:
        count = needed_layers(n_layers, f"RYS's blocks name what runs twice: {shown(line)}")
        layers = _expanded([_block(pair, count, place) for pair in rest.split(";")], count, place)
    else:
        raise PathError(
            f"RYS's layers are written layers:0,1,1,2 or blocks:1,2; got {shown(line)} in {place}: put either word before it."
        )
    return _checked(layers, n_layers, place)


def _block(pair: str, n_layers: int, place: str) -> tuple[int, int]:
    numbers = typed_numbers(pair.strip().removeprefix("(").removesuffix(")"))
    match numbers:
        case [int(first), int(end)] if 0 <= first < end <= n_layers or first == end == 0:
            return first, end
    raise PathError(
        f"RYS's block i,j is the layers i to j-1 of the model's {n_layers}, so that i < j <= {n_layers}; got "
        f"{shown(pair.strip())} in {place}."
    )


def _expanded(blocks: list[tuple[int, int]], n_layers: int, place: str) -> list[int]:
    layers = list(range(n_layers))
    for first, end in blocks:
        if first < end:
            after = len(layers) - layers[::-1].index(end - 1)
            layers[after:after] = range(first, end)
        if len(layers) > LONGEST_PATH:
            raise PathError(f"A path has at most {LONGEST_PATH:,} steps; the blocks in {place} make more: leave some out.")
    return layers


def _checked(layers: list[int], n_layers: int | None, place: str) -> FoundPath:
    if not layers:
        raise PathError(f"RYS's list has one layer or more; {place} has none.")
    return FoundPath(LayerPath.from_layers(layers), n_layers)


def _difference(path: LayerPath) -> str | None:
    return difference_from_whole(path) if path.steps else "visits no layer"


def _write(path: LayerPath, _: Source) -> str:
    return f"{_LAYERS}{','.join(str(layer) for step in path.steps for layer in step.layers)}\n"


FORMAT = PathFormat(
    name="rys",
    says="RYS says any order of whole layers",
    difference=_difference,
    recognises=_recognises,
    read=_read,
    write=_write,
    holds_several=True,
)
