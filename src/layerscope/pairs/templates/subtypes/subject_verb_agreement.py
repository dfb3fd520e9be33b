"""Subject and verb: the verb of the wrong number, next to its subject or with another noun between."""

from __future__ import annotations

from layerscope.pairs.subtypes import SUBTYPES
from layerscope.pairs.templates.source import FromFrames

SOURCE = FromFrames(
    SUBTYPES["subject-verb-agreement"],
    """
The {worker:pl} [are|is] waiting for the {car} near the {building}.
The {worker} [is|are] waiting for the {car} near the {building}.
The {animal} in the {outdoors} [is|are] looking for food and water.
The {counted_animal:pl} in the {outdoors} [are|is] looking for food and water.
The {thing:pl} on the {surface} [are|is] from {someone} in {city}.
The {thing} on the {surface} [is|are] from {someone} in {city}.
The {thing:pl} in the {container} [belong|belongs] to the {worker} of the {building}.
The {thing} in the {container} [belongs|belong] to the {worker} of the {building}.
The {worker:pl} from {city} [were|was] very {feeling} after the {event}.
The {worker} from {city} [was|were] very {feeling} after the {event}.
The {worker:pl} near the {building} [have|has] a {looks} {car} and {number} {thing:pl}.
The {worker} near the {building} [has|have] a {looks} {car} and {number} {thing:pl}.
{often} {someone} [{like:3sg}|{like}] {drink} and {drink2} for {meal}.
{people} [{like}|{like:3sg}] {drink} and {drink2} in the morning.
{often} {someone} [{go:3sg}|{go}] to the {building} with {name}.
{often} {people} [{go}|{go:3sg}] to the {building} with {name}.
{often} {person} [{chore:3sg}|{chore}] the {chore.object} before work.
{often} {people} [{chore}|{chore:3sg}] the {chore.object} before work.
{someone} and {someone2} [are|is] on the way to the {building}.
{someone} and {someone2} [were|was] in {country} for {number} weeks.
There [are|is] {number} {thing:pl} on the {surface} in the {room}.
There [were|was] {number} {counted_animal:pl} in the {outdoors} near the {water}.
There [is|are] a {looks} {thing} on the {surface} in the {room}.
There [was|were] a {looks} {animal} in the {outdoors} near the {water}.
The {looks} {thing:pl} [are|is] in the {container} under the {furniture}.
The {looks} {thing} [is|are] in the {container} under the {furniture}.
The {clothes:pl} that {someone} bought [are|is] in the {container} in the {room}.
The {clothes} that {someone} bought [is|are] in the {container} in the {room}.
The {worker:pl} in {city} [live|lives] in old houses near the {water}.
The {worker} who knows {someone} [lives|live] in a house near the {water}.
The {car:pl} of the {worker} [are|is] in front of the {building}.
The {car} of the {worker} [is|are] in front of the {building}.
The {building:pl} in {city} [have|has] a lot of {looks} {furniture:pl}.
Every {worker} in {city} [has|have] a {looks} {car} and a dog.
Each of the {worker:pl} [has|have] a {looks} {thing} in the {container}.
One of the {worker:pl} [was|were] in {country} during the {season}.
Both of the {animal:pl} [were|was] in the {outdoors} during the {weather}.
Most of the {snack:pl} [are|is] on the {surface} in the {room}.
Everyone in the {building} [knows|know] that {someone} is a good {worker}.
Nobody at the {gathering} [was|were] as {feeling} as {someone}.
All {worker:pl} [{like}|{like:3sg}] {drink} after a long {trip}.
My friends in {city} [say|says] that {person} works too much.
What [does|do] {person} want to buy at the {shop}?
Where [do|does] {people} want to go on {day}?
{person} [does|do] not want to talk about the {event}.
{people} [do|does] not want to talk about the {event}.
""",
)
