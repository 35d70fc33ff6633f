"""Games of one or few steps with known answers."""
