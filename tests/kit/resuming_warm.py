"""Imported by a server that forks: what takes long to load is there already in its children."""

import tempfile
from pathlib import Path

from coordbench.benchmarks.startup import prepare_worker
from coordbench.benchmarks.training.train import Training
from resuming import SEEDS, tiny_cell

prepare_worker()
with tempfile.TemporaryDirectory() as folder:
    # No training: PyTorch's automatic differentiation must not have run before a fork.
    Training(tiny_cell("ma_sac", "predator_prey_2-v1"), SEEDS, Path(folder)).begin()
