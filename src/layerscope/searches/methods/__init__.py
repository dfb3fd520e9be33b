"""The ways to search: rank once, greedy and beam, evolution, at random."""
