"""Where weights come from, and Decoder: the uniform view of a Hugging Face causal LM."""
