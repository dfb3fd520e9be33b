"""From differences to the dimensions that barely change; runs again on a run directory without a model."""
