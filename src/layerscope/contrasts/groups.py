"""Pairs into groups that are compared: by subtype, with random-word controls in three parts, and templates in blocks.

The first two of the three parts are the scales on which differences are read (their percentile); where two groups are
compared, each is read on another one, since on the same one its sampling error would make them alike. The third is a rung of
the ladder from the same sentence twice to another sentence: how much a random word changes. What types are held against are
their placebos: groups that stand here empty, beside each type, until the model that finds them is loaded.
"""

from __future__ import annotations

import itertools
import math
import statistics
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
from jaxtyping import Bool, Int

from layerscope.contrasts.blocks import N_BLOCKS, UNMATCHED
from layerscope.contrasts.enough import FEWEST_BLOCKS, is_enough
from layerscope.errors import PairError, check_text, did_you_mean
from layerscope.pairs.checking import EncodedPair, check_pairs
from layerscope.pairs.format import read_pairs
from layerscope.pairs.pair import MinimalPair
from layerscope.pairs.positions import PlacedPair, place
from layerscope.pairs.templates.generating import find_sources, generate, random_words_for
from layerscope.pairs.tokenizer import PairTokenizer

Role = Literal["reference", "control", "bound", "meaning", "grammar", "placebo"]
RANDOM_WORD = "random-word"
PARTS = ("reference-1", "reference-2", "")
"""Of the random-word controls, by what is added to their name."""
_TRIED_FOR_EACH = 20
_BOUND_SHARE = 4
"""Identical and unrelated sentences, the lower and the upper bound of what can change, are this part of a subtype's pairs."""


@dataclass(frozen=True)
class PairGroup:
    """Pairs that are compared with each other's groups."""

    name: str
    """Subtype; of random-word controls with the part."""
    role: Role
    """What the group is for."""
    checked: tuple[EncodedPair, ...]
    """Usable pairs, in the order in which they came."""
    placed: tuple[PlacedPair, ...]
    """The same with their places."""
    blocks: Int[np.ndarray, " pair"]
    """Block of templates of each."""
    blocks_of: Literal["template", "pair"]
    """What lies in one block."""
    n_templates: int
    """Templates that the pairs come from."""
    n_unusable: int
    """Pairs that the tokenizer does not allow to compare."""
    placebos: tuple[PairGroup, ...] = ()
    """Groups for the placebos of these pairs, empty until they are found; types only."""
    placebo_of: str | None = None
    """Of placebos, the group beside whose pairs they stand."""
    members: Int[np.ndarray, " pair"] | None = None
    """Of placebos that were found, the place of each one's pair in that group."""
    has_placebo: Bool[np.ndarray, " pair"] | None = None
    """Which pairs have theirs; None before they are looked for, and where none are wanted."""

    @property
    def compared_blocks(self) -> Int[np.ndarray, " pair"]:
        """Block of each pair, those in ``UNMATCHED`` that should have a placebo and have none."""
        return self.blocks if self.has_placebo is None else np.where(self.has_placebo, self.blocks, UNMATCHED)

    @property
    def n_blocks(self) -> int:
        """Blocks with a pair."""
        return len(np.unique(self.blocks))

    @property
    def allows_inference(self) -> bool:
        """Whether there are pairs and blocks enough."""
        return is_enough(len(self.checked), self.n_blocks)


def units_of(groups: Sequence[PairGroup]) -> dict[int, int]:
    """What is compared in one go, a type with the placebos of its pairs: by number of its first group, how many they are."""
    found, index = {}, 0
    while index < len(groups):
        found[index] = 1 + len(groups[index].placebos)
        index += found[index]
    return found


def most_pairs(group: PairGroup) -> int:
    """Pairs that a group may have; a reference gets a neighbour beside each of its own, if there is one."""
    return len(group.checked) * (2 if group.role == "reference" else 1)


def first_numbers(groups: Sequence[PairGroup]) -> list[int]:
    """Number of the first pair of each group, whatever will be found for the groups before it.

    A pair has a number for each of its placebos; those of placebos that are not found are left out.
    """
    numbers, n_before = [], 0
    for index, size in units_of(groups).items():
        n_here = most_pairs(groups[index])
        numbers += [n_before + n_here * member for member in range(size)]
        n_before += n_here * size
    return numbers


def template_pairs(
    tokenizer: PairTokenizer, per_subtype: int, *, subtypes: Sequence[str] | None, seed: int
) -> Iterator[EncodedPair]:
    """As many pairs of each subtype as are wanted, or as many as the tokenizer can use of all that there are; and controls.

    Raises:
        PairError: an unknown subtype.
    """
    known = find_sources()
    for name in subtypes or ():
        check_text(name, "A subtype", known, PairError)
        if name not in known:
            raise PairError(f"Templates make {', '.join(known)}; got '{name}'.{did_you_mean(name, known)}")
    for name, source in known.items():
        wanted = per_subtype
        if source.subtype.type == "control":
            wanted = len(PARTS) * per_subtype if name == RANDOM_WORD else max(per_subtype // _BOUND_SHARE, 1)
        elif subtypes is not None and name not in subtypes:
            continue
        with suppress(PairError):  # the templates are used up
            made = check_pairs(generate(name, wanted * _TRIED_FOR_EACH, seed=seed), tokenizer, at_once=64)
            usable = (one for one in made if one.is_usable)
            yield from itertools.islice(usable, wanted)


def file_pairs(path: Path, tokenizer: PairTokenizer, *, prefix: str, seed: int) -> Iterator[EncodedPair]:
    """The pairs of a file, usable or not, with random-word controls made of them if the file has none.

    Raises:
        PairError: there is no such file, or a line is not a pair.
    """
    pairs = (with_prefix(pair, prefix) for pair in read_pairs(path))
    by_subtype: Counter[str] = Counter()
    bases: list[MinimalPair] = []
    for checked in check_pairs(pairs, tokenizer):
        by_subtype[checked.pair.subtype] += 1
        if checked.pair.type != "control" and checked.is_usable:
            bases.append(checked.pair)
        yield checked
    if RANDOM_WORD in by_subtype or not bases:
        return
    # each part about as large as the types that it is compared with
    wanted = len(PARTS) * math.ceil(statistics.median(Counter(pair.subtype for pair in bases).values()))
    made = check_pairs(random_words_for(_in_turn(bases), wanted * _TRIED_FOR_EACH, seed=seed), tokenizer, at_once=64)
    yield from itertools.islice((one for one in made if one.is_usable), wanted)


def _in_turn(pairs: Sequence[MinimalPair]) -> list[MinimalPair]:
    """One pair of each subtype after the other."""
    by_subtype: dict[str, list[MinimalPair]] = {}
    for pair in pairs:
        by_subtype.setdefault(pair.subtype, []).append(pair)
    return [pair for turn in itertools.zip_longest(*by_subtype.values()) for pair in turn if pair is not None]


def with_prefix(pair: MinimalPair, prefix: str) -> MinimalPair:
    """A pair with a neutral text before both sentences."""
    if not prefix:
        return pair
    text = f"{prefix.rstrip()} "
    moved = [(start + len(text), end + len(text)) for start, end in (pair.edit1, pair.edit2)]
    return replace(pair, sentence1=text + pair.sentence1, sentence2=text + pair.sentence2, edit1=moved[0], edit2=moved[1])


def group_pairs(
    checked: Iterable[EncodedPair], tokenizer: PairTokenizer, *, aligned: bool, n_placebos: int = 1
) -> list[PairGroup]:
    """Groups in the order in which they are run: references first, then controls, then each type with its placebos.

    Args:
        checked: pairs, usable or not.
        tokenizer: of the model.
        aligned: whether pairs of unequal length are kept, apart, compared from both ends.
        n_placebos: of each pair of a type; those of unequal length have none.

    Raises:
        PairError: nothing is left to compare, or a subtype is of two types.
    """
    found: dict[tuple[str, str], list[EncodedPair]] = {}
    unusable: Counter[str] = Counter()
    verdicts: Counter[str] = Counter()
    for one in checked:
        verdicts[one.verdict] += 1
        if one.is_accepted(aligned=aligned):
            name = f"{one.pair.subtype}-aligned" if one.verdict == "lengths differ" else one.pair.subtype
            found.setdefault((one.pair.type, name), []).append(one)
        else:
            unusable[one.pair.subtype] += 1
    types: dict[str, str] = {}
    for kind, name in found:
        if types.setdefault(name, kind) != kind:
            raise PairError(
                f"Pairs of one subtype are of one type; '{name}' is both {types[name]} and {kind}: rename one of them."
            )
    if not any(role in ("meaning", "grammar") for role, _ in found):
        counted = ", ".join(f"{verdict}: {n}" for verdict, n in verdicts.most_common()) or "there are none"
        raise PairError(
            f"No pair can be compared under this tokenizer ({counted}): a pair differs in one token that is not the first. "
            "Take --prefix with a neutral text for edits at the start, or --aligned for those of unequal length."
        )
    groups = [
        _group(name, role, some, tokenizer, unusable[name])  # type: ignore[arg-type]
        for (role, name), some in found.items()
        if role != "control"
    ]
    controls = {name: some for (role, name), some in found.items() if role == "control"}
    parts = _in_parts(controls.get(RANDOM_WORD, []))
    if any(len(part) == 0 for part in parts):
        raise PairError(
            "Differences are read against random-word controls, and no three of them can be compared under this tokenizer: "
            "make some with 'layerscope pairs make --subtypes random-word'."
        )
    before = [
        _group(f"{RANDOM_WORD}-{name}".rstrip("-"), "reference" if name else "control", part, tokenizer, 0)
        for name, part in zip(PARTS, parts, strict=True)
    ]
    bounds = [_group(name, "bound", some, tokenizer, unusable[name]) for name, some in controls.items() if name != RANDOM_WORD]
    order = {"meaning": 0, "grammar": 1}
    in_order = [*before, *bounds]
    for group in sorted(groups, key=lambda group: order[group.role]):
        is_aligned = any(one.verdict == "lengths differ" for one in group.checked)
        placebos = () if is_aligned else tuple(_placebos(group, number, types) for number in range(n_placebos))
        in_order += [replace(group, placebos=placebos), *placebos]
    return in_order


def _placebos(group: PairGroup, number: int, types: Mapping[str, str]) -> PairGroup:
    """Where the placebos of a group's pairs will stand."""
    name = f"{group.name}-placebo" + (f"-{number + 1}" if number else "")
    if name in types:
        raise PairError(f"'{name}' is the name of the placebos of '{group.name}': give the pairs' subtype another name.")
    nothing = np.zeros(0, dtype=np.int64)
    return PairGroup(name, "placebo", (), (), nothing, group.blocks_of, 0, 0, placebo_of=group.name)


def _group(name: str, role: Role, checked: Sequence[EncodedPair], tokenizer: PairTokenizer, n_unusable: int) -> PairGroup:
    templates: dict[str, int] = {}
    of_pair = np.array([templates.setdefault(one.pair.template, len(templates)) for one in checked])
    by_template = len(templates) >= FEWEST_BLOCKS or len(checked) < FEWEST_BLOCKS
    blocks = (of_pair if by_template else np.arange(len(checked))) % N_BLOCKS
    return PairGroup(
        name,
        role,
        tuple(checked),
        tuple(place(one, tokenizer) for one in checked),
        blocks,
        "template" if by_template else "pair",
        len(templates),
        n_unusable,
    )


def _in_parts(checked: Sequence[EncodedPair]) -> list[list[EncodedPair]]:
    """Parts of about one size; a template lies in one part, unless there are few: each part is to have pairs of all kinds."""
    sizes: Counter[str] = Counter(one.pair.template for one in checked)
    filled, part_of = [0] * len(PARTS), dict[str, int]()
    for template, n in sizes.items():
        part_of[template] = int(np.argmin(filled))
        filled[part_of[template]] += n
    if len(sizes) < FEWEST_BLOCKS:  # pairs are then the blocks, too
        return [list(checked[start :: len(PARTS)]) for start in range(len(PARTS))]
    return [[one for one in checked if part_of[one.pair.template] == part] for part in range(len(PARTS))]
