"""What a finished search comes to: the frontier, gains over the simple ways, layers that go in every draw."""
