"""Pronoun and gender: a pronoun that stands for a man or a woman, of the wrong gender."""

from __future__ import annotations

from layerscope.pairs.subtypes import SUBTYPES
from layerscope.pairs.templates.source import FromFrames

SOURCE = FromFrames(
    SUBTYPES["pronoun-gender"],
    """
The {gendered} said that [{gendered:he}|{gendered:wrong-he}] was very {feeling} after the {trip}.
The {gendered} thought that [{gendered:he}|{gendered:wrong-he}] would visit {city} in {season}.
The {gendered} left because [{gendered:he}|{gendered:wrong-he}] was {concerned} about the {work}.
The {gendered} lost [{gendered:his}|{gendered:wrong-his}] {thing} on the way to the {building}.
The {gendered} put [{gendered:his}|{gendered:wrong-his}] {thing} on the {surface} in the {room}.
The {gendered} hurt [{gendered:himself}|{gendered:wrong-himself}] on the way to the {building}.
The {gendered} looked at [{gendered:himself}|{gendered:wrong-himself}] in the mirror of the {room}.
The {gendered} bought [{gendered:himself}|{gendered:wrong-himself}] a {looks} {clothes} in {city}.
My {relative} said that [{relative:he}|{relative:wrong-he}] was very {concerned} about the {event}.
My {relative} told me that [{relative:he}|{relative:wrong-he}] had lost the {thing}.
My {relative} forgot [{relative:his}|{relative:wrong-his}] {thing} in the {room} of the {building}.
My {relative} wore [{relative:his}|{relative:wrong-his}] new {clothes} to the {gathering}.
My {relative} made [{relative:himself}|{relative:wrong-himself}] some {food} in the kitchen.
{past} my {relative} cut [{relative:himself}|{relative:wrong-himself}] with a knife in the {room}.
{name} said that [{name:he}|{name:wrong-he}] was very {concerned} about the {work}.
{name} hoped that [{name:he}|{name:wrong-he}] could see the {show} in {city}.
{name} went home because [{name:he}|{name:wrong-he}] was {feeling} after the {event}.
{name} opened [{name:his}|{name:wrong-his}] {container} and found a {looks} {thing}.
{name} taught [{name:himself}|{name:wrong-himself}] to play the {instrument} in {season}.
When the {gendered} came home, [{gendered:he}|{gendered:wrong-he}] went to the {room}.
When my {relative} was young, [{relative:he}|{relative:wrong-he}] lived in {country}.
After {name} left the {building}, [{name:he}|{name:wrong-he}] met an old friend.
Before the {gendered} went to bed, [{gendered:he}|{gendered:wrong-he}] closed the {opening}.
The {gendered} sat down because [{gendered:he}|{gendered:wrong-he}] wanted to read the {reading}.
The old {gendered} knew that [{gendered:he}|{gendered:wrong-he}] was not alone in the {outdoors}.
The {gendered} was proud of [{gendered:himself}|{gendered:wrong-himself}] after the {event} in {city}.
The {gendered} from {city} drove [{gendered:his}|{gendered:wrong-his}] {color} {car} to the {building}.
The young {gendered} gave [{gendered:his}|{gendered:wrong-his}] {thing} to a friend at the {gathering}.
I saw the {gendered} when [{gendered:he}|{gendered:wrong-he}] was in the {outdoors}.
We met my {relative} after [{relative:he}|{relative:wrong-he}] came back from {country}.
I called my {relative} and told [{relative:him}|{relative:wrong-him}] about the {event}.
We saw the {gendered} and gave [{gendered:him}|{gendered:wrong-him}] a {looks} {thing}.
{past} I met {name} and showed [{name:him}|{name:wrong-him}] the {building}.
The {gendered} knows that people like [{gendered:him}|{gendered:wrong-him}] for many reasons.
My {relative} was {feeling}, so [{relative:he}|{relative:wrong-he}] stayed in the {room}.
The {gendered} was {feeling}, so we helped [{gendered:him}|{gendered:wrong-him}] with the {work}.
The {gendered} in the {color} coat said that [{gendered:he}|{gendered:wrong-he}] liked the {show}.
The {gendered} told us about [{gendered:his}|{gendered:wrong-his}] house near the {water}.
{name} was in {city} with [{name:his}|{name:wrong-his}] friends and {number} {worker:pl}.
My {relative} sold [{relative:his}|{relative:wrong-his}] {looks} {furniture} to a friend {past}.
The {gendered} asked the {worker} to help [{gendered:him}|{gendered:wrong-him}] with the {load}.
{name} is a good {worker} and [{name:he}|{name:wrong-he}] lives near the {building}.
The {gendered} always takes [{gendered:his}|{gendered:wrong-his}] {pet} to the {outdoors}.
""",
)
