"""Which layers to leave out, repeat or reorder: searches over paths, chosen on some texts and measured on others."""
