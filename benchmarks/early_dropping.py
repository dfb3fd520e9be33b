"""Greedy searches with candidates dropped early against the same searches with every candidate scored on every text.

Twenty seeded draws of calibration texts from one pool. A path is scored on the whole pool once, and both sides look it up, so
that what is compared is what each would have run: layer runs × positions, and unembeddings × tokens, both as operations,
shared steps once, no state kept between steps. The race, its rounds and the choice are the code that users run.
"""

from __future__ import annotations

import random
from collections.abc import Sequence

import numpy as np

from benchmarks.common import parser, real_decoder, record, spread
from layerscope.corpora.catalogue import load_documents
from layerscope.corpora.protocols import Protocol, cut_windows
from layerscope.corpora.windows import Window
from layerscope.engine.allocator import keep_freed_memory
from layerscope.engine.batching import make_shards
from layerscope.models.decoder import Decoder
from layerscope.paths.moves import parse_moves
from layerscope.paths.path import LayerPath
from layerscope.paths.trie import PrefixTree
from layerscope.searches.engine.walk import PathWalker
from layerscope.searches.methods.beam import beam
from layerscope.searches.prepare import FIRST_LOOK
from layerscope.searches.race import Race
from layerscope.searches.space import Space
from layerscope.searches.units import in_units
from layerscope.stats.looks import plan_looks


class Pool:
    """Every path that was asked for, on every text of a pool."""

    def __init__(self, decoder: Decoder, windows: Sequence[Window]) -> None:
        self.windows = windows
        self._shards = make_shards(windows, 4096)
        self._walker = PathWalker(decoder, self._shards, "nll", kept_bytes=3 * 2**30)
        self._sums: dict[LayerPath, np.ndarray] = {}
        self.head = decoder.head.vocab_size * int(decoder.model.config.hidden_size)
        self.layer = sum(parameter.numel() for parameter in decoder.layers[0].parameters())

    def sums(self, paths: Sequence[LayerPath]) -> np.ndarray:
        """Of each path, over each text of the pool."""
        missing = [path for path in paths if path not in self._sums]
        if missing:
            self._walker.expect(missing)
            found = np.zeros((len(missing), len(self.windows)))
            for number, shard in enumerate(self._shards):
                found[:, list(shard.documents)] = self._walker.score(number, missing)
            self._sums.update(zip(missing, found, strict=True))
        return np.stack([self._sums[path] for path in paths])


class Drawn:
    """Some texts of a pool, in rounds; counts what scoring them would take."""

    def __init__(self, pool: Pool, texts: Sequence[int], round_ends: Sequence[int]) -> None:
        self._pool, self._texts, self._ends, self._tree = pool, list(texts), (0, *round_ends), PrefixTree()
        self.operations = 0.0

    def expect(self, paths: Sequence[LayerPath]) -> None:
        """Nothing is kept here."""

    def score(self, round_: int, paths: Sequence[LayerPath]) -> np.ndarray:
        """Look sums up, and count."""
        texts = self._texts[self._ends[round_] : self._ends[round_ + 1]]
        visits = [visit for some in in_units(paths) for visit in self._tree.walk(some)[1]]
        runs = sum(visit.step.layer_runs for visit in visits)
        some = [self._pool.windows[text] for text in texts]
        self.operations += runs * self._pool.layer * sum(window.n_run for window in some)
        self.operations += len(paths) * self._pool.head * sum(window.n_scored for window in some)
        return self._pool.sums(paths)[:, texts]


def search(pool: Pool, n_layers: int, n_drop: int, texts: Sequence[int], until: float | None) -> tuple[list[str], float]:
    """The path after each removal, and the operations that it took."""
    ends = plan_looks(len(texts), first=FIRST_LOOK).sizes if until is not None else (len(texts),)
    drawn = Drawn(pool, texts, ends)
    counts = np.array([pool.windows[text].n_scored for text in texts])
    space = Space(n_layers, parse_moves(["removal"]), 2 * (n_layers - n_drop))
    trail = beam(space, Race(drawn, counts, ends, until=until), width=1)
    return [str(trail.best[size][0]) for size in sorted(trail.best, reverse=True)][1:], drawn.operations


def main() -> None:
    """Both sides on each draw."""
    made = parser(__doc__)
    made.add_argument("--seeds", type=int, default=20)
    made.add_argument("--drop", type=int, default=3)
    made.add_argument("--pool", type=int, default=320)
    made.add_argument("--texts", type=int, default=192, help="of each draw")
    made.add_argument("--tokens", type=int, default=48, help="of each text")
    made.add_argument("--until", type=float, nargs="+", default=[0.002, 0.01])
    options = made.parse_args()
    keep_freed_memory()
    decoder = real_decoder("bfloat16")
    assert decoder.encoder is not None
    corpus = cut_windows(
        load_documents("lee", "lines"),
        Protocol.parse(f"windows:{options.tokens}"),
        decoder.encoder.encode,
        prefix_ids=(),
        context_length=None,
        max_samples=options.pool,
        seed=0,
    )
    pool = Pool(decoder, corpus.windows)
    whole: list[tuple[list[str], float]] = []
    early: dict[float, list[tuple[list[str], float]]] = {until: [] for until in options.until}
    for seed in range(options.seeds):
        texts = random.Random(seed).sample(range(options.pool), options.texts)
        whole.append(search(pool, decoder.n_layers, options.drop, texts, None))
        for until in options.until:
            early[until].append(search(pool, decoder.n_layers, options.drop, texts, until))
            print(seed, until, whole[-1][1] / early[until][-1][1], whole[-1][0] == early[until][-1][0], flush=True)
    for until, found in early.items():
        n_same = sum(one[0] == other[0] for one, other in zip(whole, found, strict=True))
        ratios = [one[1] / other[1] for one, other in zip(whole, found, strict=True)]
        record(
            "early dropping",
            f"SmolLM2-135M, bfloat16, greedy removal of {options.drop} layers, {options.texts} of {options.pool} texts of "
            f"{options.tokens} tokens in {options.seeds} draws, --until-ci {until:g}, against every candidate on every text",
            f"{spread(ratios)} times fewer operations; every choice the same in {n_same} of {options.seeds} draws",
        )


if __name__ == "__main__":
    main()
