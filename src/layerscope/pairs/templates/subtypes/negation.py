"""Negation: the same thing affirmed and denied, or said of all and of none."""

from __future__ import annotations

from layerscope.pairs.subtypes import SUBTYPES
from layerscope.pairs.templates.source import FromFrames

SOURCE = FromFrames(
    SUBTYPES["negation"],
    """
{someone} has [always|never] liked {drink} and {drink2} in the morning.
{people} have [always|never] been to {country} in {season}.
My {relative} [always|never] {help:3sg} {name} after the {event}.
The {worker} [always|never] opens the {opening} before {hour} in the morning.
{person} was [always|never] very {feeling} before a {event}.
{someone} [always|never] {chore:3sg} the {chore.object} before work with {name}.
{people} [often|never] {go} to the {building} with {someone}.
The {pet} is [often|never] in the {room} when {people} come home.
{someone} [often|rarely] {enjoy:3sg} the {enjoy.object} with {name}.
In {season} it is [usually|never] {cold} in the {outdoors} near {city}.
{someone} [usually|rarely] drinks {drink} with {name} in the {room}.
{past} {person} did [indeed|not] {do} the {do.object} with {name}.
{someone} has [already|never] been to {city} with {someone:his} family.
{person} had [just|never] seen the {show} when {name} called.
{someone} knew that [everyone|nobody] at the {gathering} liked the {food}.
At the {building} [everybody|nobody] knows the {worker} from {city}.
{past} [everything|nothing] in the {room} was {color} and {color2}.
{someone} said that [all|no] {worker:pl} like the {plan} about {country}.
{people} think that [all|no] {car:pl} in {city} are too expensive.
There is [some|no] {drink} in the {color} bottle on the {surface}.
There was [some|no] {food} on the table in the kitchen of the {eatery}.
{someone} has [some|no] {mass} for the {trip} to {country}.
{person} bought [some|no] {snack:pl} at the {shop} in {city}.
There were [many|no] {counted_animal:pl} in the {outdoors} near the {water}.
{people} have [many|no] {thing:pl} in the {container} under the {furniture}.
{someone} went to {city} [with|without] {someone:his} {relative} {past}.
{person} drinks {drink} [with|without] milk and sugar in the morning.
{people} left the {building} [with|without] the {thing} that they needed.
{someone} came to the {gathering} [with|without] a {thing} for the {worker}.
The {worker} can [still|not] see the {water} from the {room}.
{people} are [still|not] waiting for the {worker} at the {building}.
{someone} is [now|not] good at {skill} and {skill2}.
The {building} in {city} is [now|not] open on {day}.
{person} is [very|not] {feeling} because of the {event} with {name}.
The {show} was [very|not] {good} but {people} watched it again.
{someone} will [surely|never] go to {country} with {name} again.
{people} will [soon|never] sell the {looks} {furniture} in the {room}.
{past} {someone} {say:past} that [everyone|nobody] had seen the {thing}.
{someone} can [always|never] find the {thing} in the {container}.
You should [always|never] put a {thing} on the {surface} at night.
{people} would [probably|never] {help} {someone} after the {event}.
{someone} said [yes|no] when {people} asked about the {trip}.
It is [possible|impossible] to see the {water} from the {building}.
{people} were [able|unable] to find the {thing} in the {room}.
{people} were [for|against] the {plan} of the {worker} from {city}.
It was [true|false] that {someone} had {do:part} the {do.object}.
""",
)
