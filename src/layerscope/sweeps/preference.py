"""From a finished sweep with pairs to what its layers do to the preference, beyond their damage: tables and a reading."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import pandas as pd

from layerscope.bilingual import Bilingual
from layerscope.errors import RunError
from layerscope.pairs.judging_protocol import JudgingProtocol
from layerscope.paths.families import DEPTHS
from layerscope.sweeps.analysis.beyond_damage import Explained, beyond_damage
from layerscope.sweeps.analysis.preference import finest_kind
from layerscope.sweeps.analysis.preference_depth_finding import preference_depth_finding
from layerscope.sweeps.analysis.preference_finding import preference_finding
from layerscope.sweeps.finished import FinishedRun
from layerscope.sweeps.pair_tables import BEYOND_DAMAGE, PAIR_EFFECTS, PAIRS, PARTS, PREFERENCE, PREFERENCE_DEPTH

JSON = "preference.json"


@dataclass(frozen=True)
class Preference:
    """What was found."""

    unit: str
    """What NLLs are summed over."""
    table: pd.DataFrame
    """Rows of preference.parquet of the unit."""
    beyond: pd.DataFrame
    """beyond_damage.parquet."""
    explained: list[Explained]
    """By family, group and measure."""
    findings: dict[str, Bilingual]
    """Of each family, over all pairs; of families of depths, at which one the preference is made up."""


def find_preference(run: FinishedRun, *, unit: str = "sentence", seed: int = 42) -> Preference:
    """Write beyond_damage.parquet and preference.json into a run directory.

    Args:
        run: a sweep with ``--pairs``.
        unit: ``edit``, ``continuation`` or ``sentence``.
        seed: of permutations and of what the jackknife leaves out together.

    Raises:
        RunError: an unknown unit or one that no pair has, a run without pairs, or another process writes to the run directory.

    Examples:
        >>> request = ls.SweepRequest("smollm2-135m", "texts.txt", experiments=("depth",), pairs=Path("pairs.jsonl"))
        >>> prepared = ls.prepare_sweep(request)
        >>> ls.run_sweep(prepared)
        True
        >>> found = ls.find_preference(ls.FinishedRun.open(prepared.directory.path), unit="edit")
        >>> found.table.query("kind == 'all' and variant in ['intact', 'depth-20']")["accuracy"].tolist()
        [1.0, 0.5]
    """
    with run.directory.alone():
        return _find(run, unit, seed)


def _find(run: FinishedRun, unit: str, seed: int) -> Preference:
    if unit not in PARTS:
        raise RunError(f"--unit is {', '.join(PARTS)}; got '{unit}'.")
    if seed < 0:
        raise RunError(f"--seed is 0 or more; got {seed}.")
    asked = run.record.pairs
    if asked is None:
        raise RunError(f"A preference is read from a sweep with --pairs; '{run.directory.path}' has none: sweep again.")
    run.directory.check_places(BEYOND_DAMAGE.name, JSON)
    effects, pairs, preference = (run.directory.read_table(table).to_pandas() for table in (PAIR_EFFECTS, PAIRS, PREFERENCE))
    units = [part for part in PARTS if (preference["unit"].astype(str) == part).any()]
    if unit not in units:
        raise RunError(
            f"A unit is read from pairs that have it on both sides; none of '{run.directory.path}' has a scored {unit}: take "
            f"--unit {' or '.join(units)}."
        )
    is_tie_right = JudgingProtocol.parse(asked.protocol).is_tie_right
    table, explained = beyond_damage(effects, pairs, run.layers, unit=unit, is_tie_right=is_tie_right, seed=seed)
    run.directory.write_table(BEYOND_DAMAGE, table)
    of_unit = preference[preference["unit"] == unit]
    beyond = table.to_pandas()
    kind = finest_kind(of_unit[of_unit["family"].astype(str) == "intact"])
    findings = {
        family: preference_finding(
            _chosen(beyond, family=family, kind="all", measure="margin"),
            _chosen(of_unit, family="intact", kind="all").iloc[0],
            [one for one in explained if one.family == family and one.kind == "all"],
            _by_group(beyond, family, kind),
            n_texts=int(run.layers["documents"].iloc[0]),
        )
        for family in dict.fromkeys(beyond["family"].astype(str))
    }
    if run.directory.has_table(PREFERENCE_DEPTH):
        depths = run.directory.read_table(PREFERENCE_DEPTH).to_pandas()
        for family in DEPTHS:
            if len(rows := _chosen(depths, family=family, unit=unit)):
                accuracy = _chosen(of_unit, family=family, kind="all")["accuracy"].to_numpy(float)
                findings[family] = preference_depth_finding(rows, accuracy, run.record.model.layers - 1)
    run.directory.write_json(
        JSON,
        {
            "unit": unit,
            "protocol": asked.protocol,
            "seed": seed,
            "explained_by_damage": [_plain(one) for one in explained],
            "findings": {family: found._asdict() for family, found in findings.items()},
        },
    )
    run.directory.remove_figures("preference")
    return Preference(unit, of_unit, beyond, explained, findings)


def _by_group(beyond: pd.DataFrame, family: str, kind: str) -> pd.DataFrame:
    """Margins of a family by groups of pairs of a kind; of nothing but all pairs there are none."""
    return _chosen(beyond, family=family, measure="margin", kind="" if kind == "all" else kind)


def _plain(one: Explained) -> dict[str, Any]:
    """For JSON, which has no NaN."""
    return {name: None if value != value else value for name, value in asdict(one).items()}


def _chosen(rows: pd.DataFrame, **wanted: str) -> pd.DataFrame:
    for name, value in wanted.items():
        rows = rows[rows[name].astype(str) == value]
    return rows
