"""Adjective: another quality of the same thing, mostly the opposite."""

from __future__ import annotations

from layerscope.pairs.subtypes import SUBTYPES
from layerscope.pairs.templates.source import FromFrames

SOURCE = FromFrames(
    SUBTYPES["adjective"],
    """
The {food} at the {eatery} was [{good_taste}|{bad_taste}] but {people} ate it.
{someone} says that the {drink} is [{good_taste}|{bad_taste}] in the morning.
The {snack} on the {color} plate was very [{good_taste}|{bad_taste}] and rather cheap.
{people} had a [{good}|{bad}] time at the {gathering} in {city}.
The {show} was absolutely [{good}|{bad}] and {people} talked about it.
{past} {someone} told us a [{good}|{bad}] story about {country}.
It was a [{good}|{bad}] idea to travel to {country} in {season}.
{someone} thinks that the {plan} is [{good}|{bad}] for the {worker:pl}.
The weather in {city} was [{good}|{bad}] during the whole {trip}.
{people} said that the {meal} was [{good}|{bad}] because of the {food}.
{someone} is a [{good}|{bad}] {worker} and knows a lot about {topic}.
{past} {person} was very [{good_feeling}|{bad_feeling}] after the {event}.
{people} were [{good_feeling}|{bad_feeling}] when they saw the {worker} again.
{someone} felt [{good_feeling}|{bad_feeling}] about the {work} for {number} {unit:pl}.
The {worker} looked [{good_feeling}|{bad_feeling}] after the {event} with {name}.
The [{good_feeling}|{bad_feeling}] {worker} left the {eatery} before {meal}.
My {relative} was always [{good_person}|{bad_person}] to the {worker:pl} at the {building}.
{someone} has a [{good_person}|{bad_person}] neighbor who lives near the {water}.
The new {worker} is very [{good_person}|{bad_person}] and comes from {city}.
{people} think that {name} is [{good_person}|{bad_person}] but they like {name:him}.
The [{good_person}|{bad_person}] {worker} gave the {thing} to {someone}.
{someone} lives in a [{large}|{little}] house near the {water}.
{past} {someone} saw a [{large}|{little}] {animal} in the {outdoors}.
The {animal} in the {outdoors} was [{large}|{little}] and had a long tail.
{person} put the [{large}|{little}] {load} on the {surface} in the {room}.
There is a [{large}|{little}] {surface} in the {room} of the {building}.
{someone} bought a [{color}|{color2}] {clothes} at the {shop} in {city}.
The {color3} {car} stopped behind a [{color}|{color2}] {car2} in {city}.
{people} painted the {paintable} [{color}|{color2}] before the {gathering} in {month}.
The {thing} in the {container} is [{color}|{color2}] and belongs to {someone}.
{past} the weather was [{warm}|{cold}] in the north of {country}.
In {month} it is usually [{warm}|{cold}] in the {outdoors} near {city}.
On [{warm}|{cold}] days {someone} stays in the {room} with {name}.
It was a [{warm}|{cold}] day when {people} went to the {outdoors}.
{people} liked the [{quick}|{slow}] {trip} from {city} to the {water}.
The way to the {building} was [{quick}|{slow}] but {people} liked it.
The {work} was [easy|hard] for {someone} and the other {worker:pl}.
{someone} met an [old|angry] {gendered} at the {building} in {city}.
{past} a [young|famous] {worker} came to the {gathering} in {city}.
The [rich|poor] {gendered} bought the {looks} {furniture} for a friend.
{people} were in the [{age}|{age2}] {worker}'s house near the {water}.
The {room} was [{condition}|{condition2}] when {someone} opened the {opening}.
{people} found the {building} [open|closed] and went back to the {car}.
The {color} {container} was [full|empty] when {someone} looked into it.
The {opening} of the {building} was [open|closed] during the {event}.
The music in the {room} was too [loud|quiet] for {people}.
""",
)
