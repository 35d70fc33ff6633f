"""Level-based foraging as a task of coordbench: members collect food that may need several of them.

Source: Christianos, Schäfer, Albrecht, "Shared Experience Actor-Critic for Multi-Agent Reinforcement
Learning", NeurIPS 2020; code github.com/semitable/lb-foraging (lbforaging 2.0.0). A pattern for any
environment that is, or can be wrapped as, a PettingZoo `ParallelEnv`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import Any, ClassVar

from coordbench.envs import ParallelTeam, TeamSpec, from_parallel
from lbforaging.foraging import ForagingEnv
from pettingzoo import ParallelEnv


@dataclass(frozen=True)
class ForagingSettings:
    """What a field is like."""

    n_agents: int = 2
    size: int = 8
    """Length of the square field's sides."""
    food: int = 2
    """Pieces of it."""
    cooperative: bool = False
    """Whether every piece needs all members."""
    sight: int = 0
    """How far members see; 0: everything."""
    horizon: int = 50


class ForagingParallel(ParallelEnv):
    """lbforaging's environment, whose spaces are tuples, as a PettingZoo one.

    Args:
        settings: of the field.
    """

    metadata: ClassVar[dict[str, Any]] = {"name": "foraging"}

    def __init__(self, settings: ForagingSettings) -> None:
        self.field: Any = ForagingEnv(
            players=settings.n_agents,
            min_player_level=1,
            max_player_level=2,
            min_food_level=1,
            max_food_level=None,
            field_size=(settings.size, settings.size),
            max_num_food=settings.food,
            sight=settings.sight or settings.size,
            max_episode_steps=settings.horizon,
            force_coop=settings.cooperative,
        )
        self.possible_agents = [f"forager_{i}" for i in range(settings.n_agents)]
        self.agents: list[str] = []

    def observation_space(self, agent: str) -> Any:
        """What the member sees: three numbers for each piece of food and each member."""
        return self.field.observation_space[self.possible_agents.index(agent)]

    def action_space(self, agent: str) -> Any:
        """Stay, four directions, load."""
        return self.field.action_space[self.possible_agents.index(agent)]

    def reset(self, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[dict, dict]:
        """A new field; the seed alone decides it."""
        for player in self.field.players:
            player.position = None  # lbforaging keeps the last episode's until then, and avoids them
        observations, _ = self.field.reset(seed=seed)
        self.agents = list(self.possible_agents)
        return dict(zip(self.agents, observations, strict=True)), {name: {} for name in self.agents}

    def step(self, actions: Mapping[str, Any]) -> tuple[dict, dict, dict, dict, dict]:
        """All members act at once."""
        names = self.agents
        chosen = [actions[name] for name in names]
        observations, rewards, is_over, _, _ = self.field.step(chosen)
        if is_over:
            self.agents = []
        # lbforaging calls its time limit an end like any other.
        is_cut = bool(is_over and self.field.field.any())
        terminated, truncated = dict.fromkeys(names, is_over and not is_cut), dict.fromkeys(names, is_cut)
        seen, paid = (dict(zip(names, values, strict=True)) for values in (observations, rewards))
        return seen, paid, terminated, truncated, {name: {} for name in names}


class Foraging(ParallelTeam):
    """B fields; a return of 1 is all of the food."""

    settings_type = ForagingSettings
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "foraging_5x5_2p_1f-v1": {"size": 5, "food": 1},
        "foraging_8x8_2p_2f-v1": {"size": 8, "food": 2},
        "foraging_8x8_2p_2f_coop-v1": {"size": 8, "food": 2, "cooperative": True},
    }

    def __init__(self, team: TeamSpec, num_envs: int = 1, seed: int | Sequence[int] | None = None) -> None:
        make = partial(ForagingParallel, ForagingSettings(**team.settings))
        super().__init__(team, num_envs, seed, make, team_reward="sum")

    @classmethod
    def describe(cls, task_id: str, settings: ForagingSettings) -> TeamSpec:
        """The task without making it."""
        one = from_parallel(partial(ForagingParallel, settings), team_reward="sum", horizon=settings.horizon)
        return replace(one.team, task_id=task_id, settings=asdict(settings))
