"""What `bench speed` compares, in short chunks that return a rate and can be run in turns.

Seconds are seconds of this process's processor time, all threads together: on an idle core the same as
seconds on the clock, on a shared one what the code itself took.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any

import click
import numpy as np
import torch

from ... import agents
from ...agents.actor_critics.ma_sac import MASACConfig
from ...agents.actor_critics.maddpg import MADDPGConfig
from ...agents.actor_critics.off_policy import OffPolicyAgent
from ...agents.actor_critics.vm3ac import VM3ACConfig
from ...agents.memory.replay import Batch
from ...envs import TeamSpec
from .plain_loop import PlainLearner, PlainMADDPG, PlainVM3AC


def interleaved(chunks: Mapping[Any, Callable[[], float]], rounds: int) -> dict[Any, dict[str, float]]:
    """Call all chunks in turn, so many rounds after one to warm up; median and quartiles of each."""
    found: dict[Any, list[float]] = {name: [] for name in chunks}
    terminal = sys.stderr.isatty()
    for number in range(rounds + 1):
        for name, chunk in chunks.items():
            if terminal:
                click.echo(f"\r\x1b[K  round {number} of {rounds}: {name}", nl=False, err=True)
            value = chunk()
            if number > 0:
                found[name].append(value)
    if terminal:
        click.echo("\r\x1b[K", nl=False, err=True)
    rates = {}
    for name, values in found.items():
        low, median, high = (float(q) for q in np.quantile(values, (0.25, 0.5, 0.75)))
        rates[name] = {"median": median, "low": low, "high": high}
    return rates


def shown(rate: Mapping[str, float], digits: int) -> str:
    """A median with its quartiles, for tables."""
    quartiles = f"[{rate['low']:,.{digits}f}-{rate['high']:,.{digits}f}]"
    return f"{rate['median']:{11 - 4 * (digits > 0)},.{digits}f} {quartiles:{23 - 8 * (digits > 0)}}"


def updating(
    name: str, team: TeamSpec, hidden: tuple[int, ...], seeds: int, batch_size: int, repeats: int
) -> dict[str, Callable[[], float]]:
    """Chunks of updates: `stacked`, `plain` under torch's default matmul precision, `plain_same_settings`.

    The precision that makes large products fast may make small ones slower, so the plain loop gets both.

    All return seed-updates a second. The batches are the same throughout and drawing them is not counted.

    Args:
        name: vm3ac, ma_sac or maddpg.
        team: the task.
        hidden: hidden layers of all networks.
        seeds: in the stack, and updated in turn by the plain loop.
        batch_size: transitions a seed.
        repeats: stacked updates a chunk; the plain loop does one of every seed.
    """
    settings = {"hidden": hidden, "batch_size": batch_size, "buffer_size": batch_size}
    agent = agents.make(name, team, tuple(range(seeds)), settings=settings)
    assert isinstance(agent, OffPolicyAgent)
    batch = random_batch(team, seeds, batch_size)
    learners = [plain_learner(agent, row) for row in range(seeds)]
    single = [alone(batch, row) for row in range(seeds)]

    def stacked() -> float:
        began = time.process_time()
        for _ in range(repeats):
            agent.learn(batch)
        return repeats * seeds / (time.process_time() - began)

    def plain_same_settings() -> float:
        began = time.process_time()
        for learner, own in zip(learners, single, strict=True):
            learner.learn(own)
        return seeds / (time.process_time() - began)

    def plain() -> float:
        before = torch.get_float32_matmul_precision()
        torch.set_float32_matmul_precision("highest")
        try:
            return plain_same_settings()
        finally:
            torch.set_float32_matmul_precision(before)

    return {"stacked": stacked, "plain": plain, "plain_same_settings": plain_same_settings}


def random_batch(team: TeamSpec, seeds: int, size: int) -> Batch:
    """A batch of random numbers as the replay memory would give it; one transition in eight is a true end."""
    generator = torch.Generator().manual_seed(0)
    n, obs, act = team.n_agents, team.observation_size, team.action_size

    def normal(*shape: int) -> torch.Tensor:
        return torch.randn(seeds, *shape, generator=generator)

    observation, after = normal(n, size, obs), normal(n, size, obs)
    return Batch(
        observation=observation,
        joint_action=normal(size, n * act).tanh(),
        reward=normal(n, size),
        bootstrap=(torch.arange(size) % 8 > 0).float().expand(seeds, 1, size),
        next_observation=after,
        x=observation.transpose(1, 2).flatten(-2),
        next_x=after.transpose(1, 2).flatten(-2),
    )


def alone(batch: Batch, row: int) -> Batch:
    """The part of one seed."""
    parts = batch._asdict().items()
    return batch._replace(**{name: part[row] for name, part in parts if isinstance(part, torch.Tensor)})


def plain_learner(agent: OffPolicyAgent, row: int) -> PlainLearner:
    """The plain form of one seed of `agent`, weights included.

    Raises:
        ValueError: there is no plain form of this agent.
    """
    config = agent.config
    if isinstance(config, VM3ACConfig):
        learner: PlainLearner = PlainVM3AC(agent.team, config)
    elif isinstance(config, MADDPGConfig):
        learner = PlainMADDPG(agent.team, config)
    elif isinstance(config, MASACConfig):
        learner = PlainVM3AC(agent.team, VM3ACConfig(**asdict(config), latent_size=0, q_coef=0.0))
    else:
        raise ValueError(f"there is no plain loop of {type(agent).__name__}; only of vm3ac, ma_sac, maddpg")
    learner.take_weights(agent, row)
    return learner
