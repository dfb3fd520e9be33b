"""Side-by-side timings, as ratios in one run. ``python -m benchmarks.NAME --help``; ``make bench`` runs those for two cores."""
