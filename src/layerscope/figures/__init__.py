"""What figures of both questions share: style, labels in English and Japanese."""
