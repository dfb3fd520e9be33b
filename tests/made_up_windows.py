"""Windows of random tokens, for engines that ask for nothing else."""

from __future__ import annotations

import numpy as np

from layerscope.corpora.windows import EncodedText, Window, make_window


def windows_of(lengths: list[int], *, vocab: int = 90, prefix: tuple[int, ...] = ()) -> list[Window]:
    generator = np.random.default_rng(0)
    windows = []
    for length in lengths:
        ids = generator.integers(3, vocab, size=length)
        spans = np.stack([np.arange(length), np.arange(1, length + 1)], axis=1)
        windows.append(make_window("w", EncodedText("x" * length, ids, spans), prefix))
    return windows
