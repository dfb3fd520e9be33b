"""Minimal pairs: what they are, where they come from, and which of them a tokenizer can use. No model, no torch."""

from layerscope.pairs.checking import USABLE, EncodedPair, EncodeIds, Verdict, check_pair, check_pairs
from layerscope.pairs.format import SCHEMA, from_line, read_pairs, to_line, write_pairs
from layerscope.pairs.importing import import_blimp, import_published, import_table, to_published
from layerscope.pairs.pair import TYPES, MinimalPair, PairType, find_edit
from layerscope.pairs.subtypes import PUBLISHED_SUBTYPES, SUBTYPES, Subtype

__all__ = [
    "PUBLISHED_SUBTYPES",
    "SCHEMA",
    "SUBTYPES",
    "TYPES",
    "USABLE",
    "EncodeIds",
    "EncodedPair",
    "MinimalPair",
    "PairType",
    "Subtype",
    "Verdict",
    "check_pair",
    "check_pairs",
    "find_edit",
    "from_line",
    "import_blimp",
    "import_published",
    "import_table",
    "read_pairs",
    "to_line",
    "to_published",
    "write_pairs",
]
