"""What the contract of agents asks of learning: ends of episodes, and a game with a known optimum."""

from __future__ import annotations

from dataclasses import replace

import torch

from .contract import ContractError, Trial, act, difference, play, require
from .synthetic import SEEDS, STEPS, Ends, story, with_other_successors

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
        return "ends of episodes: skipped, it does not learn"
    if not successors_matter(trial, "time limit"):
        return "ends of episodes: skipped, what follows a step does not enter its updates"
    rule = "truncated must be bootstrapped through: what follows a truncated step does not enter the updates"
    require(successors_matter(trial, "all truncated"), f"{rule}, as if truncation were a true end")
    team = replace(trial.alike, horizon=1)
    ended, cut = (
        play(trial.agent(team), story(team, ends=ends)) for ends in ("all terminated", "all truncated")
    )
    rule = "terminated must be respected: true ends change no update against time limits"
    require(difference(ended, cut), f"{rule}, so the agent bootstraps through them")
    return "values stop at true ends and go on through time limits"


def check_learning(trial: Trial) -> str:
    """Each member finds its own best action in a one-step game."""
    if not learns(trial):
        return f"learning: skipped, it returned no metrics and did no update in {STEPS} steps"
    team = replace(trial.alike, horizon=1)
    agent = trial.agent(team, SEEDS[:2], _GAME)
    tale = story(team, SEEDS[:2], "all terminated", _GAME_ROUNDS, _GAME_COPIES)
    signs = torch.arange(team.n_agents * team.action_size).view(team.n_agents, -1) % 2
    best = 0.6 - 1.2 * signs
    greedy = agent.policy("greedy", seed=0)

    def regret() -> float:
        return float((act(agent, greedy, tale, -1, "greedy") - best).square().sum(-1).mean())

    policy, untrained = agent.policy("explore"), regret()
    for t in range(_GAME_ROUNDS):
        actions = act(agent, policy, tale, t, "explore")
        step = tale.transition(t, actions)
        agent.observe(step._replace(reward=-(actions - best).square().sum(-1)))
        agent.update()
        if t % 25 == 24 and (now := regret()) < untrained / 3:
            return (
                f"it learns a one-step game: regret {untrained:.2f} -> {now:.2f} in {agent.n_updates} updates"
            )
    rule = "it must learn a one-step game with reward -|a - best|^2 and every step terminated"
    raise ContractError(f"{rule}; regret {untrained:.2f} -> {regret():.2f} in {agent.n_updates} updates")


def learns(trial: Trial) -> bool:
    """Whether the agent returns metrics or counts an update within the steps of a story."""
    agent = trial.agent(trial.alike)
    return (
        any(name.startswith("metric") for name, _ in play(agent, story(trial.alike))) or agent.n_updates > 0
    )


def successors_matter(trial: Trial, ends: Ends) -> bool:
    """Whether what follows the steps of a story, whose episodes end like `ends`, enters the updates."""
    team = trial.alike if ends == "time limit" else replace(trial.alike, horizon=1)
    tale = story(team, ends=ends)
    return (
        difference(play(trial.agent(team), tale), play(trial.agent(team), with_other_successors(tale)))
        is not None
    )
