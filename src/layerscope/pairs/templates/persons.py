"""Persons: words for them with their gender, names, and noun phrases that can be a subject."""

from __future__ import annotations

MALE = "man boy king prince gentleman lord businessman fisherman"
"""After ``the``; pronoun *he*."""
FEMALE = "woman girl queen princess lady actress bride"
"""After ``the``; pronoun *she*."""
RELATIVES_MALE = "father brother uncle son husband grandfather"
"""After ``my``; pronoun *he*."""
RELATIVES_FEMALE = "mother sister aunt daughter wife grandmother"
"""After ``my``; pronoun *she*."""
NAMES_MALE = "Tom Jack Paul Peter David John James Daniel Mark Henry Sam George"
"""Pronoun *he*."""
NAMES_FEMALE = "Mary Anna Sarah Emma Lucy Alice Julia Maria Kate Laura Jane Helen"
"""Pronoun *she*."""
WORKERS = (
    "doctor teacher nurse lawyer farmer driver singer writer artist painter cook builder guard judge student soldier pilot "
    "actor scientist engineer manager player coach dancer officer reporter hunter captain sailor"
)
"""After ``the``; of either gender, so without a pronoun."""
PEOPLE = (
    "the children,my parents,our neighbors,the students,the workers,my friends,the girls,the boys,the twins,the players,"
    "the guests,my cousins,the teachers,our friends,the farmers,the soldiers,my brothers,my sisters,the tourists,the nurses"
)
"""Plural subjects, parted by commas."""
