"""Recurrent learners for discrete actions, from replayed or fresh episodes."""
