"""From token scores to effect tables; runs again on a run directory without a model."""
