"""Parts of speech in context, and words to tokens by character offsets. No model, no torch."""
