"""Profiles and efficiency of all agents."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd

from ..analysis.efficiency import COLUMNS as EFFICIENCY_COLUMNS
from ..analysis.efficiency import efficiency
from ..analysis.profiles import COLUMNS as PROFILE_COLUMNS
from ..analysis.profiles import profile
from ..analysis.scores import Scales
from .bootstrap import Bootstrap
from .outcomes import RunOutcome
from .rows import score_matrix


def trends(
    agents: Sequence[str],
    tasks: Sequence[str],
    expected: Mapping[tuple[str, str], Sequence[RunOutcome]],
    references: Scales,
    bootstrap: Bootstrap,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Performance profiles and efficiency curves of all agents, each from its own complete runs alone."""
    how = (bootstrap.seed, bootstrap.for_curves, bootstrap.confidence)
    profiles = [pd.DataFrame(columns=pd.Index(PROFILE_COLUMNS))]
    curves = [pd.DataFrame(columns=pd.Index(EFFICIENCY_COLUMNS))]
    for agent in agents:
        mine = {task: expected[task, agent] for task in tasks}
        found = profile(score_matrix(mine, references)[0], *how)
        profiles.append(found.assign(agent=agent))
        runs = {
            task: [run.run for run in group if run.outcome == "done" and run.run is not None]
            for task, group in mine.items()
        }
        curves.append(efficiency(runs, references.tasks, *how).assign(agent=agent))
    return _joined(profiles), _joined(curves)


def _joined(frames: list[pd.DataFrame]) -> pd.DataFrame:
    filled = [frame for frame in frames if len(frame)] or frames[:1]
    return pd.concat(filled, ignore_index=True)
