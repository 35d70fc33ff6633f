"""Suites, the training loop, sweeps over many processes and the command `bench`.

Modules:
    suite: tasks x agents x seeds with budgets, resolved to cells.
    suite_file: suites from TOML.
    train: the training loop of one cell.
    sweep: all cells and seeds of a suite, on an engine.
    cli: the command line.
"""
