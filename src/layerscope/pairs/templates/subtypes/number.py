"""Number: another number of the same things, hours or years."""

from __future__ import annotations

from layerscope.pairs.subtypes import SUBTYPES
from layerscope.pairs.templates.source import FromFrames

SOURCE = FromFrames(
    SUBTYPES["number"],
    """
{people} waited for [{number}|{number2}] hours in front of the {building}.
{someone} stayed in {city} for [{number}|{number2}] {unit:pl} with {name}.
{past} {person} bought [{number}|{number2}] {snack:pl} and some {drink}.
There are [{number}|{number2}] {thing:pl} on the {surface} in the {room}.
There were [{number}|{number2}] {counted_animal:pl} in the {outdoors} near the {water}.
The {worker} lives with [{number}|{number2}] {pet:pl} in a {looks} house.
{someone} has [{small_number}|{small_number2}] brothers and a sister in {country}.
{people} came to the {building} at [{hour}|{hour2}] in the morning.
The {gathering} in {city} begins at [{hour}|{hour2}] on {day} evening.
{someone} was [{number}|{number2}] years old when {someone:he} came to {country}.
The {building} near the {water} is [{number}|{number2}] years older than the {building2}.
{past} {someone} met [{number}|{number2}] {worker:pl} from {city}.
{person} found [{number}|{number2}] {thing:pl} in the {container} under the {furniture}.
{people} read [{number}|{number2}] {reading:pl} about the history of {country}.
{someone} wrote [{number}|{number2}] {writing:pl} about {topic} in {month}.
The {color} {car} can carry [{number}|{number2}] people and a {load}.
{someone} sold [{number}|{number2}] {looks} {clothes:pl} at the {shop}.
{people} saw [{number}|{number2}] {car:pl} in front of the {building}.
The {trip} to {city} takes [{number}|{number2}] hours by train.
{people} drove for [{number}|{number2}] hours and stopped near the {water}.
{someone} drank [{number}|{number2}] cups of {drink} before the {event}.
{person} ate [{number}|{number2}] {snack:pl} during the {event} with {name}.
The {worker} works [{small_number}|{small_number2}] days per week at the {building}.
{someone} plays {sport} with [{number}|{number2}] friends on {day}.
{past} [{number}|{number2}] {worker:pl} were waiting for the {car}.
In {month} [{number}|{number2}] {building:pl} in {city} were closed.
On {day} [{number}|{number2}] {animal:pl} ran through the {outdoors}.
About [{number}|{number2}] {worker:pl} came to the {gathering} in {city}.
More than [{number}|{number2}] {car:pl} stopped behind the {building}.
{someone} paid [{number}|{number2}] dollars for the {looks} {thing}.
The {clothes} at the {shop} costs [{number}|{number2}] dollars more than the {clothes2}.
{people} walked [{number}|{number2}] miles along the {water} {past}.
The {water} is about [{number}|{number2}] miles from the {building}.
{person} moved to {country} [{number}|{number2}] years after the {event}.
{someone} left the {building} [{number}|{number2}] minutes before the {event}.
{someone} has been a {worker} for [{number}|{number2}] years and likes it.
The {weather} lasted [{number}|{number2}] days in the north of {country}.
{people} need [{number}|{number2}] {load:pl} for the {trip} to {country}.
There is a {room} with [{number}|{number2}] {furniture:pl} in the house of {someone}.
{person} put the {thing} behind [{number}|{number2}] {furniture:pl} in the {room}.
The {relative} of [{small_number}|{small_number2}] children works at the {building}.
Only [{number}|{number2}] of the {worker:pl} knew the way to {city}.
At least [{number}|{number2}] players of the team come from {country}.
{someone} visits {country} [{number}|{number2}] times a year with {name}.
After [{number}|{number2}] {unit:pl} in {city} {someone} went home.
Every {worker} has [{number}|{number2}] {tool:pl} and a {load}.
""",
)
