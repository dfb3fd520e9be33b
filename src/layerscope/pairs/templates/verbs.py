"""Verbs by how a frame can use them; transitive ones with the classes of nouns that they take as objects."""

from __future__ import annotations

TRANSITIVE = {
    # verbs of one act on one thing: "{do:past} the {do.object}"
    "do": {
        "eat": "food", "drink": "drink", "drive": "car", "open": "opening", "close": "opening", "wash": "washable",
        "clean": "room", "carry": "load", "watch": "show", "fix": "fixable", "paint": "paintable", "break": "breakable",
        "lose": "thing", "find": "thing", "sell": "furniture", "feed": "pet",
    },
    # what one does at leisure, again and again
    "enjoy": {"read": "reading", "write": "writing", "watch": "show", "play": "instrument", "sing": "sung"},
    # what one does with a thing that one can hold
    "handle": {
        "find": "thing", "lose": "thing", "buy": "thing clothes", "sell": "thing furniture", "take": "thing", "bring": "thing",
        "hide": "thing",
    },
    # what one does around the house
    "chore": {
        "clean": "room", "wash": "washable", "paint": "paintable", "fix": "fixable", "close": "opening", "open": "opening",
        "move": "furniture",
    },
}  # fmt: skip
"""Class to verbs to the classes of their objects, parted by blanks."""

INTRANSITIVE = {
    "go": "walk run drive go travel return move",  # ... to the market
    "stay": "work wait stay sit play stand rest",  # ... in the garden
    "act": "work sing dance cook swim run sleep play",  # ... every day, all night
    "say": "say think know claim believe feel hope",  # ... that
    "like": "love like want need enjoy prefer",  # ... coffee
    "help": "help visit call meet see thank",  # ... my sister
    "arrive": "arrive leave return come",  # ... on Monday
    "begin": "begin stop start",  # it ... to rain
    "travel": "travel move fly drive go return",  # ... to Paris
    "talk": "talk speak complain think laugh",  # ... about
}
"""Class to verbs, parted by blanks."""
