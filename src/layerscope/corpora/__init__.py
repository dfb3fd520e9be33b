"""Data sets and local files as documents, and evaluation protocols that cut them into windows of tokens. No torch."""
