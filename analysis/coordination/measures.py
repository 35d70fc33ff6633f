"""What is measured of a team's coordination, and how it is taken from the records of a run."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from ..reading import Evaluation, Run
from ..winning import value_of, win_metric
from .positions import PAIR_REACH, Positions, pair_split, read_positions

MEASURES: Mapping[str, str] = {
    "latent_sd": "spread of mean actions over z",
    "latent_correlation": "correlation of members' mean actions over z",
    "action_correlation": "correlation of members' actions, given the state",
    "mutual_information": "mutual information of members' actions, given the state (nats)",
    "gaussian_information": "the same, as far as it is linear (nats)",
    "information_bound": "the agent's variational bound on it (nats)",
    "fitted_bound": "the bound with q's best variance (nats)",
}
"""Measures in the evaluations' ``training``, in the order of the table."""

PAIR_SPLIT, PAIR_SPLIT_GREEDY = "pair_split", "pair_split_greedy"
"""Share of episodes that split into pairs: of exploring teams, and in the episodes of the evaluation."""

WIN_RATE = "win_rate"
"""Share of the evaluation's episodes that were won; stands before the return where it leads."""

_NEVER = "not recorded: trained before coordination was measured"

Take = Callable[[Run, Evaluation], float]
"""Takes a measure from a run at an evaluation; NaN if it is not there."""


def measures_of(at: Sequence[tuple[Run, Evaluation | None]]) -> dict[str, Take]:
    """Every measure of the table, and how to take it from a run at an evaluation."""
    found: dict[str, Take] = {name: _recorded(name) for name in MEASURES}
    if pair_reach(at[0][0]) is not None:
        found |= {PAIR_SPLIT: _exploring_split, PAIR_SPLIT_GREEDY: _greedy_split}
    if win_metric(at[0][0]) is not None:
        found[WIN_RATE] = value_of
    found["return"] = lambda _, one: one.mean_return
    others = {name for _, one in at if one for name in one.training if name.startswith("return_")}
    return found | {name: _recorded(name) for name in sorted(others)}


def _recorded(name: str) -> Take:
    def take(_: Run, evaluation: Evaluation) -> float:
        value = evaluation.training.get(name)
        return math.nan if value is None else value

    return take


def _exploring_split(run: Run, evaluation: Evaluation) -> float:
    shown, reach = positions_at(run, evaluation), pair_reach(run)
    if shown is None or reach is None or not len(shown.places):
        return math.nan
    return float(pair_split(shown.places, reach).mean())


def _greedy_split(run: Run, evaluation: Evaluation) -> float:
    members = evaluation.metrics.get(PAIR_SPLIT)
    return (
        float(np.mean([value == run.meta["task"]["n_agents"] for value in members])) if members else math.nan
    )


def pair_reach(run: Run) -> float | None:
    """Within which members of a task that can be split into pairs are together."""
    task = run.meta["task"]
    n, radius = task["n_agents"], task["settings"].get("radius")
    splits = PAIR_SPLIT in task["metrics"] and n >= 4 and n % 2 == 0 and isinstance(radius, int | float)
    return PAIR_REACH * radius if splits else None


def reason(measure: str, runs: Sequence[Run]) -> str:
    """Why no run has a measure."""
    recorded = {name for run in runs for one in run.evaluations for name in one.training}
    if measure in recorded:
        return "not measured at this evaluation, or not finite"
    if "action_correlation" not in recorded and measure != "latent_sd":
        return "one member" if runs[0].meta["task"]["n_agents"] == 1 else _NEVER
    if measure.startswith("latent"):
        return "the agent has no latent variable"
    if measure == "gaussian_information" or "information_bound" in recorded:
        return "actions are discrete"
    if measure.endswith("bound"):
        return "the agent has no variational distribution"
    return "no positions were recorded" if measure == PAIR_SPLIT else "not recorded"


def early(run: Run) -> Evaluation | None:
    """The first evaluation after learning began at which coordination was measured."""
    measured = [one for one in run.evaluations if "action_correlation" in one.training]
    return next((one for one in measured if one.updates > 0), measured[0] if measured else None)


def positions_at(run: Run, evaluation: Evaluation | None) -> Positions | None:
    """The positions recorded at an evaluation."""
    step = evaluation.step if evaluation else None
    return next((one for one in read_positions(run.path) if one.step == step), None)
