"""From differences to what stays still; runs again on a run directory without a model."""
