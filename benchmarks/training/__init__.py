"""Training one stack of runs: the loop, evaluations, records and checkpoints."""
