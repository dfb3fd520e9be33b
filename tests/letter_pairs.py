"""Pairs that differ in one letter, which is one token of a byte tokenizer: equally long, of few templates or of many."""

from __future__ import annotations

from layerscope.pairs.pair import MinimalPair

NAMES = ["ann", "bob", "dan", "eve", "ida", "jon", "kim", "lou", "max", "ned", "pat", "ron"]
TYPES = {"subject": "meaning", "place": "meaning", "few": "meaning", "tense": "grammar", "typo": "grammar"}
PLACES = ["door", "lake", "mill", "barn", "road", "well", "gate", "pond", "hill", "shop", "tree", "wall"]


def pairs_of_names() -> list[MinimalPair]:
    """Twelve templates, four pairs of each subtype in each; of one subtype only six pairs."""
    found = []
    for name in NAMES:
        for thing in ("pen", "map", "jar", "fan"):
            made = {
                "subject": (f"So {name} saw the {thing}.", f"So {name} sat the {thing}.", None),
                "place": (f"So {name} ran to my {thing}.", f"So {name} ran so my {thing}.", None),
                "tense": (f"Now {name} sits on a {thing}.", f"Now {name} sith on a {thing}.", 1),
                "typo": (f"Now {name} kut up the {thing}.", f"Now {name} cut up the {thing}.", 2),
            }
            if thing == "pen" and name < "k":
                made["few"] = (f"Oh {name} had a {thing}.", f"Oh {name} has a {thing}.", None)
            found += [letter_pair(*one, TYPES[subtype], subtype, name) for subtype, one in made.items()]
        for number in range(4):
            for thing in ("pen", "map", "jar", "fan"):
                one = f"So {name} saw some {thing} {number}."
                other = one.replace("saw", "sqw") if thing == "fan" else one.replace("some", "soqe")
                found.append(letter_pair(one, other, None, "control", "random-word", f"{name}-{number}"))
    return found


def pairs_of_places(*, controls: bool = True) -> list[MinimalPair]:
    """Per subtype two pairs a place; equal bytes throughout, except one pair; another differs in two letters."""
    pairs = []
    for place in PLACES:
        pairs += [
            pair_of(f"The cat sat by the {place}.", f"The {other} sat by the {place}.", "meaning", "subject", f"s-{place}")
            for other in ("rat", "bat")
        ]
        pairs += [
            pair_of(f"My {who} sat by the {place}.", f"My {who} sit by the {place}.", "grammar", "tense", f"t-{place}", 1)
            for who in ("cat", "dog")
        ]
        if controls:
            pairs += [
                pair_of(
                    f"The cat {word} by the {place}.", f"The cat sat by the {place}.", "control", "random-word", f"r-{place}"
                )
                for word in ("fat", "mat")
            ]
    if controls:
        same = "The cat sat by the pond."
        pairs.append(pair_of(same, same, "control", "identical", "i"))
        pairs.append(pair_of(same, "Our dogs ran to my home.", "control", "unrelated", "u"))
    pairs.append(pair_of("The cat sat here.", "The horse sat here.", "meaning", "subject", "longer"))
    pairs.append(pair_of("The cat sat here.", "The dog sat here.", "meaning", "subject", "two letters"))
    return pairs


def pair_of(sentence1: str, sentence2: str, kind: str, subtype: str, template: str, right: int | None = None) -> MinimalPair:
    return MinimalPair.from_sentences(
        sentence1, sentence2, type=kind, subtype=subtype, right=right, template=template, source="test"
    )


def letter_pair(one: str, other: str, right: int | None, kind: str, subtype: str, template: str) -> MinimalPair:
    assert sum(a != b for a, b in zip(one, other, strict=True)) == 1, "one letter is one token"
    return MinimalPair.from_sentences(one, other, type=kind, subtype=subtype, right=right, template=template, source="test")
