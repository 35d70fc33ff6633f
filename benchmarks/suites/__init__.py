"""Suites: tasks x agents x seeds with budgets, in TOML, and the cells that they resolve to."""
