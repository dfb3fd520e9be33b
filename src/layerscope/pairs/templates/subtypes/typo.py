"""Typo: a letter of a content word swapped, dropped, doubled or (a vowel) changed, so that what comes out is no word.

The first letter stays, so that the word can be recognised. A tokenizer that has a word whole mostly writes its typos in several
tokens, and such pairs are not usable. So a word whose typo is itself a frequent piece of words (``school``, ``schol``) is taken
where there is one, and the longest word elsewhere.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from itertools import chain
from types import MappingProxyType

import numpy as np

from layerscope.pairs.pair import MinimalPair
from layerscope.pairs.subtypes import SUBTYPES
from layerscope.pairs.templates.bands import BANDS
from layerscope.pairs.templates.lexicon import CLASSES
from layerscope.pairs.templates.modifiers import ADJECTIVES
from layerscope.pairs.templates.nouns import NOUNS, UNCOUNTED
from layerscope.pairs.templates.source import FromPairs, derived
from layerscope.pairs.templates.verbs import INTRANSITIVE, TRANSITIVE

N_LETTERS = 5
"""What a word has at least to be misspelt."""
N_AFTER = 3
"""Words that follow, where the sentence has such a place."""

PIECES = (
    "apple:appe bank:bak bear:ber beds:bes beer:bere bird:brid blue:ble bowl:bol brown:bron carrot:carot cars:cas "
    "chair:chir claim:clim coin:coun days:dys doors:dors flies:fles floor:flor full:ful going:ging great:grat "
    "green:gren love:leve pears:pers plans:plas plays:plas poem:pom proud:prud rice:rece ride:rede school:schol "
    "sour:sor spoons:spons store:stre storm:strom summer:summar test:tet train:tran tree:tre want:wat works:wors"
)
"""Words with a typo that is no word but a piece of many, so that a vocabulary may have it as one token."""
NEAR = (
    "angel anger angle angry bakes bans bared bars bases bats batter battle battles bead beak bean beats beers bets "
    "better bids block boast bolts boots bored boring bouts bows brad brake braking bred breed brig broad brooke "
    "bunch caries cary caste castes cells chap char chars cheep choir clam clams clan clans click clicks clocks cloth "
    "clothe clover coast cock cons crate creep crow crows curry decks dessert desserts dined diner diners disks dive "
    "dives diving docks donor doted dove drawn dries drown dunk exited expansive fames farm farms faxed feces fees "
    "feuding feuds fight fights filed files fins flees fling flour fluor foes fond form forms fryer fueling fuels "
    "fund funding funds gasses gomes gong gown gowns greet grown hares hills hires hopping hops horse hose hoses "
    "hulls latter lave leon lessen lettres lied liens lies litter litters lively living loons loser loses losing "
    "losses lumps mach massage meats mets mitch moth moths mouse mover nicely noel nosed opined pains paints palate "
    "paler pans pant pants pars pays peas peers perks picket pickets pilot pint plains plan planes plans plato pods "
    "pointed pointing points poppy prefect prod pulls purses quit quite rabbis radius rains raise reds reeds reins "
    "rever rigs rins rises rives roads roost rouse rover rusted rusting sails sake sallow sand sands scares seep self "
    "sells selves sept setting sheds shelf shirt shit shorts shot signing signs simmer sins skirt sleet slept smell "
    "snack sneak sonny sons sore sores sort spike sprang sprung stair stairs stare staring stars stat stated stating "
    "stats steer stepped stepping steps stere stool stools stoop storm strip strum sturt super sweat sweeter tablas "
    "tale tales tank tanks theatre theatres thick thing things thins third thirst thirty thong thorough though "
    "through tied tiger tips toes token tough towed tower track tracks trains traps travelled travelling tres trial "
    "trick tricks tried tries trough volley volleys waist waking wander waned wanter wells wendy widow widows wills "
    "winder window wines winter wished wishes wishing witch witches wonder write writer writs wrote"
)
"""Words that are not in the lexicon, but a typo away from one that is."""


def _forms(names: Iterable[str]) -> frozenset[str]:
    words = chain.from_iterable(CLASSES[name] for name in names)
    return frozenset(chain.from_iterable((word.text, *word.forms.values()) for word in words))


KNOWN = _forms(CLASSES).union(NEAR.split(), *(words.split() for words in BANDS.values()))
"""What no typo is."""
CONTENT = _forms((*NOUNS, *UNCOUNTED, *ADJECTIVES, *INTRANSITIVE, *TRANSITIVE))
"""Nouns, adjectives and verbs: what is misspelt."""


def misspelt(word: str) -> tuple[str, ...]:
    """Every typo of a word that is no known word, each once."""
    made: dict[str, None] = {}
    for place in range(1, len(word)):
        before, letter, after = word[:place], word[place], word[place + 1 :]
        made[before + letter + letter + after] = None
        if after:
            made[before + after[0] + letter + after[1:]] = None
            made[before + after] = None
        if after and letter in "aeiou":
            made.update((before + vowel + after, None) for vowel in "aeiou")
    return tuple(typo for typo in made if typo not in KNOWN and not typo.endswith("ss"))


def _change(pairs: Iterator[MinimalPair], rng: np.random.Generator) -> Iterator[MinimalPair]:
    for pair in pairs:
        word = _word_to_misspell(pair.sentence1)
        if word is not None:
            typos = (_PIECE_OF[word.group()],) if word.group() in _PIECE_OF else misspelt(word.group())
            typo = typos[int(rng.integers(len(typos)))]
            wrong = pair.sentence1[: word.start()] + typo + pair.sentence1[word.end() :]
            yield derived(SOURCE.subtype, (pair.sentence1, wrong), base=pair)


def _word_to_misspell(sentence: str) -> re.Match[str] | None:
    """A word with a piece for a typo, else the longest; with enough words after it if there is one, and never the first."""
    words = list(re.finditer(r"[\w'-]+", sentence))
    places = [place for place, word in enumerate(words) if place and _can_be_misspelt(word.group())]
    places = [place for place in places if place + N_AFTER < len(words)] or places
    return max(
        (words[place] for place in places), key=lambda word: (word.group() in _PIECE_OF, len(word.group())), default=None
    )


def _can_be_misspelt(word: str) -> bool:
    return word in _PIECE_OF or (word in CONTENT and len(word) >= N_LETTERS)


_PIECE_OF = MappingProxyType(dict(entry.split(":") for entry in PIECES.split()))
SOURCE = FromPairs(SUBTYPES["typo"], _change)
