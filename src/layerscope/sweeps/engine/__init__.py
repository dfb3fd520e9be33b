"""Walking a plan over batches and scoring every variant; returns values, never touches disk."""
