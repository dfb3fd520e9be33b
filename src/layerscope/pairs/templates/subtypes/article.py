"""Article: indefinite against definite. Both are grammatical by themselves, so neither side is right."""

from __future__ import annotations

from layerscope.pairs.subtypes import SUBTYPES
from layerscope.pairs.templates.source import FromFrames

SOURCE = FromFrames(
    SUBTYPES["article"],
    """
{someone} adopted [a|the] {pet} from the shelter in {city}.
{past} {person} saw [a|the] {animal} in the {outdoors} near the {water}.
{person} put [a|the] {thing} on the {surface} in the {room}.
{someone} found [a|the] {thing} in the {container} under the {furniture}.
{past} {people} watched [a|the] {show} in the {building}.
{person} bought [a|the] {clothes} at the {shop} in {city}.
{someone} wrote [a|the] {writing} about {topic} for the {worker}.
{past} {someone} read [a|the] {reading} about the history of {country}.
{person} drove [a|the] {color} {car} to the {building}.
{someone} rode [a|the] {ride} along the {water} with {someone:his} {relative}.
{people} sat on [a|the] {surface} in the {room}.
{person} opened [a|the] {opening} in the {room} of the {building}.
{past} {someone} met [a|the] {worker} from {city} at the {gathering}.
{people} were waiting for [a|the] {worker} at the {building}.
There was no room for [a|the] {furniture} in the {room}.
{someone} learned to play [a|the] {instrument} when {someone:he} was young.
{person} gave [a|the] {thing} to {someone} after the {event}.
{person} carried [a|the] heavy {load} from the {car} to the {building}.
{someone} needed [a|the] {tool} to fix the {fixable}.
{people} heard [a|the] {animal} in the {outdoors} at night.
{past} {person} broke [a|the] {breakable} in the {room}.
{someone} ate [a|the] {snack} before the {event} with {name}.
{people} talked about [a|the] {looks} {building} in {city}.
{person} sent [a|the] {reading} to {someone} on {day}.
{someone} planted [a|the] {plant} in the garden behind the {building}.
{person} lost [a|the] {thing} on the way to the {building}.
In {season} {people} rented [a|the] house near the {water}.
{someone} painted [a|the] {paintable} with {someone:his} {relative} {past}.
{someone} lives in [a|the] {looks} house by the {water}.
{people} crossed [a|the] {color} bridge on the way to {city}.
{past} {someone} told [a|the] {worker} about the {event}.
{person} works in [a|the] {building} near the center of {city}.
On {day} {people} went to [a|the] {gathering} in {country}.
{someone} has [a|the] {plan} that {people} will like.
{person} was looking for [a|the] {thing} in the {container}.
{someone} hung [a|the] picture on the wall of the {room}.
{past} {person} sold [a|the] {looks} {furniture} to a friend.
Behind the {building} there was [a|the] {color} {car} with no windows.
{people} gave [a|the] {good} speech at the {gathering}.
{someone} waited until [a|the] {car} stopped in front of the {building}.
{person} asked [a|the] {worker} for help with the {work}.
Every {season} {someone} visits [a|the] {outdoors} near {city}.
{people} listened to [a|the] {sung} about love and war.
""",
)
