"""Pairs through a model: differences, predictions, ablations; returns values, never touches disk."""
