"""A submission that is as it should be, for tests to spoil."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from coordbench.analysis import ReferenceScores, TaskReference
from coordbench.leaderboard.submissions.manifest import template
from coordbench.leaderboard.submissions.records import recorded_hash
from coordbench.leaderboard.submissions.rules import SuiteRules, evaluation_steps

TASKS, SEEDS, AGENT = ("hunt-v1", "walk-v1"), (0, 1, 2), "cool"
REFERENCES = ReferenceScores(1, {task: TaskReference(0.0, 100.0, 10, {}, 0) for task in TASKS})
ABOUT = {
    "agent": AGENT,
    "description": "what the cool kids play",
    "submitter": "A. Stranger",
    "source": "https://example.org/cool",
    "licence": "MIT",
    "paper": "",
    "suite": "toy",
    "suite_version": 1,
    "budget": "quick",
    "command": "bench run --suite toy --budget quick --agents cool",
}
PROVENANCE = {
    **{"version_coordbench": "0.1.0", "version_numpy": "2.0", "python": "3.11.7"},
    **{"platform": "Linux", "cpu": "x 2", "git_revision": "none"},
}


def wanted(task: str) -> dict[str, Any]:
    """What the suite demands of a task."""
    return {
        "task": {
            **{"id": task, "settings": {"reach": 0.5}, "evaluation_settings": {}, "n_agents": 2},
            **{"horizon": 25, "return_unit": "team (shared reward)", "metrics": ["catches"]},
        },
        "steps": 100,
        "num_envs": 4,
        "evaluation": {"every": 50, "episodes": 5, "mode": "greedy", "score_last": 1},
    }


RULES = SuiteRules("toy", 1, "quick", SEEDS, {task: wanted(task) for task in TASKS}, ("vm3ac", "random"))


def run_json(task_id: str, seed: int, name: str = AGENT, **changes: Any) -> dict[str, Any]:
    """The content of a ``run.json`` with the hash that belongs to it."""
    content = {
        **{"format": 1, "suite": "toy", "suite_version": 1, "budget": "quick", "seed": seed},
        **{"agent": {"id": name, "settings": {"beta": 0.1}}, "provenance": dict(PROVENANCE)},
        **wanted(task_id),
        **changes,
    }
    return {**content, "settings_hash": recorded_hash(content)}


def lines(seed: int, task: str = TASKS[0], steps: Sequence[int] | None = None) -> list[dict[str, Any]]:
    """Evaluations of a run; other numbers for every seed and task."""
    random = np.random.default_rng([seed, TASKS.index(task)])
    return [
        {
            **{"step": step, "updates": step // 4, "seconds": 0.5 + step / 10},
            "return": random.normal(10.0 + step / 5, 2.0, 5).tolist(),
            "episode_length": [25, 25, 20, 25, 1],
            "metrics": {"catches": [0.0, 1.0, None, 2.0, 0.0]},
            "training": {"return": None, "loss": random.normal(), "std": random.normal()},
        }
        for step in (evaluation_steps(50, 100, 4) if steps is None else steps)
    ]


def write_run(folder: Path, run: Mapping[str, Any], evaluations: Sequence[Mapping[str, Any]]) -> Path:
    """The files of a run that is done, where they belong; its folder."""
    agent = run["agent"]["id"].replace(":", ".")
    place = (
        folder / run["suite"] / run["task"]["id"] / f"{agent}-{run['settings_hash']}" / f"seed_{run['seed']}"
    )
    place.mkdir(parents=True, exist_ok=True)
    last = evaluations[-1]
    done = {"steps": last["step"], "updates": last["updates"], "seconds": last["seconds"] + 1}
    (place / "run.json").write_text(json.dumps(run))
    (place / "evaluations.jsonl").write_text("".join(json.dumps(line) + "\n" for line in evaluations))
    (place / "done.json").write_text(json.dumps(done))
    return place


def write_submission(folder: Path, agent: str = AGENT, **about: Any) -> Path:
    """A whole submission, all seeds on all tasks."""
    for task in TASKS:
        for seed in SEEDS:
            write_run(folder, run_json(task, seed, agent), lines(seed, task))
    (folder / "submission.toml").write_text(template({**ABOUT, "agent": agent, **about}))
    return folder
