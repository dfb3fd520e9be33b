"""Scores of many paths on a batch of texts, with what they share run once and kept from one step to the next."""
