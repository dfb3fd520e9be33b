"""Layer paths in other tools' files: one file per format, each with a reader and a writer, and one registry. No torch."""
