"""Adjectives, numbers and adverbials of time, by class. They have no forms."""

from __future__ import annotations

ADJECTIVES = {
    "feeling": "tired happy sad angry nervous hungry thirsty sick busy worried excited proud calm lonely upset",
    "concerned": "happy sad angry nervous worried excited upset",  # about something
    "good_feeling": "happy proud calm excited glad cheerful",
    "bad_feeling": "sad angry nervous worried upset",
    "good": "great wonderful amazing excellent lovely fantastic perfect beautiful",
    "bad": "terrible awful horrible bad dreadful poor",
    "good_person": "kind friendly polite honest brave smart clever gentle funny",
    "bad_person": "cruel rude mean selfish lazy greedy stupid boring",
    "good_taste": "sweet delicious fresh tasty warm",
    "bad_taste": "sour bitter cold salty",
    "large": "big large huge",
    "little": "small tiny little",
    "color": "red blue green white black yellow brown gray",
    "warm": "warm hot mild dry sunny",
    "cold": "cold cool wet windy rainy",
    "quick": "fast quick easy cheap short",
    "slow": "slow long hard expensive difficult",
    "looks": "old new small big large strange red blue green white black",
    "age": "old young tall short rich poor famous",
    "condition": "clean dirty empty full dark quiet cold warm",
    "mood": "quiet loud happy strange sad",
}
"""Class to adjectives, parted by blanks."""

NUMBERS = "two three four five six seven eight nine ten twelve twenty"
"""Above one, so that a plural follows."""

SMALL_NUMBERS = "two three four five six"
"""Of brothers, or of days per week."""

HOURS = "four five six seven eight nine ten"
"""Of the clock."""

ADVERBIALS = {
    # fit a past tense alone
    "past": (
        "yesterday,last week,last month,last year,last night,last summer,last winter,two days ago,three weeks ago,a year ago"
    ),
    # fit the present alone
    "now": "right now,at the moment,these days,now",
    # fit a habit
    "habit": "every morning,every day,every week,every evening,every weekend,every summer,every night",
    # fit the future alone
    "future": "tomorrow,next week,next month,next year,next summer,next weekend,tomorrow morning",
    # fit one past occasion, at the start of a sentence
    "once": (
        "yesterday,last night,last week,on Sunday,on Friday,one day,"
        "that morning,after the meeting,before dinner,in the afternoon"
    ),
    # fit any tense, at the start of a sentence
    "often": "every morning,on Sundays,in the evening,after school,at night,in winter,on weekends,most days",
    # how long
    "long": "for hours,all day,all night,for a while,the whole day,for a long time",
    # where a scene is set, at the start of a sentence
    "scene": "at the party,in the village,at the station,on the train,at school,in the garden,at the hotel,after the game",
}
"""Class to phrases, parted by commas."""
