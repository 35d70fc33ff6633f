"""`bench evaluate`: play saved policies again, on as many episodes as wanted."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..errors import SuiteError
from .evaluation_output import Played, Report, as_csv, as_json, note_of, table_of

if TYPE_CHECKING:
    from ...analysis.reading import Run
    from ...envs import TeamEnv
    from ..training.evaluate import Episodes

REPETITIONS, CONFIDENCE = 5_000, 0.95
"""Of the bootstrap behind every interval; its seed is 0."""

TRAINING = "training"
"""Word for the start seed of the evaluations during training."""


@click.command("evaluate")
@click.option(
    "--results",
    type=click.Path(path_type=Path),
    default="results",
    show_default=True,
    help="Folder of the records, or any folder in it.",
)
@click.option("--agent", required=True, metavar="A", help="A name, or module:Class.")
@click.option("--task", required=True, metavar="T", help="Id of the task.")
@click.option("--seeds", metavar="SEEDS", help="0-6, 3 or 0,2,5.  [default: all there are]")
@click.option("--episodes", type=click.IntRange(1), default=1000, show_default=True, help="Of each run.")
@click.option("--mode", metavar="M", help="How the agent acts.  [default: as its evaluations did]")
@click.option(
    "--weights",
    type=click.Choice(["last", "best"]),
    default="last",
    show_default=True,
    help="Of the end of training, or of its best evaluation.",
)
@click.option(
    "--start-seed",
    metavar="N",
    help='Of the start states; "training": those that evaluations in training use.  [default: other ones]',
)
@click.option(
    "--format",
    "form",
    type=click.Choice(["table", "json", "csv"]),
    default="table",
    show_default=True,
    help="What is printed.",
)
def evaluate_command(
    results: Path,
    agent: str,
    task: str,
    seeds: str | None,
    episodes: int,
    mode: str | None,
    weights: str,
    start_seed: str | None,
    form: str,
) -> None:
    """Evaluate what runs have learned, from their saved weights.

    The same command prints the same numbers again.

    Example: bench evaluate --agent vm3ac --task predator_prey_2-v1 --mode shared_seed --episodes 1000
    """
    from ..choices import parse_seeds
    from ..training.policies import find_runs

    chosen = parse_start_seed(start_seed)
    runs = find_runs(results, task, agent, None if seeds is None else parse_seeds(seeds))
    report = evaluated(runs, episodes, mode, weights, chosen)
    if form == "table":
        from rich.console import Console

        console = Console()
        console.print(table_of(report))
        console.print(note_of(report), markup=False, highlight=False)
    else:
        click.echo(as_json(report) if form == "json" else as_csv(report), nl=False)


def parse_start_seed(text: str | None) -> int:
    """The seed of the start states: an integer, or a word for one.

    Raises:
        SuiteError: another text.
    """
    from ..training.evaluate import ABSOLUTE_SEED, EVALUATION_SEED

    if text is None or text == TRAINING:
        return ABSOLUTE_SEED if text is None else EVALUATION_SEED
    if not text.isdecimal() or int(text) >= 2**64:
        raise SuiteError(f"--start-seed is {TRAINING} or an integer from 0 to 2**64 - 1, not {text!r}")
    return int(text)


def evaluated(runs: Sequence[Run], episodes: int, mode: str | None, weights: str, start_seed: int) -> Report:
    """Play the policies of runs of one agent on one task, one after the other, on the CPU.

    Args:
        runs: with saved weights.
        episodes: of each.
        mode: one of the agent's; that of the runs' evaluations if None.
        weights: ``"last"`` or ``"best"``.
        start_seed: of the start states; every run gets the same ones.

    Raises:
        ValueError: no weights, or an unknown mode.
    """
    from ...analysis.winning import win_metric
    from ..startup import prepare_worker
    from ..training.evaluate import evaluate_many
    from ..training.policies import load_policy, read_stored

    prepare_worker()
    first = runs[0].meta
    chosen, best = str(mode or first["evaluation"]["mode"]), weights == "best"
    actors = [load_policy(run, best=best) for run in runs]
    actors[0].policy(chosen, seed=0)  # refuses unknown modes before anything is played
    played = []
    for run, actor in zip(runs, actors, strict=True):
        settings = {**run.meta["task"]["settings"], **run.meta["task"]["evaluation_settings"]}
        make_env = partial(_environment, run.task_id, settings)
        found = evaluate_many(make_env, actor, chosen, episodes, start_seed)
        played.append(_played(run.seed, read_stored(run, best=best).step, found, win_metric(run)))
    return Report(
        agent=runs[0].agent_id,
        task=runs[0].task_id,
        mode=chosen,
        weights=weights,
        episodes=episodes,
        start_seed=start_seed,
        return_unit=first["task"]["return_unit"],
        confidence=CONFIDENCE,
        runs=played,
        overall=_together(played),
        win_metric=win_metric(runs[0]),
    )


def _environment(task: str, settings: dict[str, Any], copies: int) -> TeamEnv:
    from ... import envs

    return envs.make(task, num_envs=copies, **settings)


def _played(seed: int, step: int, found: Episodes, won: str | None) -> Played:
    returns = [float(value) for value in found.returns[0]]
    metrics = {name: _mean(values[0].tolist()) for name, values in found.metrics.items()}
    mean, low, high = _interval(returns)
    wins = (None, None, None) if won is None else _interval(found.metrics[won][0].tolist())
    length = float(found.lengths.mean())
    return Played(seed, step, len(returns), mean, low, high, length, metrics, returns, *wins)


def _together(runs: Sequence[Played]) -> Played:
    """Means over runs: each counts the same."""
    returns = [run.mean_return for run in runs]
    mean, low, high = _interval(returns)
    lengths = sum(run.episode_length for run in runs) / len(runs)
    metrics = {
        name: _mean([math.nan if (value := run.metrics[name]) is None else value for run in runs])
        for name in runs[0].metrics
    }
    episodes = sum(run.episodes for run in runs)
    rates = [run.win_rate for run in runs if run.win_rate is not None]
    wins = _interval(rates) if rates else (None, None, None)
    return Played(None, None, episodes, mean, low, high, lengths, metrics, returns, *wins)


def _interval(values: Sequence[float]) -> tuple[float, float | None, float | None]:
    """Mean and bootstrap interval; there is none of a single value."""
    import numpy as np

    from ...analysis.statistics import mean_over_seeds

    found = mean_over_seeds(np.array(values), np.random.default_rng(0), REPETITIONS, CONFIDENCE)
    return (found.point, None, None) if math.isnan(found.low) else (found.point, found.low, found.high)


def _mean(values: Sequence[float]) -> float | None:
    """The mean of the values that are numbers."""
    there = [value for value in values if not math.isnan(value)]
    return sum(there) / len(there) if there else None
