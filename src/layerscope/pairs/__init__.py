"""Minimal pairs: what they are, where they come from, and which of them a tokenizer can use. No model, no torch."""

from layerscope.pairs.checking import USABLE, EncodedPair, EncodeIds, Verdict, check_pair, check_pairs
from layerscope.pairs.format import SCHEMA, from_line, read_pairs, to_line, write_pairs
from layerscope.pairs.importing import import_blimp, import_published, import_table, to_published
from layerscope.pairs.pair import TYPES, MinimalPair, PairType, find_edit
from layerscope.pairs.positions import DETECTION, LAST, PlacedPair, check_positions, place
from layerscope.pairs.subtypes import PUBLISHED_SUBTYPES, SUBTYPES, Subtype

__all__ = [
    "DETECTION",
    "LAST",
    "PUBLISHED_SUBTYPES",
    "SCHEMA",
    "SUBTYPES",
    "TYPES",
    "USABLE",
    "EncodeIds",
    "EncodedPair",
    "MinimalPair",
    "PairType",
    "PlacedPair",
    "Subtype",
    "Verdict",
    "check_pair",
    "check_pairs",
    "check_positions",
    "find_edit",
    "from_line",
    "import_blimp",
    "import_published",
    "import_table",
    "place",
    "read_pairs",
    "to_line",
    "to_published",
    "write_pairs",
]
