"""Synthetic record folders: runs whose returns are chosen by the test."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from coordbench.analysis import ReferenceScores, RunFolder, TaskReference, run_folder, settings_hash

NAVIGATION, HUNT = "navigation-v1", "hunt-v1"

REFERENCES = ReferenceScores(
    version=3,
    tasks={
        NAVIGATION: TaskReference(-50.0, -10.0, 100, {}, 0),
        HUNT: TaskReference(0.0, 200.0, 100, {"start_jitter": 0.02}, 0),
    },
)


def run_content(
    agent: str = "alpha",
    task: str = NAVIGATION,
    seed: int = 0,
    settings: Mapping[str, Any] | None = None,
    suite: str = "toy",
    budget: str = "quick",
    steps: int = 100,
    score_last: int = 2,
    suite_version: str = "1",
) -> dict[str, Any]:
    """The content of a ``run.json``."""
    chosen = dict(settings or {"beta": 0.1})
    return {
        "suite": suite,
        "suite_version": suite_version,
        "budget": budget,
        "task": {
            "id": task,
            "settings": {"start_jitter": 0.0},
            "evaluation_settings": {"start_jitter": 0.02} if task == HUNT else {},
            "n_agents": 3,
            "horizon": 25,
            "return_unit": "mean over members" if task == NAVIGATION else "team (shared reward)",
            "metrics": ["collisions"],
        },
        "agent": {"id": agent, "settings": chosen},
        "seed": seed,
        "steps": steps,
        "num_envs": 4,
        "evaluation": {"every": 50, "episodes": 2, "mode": "greedy", "score_last": score_last},
        "settings_hash": settings_hash({**chosen, "budget": budget, "steps": steps}),
        "provenance": {"python": "3.11", "version_numpy": "2.0"},
    }


def evaluation_content(step: int, value: float) -> dict[str, Any]:
    """One evaluation of two episodes with mean return ``value``."""
    return {
        "step": step,
        "updates": step // 4,
        "seconds": step / 10,
        "return": [value - 1.0, value + 1.0],
        "episode_length": [25, 25],
        "metrics": {"collisions": [0.0, 2.0]},
        "training": {"actor_loss": 0.5},
    }


def folder_of(results: Path, content: Mapping[str, Any]) -> RunFolder:
    """Where a run with this content belongs."""
    return run_folder(
        results,
        content["suite"],
        content["task"]["id"],
        content["agent"]["id"],
        content["settings_hash"],
        content["seed"],
    )


def write_run(
    results: Path,
    content: Mapping[str, Any],
    returns: Sequence[float] = (-40.0, -30.0),
    ending: str = "done",
) -> RunFolder:
    """Writes a run with one evaluation each 50 steps; ``ending`` is done, running or failed."""
    folder = folder_of(results, content)
    folder.start(content)
    step = 0
    for place, value in enumerate(returns, start=1):
        step = 50 * place
        folder.append(evaluation_content(step, value))
    if ending == "done":
        folder.finish(steps=content["steps"], updates=25, seconds=10.0)
    elif ending == "failed":
        folder.fail("not finite: critic_loss", step)
    return folder


def write_cell(
    results: Path, agent: str, returns: Mapping[str, Sequence[float]], **options: Any
) -> list[RunFolder]:
    """Complete runs of an agent: on each task one seed for each final return."""
    return [
        write_run(results, run_content(agent, task, seed, **options), (value, value))
        for task, values in returns.items()
        for seed, value in enumerate(values)
    ]
