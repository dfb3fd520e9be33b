"""EvoPress: a line for each block of the intact model that says what is *dropped*: none, attn, mlp or attn+mlp.

Source: github.com/IST-DASLab/EvoPress, ``get_layer_drop_config`` of ``evo_drop_search.py``, which writes
``layer_drop_config.txt``. With ``--drop_two_consecutive`` its lines are pairs of blocks: such a file is half as long.
"""

from __future__ import annotations

from layerscope.errors import PathError
from layerscope.paths.formats.dropping import difference_from_dropping, dropped_halves, path_without
from layerscope.paths.formats.format import FoundPath, PathFormat, Source, agreed_layers, needed_layers, shown
from layerscope.paths.path import LONGEST_PATH, LayerPath

_WORDS = {"none": (False, False), "attn": (True, False), "mlp": (False, True), "attn+mlp": (True, True)}
"""Whether the attention and whether the MLP is dropped."""


def _recognises(text: str) -> bool:
    lines = text.split()
    return bool(lines) and all(line in _WORDS for line in lines)


def _read(text: str, place: str, n_layers: int | None) -> tuple[FoundPath, ...]:
    lines = [line.strip() for line in text.rstrip().split("\n")]
    for number, line in enumerate(lines, start=1):
        if line not in _WORDS:
            raise PathError(
                f"EvoPress's lines are {', '.join(_WORDS)}; line {number} of {place} is {shown(line)}: correct it there."
            )
    if n_layers == 2 * len(lines):
        raise PathError(
            f"EvoPress's file has one line per block; {place} has {len(lines)} for {n_layers} layers, as "
            "--drop_two_consecutive leaves it: write each line twice."
        )
    if len(lines) > LONGEST_PATH:
        raise PathError(f"A model has 1 to {LONGEST_PATH:,} layers; {place} has {len(lines):,} lines: name another file.")
    agreed_layers(len(lines), n_layers, place)
    attn, mlp = ({i for i, line in enumerate(lines) if _WORDS[line][half]} for half in (0, 1))
    return (FoundPath(path_without(attn, mlp, len(lines)), len(lines)),)


def _write(path: LayerPath, source: Source) -> str:
    n_layers = needed_layers(source.n_layers, f"EvoPress has a line for every block, and '{path}' names those that are kept")
    attn, mlp = map(set, dropped_halves(path, n_layers))
    words = {dropped: word for word, dropped in _WORDS.items()}
    return "".join(f"{words[i in attn, i in mlp]}\n" for i in range(n_layers))


FORMAT = PathFormat(
    name="evopress",
    says="EvoPress says which attentions and MLPs are dropped, in the model's own order",
    difference=difference_from_dropping,
    recognises=_recognises,
    read=_read,
    write=_write,
)
