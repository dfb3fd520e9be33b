"""Tables of contrasts as matplotlib figures."""
