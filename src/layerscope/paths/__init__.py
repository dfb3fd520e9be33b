"""Layer paths: what a variant is, how it is written, families of them, and the plan that runs them. Pure values; no torch."""
