"""Minimal pairs from written templates: frames, a lexicon with selectional restrictions, and a seed. No model, no network."""
