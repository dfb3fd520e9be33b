"""Tables of sweeps as matplotlib figures."""
