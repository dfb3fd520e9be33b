"""Pairs from a chat server: prompts that are files, answers that are kept, every pair judged. No tokenizer, no torch."""
