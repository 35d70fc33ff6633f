"""The sides of `learning_comparison`: our agents here, BenchMARL's in an interpreter of its own."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ... import agents, envs
from ...agents import Agent, Transition
from ...agents.actor_critics.off_policy_config import OffPolicyConfig
from ...envs import TeamEnv, copy_seeds
from ..startup import prepare_worker
from ..training.evaluate import flattened, stacked
from .learning_plan import Outcome, Plan, outcome

RIVALS = {"maddpg": "maddpg", "ma_sac": "masac"}
"""BenchMARL's name of each agent."""
VARIANTS = ("equal", "defaults")
PRESET = "small"
SCRIPT = Path(__file__).with_name("rival_learning.py")
REMEDY = f"give an interpreter with the packages that {SCRIPT.name} names"
RANDOM_SEED, EVALUATION_SEED = 1_000_000, 2_000_000
"""Start states, apart from those of training."""


def simple_spread(plan: Plan, num_envs: int, seed: int | None = None) -> TeamEnv:
    """mpe2's own environment, so many copies."""
    try:
        from mpe2 import simple_spread_v3
    except ImportError as error:
        raise ValueError("the comparison needs mpe2: pip install mpe2") from error

    def make() -> Any:
        return simple_spread_v3.parallel_env(**plan.task, continuous_actions=True)

    return envs.from_parallel(make, num_envs, seed, team_reward="individual")


def ours(name: str, plan: Plan) -> Outcome:
    """Train one of our agents, all seeds in this process."""
    prepare_worker()
    random_return = float(random_returns(plan).mean())
    began, began_processor = time.perf_counter(), time.process_time()
    seeds = tuple(range(plan.seeds))
    env = simple_spread(plan, plan.seeds * plan.copies)
    arena = simple_spread(plan, plan.seeds * plan.episodes, EVALUATION_SEED)
    agent = agents.make(name, env.team, seeds, preset=PRESET, settings=plan.settings(name))
    policy = agent.policy("explore")
    observation, info = env.reset(seed=[s for seed in seeds for s in copy_seeds(seed, plan.copies)])
    starting = np.ones(env.num_envs, bool)
    evaluations: list[tuple[int, np.ndarray]] = []

    def tensor(array: np.ndarray) -> Any:
        return stacked(array, plan.seeds, agent.device)

    for step in range(plan.copies, plan.steps + 1, plan.copies):
        now, state = tensor(observation), tensor(info["state"])
        actions = policy.act(now, None, tensor(starting))
        observation, _, terminated, truncated, info = env.step(flattened(actions))
        agent.observe(
            Transition(
                observation=now,
                action=actions,
                reward=tensor(info["agent_reward"]).float(),
                terminated=tensor(terminated),
                truncated=tensor(truncated),
                next_observation=tensor(observation),
                state=state,
                next_state=tensor(info["state"]),
            )
        )
        agent.update()
        starting = terminated | truncated
        if starting.any():
            observation, info = env.reset(options={"reset_mask": starting})
        if step % plan.every == 0:
            evaluations.append((step, greedy_returns(arena, agent)))
    seconds, processor = time.perf_counter() - began, time.process_time() - began_processor
    runs = [[(step, returns[row].tolist()) for step, returns in evaluations] for row in range(plan.seeds)]
    return outcome(f"our {name}", runs, random_return, (seconds, processor), agent.n_updates, plan)


def greedy_returns(arena: TeamEnv, agent: Agent) -> np.ndarray:
    """Returns (S, episodes) from starts that are new each time, as BenchMARL's are."""
    n_seeds, policy = len(agent.seeds), agent.policy("greedy", seed=0)
    starting = torch.ones(n_seeds, arena.num_envs // n_seeds, dtype=torch.bool)

    def act(observation: np.ndarray) -> np.ndarray:
        actions = policy.act(stacked(observation, n_seeds, agent.device), None, starting)
        starting[:] = False
        return flattened(actions)

    return team_returns(arena, act).reshape(n_seeds, -1)


def random_returns(plan: Plan) -> np.ndarray:
    """Returns (random_episodes,) of actions drawn uniformly from the action space."""
    rng = np.random.default_rng(RANDOM_SEED)
    env = simple_spread(plan, plan.random_episodes, RANDOM_SEED)
    size = env.team.action_size
    return team_returns(env, lambda o: rng.uniform(-1, 1, (*o.shape[:2], size)).astype(np.float32))


def team_returns(env: TeamEnv, act: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """Returns (B,) of an episode in every copy; all end at the horizon."""
    observation, _ = env.reset()
    total = np.zeros(env.num_envs)
    for _ in range(env.team.horizon):
        observation, reward, *_ = env.step(act(observation))
        total += reward
    return total


def rival_versions(python: str) -> dict[str, str]:
    """Versions of the packages of the rival's interpreter.

    Raises:
        ValueError: it cannot be run, or lacks a package.
    """
    found = answer([python, str(SCRIPT)])
    missing = sorted(name for name, version in found.items() if version is None)
    if missing:
        raise ValueError(f"{python} lacks {', '.join(missing)}: {REMEDY}")
    return found


def theirs(python: str, name: str, variant: str, plan: Plan) -> Outcome:
    """Train BenchMARL's form of one of our agents, a seed after the other."""
    runs = [
        answer([python, str(SCRIPT), json.dumps(request(name, variant, seed, plan))])
        for seed in range(plan.rival_seeds if variant == "equal" else plan.default_seeds)
    ]
    return rival_outcome(f"BenchMARL {RIVALS[name]} ({variant})", runs, plan)


def request(name: str, variant: str, seed: int, plan: Plan) -> dict[str, Any]:
    """What `rival_learning.py` is asked for one run."""
    config = agents.load(name).config_class.build(PRESET, {})
    assert isinstance(config, OffPolicyConfig)
    experiment = {
        "max_n_frames": plan.steps,
        "off_policy_collected_frames_per_batch": plan.rival_batch,
        "off_policy_n_envs_per_worker": plan.rival_copies,
        "off_policy_n_optimizer_steps": round(plan.rival_batch * config.updates_per_step),
        "off_policy_train_batch_size": config.batch_size,
        "evaluation_interval": plan.every,
        "evaluation_episodes": plan.episodes,
    }
    equal = {
        "lr": config.learning_rate,
        "gamma": config.discount,
        "polyak_tau": config.target_rate,
        "off_policy_memory_size": config.buffer_size,
        "off_policy_init_random_frames": config.warm_up,
        "share_policy_params": False,
    }
    is_equal = variant == "equal"
    return {
        "algorithm": RIVALS[name],
        "seed": seed,
        "task": plan.task,
        "hidden": config.hidden,
        "activation": "ReLU" if is_equal else None,
        "experiment": experiment | (equal if is_equal else {}),
        "algorithm_settings": {"share_param_critic": False} if is_equal else {},
        "random_episodes": plan.random_episodes // plan.rival_seeds,
    }


def answer(command: Sequence[str]) -> dict[str, Any]:
    """The object that a rival's command prints.

    Raises:
        ValueError: it cannot be run, fails, or prints something else; one line.
    """
    python = command[0]
    one_thread = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    try:
        run = subprocess.run(  # noqa: S603
            command, capture_output=True, text=True, check=False, env=os.environ | one_thread
        )
    except OSError as error:
        raise ValueError(
            f"cannot run {python!r} as a Python interpreter ({error.strerror}): {REMEDY}"
        ) from error
    if run.returncode:
        reason = (run.stderr.strip() or "no message").splitlines()[-1]
        raise ValueError(f"{SCRIPT.name} failed under {python!r}: {reason}")
    try:
        found = json.loads(run.stdout)
    except json.JSONDecodeError:
        found = None
    if not isinstance(found, dict):
        raise ValueError(f"{SCRIPT.name} under {python!r} printed no JSON object: {run.stdout[:80]!r}")
    return found


def rival_outcome(label: str, runs: Sequence[Mapping[str, Any]], plan: Plan) -> Outcome:
    """One outcome of the answers of a rival's runs.

    Raises:
        ValueError: a run that trained shorter or longer than the plan says.
    """
    for run in runs:
        if run["frames"] != plan.steps:
            raise ValueError(f"{label} trained {run['frames']} steps, not {plan.steps}")
    times = sum(run["seconds"] for run in runs), sum(run["processor_seconds"] for run in runs)
    random_return = float(np.mean([value for run in runs for value in run["random"]]))
    curves = [run["evaluations"] for run in runs]
    return outcome(label, curves, random_return, times, runs[0]["updates"], plan)
