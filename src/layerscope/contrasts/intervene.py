"""Does it matter? Units that change least on half of the pairs, ablated on the other half, against random sets like them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any, cast

import numpy as np
import pandas as pd
from jaxtyping import Float, Int

from layerscope.contrasts.analysis.choosing import (
    COVARIATES,
    TypeBlocks,
    against_placebos,
    choose_units,
    pairs_to_test,
    random_sets,
)
from layerscope.contrasts.analysis.intervention import (
    LEVEL,
    InterventionEffects,
    Measured,
    PlaceboSetEffect,
    did_of,
    intervention_effects,
    is_settled,
    placebo_set_effect,
)
from layerscope.contrasts.analysis.intervention_verdict import joint_verdict, verdict
from layerscope.contrasts.analysis.place import main_place
from layerscope.contrasts.analysis.restoring import read_restoring
from layerscope.contrasts.engine.ablation import Replacement, Units
from layerscope.contrasts.engine.intervention import Ablation, Ablations, PairScoring, measure_pairs, measure_text
from layerscope.contrasts.engine.pair_batches import PairBatch, can_share, make_batches
from layerscope.contrasts.engine.reference import Reference
from layerscope.contrasts.finished import FinishedContrast
from layerscope.contrasts.intervened import InterveneRequest, Intervention, write_intervention
from layerscope.contrasts.reference import ReferenceText, find_reference
from layerscope.contrasts.restore import n_patches, patched_positions, restore
from layerscope.contrasts.tables import INTERVENTION, RESTORING
from layerscope.corpora.catalogue import load_documents
from layerscope.corpora.protocols import Protocol, cut_windows
from layerscope.engine.batching import Shard, make_shards
from layerscope.errors import PairError, RunError
from layerscope.models.decoder import Decoder
from layerscope.models.loading import LoadOptions, load_decoder
from layerscope.models.pair_tokenizer import pair_tokenizer
from layerscope.models.sites import SiteMap, check_sites
from layerscope.pairs.checking import check_pairs
from layerscope.pairs.pair import MinimalPair
from layerscope.pairs.positions import place
from layerscope.progress import Advance, Progress, nobody_asks

REPLACEMENTS: tuple[Replacement, ...] = ("mean", "resample")
MOST_PATCHED = 30
"""Pairs that are patched."""
_AT_ONCE = 10
"""Random sets between two looks at whether more could change anything."""
N_TEXT_SETS = 10
"""Random sets that neutral text is scored under where the verdict does not depend on damage."""


def intervene(run: FinishedContrast, request: InterveneRequest, progress: Progress = nobody_asks) -> Intervention:
    """Choose units, ablate them and compare; writes intervention.parquet and intervention.json into the run directory.

    Raises:
        LayerscopeError: the request does not fit the run, the model cannot be loaded, no pair can be scored, or another process
            writes to the run directory.

    Examples:
        >>> run = ls.FinishedContrast.open(Path("results/contrast/my_model_pairs_nall"))
        >>> found = ls.intervene(run, ls.InterveneRequest(stable=5, n_sets=3, max_pairs=8, text_tokens=40))
        >>> len(found.layer), found.verdicts["mean"].en[:13]
        (5, 'No inference:')
    """
    with run.directory.alone():
        return _intervene(run, request, progress)


def _intervene(run: FinishedContrast, request: InterveneRequest, progress: Progress) -> Intervention:
    run.directory.check_places(INTERVENTION.name, RESTORING.name, "intervention.json")
    site, position = _check(run, request)
    generator = np.random.default_rng(request.seed)
    chosen_half = choose_units(
        _blocks_of_types(run, site, position), request.stable, members=request.members, layer=request.layer, generator=generator
    )
    if chosen_half is None:
        raise RunError(
            f"The stable set is chosen on half of the blocks of templates of {request.members} types; the run has none with "
            f"two blocks at {site}, {position}: take another place, or more templates."
        )
    chosen = chosen_half.units
    tested = pairs_to_test(run.pairs, chosen_half.left, request.max_pairs, generator=generator)
    if tested.empty:
        raise PairError("An intervention scores pairs with a wrong side; the run's other half has none: add grammar pairs.")
    asked = run.record.request
    options = LoadOptions(
        dtype=request.dtype or asked.dtype,
        device=request.device,
        quantize=asked.quantize,
        bos=asked.bos,
        device_map=request.device_map,
        trust_remote_code=request.trust_remote_code,
    )
    progress("Loading the model", 0, 1)
    decoder = load_decoder(asked.model, revision=run.record.model.revision, options=options)
    sites = SiteMap(decoder, check_sites(run.sites))
    reference = find_reference(
        sites,
        ReferenceText(asked.reference.dataset, asked.reference.tokens, request.data_dir),
        fingerprint=asked.model_fingerprint,
        batch_tokens=asked.batch_tokens,
        progress=progress,
    )
    batches = _batches(decoder, sites, tested, asked.batch_tokens)
    shards = _text(decoder, asked.reference.dataset, request, asked.batch_tokens)
    covariates = _covariates(run, site)
    against = random_sets(chosen, covariates, n_sets=request.n_sets, width=run.width, generator=generator)
    effects: dict[str, InterventionEffects] = {}
    beside = against_placebos(chosen, chosen_half.of_placebos, covariates)
    n_beside = 0 if beside is None else 2
    total = len(REPLACEMENTS) * ((request.n_sets + 2) * (len(batches) + len(shards)) + n_beside * len(batches))
    positions = patched_positions(run.positions)
    patched = _to_patch(tested) if request.patch else tested[:0]
    patch_batches = _batches(decoder, sites, patched, asked.batch_tokens) if request.patch else []
    total += len(patch_batches) * n_patches(run.n_layers, len(positions))
    done = 0

    def advance(n: int) -> None:
        nonlocal done
        done += n
        progress("Ablating", done, total)

    for replace in REPLACEMENTS:
        stable, *random = (
            Ablation(Units.of_flat(cast(Any, site), unit=units, width=run.width), replace) for units in (chosen, *against.sets)
        )
        effects[replace] = _effects(
            sites,
            batches,
            shards,
            stable,
            random,
            tested,
            reference=reference,
            seed=request.seed,
            is_matched=against.is_matched,
            damage_margin=request.damage_margin,
            advance=advance,
        )
    apart: dict[str, PlaceboSetEffect] = {}
    if beside is not None:
        for replace in REPLACEMENTS:
            both = [
                Ablation(Units.of_flat(cast(Any, site), unit=units, width=run.width), replace)
                for units in (beside.of_edits, beside.of_placebos)
            ]
            measured = measure_pairs(sites, batches, both, reference=reference, seed=request.seed, advance=advance)
            apart[replace] = placebo_set_effect(
                measured.continuation_nats[0], measured.continuation_nats[1], _right(tested), _templates(tested)
            )
    table = None
    if request.patch:
        table = restore(
            sites,
            patch_batches,
            chosen_half.scores,
            covariates,
            k=min(request.stable, run.width // 3),
            positions=positions,
            right=_right(patched),
            templates=_templates(patched),
            generator=generator,
            advance=advance,
        )
    found = Intervention(
        chosen // run.width,
        chosen % run.width,
        effects,
        {replace: verdict(one) for replace, one in effects.items()},
        joint_verdict(effects),
        against.n_alike,
        against.balance,
        beside,
        apart,
        table,
        [] if table is None else read_restoring(table, min(request.stable, run.width // 3), positions),
    )
    write_intervention(run, request, found, site, position)
    return found


def _check(run: FinishedContrast, request: InterveneRequest) -> tuple[str, str]:
    site, position = main_place(run.sites, run.positions)
    site, position = request.site or site, request.position or position
    for value, there, option in ((site, run.sites, "--site"), (position, run.positions, "--position")):
        if value not in there:
            raise RunError(f"{option} is one that the run has, {', '.join(there)}; got '{value}'.")
    n_units = run.width if request.layer is not None else run.width * run.n_layers
    if not 1 <= request.stable <= n_units // 3:
        raise RunError(f"--stable is from 1 to a third of the {n_units:,} units to choose from; got {request.stable}.")
    if request.layer is not None and not 0 <= request.layer < run.n_layers:
        raise RunError(f"--layer is from 0 to {run.n_layers - 1}; got {request.layer}.")
    if request.n_sets < 1 or request.max_pairs < 2 or request.text_tokens < 1 or request.seed < 0:
        raise RunError("--sets and --text-tokens are 1 or more, --max-pairs 2 or more, --seed 0 or more.")
    if request.patch and site != "resid_post":
        raise RunError(
            f"--patch is of the residual stream, at resid_post; got {site}: name --site resid_post, or leave it out."
        )
    if not 0.0 < request.damage_margin < math.inf:
        raise RunError(f"--damage-margin is a number of nats above 0; got {request.damage_margin:g}.")
    return site, position


def _blocks_of_types(run: FinishedContrast, site: str, position: str) -> Iterator[TypeBlocks]:
    """Each group of meaning and grammar pairs that the place has, and its first placebos."""
    rows = run.groups.to_dict("records")
    for index, row in enumerate(rows):
        blocks = run.blocks(index, site, position) if row["role"] in ("meaning", "grammar") else None
        if blocks is not None:
            beside = [other for other, one in enumerate(rows) if one["placebo_of"] == row["group"]]
            placebos = run.blocks(beside[0], site, position) if beside else None
            yield TypeBlocks(str(row["group"]), str(row["role"]), blocks, placebos)


def _to_patch(tested: pd.DataFrame) -> pd.DataFrame:
    """Pairs with a right side, as many as patching has time for; those of unequal length have no place to patch."""
    errors = tested[tested["right"].notna() & ~tested["group"].astype(str).str.endswith("-aligned")]
    if errors.empty:
        raise PairError(
            "Patching needs pairs of equal length with a wrong side; the run's other half has none: leave --patch out."
        )
    return errors.iloc[np.unique(np.linspace(0, len(errors) - 1, min(MOST_PATCHED, len(errors))).round().astype(int))]


def _templates(tested: pd.DataFrame) -> Int[np.ndarray, " pair"]:
    return np.asarray(pd.factorize(tested["group"].astype(str) + "/" + tested["template"].astype(str))[0])


def _right(tested: pd.DataFrame) -> Int[np.ndarray, " pair"]:
    """The right side of each pair; 0 where neither is wrong."""
    return tested["right"].fillna(0).to_numpy(dtype=np.int64)


def _batches(decoder: Decoder, sites: SiteMap, tested: pd.DataFrame, batch_tokens: int) -> list[PairBatch]:
    assert decoder.encoder is not None, "pairs are text"
    tokenizer = pair_tokenizer(decoder.encoder)
    pairs = [
        MinimalPair.from_sentences(
            str(row["sentence1"]),
            str(row["sentence2"]),
            type=str(row["type"]),
            subtype=str(row["subtype"]),
            right=None if pd.isna(row["right"]) else int(row["right"]),
            template=str(row["template"]),
            source=str(row["source"]),
        )
        for row in tested.to_dict("records")
    ]
    placed = [place(checked, tokenizer) for checked in check_pairs(pairs, tokenizer)]
    return make_batches(placed, batch_tokens, share=can_share(sites))


def _text(decoder: Decoder, dataset: str, request: InterveneRequest, batch_tokens: int) -> list[Shard]:
    """Lines of ordinary text, about as many tokens as wanted."""
    assert decoder.encoder is not None, "neutral text is text"
    corpus = cut_windows(
        load_documents(dataset, "lines", data_dir=request.data_dir),
        Protocol.parse("lines"),
        decoder.encoder.encode,
        prefix_ids=decoder.encoder.prefix_ids,
        context_length=128,
        max_samples=max(10, request.text_tokens // 20),
        seed=1,
    )
    windows, total = [], 0
    for window in corpus.windows:
        if total >= request.text_tokens:
            break
        windows.append(window)
        total += window.n_scored
    return make_shards(windows, batch_tokens)


def _covariates(run: FinishedContrast, site: str) -> Float[np.ndarray, "unit covariate"]:
    rows = run.reference[run.reference["site"] == site]
    return np.asarray(rows[list(COVARIATES)].to_numpy(dtype=np.float64))


def _effects(
    sites: SiteMap,
    batches: Sequence[PairBatch],
    shards: Sequence[Shard],
    stable: Ablation,
    random: Sequence[Ablation],
    tested: pd.DataFrame,
    *,
    reference: Reference,
    seed: int,
    is_matched: bool,
    damage_margin: float,
    advance: Advance,
) -> InterventionEffects:
    """Pairs, some random sets at a time until they can change nothing any more; then text, of as many as the verdict needs."""
    ablations: Ablations = [None, stable, *random]
    pairs = PairScoring(sites, batches, ablations, reference=reference, seed=seed, advance=advance)
    n_run = min(2 + _AT_ONCE, len(ablations))
    outcomes = [pairs.under(range(n_run))]
    while True:
        continuation = np.concatenate([one.continuation_nats for one in outcomes])
        did = did_of(_measured(continuation), _right(tested), _templates(tested), is_matched=is_matched)
        if n_run == len(ablations) or is_settled(did, len(random), is_matched=is_matched):
            break
        outcomes.append(pairs.under(range(n_run, min(n_run + _AT_ONCE, len(ablations)))))
        n_run += len(outcomes[-1].continuation_nats)
    n_text = n_run if did.p_greater <= LEVEL else min(n_run, 2 + N_TEXT_SETS)
    text = measure_text(sites, shards, ablations[:n_text], reference=reference, seed=seed, advance=advance)
    advance((len(ablations) - n_run) * len(batches) + (len(ablations) - n_text) * len(shards))
    return intervention_effects(
        _measured(continuation),
        _measured(np.concatenate([one.sentence_nats for one in outcomes])),
        text=_measured(text.nll_nats),
        n_tokens=text.n_tokens,
        right=_right(tested),
        templates=_templates(tested),
        is_matched=is_matched,
        damage_margin=damage_margin,
    )


def _measured(nats: Float[np.ndarray, "ablation ..."]) -> Measured:
    return Measured(nats[0], nats[1], nats[2:])
