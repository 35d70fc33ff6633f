"""Recurrent agents for discrete actions: updates and training of a stack beside plain single-seed loops."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

import click
import numpy as np
import torch
from torch import Tensor

from ... import agents, envs
from ...agents import Policy, Transition
from ...agents.memory.episodes import Sequences
from ...agents.recurrent.episode_agent import EpisodeReplayAgent
from ...envs import copy_seeds
from ..suites.suite_file import read_suite
from ..training.evaluate import flattened, mask_of, stacked
from .chunks import interleaved, shown
from .plain_fop import PlainVM3FOP
from .plain_recurrent import PlainActing, PlainQMIX, PlainRecurrent
from .plan import BATTLE, Plan

PLAIN: Mapping[str, Any] = {"qmix": PlainQMIX, "vm3_fop": PlainVM3FOP}
"""Agents that have a plain form."""
SUITE = "micromanagement"


def recurrent(plan: Plan) -> list[dict[str, Any]]:
    """Seed-updates and environment steps a second of stacks and of plain loops over the same seeds."""
    click.echo(
        f"\nRecurrent agents on {BATTLE}, {plan.seeds} seeds, settings of the quick budget; processor time, "
        f"medians of {plan.recurrent_chunks} rounds\n"
        "  plain: one seed after the other as PyMARL has it, torch's default matmul precision; same: ours\n"
        "  updates: seed-updates a second on the same episodes; training: environment steps a second of all\n"
        "  seeds, acting, memory and updates included"
    )
    rows = []
    for name in plan.recurrent_agents:
        pair = Pair(name, plan.seeds, plan.recurrent_rounds)
        row: dict[str, Any] = {"task": BATTLE, "agent": name}
        for what, chunks in (("updates", pair.updating()), ("training", pair.training(plan.recurrent_steps))):
            rate = interleaved(chunks, plan.recurrent_chunks)
            ratios = [rate["stacked"]["median"] / rate[k]["median"] for k in ("plain", "plain_same_settings")]
            row[what] = {
                "per_second": rate,
                "ratio_to_plain": ratios[0],
                "ratio_to_plain_same_settings": ratios[1],
                "ratio_to_faster_plain": min(ratios),
            }
            digits = 1 if what == "updates" else 0
            click.echo(
                f"  {name:8}{what:9}{shown(rate['stacked'], digits)}   plain {shown(rate['plain'], digits)} "
                f"{ratios[0]:5.2f} x   same {rate['plain_same_settings']['median']:7.1f} {ratios[1]:5.2f} x"
            )
        rows.append(row | {"batch_filled": pair.filled})
    return rows


class Pair:
    """A stack, and plain learners of its seeds with its weights.

    Args:
        name: one of `PLAIN`.
        seeds: in the stack.
        rounds: steps of all copies before anything is measured; their episodes are what is learned from.
    """

    def __init__(self, name: str, seeds: int, rounds: int) -> None:
        cell = read_suite(SUITE).cells("quick", [BATTLE], [name])[0]
        self.life = Life(name, cell.agent_settings, tuple(range(seeds)), cell.num_envs)
        agent = self.life.agent
        for _ in range(rounds):
            self.life.step(learns=False)
        drawn = agent.streams.state_dict()
        self.batch = agent.replay.sample(agent.config.batch_size, agent.streams, agent.least_lanes)
        agent.streams.load_state_dict(drawn)
        self.side_by_side = side_by_side(agent)
        self.filled = float(self.batch.filled.mean())
        self.plain = [Life(name, cell.agent_settings, (seed,), cell.num_envs) for seed in range(seeds)]
        for row, life in enumerate(self.plain):
            learner: PlainRecurrent = PLAIN[name](agent.team, agent.config)
            learner.take_weights(agent.networks(), row)
            life.become(learner)
            for _ in range(rounds):
                life.step(learns=False)

    def updating(self) -> dict[str, Callable[[], float]]:
        """Chunks of one update of all seeds; drawing batches is not counted."""
        agent, seeds = self.life.agent, len(self.plain)
        single = [alone(self.side_by_side, row) for row in range(seeds)]

        def ours() -> None:
            agent.learn(self.batch)

        def plain() -> None:
            for life, batch in zip(self.plain, single, strict=True):
                assert life.learner is not None
                life.learner.learn(batch)

        return _beside(ours, plain, seeds)

    def training(self, steps: int) -> dict[str, Callable[[], float]]:
        """Chunks of so many steps of all copies of all seeds, with the updates that are due."""

        def ours() -> None:
            for _ in range(steps):
                self.life.step()

        def plain() -> None:
            for life in self.plain:
                for _ in range(steps):
                    life.step()

        return _beside(ours, plain, steps * self.life.env.num_envs)


def _beside(
    ours: Callable[[], None], plain: Callable[[], None], amount: int
) -> dict[str, Callable[[], float]]:
    def rate(work: Callable[[], None], precision: str | None = None) -> float:
        before = torch.get_float32_matmul_precision()
        torch.set_float32_matmul_precision(precision or before)
        try:
            began = time.process_time()
            work()
            return amount / (time.process_time() - began)
        finally:
            torch.set_float32_matmul_precision(before)

    return {
        "stacked": lambda: rate(ours),
        "plain": lambda: rate(plain, "highest"),
        "plain_same_settings": lambda: rate(plain),
    }


class Life:
    """Seeds that act, observe and learn; with a plain learner the memory is still the agent's, of one seed.

    Args:
        name: of the agent.
        settings: its settings.
        seeds: one run each.
        copies: of the environment a seed.
    """

    def __init__(self, name: str, settings: Mapping[str, Any], seeds: tuple[int, ...], copies: int) -> None:
        self.env = envs.make(BATTLE, num_envs=len(seeds) * copies)
        agent = agents.make(name, self.env.team, seeds, settings={**settings, "warm_up": 0})
        assert isinstance(agent, EpisodeReplayAgent)
        self.agent, self.seeds = agent, len(seeds)
        self.policy: Policy = agent.policy("explore")
        self.learner: PlainRecurrent | None = None
        self.observation, self.info = self.env.reset(seed=[x for s in seeds for x in copy_seeds(s, copies)])
        self.starting = np.ones(self.env.num_envs, bool)
        self.due = 0.0

    def become(self, learner: PlainRecurrent) -> None:
        """Let a plain learner act and learn."""
        self.learner, self.policy = learner, PlainActing(learner, self.agent)

    def step(self, learns: bool = True) -> None:
        """One step of all copies, and the updates due."""
        now, state, mask = self._seen()
        action = self.policy.act(now, mask, self._stacked(self.starting))
        self.observation, _, terminated, truncated, self.info = self.env.step(flattened(action))
        after, next_state, next_mask = self._seen()
        reward = self._stacked(self.info["agent_reward"]).float()
        ends = self._stacked(terminated), self._stacked(truncated)
        self.agent.observe(Transition(now, action, reward, *ends, after, state, next_state, mask, next_mask))
        self.starting = terminated | truncated
        if self.starting.any():
            self.observation, self.info = self.env.reset(options={"reset_mask": self.starting})
        if learns:
            self.due += self.agent.config.updates_per_step * self.env.num_envs / self.seeds
            while self.due >= 1:
                self.due -= 1
                self._update()

    def _update(self) -> None:
        agent = self.agent
        if self.learner is None:
            agent.learn(agent.replay.sample(agent.config.batch_size, agent.streams, agent.least_lanes))
        else:
            self.learner.learn(alone(side_by_side(agent), 0))

    def _seen(self) -> tuple[Tensor, Tensor, Tensor | None]:
        state = self._stacked(self.info["state"])
        return self._stacked(self.observation), state, mask_of(self.info, self.seeds, self.agent.device)

    def _stacked(self, array: np.ndarray) -> Tensor:
        return stacked(array, self.seeds, self.agent.device)


def side_by_side(agent: EpisodeReplayAgent) -> Sequences:
    """A batch with a sequence for each episode, as PyMARL's."""
    size = agent.config.batch_size
    return agent.replay.sample(size, agent.streams, least_lanes=size)


def alone(batch: Sequences, row: int) -> Sequences:
    """The part of one seed, (K, B, ...), cut behind its longest episode."""
    steps = int(batch.filled[row].sum(0).max()) + 1
    parts = batch._asdict().items()
    own = {name: part[row, :steps] for name, part in parts if isinstance(part, Tensor)}
    return batch._replace(**own, extra={})
