"""Does it matter? Units that change least on half of the pairs, ablated on the other half, against random sets like them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, cast

import numpy as np
import pandas as pd
from jaxtyping import Float, Int

from layerscope.contrasts.analysis.intervention import (
    InterventionEffects,
    Measured,
    Placed,
    conclusion,
    intervention_effects,
    verdict,
    verdict_ja,
)
from layerscope.contrasts.analysis.stillest import rank_units
from layerscope.contrasts.engine.ablation import Replacement, Units
from layerscope.contrasts.engine.intervention import Ablation, Ablations, measure_pairs, measure_text
from layerscope.contrasts.engine.pair_batches import PairBatch, can_share, make_batches
from layerscope.contrasts.engine.reference import Reference
from layerscope.contrasts.figures.intervention import intervention_figures
from layerscope.contrasts.finished import FinishedContrast
from layerscope.contrasts.groups import Encoding
from layerscope.contrasts.prepare import punctuation_tokens
from layerscope.contrasts.reference import ReferenceText, find_reference
from layerscope.contrasts.stability import main_place
from layerscope.contrasts.tables import INTERVENTION
from layerscope.corpora.catalogue import load_documents
from layerscope.corpora.protocols import Protocol, cut_windows
from layerscope.engine.batching import Shard, make_shards
from layerscope.errors import PairError, RunError
from layerscope.models.decoder import Decoder
from layerscope.models.loading import LoadOptions, load_decoder
from layerscope.models.pair_tokenizer import encoder_of
from layerscope.models.sites import SiteMap, check_sites
from layerscope.pairs.checking import check_pairs
from layerscope.pairs.pair import MinimalPair
from layerscope.progress import Progress, nobody_asks
from layerscope.stats.matching import covariate_balance, matched_sets

REPLACEMENTS: tuple[Replacement, ...] = ("mean", "resample")
COVARIATES = ("spread", "size", "unembedding")
FEWEST_SETS = 200
_N_NEAREST = 10
"""Units like a member, of which a random set takes one: the stillest units lie at the edge of what there is."""
Members = Literal["all", "meaning", "grammar"]


@dataclass(frozen=True)
class InterveneRequest:
    """What to ablate, and against what."""

    stable: int = 50
    """Units that change least, over all layers together or in one."""
    site: str | None = None
    """Where they are chosen and ablated; the run's main place if None."""
    position: str | None = None
    """Where they are chosen; likewise."""
    layer: int | None = None
    """Choose them in this layer only."""
    members: Members = "all"
    """Whose pairs choose them."""
    n_sets: int = FEWEST_SETS
    """Random sets."""
    max_pairs: int = 60
    """Pairs with a wrong side that are scored, and half as many of meaning."""
    text_tokens: int = 1000
    """Tokens of neutral text that are scored."""
    seed: int = 42
    """Of the halves, the sets and everything drawn."""
    device: str = "auto"
    """Where the model runs."""
    dtype: str | None = None
    """The run's if None."""
    device_map: str | None = None
    """Spread the layers over devices, as transformers does."""
    trust_remote_code: bool = False
    """Run code that comes with a checkpoint."""
    data_dir: Path | None = None
    """Folder with the reference's data set."""


@dataclass(frozen=True)
class Intervention:
    """What came of it."""

    layer: Int[np.ndarray, " unit"]
    """Of each unit that was ablated."""
    dim: Int[np.ndarray, " unit"]
    """Likewise."""
    effects: dict[str, InterventionEffects]
    """By replacement."""
    verdicts: dict[str, dict[str, str]]
    """One sentence by replacement and language."""
    balance: dict[str, float]
    """Standardised mean difference between the set and the random ones, by covariate; beyond ±0.1 is unbalanced."""


def intervene(run: FinishedContrast, request: InterveneRequest, progress: Progress = nobody_asks) -> Intervention:
    """Choose, ablate, compare; writes intervention.parquet, intervention.json and figures into the run directory.

    Raises:
        LayerscopeError: the request does not fit the run, the model cannot be loaded, or no pair can be scored.
    """
    site, position = _check(run, request)
    generator = np.random.default_rng(request.seed)
    chosen, left = choose_units(run, request, site, position, generator=generator)
    record = run.request
    options = LoadOptions(
        dtype=request.dtype or record["dtype"],
        device=request.device,
        quantize=record["quantize"],
        bos=record["bos"],
        device_map=request.device_map,
        trust_remote_code=request.trust_remote_code,
    )
    progress("Loading the model", 0, 1)
    decoder = load_decoder(record["model"], revision=run.manifest["model"]["revision"], options=options)
    sites = SiteMap(decoder, check_sites(run.sites))
    reference = find_reference(
        sites,
        ReferenceText(record["reference"]["dataset"], record["reference"]["tokens"], request.data_dir),
        fingerprint=record["model_fingerprint"],
        batch_tokens=record["batch_tokens"],
        progress=progress,
    )
    tested = pairs_to_test(run, request, left, generator=generator)
    batches = _batches(decoder, sites, tested, record)
    shards = _text(decoder, record["reference"]["dataset"], request, record["batch_tokens"])
    covariates = _covariates(run, site)
    random = random_sets(chosen, covariates, n_sets=request.n_sets, width=run.width, generator=generator)
    effects: dict[str, InterventionEffects] = {}
    total = len(REPLACEMENTS) * (request.n_sets + 2) * (len(batches) + len(shards))
    done = 0

    def advance(n: int) -> None:
        nonlocal done
        done += n
        progress("Ablating", done, total)

    for replace in REPLACEMENTS:
        ablations: Ablations = [
            None,
            *(Ablation(Units.of_flat(cast(Any, site), unit=units, width=run.width), replace) for units in (chosen, *random)),
        ]
        effects[replace] = _effects(sites, batches, shards, ablations, tested, reference, request.seed, advance)
    balance = covariate_balance(
        chosen, random, covariates=np.log(np.maximum(covariates, 1e-30)), candidates=np.ones(len(covariates), dtype=bool)
    )
    found = Intervention(
        chosen // run.width,
        chosen % run.width,
        effects,
        {replace: {"en": verdict(one), "ja": verdict_ja(one)} for replace, one in effects.items()},
        dict(zip(COVARIATES, map(float, balance), strict=True)),
    )
    _write(run, request, found, site, position)
    return found


def choose_units(
    run: FinishedContrast, request: InterveneRequest, site: str, position: str, *, generator: np.random.Generator
) -> tuple[Int[np.ndarray, " unit"], dict[str, frozenset[int]]]:
    """The stable set from half of each group's blocks of templates, and which blocks are left for the test.

    Returns:
        Units as layer × width + dimension; by group, the numbers of the blocks of the test half.

    Raises:
        RunError: no group of the types asked for has two blocks.
    """
    left: dict[str, frozenset[int]] = {}
    means = []
    for index, row in enumerate(run.groups.to_dict("records")):
        blocks = run.blocks(index, site, position) if row["role"] in ("meaning", "grammar") else None
        if blocks is None:
            continue
        is_test = generator.permutation(len(blocks.number)) < len(blocks.number) // 2
        left[str(row["group"])] = frozenset(blocks.number[is_test].tolist())
        if request.members in ("all", row["role"]) and len(is_test) > 1:
            both = (blocks.percentile1 + blocks.percentile2)[~is_test] / 2
            means.append(np.average(both, axis=0, weights=blocks.pairs[~is_test]))
    if not means:
        raise RunError(
            f"The stable set is chosen on half of the blocks of templates of {request.members} types; the run has none with "
            f"two blocks at {site}, {position}: take another place, or more templates."
        )
    scores = np.mean(means, axis=0)
    if request.layer is not None:
        scores = np.where(np.arange(len(scores))[:, None] == request.layer, scores, np.inf)
    _, best = rank_units(scores, request.stable)
    return best.layer * run.width + best.dim, left


def random_sets(
    chosen: Int[np.ndarray, " unit"],
    covariates: Float[np.ndarray, "every_unit covariate"],
    *,
    n_sets: int,
    width: int,
    generator: np.random.Generator,
) -> Int[np.ndarray, "set unit"]:
    """Sets of as many units of each layer, matched on spread, mean size and unembedding weight within it."""
    found = np.zeros((n_sets, len(chosen)), dtype=np.int64)
    layers = chosen // width
    for layer in np.unique(layers):
        members = layers == layer
        start = layer * width
        found[:, members] = start + matched_sets(
            chosen[members] - start,
            # spread and size say nearly the same: the third covariate counts as much as the two together
            covariates[start : start + width][:, [0, 1, 2, 2]],
            candidates=np.ones(width, dtype=bool),
            generator=generator,
            n_sets=n_sets,
            n_nearest=_N_NEAREST,
        )
    return found


def pairs_to_test(
    run: FinishedContrast,
    request: InterveneRequest,
    left: dict[str, frozenset[int]],
    *,
    generator: np.random.Generator,
) -> pd.DataFrame:
    """Pairs of the test half: those with a wrong side, and half as many of meaning.

    Raises:
        PairError: none has a wrong side.
    """
    pairs = run.pairs
    is_left = [block in left.get(str(group), ()) for group, block in zip(pairs["group"], pairs["block"], strict=True)]
    pairs = pairs[is_left]
    errors = pairs[pairs["right"].notna()]
    if errors.empty:
        raise PairError("An intervention scores pairs with a wrong side; the run's other half has none: add grammar pairs.")
    meaning = pairs[pairs["type"].astype(str) == "meaning"]
    parts = [_sampled(errors, request.max_pairs, generator), _sampled(meaning, request.max_pairs // 2, generator)]
    return pd.concat(parts).sort_values("pair")


def _sampled(pairs: pd.DataFrame, n: int, generator: np.random.Generator) -> pd.DataFrame:
    return pairs.iloc[np.sort(generator.permutation(len(pairs))[:n])]


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
    return site, position


def _batches(decoder: Decoder, sites: SiteMap, tested: pd.DataFrame, record: dict[str, Any]) -> list[PairBatch]:
    assert decoder.encoder is not None, "pairs are text"
    encoding = Encoding(encoder_of(decoder.encoder.tokenizer), decoder.encoder.prefix_ids, punctuation_tokens(decoder.encoder))
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
    placed = [encoding.place(checked) for checked in check_pairs(pairs, encoding.encode)]
    return make_batches(placed, record["batch_tokens"], share=can_share(sites))


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
    ablations: Ablations,
    tested: pd.DataFrame,
    reference: Reference,
    seed: int,
    advance: Callable[[int], None],
) -> InterventionEffects:
    pairs = measure_pairs(sites, batches, ablations, reference=reference, seed=seed, advance=advance)
    text = measure_text(sites, shards, ablations, reference=reference, seed=seed, advance=advance)

    def measured(values: np.ndarray) -> Measured:
        return Measured(values[0], values[1], values[2:])

    return intervention_effects(
        measured(pairs.continuation_nats),
        measured(pairs.sentence_nats),
        text=measured(text.nll_nats),
        n_tokens=text.n_tokens,
        right=tested["right"].fillna(0).to_numpy(dtype=np.int64),
        templates=pd.factorize(tested["group"].astype(str) + "/" + tested["template"].astype(str))[0],
        generator=np.random.default_rng([seed, 2]),
    )


_OUTCOMES = {"did_nats": "did", "accuracy": "accuracy", "damage_nats": "damage", "change_nats": "change", "gap_nats": "gap"}


def _write(run: FinishedContrast, request: InterveneRequest, found: Intervention, site: str, position: str) -> None:
    frames = []
    for replace, effects in found.effects.items():
        for outcome, name in _OUTCOMES.items():
            placed: Placed = getattr(effects, name)
            values = np.concatenate([[placed.effect], placed.random_effects])
            frames.append(
                pd.DataFrame({"replacement": replace, "outcome": outcome, "set": np.arange(len(values)), "value": values})
            )
    frame = pd.concat(frames, ignore_index=True)
    run.directory.write_table(INTERVENTION, INTERVENTION.from_frame(frame))
    run.directory.write_json(
        "intervention.json",
        {
            "request": {**asdict(request), "data_dir": None if request.data_dir is None else str(request.data_dir)},
            "site": site,
            "position": position,
            "units": [{"layer": int(a), "dim": int(b)} for a, b in zip(found.layer, found.dim, strict=True)],
            "balance": {name: _plain(value) for name, value in found.balance.items()},
            "conclusion": {replace: conclusion(effects) for replace, effects in found.effects.items()},
            "verdict": found.verdicts,
            "effects": {
                replace: {name: _summary(getattr(effects, attribute)) for name, attribute in _OUTCOMES.items()}
                | {"accuracy_intact": _plain(effects.accuracy_intact)}
                for replace, effects in found.effects.items()
            },
        },
    )
    figures = intervention_figures(
        frame, model=run.model, pairs=run.request["pairs"], intact_accuracy=_plain(found.effects["mean"].accuracy_intact)
    )
    for name, figure in figures.items():
        run.directory.write_figure(name, figure)


def _summary(placed: Placed) -> dict[str, float | int | None]:
    return {
        "effect": _plain(placed.effect),
        "low": _plain(placed.low),
        "high": _plain(placed.high),
        "random_mean": _plain(placed.random_mean),
        "z": _plain(placed.z),
        "p_greater": _plain(placed.p_greater),
        "p_two_sided": _plain(placed.p_two_sided),
        "items": placed.n_items,
        "groups": placed.n_groups,
    }


def _plain(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
