"""What the contract of agents asks of learning: ends of episodes, and a game with a known optimum."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from ..base import Agent
from .contract import ContractError, Skip, Trial, act, difference, play, require
from .synthetic import SEEDS, STEPS, Ends, Story, with_all_allowed, with_other_successors

_GAME = {
    "hidden": 32,
    "batch_size": 32,
    "buffer_size": 4_000,
    "warm_up": 100,
    "updates_per_step": 0.25,
    "learning_rate": 3e-3,
}
"""Settings of the learning game: the tiny ones of the other checks would learn little."""
_GAME_COPIES = 8
_GAME_ROUNDS = 300


def check_ends(trial: Trial) -> str:
    """True ends cut the value of what follows, time limits do not."""
    if not learns(trial):
        raise Skip("it does not learn")
    if not successors_matter(trial, "time limit"):
        raise Skip("what follows a step does not enter its updates")
    require(
        successors_matter(trial, "all truncated"),
        "truncated must be bootstrapped through: what follows a truncated step does not enter the updates, "
        "as if truncation were a true end",
        "multiply the value of next_observation by (1 - terminated) alone; truncated is no end",
    )
    team = replace(trial.alike, horizon=1)
    ended, cut = (
        play(trial.agent(team), trial.story(team, ends=ends)) for ends in ("all terminated", "all truncated")
    )
    require(
        difference(ended, cut),
        "terminated must be respected: true ends change no update against time limits, so the agent "
        "bootstraps through them",
        "multiply the value of next_observation by (1 - terminated)",
    )
    return "values stop at true ends and go on through time limits"


def check_learning(trial: Trial) -> str:
    """Each member finds its own best action in a one-step game."""
    if not learns(trial):
        raise Skip(f"it returned no metrics and did no update in {STEPS} steps")
    game = _DiscreteGame(trial) if trial.is_discrete else _ContinuousGame(trial)
    policy, untrained = game.agent.policy("explore"), game.regret()
    for t in range(_GAME_ROUNDS):
        actions = act(game.agent, policy, game.tale, t, "explore")
        step = game.tale.transition(t, actions)
        game.agent.observe(step._replace(reward=game.reward(actions)))
        game.agent.update()
        if t % 25 == 24 and (now := game.regret()) < untrained / 3:
            did = f"regret {untrained:.2f} -> {now:.2f} in {game.agent.n_updates} updates"
            return f"it learns a one-step game: {did}"
    raise ContractError(
        f"it must learn a one-step game with reward {game.rule} and every step terminated; regret "
        f"{untrained:.2f} -> {game.regret():.2f} in {_GAME_ROUNDS * _GAME_COPIES} steps a seed and "
        f"{game.agent.n_updates} updates"
    )


class _ContinuousGame:
    """Reward -|a - b|^2, where b is each member's own best action."""

    rule = "-|a - best|^2"

    def __init__(self, trial: Trial) -> None:
        self.agent, self.tale = _players(trial)
        team = trial.alike
        signs = torch.arange(team.n_agents * team.action_size).view(team.n_agents, -1) % 2
        self.best = 0.6 - 1.2 * signs
        self.greedy = self.agent.policy("greedy", seed=0)

    def reward(self, actions: Tensor) -> Tensor:
        """Of members (S, E, N)."""
        return -(actions - self.best).square().sum(-1)

    def regret(self) -> float:
        """What greedy actions miss on average."""
        return -float(self.reward(act(self.agent, self.greedy, self.tale, -1, "greedy")).mean())


class _DiscreteGame:
    """Reward 1 for each member's own best action, the one that it plays least before it has learned."""

    rule = "1 for each member's best action, else 0,"

    def __init__(self, trial: Trial) -> None:
        self.agent, tale = _players(trial)
        free = with_all_allowed(tale)
        self.greedy = self.agent.policy("greedy", seed=0)
        first = torch.stack([act(self.agent, self.greedy, free, t, "greedy") for t in range(10)])
        counts = torch.nn.functional.one_hot(first, trial.alike.action_size).sum((0, 1, 2))
        self.best = counts.argmin(-1)
        assert tale.mask is not None
        possible = torch.nn.functional.one_hot(self.best, trial.alike.action_size).bool()
        self.tale = replace(tale, mask=tale.mask | possible)

    def reward(self, actions: Tensor) -> Tensor:
        """Of members (S, E, N)."""
        return (actions == self.best).float()

    def regret(self) -> float:
        """The share of greedy actions, in the last steps' observations, that are not best."""
        played = torch.stack([act(self.agent, self.greedy, self.tale, t, "greedy") for t in range(-5, 0)])
        return 1 - float(self.reward(played).mean())


def _players(trial: Trial) -> tuple[Agent, Story]:
    team = replace(trial.alike, horizon=1)
    agent = trial.agent(team, SEEDS[:2], _GAME)
    return agent, trial.story(team, SEEDS[:2], "all terminated", _GAME_ROUNDS, _GAME_COPIES)


def learns(trial: Trial) -> bool:
    """Whether the agent returns metrics or counts an update within the steps of a story."""
    agent = trial.agent(trial.alike)
    done = play(agent, trial.story(trial.alike))
    return any(name.startswith("metric") for name, _ in done) or agent.n_updates > 0


def successors_matter(trial: Trial, ends: Ends) -> bool:
    """Whether what follows the steps of a story, whose episodes end like `ends`, enters the updates."""
    team = trial.alike if ends == "time limit" else replace(trial.alike, horizon=1)
    tale = trial.story(team, ends=ends)
    return (
        difference(play(trial.agent(team), tale), play(trial.agent(team), with_other_successors(tale)))
        is not None
    )
