"""What the contract of agents asks bit for bit: repetition, stacking, saving, padding, generators."""

from __future__ import annotations

from io import BytesIO

import torch

from .contract import Skip, Trial, difference, global_generators, other_generators, play, require
from .synthetic import SEEDS, STEPS, with_filled_padding


def check_global_generators(trial: Trial) -> str:
    """Building, acting and updating leave the generators of torch, NumPy and Python alone."""
    tale = trial.story(trial.alike)

    def require_untouched(doing: str) -> None:
        touched = [name for name, state in global_generators().items() if state != before[name]]
        require(not touched, f"{doing} uses or seeds {' and '.join(touched)} global random generator")

    with other_generators():
        before = global_generators()
        agent = trial.agent(trial.alike)
        require_untouched("building the agent")
        play(agent, tale)
        require_untouched("acting or updating")
    return "global random generators are not used"


def check_determinism(trial: Trial) -> str:
    """Same seeds and inputs, same bits."""
    for team in (trial.alike, trial.mixed):
        first, second = (play(trial.agent(team), trial.story(team)) for _ in range(2))
        odd = difference(first, second)
        require(
            odd is None, f"two agents with the same seeds and inputs must agree bit for bit; {odd} differ"
        )
    return "same seeds and inputs give the same bits"


def check_stacking(trial: Trial) -> str:
    """A seed in a stack does what it does alone."""
    for team in (trial.alike, trial.mixed):
        together = play(trial.agent(team), trial.story(team))
        for row, seed in enumerate(SEEDS):
            odd = difference(together, play(trial.agent(team, (seed,)), trial.story(team, (seed,))), row)
            rule = f"seed {seed} in a stack of {len(SEEDS)} must equal seed {seed} alone bit for bit"
            require(odd is None, f"{rule}; {odd} differ: seeds leak into each other")
    return f"each seed in a stack of {len(SEEDS)} equals that seed alone"


def check_saving(trial: Trial) -> str:
    """An agent that loads a saved state goes on as the saved one does."""
    team = trial.mixed
    tale = trial.story(team)
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
        require(
            odd is None,
            f"saving after step {at} must not disturb the agent; {odd} differ",
            "state_dict() only reads, and what it returns are copies",
        )
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
        raise Skip("all members of its task observe equally much")
    tale = trial.story(team)
    padded = play(trial.agent(team), with_filled_padding(tale, team))
    odd = difference(play(trial.agent(team), tale), padded)
    require(
        odd is None, f"padding of shorter observations must be ignored; with other numbers in it {odd} differ"
    )
    return "padding of shorter observations is ignored"
