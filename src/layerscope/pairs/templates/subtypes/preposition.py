"""Preposition: verbs, adjectives and nouns that demand one preposition, with one that they do not take."""

from __future__ import annotations

from layerscope.pairs.subtypes import SUBTYPES
from layerscope.pairs.templates.source import FromFrames

SOURCE = FromFrames(
    SUBTYPES["preposition"],
    """
{someone} is good [at|in] {skill} and likes to teach it.
{someone} is bad [at|of] {skill} but tries every day.
{person} was afraid [of|at] {fear} when the lights went out.
{people} were very interested [in|at] {topic} and {skill}.
{person} depends [on|of] the help of {people}.
{someone} is proud [of|on] {someone:his} work at the {building}.
{people} were tired [of|at] the noise in the {room}.
{person} listened [to|at] the music in the {room} all night.
{someone} waited [for|at] {someone2} in front of the {building}.
{person} looked [at|of] the {looks} {thing} on the {surface}.
{people} laughed [at|in] the joke about the {worker}.
{someone} is married [to|at] a {worker} from {city}.
{person} apologized [for|of] the noise during the {event}.
{someone} belongs [to|at] a group of {worker:pl} in {city}.
{people} agreed [with|of] the {worker} about the {plan}.
{person} was angry [with|of] {someone} because of the {event}.
{someone} is responsible [for|at] the {worker:pl} of the {building}.
{person} thanked {someone} [for|of] the {looks} {thing}.
{people} complained [about|at] the food at the {gathering}.
{someone} dreamed [of|at] a house near the {water} in {country}.
{person} was surprised [by|of] the {weather} in the {outdoors}.
{someone} is famous [for|of] {someone:his} books about {topic}.
The {container} on the {surface} was full [of|with] {snack:pl} and {drink}.
{people} were ready [for|of] the long {trip} to {country}.
{person} arrived [at|to] the {building} before the {event}.
{someone} is different [from|of] the other {worker:pl} at the {building}.
{person} borrowed the {thing} [from|of] {someone} {past}.
{someone} believes [in|at] ghosts and is afraid of the dark.
{people} paid [for|of] the {snack:pl} and left the {eatery}.
{person} spent too much money [on|at] {clothes:pl} in {city}.
{someone} congratulated {someone2} [on|of] the new job in {city}.
{people} protected the {animal:pl} [from|of] the {weather} in the {outdoors}.
{person} is capable [of|at] doing the {work} without help.
{someone} was accused [of|at] stealing the {thing} from the {building}.
{person} insisted [on|at] paying for the {meal} with {people}.
{someone} suffered [from|of] a cold during the {trip} to {city}.
{people} succeeded [in|at] finding the {thing} before {meal}.
{person} was aware [of|at] the problem with the {fixable}.
The {worker} reminded {someone} [of|at] an old friend from {city}.
{person} is looking [for|of] the {color} {thing} in the {room}.
{someone} was born [in|at] {country} in the month of {month}.
{people} were satisfied [with|of] the {meal} at the {eatery}.
{someone} is jealous [of|at] the {worker} who won the game.
{person} took care [of|at] the {pet:pl} while {people} were away.
{someone} is used [to|of] the {cold} weather in {country}.
The {building} is close [to|of] the {water} and far from {city}.
""",
)
