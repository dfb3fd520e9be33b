"""Nouns by semantic class: what may fill which slot. Persons are in ``persons``.

A class is named after what its words can do in a sentence: ``reading`` can be read, ``opening`` can be opened. A word may be in
several. Each is short and frequent.
"""

from __future__ import annotations

NOUNS = {
    # living
    "animal": "dog cat horse cow goat pig duck bird rabbit fox lion bear wolf monkey snake chicken sheep deer",
    "counted_animal": "dog cat horse cow goat pig duck bird rabbit fox lion bear wolf monkey snake chicken",
    "pet": "dog cat rabbit bird puppy kitten hamster parrot",
    "plant": "flower rose bush tree tulip lily dandelion",
    # eaten and drunk
    "snack": "apple orange egg sandwich banana cookie potato tomato carrot pear peach lemon cake pie",
    # places
    "building": (
        "school library museum bank hotel church station airport hospital market office theater restaurant castle "
        "store"
    ),
    "shop": "market store mall station airport",
    "eatery": "restaurant hotel cafe castle",
    "outdoors": "park garden forest field yard valley",
    "water": "river lake ocean sea pond",
    "room": "kitchen bedroom bathroom attic garage basement hall office classroom",
    "surface": "table desk shelf chair floor bed couch bench counter",
    "container": "box bag drawer basket bucket jar cabinet",
    # things
    "thing": (
        "key book letter phone cup knife ring watch hat camera ticket wallet pen map coin lamp clock bottle toy "
        "mirror pillow towel spoon candle"
    ),
    "clothes": "coat shirt hat jacket sweater scarf suit belt pullover cardigan",
    "car": "car truck bus tractor wagon",
    "ride": "horse bike pony camel",
    "furniture": "table desk chair bed bench shelf",
    "reading": "book letter newspaper story magazine report poem novel message note postcard",
    "writing": "letter story poem report novel message song note speech",
    "show": "movie game show match play",
    "instrument": "piano guitar violin drum flute trumpet clarinet",
    "opening": "door window gate box drawer cabinet",
    "breakable": "cup glass window plate mirror bottle bowl",
    "fixable": "car roof bike clock fence radio sink lamp door engine",
    "paintable": "fence wall house chair door gate boat",
    "washable": "car shirt window dog floor towel dress plate",
    "load": "box bag basket handbag suitcase chair ladder bucket",
    "tool": "hammer knife rope ladder shovel bucket saw",
    # what happens
    "event": "party meeting wedding concert game lesson class dinner trip",
    "trip": "trip journey walk flight drive ride hike",
    "gathering": "party wedding concert game meeting festival reunion",
    "plan": "plan idea story offer answer song",
    "work": "test exam project speech report job",
    # when
    "unit": "hour day week month year",
}  # fmt: skip
"""Class to nouns that have a plural, parted by blanks."""

UNCOUNTED = {
    "food": "bread cheese soup rice cake meat fish pasta salad pizza porridge chicken stew pie butter",
    "drink": "coffee tea milk water juice wine beer lemonade soda",
    "meal": "breakfast lunch dinner supper",
    "city": "London Paris Rome Berlin Boston Chicago Tokyo Madrid Vienna Dublin",
    "country": "France Spain Italy Japan China India Canada Mexico Brazil Egypt",
    "sung": "song",
    "sport": "tennis football chess golf cards",
    "skill": "math chess tennis football cooking swimming drawing singing dancing",
    "fear": "dogs spiders snakes storms heights ghosts wolves thunder",
    "topic": "history music science art math poetry politics religion",
    "mass": "water milk money time food sugar salt rice coffee",
    "day": "Monday Tuesday Wednesday Thursday Friday Saturday Sunday",
    "month": "January February March April June July August September October November December",
    "season": "spring summer autumn winter",
    "weather": "snow rain wind storm fog",
}  # fmt: skip
"""Class to names, stuff and other nouns that stand as they are."""
