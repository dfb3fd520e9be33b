"""A loaded model that compares groups of a prepared contrast and writes each of them whole into the run directory."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

import numpy as np

from layerscope.contrasts.analysis.place import main_place
from layerscope.contrasts.engine.groups import ContrastPlan
from layerscope.contrasts.engine.pair_batches import can_share
from layerscope.contrasts.engine.placebo_search import MatchedAt
from layerscope.contrasts.engine.reference import Reference
from layerscope.contrasts.group_runs import GroupRunner, Tell, is_compared
from layerscope.contrasts.groups import PairGroup, most_pairs
from layerscope.contrasts.placebos import PlaceboMaker
from layerscope.contrasts.prepare import PreparedContrast
from layerscope.contrasts.record import MeasuredTextRecord
from layerscope.contrasts.reference import find_reference, reference_digest
from layerscope.contrasts.rows import reference_table
from layerscope.contrasts.tables import REFERENCE
from layerscope.corpora.windows import make_window
from layerscope.engine.batching import make_shards
from layerscope.engine.finite import check_texts
from layerscope.models.decoder import Decoder
from layerscope.models.loading import load_streamed, load_weights
from layerscope.models.sites import Site, SiteMap
from layerscope.pairs.positions import DETECTION
from layerscope.progress import Progress, nobody_asks
from layerscope.results.environment import environment
from layerscope.results.record import EnvironmentRecord, WorkerRecord

SPREADS = -1
"""Number of the unit that writes the spreads over ordinary text; others have that of their first group."""


@dataclass(frozen=True)
class OpenedContrast:
    """What only a process that has loaded the model can tell of a run."""

    environment: EnvironmentRecord
    """With what it runs."""
    n_layers: int
    """Decoder layers."""
    width: int
    """Dimensions of the residual stream."""
    share: bool
    """Whether what both sides of a pair share runs once for both."""
    reference: MeasuredTextRecord
    """Ordinary text that spreads were measured on."""
    reference_sha256: str
    """Of all that was measured on it."""


class ContrastWorker:
    """Does units of a contrast, in this process.

    Args:
        prepared: the run; its directory says who writes.
    """

    def __init__(self, prepared: PreparedContrast) -> None:
        self._prepared = prepared
        self.wrote: Callable[[], None] = lambda: None
        """Called after each unit that is in place."""
        self._loaded: tuple[SiteMap, Reference, GroupRunner] | None = None

    def open(self, progress: Progress = nobody_asks) -> OpenedContrast:
        """Load the model, and measure the spread of its dimensions; nothing is written.

        Raises:
            LayerscopeError: the model cannot run the pairs, or the text cannot be read.
        """
        prepared = self._prepared
        load = load_streamed if prepared.request.stream else load_weights
        decoder = load(prepared.source, prepared.config, prepared.encoder, prepared.request.options)
        check_first_pairs(decoder, prepared.groups, batch_tokens=prepared.batch_tokens)
        sites = SiteMap(decoder, prepared.sites)
        reference = find_reference(
            sites,
            prepared.request.reference,
            fingerprint=prepared.record.model_fingerprint,
            batch_tokens=prepared.batch_tokens,
            progress=progress,
        )
        share = can_share(sites)
        plan = ContrastPlan(prepared.positions, reference.spread, prepared.batch_tokens, share, prepared.request.values)
        maker = placebo_maker(prepared, sites, reference, share=share)
        self._loaded = sites, reference, GroupRunner(prepared, sites, plan, maker)
        return OpenedContrast(
            environment=environment(decoder),
            n_layers=sites.n_layers,
            width=sites.width,
            share=share,
            reference=MeasuredTextRecord(tokens=reference.n_tokens, sinks_left_out=reference.n_sinks),
            reference_sha256=reference_digest(reference),
        )

    def compare(self, units: Sequence[int], advance: Tell) -> None:
        """Compare and write some units.

        Args:
            units: which are not written yet.
            advance: called with what is done, and how much more of ``work_of``.
        """
        for unit in units:
            if unit == SPREADS:
                self._write_spreads()
            else:
                self._compare(unit, advance)
                self.wrote()

    def _write_spreads(self) -> None:
        assert self._loaded is not None, "a worker is opened first"
        sites, reference, _ = self._loaded
        table = reference_table(reference, unembedding_weight(sites.decoder, sites.width))
        self._prepared.directory.write_table(REFERENCE, table)

    def _compare(self, unit: int, advance: Tell) -> None:
        assert self._loaded is not None, "a worker is opened first"
        n_left, last = work_of(self._prepared, unit), ""

        def tell(what: str, n: int) -> None:
            nonlocal n_left, last
            n_left, last = n_left - n, what
            advance(what, n)

        self._loaded[2].compare(unit, tell)
        advance(last, n_left)  # placebos that were not found, or are there

    def close(self) -> tuple[WorkerRecord, ...]:
        """Nothing is to be said of a process that is alone."""
        return ()


def is_written(prepared: PreparedContrast, unit: int) -> bool:
    """Whether a unit was finished before."""
    return prepared.directory.has_table(REFERENCE) if unit == SPREADS else is_compared(prepared, unit)


def work_of(prepared: PreparedContrast, unit: int) -> int:
    """Pairs that a unit may compare, placebos and neighbours included, and those that placebos are to be found for."""
    if unit == SPREADS:
        return 0
    group = prepared.groups[unit]
    return most_pairs(group) * (1 + len(group.placebos)) + (len(group.checked) if group.placebos else 0)


def as_writer(prepared: PreparedContrast, writer: str) -> PreparedContrast:
    """The same run as one of several processes writes it."""
    return replace(prepared, directory=replace(prepared.directory, writer=writer))


def placebo_maker(prepared: PreparedContrast, sites: SiteMap, reference: Reference, *, share: bool) -> PlaceboMaker:
    """Finds the placebos of a run, matched in size at the place that figures and reading are of."""
    site, position = matched_at(prepared)
    return PlaceboMaker(
        sites,
        prepared.encoder,
        MatchedAt(site, position, reference.spread[site]),
        wanted=prepared.request.placebos,
        seed=prepared.request.seed,
        token_budget=prepared.batch_tokens,
        share=share,
    )


def matched_at(prepared: PreparedContrast) -> tuple[Site, str]:
    """Site and position where sizes are compared; of a run that compares detection points only, the token after the edit."""
    site, position = main_place(prepared.sites, prepared.positions)
    return cast(Site, site), "edit+1" if position == DETECTION else position


def check_first_pairs(decoder: Decoder, groups: Sequence[PairGroup], *, batch_tokens: int) -> None:
    """Refuse a model that predicts a pair of some group in something else than numbers.

    Raises:
        ModelError: the first layer that does.
    """
    assert decoder.encoder is not None, "pairs are text"
    encoder = decoder.encoder
    firsts = [group.checked[0].pair for group in groups if group.checked]
    sentences = [sentence for pair in firsts for sentence in (pair.sentence1, pair.sentence2)]
    windows = [make_window(sentence, encoder.encode(sentence), encoder.prefix_ids) for sentence in sentences]
    for shard in make_shards(windows, batch_tokens):
        check_texts(decoder, shard)


def unembedding_weight(decoder: Decoder, width: int) -> np.ndarray:
    """Length of each dimension's column in the output matrix; 1 where the model has no plain one."""
    matrix: Any = decoder.model.get_output_embeddings()  # type: ignore[no-untyped-call]
    weight = getattr(matrix, "weight", None)
    if weight is None or weight.ndim != 2 or weight.shape[1] != width:
        return np.ones(width)
    norms: np.ndarray = weight.detach().float().norm(dim=0).cpu().numpy()
    return norms
