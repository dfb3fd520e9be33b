"""Many processes at one run: which does what, on a cluster or in parts that a scheduler gives out, whatever they compute."""
