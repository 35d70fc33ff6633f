"""A board as large as one is expected to be, filled with noise: only the page of it is looked at."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from coordbench.analysis import ReferenceScores
from coordbench.analysis.reading import Evaluation, Run
from coordbench.leaderboard import Bootstrap, Leaderboard
from coordbench.leaderboard.standing import Standing
from record_factory import run_content

POINTS = 101


def large_board(n_agents: int, n_tasks: int, n_seeds: int) -> Leaderboard:
    """Every number is drawn at random, so that nothing compresses better than real numbers would."""
    rng = np.random.default_rng(0)
    agents = [f"agent_{number:02d}" for number in range(n_agents)]
    tasks = [f"task_{number:02d}-v1" for number in range(n_tasks)]
    outcomes = {f"runs_{name}": 0 for name in ("short", "failed", "missing", "apart")}

    def three(name: str) -> dict[str, float]:
        low, middle, high = np.sort(rng.normal(0, 1, 3))
        return {name: middle, f"{name}_low": low, f"{name}_high": high}

    def row(agent: str, task: str) -> dict[str, Any]:
        found: dict[str, Any] = {"agent": agent, "agent_id": agent, "runs_done": n_seeds, **outcomes}
        for name in ("iqm", "median", "mean", "optimality_gap", "area", "score", "return"):
            found |= three(name)
        found |= {"low": found["return_low"], "high": found["return_high"], "return_unit": "team"}
        found |= {"task": task, "tasks": n_tasks, "seeds": n_seeds, "steps": 10_000, "settings_hash": "0"}
        found |= {"rank": 1.0, "rank_low": 1.0, "rank_high": 9.0, "first": rng.random(), "status": "complete"}
        found |= {"short_return": np.nan, "apart_return": np.nan, "random": 0.0, "reference": 1.0}
        return found | {"updates": 1e4, "seconds": 1e3}

    def pair(task: str, a: str, b: str) -> dict[str, Any]:
        low, middle, high = np.sort(rng.random(3))
        return {
            **{"task": task, "agent_a": a, "agent_b": b, "tasks": n_tasks, "seeds_a": 7, "seeds_b": 7},
            **{"probability": middle, "probability_low": low, "probability_high": high},
            **{"shift": low, "shift_low": -high, "shift_high": high, "p": low, "p_holm": high},
            **{"verdict": rng.choice(["better", "worse", "undecided"]), "seeds_needed": 30.0},
            **{"better_on": 3, "worse_on": 2},
        }

    size = n_agents * n_tasks * POINTS
    middle, spread = rng.normal(0, 1, size), rng.random(size)
    steps = np.tile(np.arange(POINTS) * 100, n_agents * n_tasks)
    curves = pd.DataFrame(
        {
            "task": np.repeat(tasks, n_agents * POINTS),
            "agent": np.tile(np.repeat(agents, POINTS), n_tasks),
            **{"step": steps, "updates": steps / 4, "seconds": steps / 10 + spread, "seeds": n_seeds},
            **{"mean": middle, "low": middle - spread, "high": middle + spread},
        }
    )
    taus = np.linspace(-0.5, 1.5, 101)
    share = {name: rng.random(101 * n_agents) for name in ("share", "share_low", "share_high")}
    iqm = {name: rng.normal(0, 1, 60 * n_agents) for name in ("iqm", "iqm_low", "iqm_high")}
    return Leaderboard(
        suite="toy",
        suite_version="1",
        budget="quick",
        runs=tuple(
            _run(rng, agent, task, seed) for agent in agents for task in tasks for seed in range(n_seeds)
        ),
        agents=pd.DataFrame([row(agent, "") for agent in agents]),
        tasks=pd.DataFrame([row(agent, task) for task in tasks for agent in agents]),
        pairs=pd.DataFrame(
            [pair(task, a, b) for task in ("(all)", *tasks) for a, b in combinations(agents, 2)]
        ),
        curves=curves,
        profiles=pd.DataFrame({"agent": np.repeat(agents, 101), "tau": np.tile(taus, n_agents), **share}),
        efficiency=pd.DataFrame(
            {
                "agent": np.repeat(agents, 60),
                "axis": np.tile(np.repeat(["steps", "updates", "seconds"], 20), n_agents),
                "x": np.tile(np.arange(20) / 20, 3 * n_agents),
                **iqm,
            }
        ),
        holes=(),
        standing=Standing(tuple(tasks), {}, {}, {}),
        references=ReferenceScores(1, {}),
        bootstrap=Bootstrap(0, 10),
    )


def _run(rng: np.random.Generator, agent: str, task: str, seed: int) -> Run:
    content = run_content(agent, task, seed, steps=10_000)
    evaluations = tuple(
        Evaluation(400 * place, 100 * place, 40.0 * place, (float(value),), (25.0,), {}, {})
        for place, value in enumerate(rng.normal(0, 1, 26))
    )
    return Run(Path("nowhere"), content, evaluations, "done", False, 10_000, None)
