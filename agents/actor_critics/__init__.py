"""Learners from replayed transitions: MADDPG, MA-AC and what the paper builds on it."""
