"""The run directory: declared tables, atomic writing, resuming, opening what a run left."""
