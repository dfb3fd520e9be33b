"""Tense: a time adverbial, before or after the edit, fits one of the two verb forms and not the other."""

from __future__ import annotations

from layerscope.pairs.subtypes import SUBTYPES
from layerscope.pairs.templates.source import FromFrames

SOURCE = FromFrames(
    SUBTYPES["tense"],
    """
{past} {person} [was|is] very {feeling} after the long {trip}.
{person} [was|is] very {feeling} after the {event} yesterday.
{past} the {animal:pl} [were|are] in the {outdoors} near the {water}.
{people} [were|are] very {concerned} about the {work} {past}.
{someone} [was|is] in {city} with {someone:his} {relative} {past}.
{past} {person} [{do:past}|{do:3sg}] the {do.object} for the first time.
{past} {people} [{do:past}|{do}] the {do.object} before the meeting.
{person} [{go:past}|{go:3sg}] to the {building} with {name} {past}.
{people} [{travel:past}|{travel}] to {city} by train {past}.
{past} {someone} [{help:past}|{help:3sg}] the {worker} after the {event}.
{past} it [was|is] so {cold} in {city} that {people} stayed at home.
The {room} [was|is] very {condition} when {person} came home {past}.
{past} {person} [did|does] not {do} the {do.object} after the {event}.
Why [did|do] {people} leave the {building} so early {past}?
{person} [did|does] not come to the {gathering} {past}.
{people} [did|do] not {help} {someone} at the {building} {past}.
{past} there [was|is] a {looks} {thing} on the {surface}.
{past} there [were|are] {number} {counted_animal:pl} in the {outdoors}.
{number} years ago {someone} [was|is] a {worker} in {country}.
{number} days ago the {building} [was|is] closed because of the {weather}.
In the last century the {building} [was|is] smaller than the {building2}.
When {someone} [was|is] a child, {someone:he} lived near the {water}.
{someone} [{stay:past}|{stay:3sg}] in the {outdoors} for {number} hours {past}.
{past} the {worker} [{say:past}|{say:3sg}] that the {room} was {condition}.
Yesterday afternoon {people} [{handle:past}|{handle}] the {handle.object} near the {building}.
{future} {person} [will|did] travel to {country} by train.
{future} {people} [will|did] meet the {worker} at the {building}.
{future} the {building} [will|did] be closed because of the {weather}.
{person} [will|did] start a new job in {city} {future}.
{people} [will|did] have a {looks} {furniture} in the {room} {future}.
{future} we [will|did] see the {show} with {someone} again.
{future} there [will|did] be a {gathering} at the {building}.
Right now {person} [is|was] working in the {room} of the {building}.
Right now {people} [are|were] waiting for the {worker} at the {building}.
{past} the {animal:pl} [were|are] asleep in the {outdoors} when {someone} came.
{past} {someone} [had|has] a long talk with the {worker} in {city}.
So far {people} [have|had] not seen the {show} that everyone likes.
{past} {someone} [bought|buys] a {looks} {thing} for {someone:his} friend.
{past} the {weather} [came|comes] from the north and {people} went home.
{past} {people} [ate|eat] {number} {snack:pl} and some {food}.
Long ago a {gendered} [lived|lives] in a {looks} house by the {water}.
Long ago there [was|is] a {gendered} who had {number} {pet:pl}.
{person} [wrote|writes] a long {writing} about {topic} {past}.
{past} {someone} [took|takes] the {ride} to the {outdoors} near {city}.
In {month} of last year the {building} [was|is] {condition} for {number} weeks.
""",
)
