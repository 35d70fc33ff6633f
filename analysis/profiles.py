"""Performance profiles (Agarwal et al. 2021): which share of runs scores more than tau, for every tau."""

from __future__ import annotations

import numpy as np
import pandas as pd

from .resampling import canonical, counts, percentile_interval, stream, totals
from .statistics import has_spread

TAUS = np.round(np.linspace(-0.5, 1.5, 101), 2)
"""Scores at which profiles are taken; fixed, so that they do not depend on who is in the table."""

COLUMNS = ["agent", "tau", "share", "share_low", "share_high", "tasks", "seeds"]


def profile(scores: np.ndarray, seed: int, repetitions: int, confidence: float) -> pd.DataFrame:
    """The profile of one agent, every task counting the same.

    With as many runs on every task it is rliable's score distribution.

    Args:
        scores: (runs, tasks), NaN for missing runs.
        seed: of the bootstrap over runs, stratified by task.
        repetitions: of this bootstrap.
        confidence: level of the pointwise intervals.

    Returns:
        Columns ``COLUMNS`` but ``agent``, one row a tau; no rows without runs.
    """
    ordered, _ = canonical(scores)
    columns = [column[~np.isnan(column)] for column in ordered.T]
    columns = [column for column in columns if len(column)]
    if not columns:
        return pd.DataFrame(columns=pd.Index(COLUMNS[1:]))
    above = [(column[:, None] > TAUS).astype(np.float32) for column in columns]
    share = np.mean([table.mean(axis=0, dtype=float) for table in above], axis=0)
    low = high = np.full(len(TAUS), np.nan)
    if has_spread(scores):
        rng = stream(seed, ordered)
        drawn = np.zeros((repetitions, len(TAUS)), dtype=np.float32)
        for table in above:
            drawn += totals(counts(len(table), repetitions, rng), table) / np.float32(len(table))
        low, high = percentile_interval(drawn / np.float32(len(above)), confidence)
    seeds = max(map(len, columns))
    return pd.DataFrame(
        {
            "tau": TAUS,
            "share": share,
            "share_low": low,
            "share_high": high,
            "tasks": len(columns),
            "seeds": seeds,
        }
    )
