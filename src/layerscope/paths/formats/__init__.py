"""Layer paths in other tools' files: one file a format, each with a reader and a writer, and one registry. No torch."""
