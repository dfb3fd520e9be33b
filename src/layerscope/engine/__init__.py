"""What both questions run a model with: batches, next-token probabilities, freed memory."""
