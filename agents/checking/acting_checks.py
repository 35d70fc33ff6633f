"""What the contract of agents asks of acting: well-formed and allowed actions, each member by itself."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from ..base import Agent
from ..scripted import Reference
from .contract import ContractError, Skip, Trial, act, difference, numbers, play, require
from .synthetic import STEPS, Story


def check_outputs(trial: Trial) -> str:
    """Shapes, range and finiteness of actions in every mode and of metrics; unknown modes are refused."""
    modes = trial.cls.modes
    require(
        {"explore", "greedy"} <= set(modes),
        f"modes must hold 'explore' and 'greedy', are {modes}",
        "explore gathers data, greedy is evaluated; they may be the same policy",
    )
    for team in (trial.alike, trial.mixed):
        agent, tale = trial.agent(team), trial.story(team)
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
    raise ContractError(
        "policy() must raise ValueError for an unknown mode", "begin it with _check_mode(mode)"
    )


def check_masks(trial: Trial) -> str:
    """No action outside its mask: in any mode, before any update (warm-up) and after."""
    if issubclass(trial.cls, Reference):
        raise Skip("scripts know what their own task allows")
    for team in (trial.alike, trial.mixed):
        agent, tale = trial.agent(team), trial.story(team)
        assert tale.mask is not None
        explore = agent.policy("explore")
        for t in range(STEPS):
            for mode in agent.modes:
                played = agent.policy(mode, seed=t)
                _require_allowed(act(agent, played, tale, t, mode), tale.mask[t], mode, t)
            actions = act(agent, explore, tale, t, "explore")
            _require_allowed(actions, tale.mask[t], "explore", t)
            agent.observe(tale.transition(t, actions))
            agent.update()
    return f"every action is an allowed one, in modes {', '.join(trial.cls.modes)} and before any update"


def _require_allowed(actions: Tensor, mask: Tensor, mode: str, step: int) -> None:
    forbidden = ~mask.gather(-1, actions[..., None])[..., 0]
    if forbidden.any():
        s, e, member = (int(k) for k in forbidden.nonzero()[0])
        action, allowed = int(actions[s, e, member]), mask[s, e, member].nonzero().flatten().tolist()
        raise ContractError(
            f"actions must be allowed by the mask: in mode {mode!r} member {member} plays {action} at step "
            f"{step}, where its mask allows {allowed}"
        )


def check_decentralised(trial: Trial) -> str:
    """In greedy mode a member acts on its own observation and mask only, untrained and trained."""
    if issubclass(trial.cls, Reference):
        raise Skip("scripts may read the whole team's observations")
    team = trial.alike
    agent, tale = trial.agent(team), trial.story(team)
    _require_decentralised(agent, tale)
    play(agent, tale)
    _require_decentralised(agent, tale)
    what = "observation and mask" if trial.is_discrete else "observation"
    return f"greedy members act on their own {what} only"


def _require_decentralised(agent: Agent, tale: Story) -> None:
    def actions(tale_of: Story) -> Tensor:
        policy = agent.policy("greedy", seed=0)
        played = torch.stack([act(agent, policy, tale_of, t, "greedy") for t in range(12)])
        return played if tale.mask is None else played[..., None]

    before = actions(tale)
    for j in range(agent.team.n_agents):
        observation = tale.observation.clone()
        observation[..., j, :] = 1 - 2 * observation[..., j, :]
        changes = {"observation": replace(tale, observation=observation)}
        if tale.mask is not None:
            mask = tale.mask.clone()
            mask[..., j, :] = mask[..., j, :].roll(1, -1)
            changes["mask"] = replace(tale, mask=mask)
        for name, changed in changes.items():
            moved = (actions(changed) != before).any(-1).flatten(0, -2).any(0)
            others = [i for i in range(agent.team.n_agents) if i != j and moved[i]]
            require(
                not others,
                "greedy acting must be decentralised, each member on its own observation; member "
                f"{j}'s {name} moves the action of member {others and others[0]}",
            )


def check_policies(trial: Trial) -> str:
    """Policies with a seed of their own repeat themselves and do not disturb training."""
    team = trial.alike
    tale = trial.story(team)
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
