"""Determiner and noun: one is singular and the other plural, or one counts what the other cannot."""

from __future__ import annotations

from layerscope.pairs.subtypes import SUBTYPES
from layerscope.pairs.templates.source import FromFrames

SOURCE = FromFrames(
    SUBTYPES["determiner-noun-agreement"],
    """
{someone} bought [these|this] {thing:pl} at the {shop} last week.
{someone} bought [this|these] {thing} at the {shop} last week.
{person} put [those|that] {thing:pl} on the {surface} in the {room}.
{person} put [that|those] {thing} on the {surface} in the {room}.
{people} found [these|this] {clothes:pl} in the {container} under the {furniture}.
{people} found [this|these] {clothes} in the {container} under the {furniture}.
{past} {someone} painted [those|that] {paintable:pl} with {name}.
{past} {someone} painted [that|those] {paintable} with {name}.
{people} like [these|this] {building:pl} because they are {condition}.
{people} like [this|these] {building} because it is {condition}.
{person} read [those|that] {reading:pl} about the history of {country}.
{person} read [that|those] {reading} about the history of {country}.
{someone} did not see [these|this] {worker:pl} at the {gathering} {past}.
{someone} did not see [this|these] {worker} at the {gathering} {past}.
{person} fed [those|that] {counted_animal:pl} in the {outdoors} every morning.
{person} fed [that|those] {counted_animal} in the {outdoors} every morning.
{someone} ate [these|this] {snack:pl} before the {event} with {name}.
{someone} ate [this|these] {snack} before the {event} with {name}.
How [many|much] {thing:pl} did {someone} buy at the {shop}?
How [much|many] {mass} did {someone} need for the {event}?
How [many|much] {unit:pl} did {people} stay in {country}?
There are too [many|much] {thing:pl} on the {surface} in the {room}.
There is too [much|many] {mass} for one person at the {gathering}.
{people} did not see [many|much] {counted_animal:pl} in the {outdoors}.
{people} do not have [much|many] {mass} for the {trip}.
{past} {someone} bought a [few|little] {snack:pl} for the {gathering}.
{someone} gave a [little|few] {mass} to the {worker} in {city}.
{person} put [several|every] {thing:pl} in the {container} before the {trip}.
{person} gave a {thing} to [each|both] {worker} at the {gathering}.
{past} [both|each] {worker:pl} were in front of the {building}.
At the {gathering} [every|several] {worker} had a {looks} {thing}.
{someone} has only one [{thing}|{thing:pl}] in the {container} on the {surface}.
{someone} has only two [{thing:pl}|{thing}] in the {container} on the {surface}.
{person} saw {number} [{counted_animal:pl}|{counted_animal}] in the {outdoors} near the {water}.
{people} saw a [{counted_animal}|{counted_animal:pl}] in the {outdoors} near the {water}.
{someone} met many [{worker:pl}|{worker}] in {city} during the {season}.
{someone} met several [{worker:pl}|{worker}] in {city} during the {season}.
{person} wants to sell these [{furniture:pl}|{furniture}] to a friend in {city}.
{person} wants to sell this [{furniture}|{furniture:pl}] to a friend in {city}.
{people} drove those [{car:pl}|{car}] from {city} to the {outdoors}.
{people} drove that [{car}|{car:pl}] from {city} to the {outdoors}.
Almost every [{building}|{building:pl}] in {city} was closed on {day}.
{someone} ate one [{snack}|{snack:pl}] and drank some {drink} before the {event}.
{past} a few [{worker:pl}|{worker}] came to the {gathering} in {city}.
""",
)
