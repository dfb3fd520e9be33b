"""Subject: another doer of the same deed. Something always leads in, so that the subject is not the first word."""

from __future__ import annotations

from layerscope.pairs.subtypes import SUBTYPES
from layerscope.pairs.templates.source import FromFrames

SOURCE = FromFrames(
    SUBTYPES["subject"],
    """
{often} [she|he] drinks {drink} with {name} in the {room}.
{often} [he|she] goes to the {building} with a friend.
{once} [she|he] {do:past} the {do.object} in the morning.
{once} [we|they] went to the {building} to see {someone}.
{once} [they|we] {do:past} the {do.object} with {name}.
{scene} [she|he] told us about {topic} in {country}.
{scene} [we|they] met {someone} and some {worker:pl} from {city}.
{often} the [{worker}|{worker2}] walks to the {building} with {name}.
{once} the [{worker}|{worker2}] told {someone} about the {event} in {city}.
{scene} the [{worker}|{worker2}] was very {concerned} about the {work}.
{past} the [{worker}|{worker2}] {do:past} the {do.object} with {name}.
{once} a [{worker}|{worker2}] from {city} came to the {building}.
{often} the [{male}|{female}] goes to the {building} with {name}.
{once} the [{female}|{male}] {do:past} the {do.object} in the morning.
{scene} the [{male}|{female}] was very {concerned} about the {weather}.
{past} the old [{male}|{female}] gave a {thing} to {someone}.
{once} the young [{female}|{male}] lost a {thing} near the {water}.
{often} my [{relative}|{relative2}] drinks {drink} with the {worker}.
{past} my [{relative}|{relative2}] found a {looks} {thing} in the {container}.
{once} our [{relative}|{relative2}] {do:past} the {do.object} in the morning.
{scene} my [{relative}|{relative2}] talked about {topic} for a long time.
{often} [{name}|{name2}] reads a {reading} in the {room}.
{past} [{name}|{name2}] went to {city} to see the {worker}.
{once} [{name}|{name2}] {do:past} the {do.object} for {someone}.
{scene} [{name}|{name2}] was waiting for the {worker} with the {load}.
{often} the [{animal}|{animal2}] sleeps in the {outdoors} near the {water}.
{past} a [{animal}|{animal2}] ran through the {outdoors} near {city}.
In {season} the [{animal}|{animal2}] comes to the {water} to drink.
On {day} the [{worker:pl}|{worker2:pl}] met in the {room} of the {building}.
In {month} the [{worker:pl}|{worker2:pl}] of {city} asked for more money.
{people} know that [she|he] lives in a {looks} house in {country}.
{someone} said that the [{worker}|{worker2}] works in the {building} every day.
{someone} thinks that the [{worker}|{worker2}] is good at {skill} and {skill2}.
{people} heard that the [{worker}|{worker2}] had lost {number} {thing:pl}.
Every {season} the [{male}|{female}] travels to {country} by train.
In the {room} the [{male}|{female}] sang a song about {country}.
Near the {building} the [{worker}|{worker2}] saw {number} {counted_animal:pl} and a {car}.
When it is {cold}, the [{worker}|{worker2}] stays in the {room} all day.
When the {show} was over, [she|he] went to the {building} with {name}.
After the {event} [they|we] had {meal} with the {worker} in the {room}.
Before {meal} [he|she] always reads the {reading} in the {room}.
During the {trip} my [{relative}|{relative2}] ate {number} {snack:pl} and some {food}.
Last year your [{relative}|{relative2}] wrote a {looks} {writing} about {city}.
At {hour} o'clock the [{worker}|{worker2}] opened the {opening} of the {building}.
""",
)
