"""Agents are tested as they train: one thread, the suite's matrix products."""

import pytest
from coordbench.benchmarks.startup import prepare_worker


@pytest.fixture(autouse=True, scope="session")
def _as_a_worker():
    prepare_worker()
