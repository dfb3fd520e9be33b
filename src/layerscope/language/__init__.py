"""Parts of speech in context, and words to tokens by character offsets. No model, no torch."""

from layerscope.language.alignment import Alignment, align
from layerscope.language.gold import gold_words
from layerscope.language.taggers import LANGUAGES, Tagger, load_tagger
from layerscope.language.words import CLOSED_TAGS, OPEN_TAGS, OTHER_TAGS, UPOS_TAGS, Word, is_word_character

__all__ = [
    "CLOSED_TAGS",
    "LANGUAGES",
    "OPEN_TAGS",
    "OTHER_TAGS",
    "UPOS_TAGS",
    "Alignment",
    "Tagger",
    "Word",
    "align",
    "gold_words",
    "is_word_character",
    "load_tagger",
]
