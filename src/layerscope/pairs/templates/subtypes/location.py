"""Location: another place for the same event."""

from __future__ import annotations

from layerscope.pairs.subtypes import SUBTYPES
from layerscope.pairs.templates.source import FromFrames

SOURCE = FromFrames(
    SUBTYPES["location"],
    """
{once} {person} waited at the [{building}|{building2}] for {number} hours.
{someone} works at the [{building}|{building2}] with {number} other {worker:pl}.
{people} met in front of the [{building}|{building2}] on {day} morning.
{someone} walked to the [{building}|{building2}] with the {worker} {past}.
{person} parked the {color} {car} behind the [{building}|{building2}] and went home.
The {worker} left a {thing} at the [{building}|{building2}] after the {event}.
There is a {looks} {building2} near the [{building}|{building3}] in {city}.
{past} {someone} found a {thing} in the [{room}|{room2}] of the {building}.
{someone} was reading in the [{room}|{room2}] when the {worker} came home.
{often} {someone} reads the {reading} in the [{room}|{room2}] of the house.
{people} cleaned the {looks} {furniture} in the [{room}|{room2}] before the {gathering}.
The {pet} was sleeping in the [{room}|{room2}] during the {event}.
{person} carried the {load} to the [{room}|{room2}] with some help.
{someone} put the {thing} on the [{surface}|{surface2}] in the {room}.
The {color} {thing} is on the [{surface}|{surface2}] near the {opening}.
{person} forgot the {thing} on the [{surface}|{surface2}] in the {building}.
The {pet} sat on the [{surface}|{surface2}] and looked at {someone}.
There were {number} {thing:pl} on the [{surface}|{surface2}] in the {room}.
{someone} hid the {thing} in the [{container}|{container2}] under the {furniture}.
{people} kept the {snack:pl} in the [{container}|{container2}] near the {opening}.
{person} found {number} {thing:pl} in the [{container}|{container2}] behind the {furniture}.
The {thing} was in the [{container}|{container2}] for {number} {unit:pl}.
{past} {people} walked in the [{outdoors}|{outdoors2}] for {number} hours.
{often} {someone} rides the {ride} in the [{outdoors}|{outdoors2}] near {city}.
The {animal:pl} live in the [{outdoors}|{outdoors2}] near the {water}.
{once} {someone} saw a {animal} in the [{outdoors}|{outdoors2}] behind the {building}.
{people} sang and danced in the [{outdoors}|{outdoors2}] until {hour} in the morning.
{someone} has a house near the [{water}|{water2}] in the north of {country}.
{past} {people} had {meal} by the [{water}|{water2}] with {someone}.
The {worker} took a walk along the [{water}|{water2}] after the {event}.
{someone} was born in [{city}|{city2}] in the {season} of that year.
{past} {people} traveled to [{city}|{city2}] by train for the {gathering}.
{person} bought the {looks} {clothes} in [{city}|{city2}] during the {season}.
{someone} has lived in [{city}|{city2}] for {number} years with {someone:his} family.
The {worker} from [{city}|{city2}] told us about the {gathering}.
{once} {someone} met a famous {worker} in [{city}|{city2}] near the {building}.
{people} spent {number} weeks in [{country}|{country2}] with {someone}.
{someone} wrote a {writing} about [{country}|{country2}] when {someone:he} was young.
In {season} {people} go to [{country}|{country2}] because it is {warm}.
The best {food} comes from [{country}|{country2}] or from a small town in {country3}.
{people} heard the {animal} behind the [{opening}|{furniture}] in the {room}.
{person} saw the {pet} under the [{furniture}|{furniture2}] in the {room}.
{someone} stood near the [{opening}|{furniture}] and listened to the {weather}.
On {day} {someone} {do:past} the {do.object} in the [{outdoors}|{building}] near the {water}.
""",
)
