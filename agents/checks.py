"""The contract of agents as a checklist: `check_agent`.

Works on any `Agent` for continuous tasks, with small teams and synthetic experience of its own; it steps no
environment. All comparisons are bit for bit, with one thread and the matrix products of training.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from io import BytesIO
from typing import Any

import torch
from torch import Tensor

from .base import Agent
from .contract import (
    ContractError,
    Trial,
    act,
    as_in_training,
    difference,
    global_generators,
    numbers,
    play,
    require,
)
from .learning_checks import check_ends, check_learning
from .registry import load
from .scripted import Reference
from .synthetic import SEEDS, STEPS, Story, story, with_filled_padding

__all__ = ["CHECKS", "ContractError", "check_agent"]


def check_agent(agent: str | type[Agent], settings: Mapping[str, Any] | None = None) -> list[str]:
    """Test an agent against its contract.

    Args:
        agent: a name from `names()`, `module:Class`, or the class itself.
        settings: replace the small ones used here, e.g. to reach a branch of the algorithm.

    Returns:
        One line a check.

    Raises:
        ContractError: the first rule that is broken, in one line.
        ValueError: an unknown agent or setting, or an agent that cannot play continuous tasks.
    """
    cls = load(agent) if isinstance(agent, str) else agent
    with as_in_training():
        trial = Trial.of(cls, settings or {})
        return [check(trial) for check in CHECKS]


def check_global_generators(trial: Trial) -> str:
    """Building, acting and updating leave the generators of torch, NumPy and Python alone."""
    tale = story(trial.alike)
    before = global_generators()
    agent = trial.agent(trial.alike)
    require(global_generators() == before, "building the agent uses or seeds a global random generator")
    play(agent, tale)
    rule = "acting or updating uses a global random generator; draw from one generator a seed"
    require(global_generators() == before, rule)
    return "global random generators are not used"


def check_outputs(trial: Trial) -> str:
    """Shapes, range and finiteness of actions in every mode and of metrics; unknown modes are refused."""
    modes = trial.cls.modes
    require({"explore", "greedy"} <= set(modes), f"modes must hold 'explore' and 'greedy', are {modes}")
    for team in (trial.alike, trial.mixed):
        agent, tale = trial.agent(team), story(team)
        for mode in modes:
            policy = agent.policy(mode, seed=0)
            for t in range(5):
                act(agent, policy, tale, t, mode)
        play(agent, tale)
        for name, values in agent.diagnose(tale.observation[-1]).items():
            numbers(agent, name, values)
        require(isinstance(agent.n_updates, int) and agent.n_updates >= 0, "n_updates must be a count")
    try:
        agent.policy("no such mode")
    except ValueError:
        return f"actions and metrics are well-formed in modes {', '.join(modes)}"
    raise ContractError("policy() must raise ValueError for an unknown mode")


def check_determinism(trial: Trial) -> str:
    """Same seeds and inputs, same bits."""
    for team in (trial.alike, trial.mixed):
        first, second = (play(trial.agent(team), story(team)) for _ in range(2))
        odd = difference(first, second)
        require(
            odd is None, f"two agents with the same seeds and inputs must agree bit for bit; {odd} differ"
        )
    return "same seeds and inputs give the same bits"


def check_stacking(trial: Trial) -> str:
    """A seed in a stack does what it does alone."""
    for team in (trial.alike, trial.mixed):
        together = play(trial.agent(team), story(team))
        for row, seed in enumerate(SEEDS):
            odd = difference(together, play(trial.agent(team, (seed,)), story(team, (seed,))), row)
            rule = f"seed {seed} in a stack of {len(SEEDS)} must equal seed {seed} alone bit for bit"
            require(odd is None, f"{rule}; {odd} differ: seeds leak into each other")
    return f"each seed in a stack of {len(SEEDS)} equals that seed alone"


def check_saving(trial: Trial) -> str:
    """An agent that loads a saved state goes on as the saved one does."""
    team = trial.mixed
    tale = story(team)
    whole = play(trial.agent(team), tale)
    for at in (3, STEPS // 2 + 1):
        agent = trial.agent(team)
        policy = agent.policy("explore")
        play(agent, tale, policy, stop=at)
        file = BytesIO()
        torch.save({"agent": agent.state_dict(), "policy": policy.state_dict()}, file)
        file.seek(0)
        saved = torch.load(file, weights_only=False)
        original = play(agent, tale, policy, start=at)
        odd = difference(original, whole[-len(original) :])
        require(odd is None, f"saving after step {at} must not disturb the agent; {odd} differ")
        other = trial.agent(team)
        resumed = other.policy("explore")
        other.load_state_dict(saved["agent"])
        resumed.load_state_dict(saved["policy"])
        odd = difference(original, play(other, tale, resumed, start=at))
        rule = f"an agent that loads the state_dict of step {at} must go on bit for bit"
        require(
            odd is None, f"{rule}; {odd} differ: something is missing from state_dict() of agent or policy"
        )
        require(other.n_updates == agent.n_updates, f"{rule}; n_updates differs")
    return "a saved and loaded agent goes on bit for bit"


def check_padding(trial: Trial) -> str:
    """What stands in the padding of shorter observations moves nothing."""
    team = trial.mixed
    if len(set(team.observation_sizes)) == 1:
        return "padding: skipped, all members of its task observe equally much"
    tale = story(team)
    padded = play(trial.agent(team), with_filled_padding(tale, team))
    odd = difference(play(trial.agent(team), tale), padded)
    require(
        odd is None, f"padding of shorter observations must be ignored; with other numbers in it {odd} differ"
    )
    return "padding of shorter observations is ignored"


def check_decentralised(trial: Trial) -> str:
    """In greedy mode a member acts on its own observation only."""
    if issubclass(trial.cls, Reference):
        return "decentralised acting: skipped, scripts may read the whole team's observations"
    team = trial.alike
    agent, tale = trial.agent(team), story(team)
    play(agent, tale)

    def actions(tale_of: Story) -> Tensor:
        policy = agent.policy("greedy", seed=0)
        return torch.stack([act(agent, policy, tale_of, t, "greedy") for t in range(6)])

    before = actions(tale)
    for j in range(team.n_agents):
        observation = tale.observation.clone()
        observation[..., j, :] = 1 - 2 * observation[..., j, :]
        moved = (actions(replace(tale, observation=observation)) != before).any(-1).flatten(0, -2).any(0)
        others = [i for i in range(team.n_agents) if i != j and moved[i]]
        rule = "greedy acting must be decentralised, each member on its own observation"
        require(
            not others, f"{rule}; member {j}'s observation moves the action of member {others and others[0]}"
        )
    return "greedy members act on their own observations only"


def check_policies(trial: Trial) -> str:
    """Policies with a seed of their own repeat themselves and do not disturb training."""
    team = trial.alike
    tale = story(team)
    undisturbed = play(trial.agent(team), tale)
    agent = trial.agent(team)
    policy = agent.policy("explore")
    watched = []
    for t in range(STEPS):
        for mode in agent.modes:
            first, second = (act(agent, agent.policy(mode, seed=3), tale, t, mode) for _ in range(2))
            require(torch.equal(first, second), f"two policies in mode {mode!r} with one seed must act alike")
        agent.diagnose(tale.observation[t])
        watched += play(agent, tale, policy, t, t + 1)[: -(len(agent.modes) - 1) or None]
    odd = difference(undisturbed[: len(watched)], watched)
    require(
        odd is None, f"policies made with a seed, and diagnose(), must not disturb training; {odd} differ"
    )
    return "seeded policies repeat themselves and do not disturb training"


CHECKS: tuple[Callable[[Trial], str], ...] = (
    check_global_generators,
    check_outputs,
    check_determinism,
    check_stacking,
    check_saving,
    check_decentralised,
    check_padding,
    check_policies,
    check_ends,
    check_learning,
)
