"""Minimal pairs from written templates: frames, a lexicon with selectional restrictions, and a seed. No model, no network."""

from layerscope.pairs.templates.generating import PUBLISHED, find_sources, generate, random_words_for
from layerscope.pairs.templates.source import FromFrames, FromPairs, Source

__all__ = ["PUBLISHED", "FromFrames", "FromPairs", "Source", "find_sources", "generate", "random_words_for"]
