"""Walkers that carry a package, simulated by Box2D."""
