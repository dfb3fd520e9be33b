"""What other tools do with their own files, re-expressed naively from their code as lists of layers or of (attention, MLP)."""

from __future__ import annotations


def sleb_kept(removal_list: list[int], n_layers: int) -> list[int]:
    """SLEB's ``remove``: the lowest goes first, and the numbers behind it fall by one."""
    layers, kill = list(range(n_layers)), sorted(removal_list)
    while kill:
        del layers[kill.pop(0)]
        kill = [number - 1 for number in kill]
    return layers


def rys_layers(blocks: list[tuple[int, int]], n_layers: int) -> list[int]:
    """RYS: ``0 .. j-1``, then ``i .. N-1``; each further block after the last visit of its layer ``j-1``."""
    (i, j), *further = blocks
    layers = list(range(n_layers)) if (i, j) == (0, 0) else [*range(j), *range(i, n_layers)]
    for i, j in further:
        if (i, j) == (0, 0):
            continue
        place = max(place for place, layer in enumerate(layers) if layer == j - 1)
        layers = [*layers[: place + 1], *range(i, j), *layers[place + 1 :]]
    return layers


def runs(attn_dropped: set[int], mlp_dropped: set[int], n_layers: int) -> list[str]:
    """EvoPress and LLM-Drop: every block in turn, its attention unless dropped, then its MLP unless dropped."""
    return [
        f"{kind}{layer}"
        for layer in range(n_layers)
        for kind, dropped in (("attn", attn_dropped), ("mlp", mlp_dropped))
        if layer not in dropped
    ]
