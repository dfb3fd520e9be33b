"""Minimal pairs: what they are, where they come from, and which of them a tokenizer can use. No model, no torch."""
