"""Which networks the members of a team get: one each, one a role, critics over joint inputs or attention."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from torch import Generator

from ...envs.base import TeamSpec
from ..settings import SettingError
from .attention import AttentionCritic
from .flat import Network
from .sharing import SharedMLP
from .stacked import StackedMLP

if TYPE_CHECKING:
    from ..actor_critics.off_policy_config import OffPolicyConfig


def roles_of(team: TeamSpec, share: bool) -> list[int]:
    """A number a member: the same for members with equally many observations if they share networks."""
    kinds = list(dict.fromkeys(team.observation_sizes))
    return [kinds.index(size) for size in team.observation_sizes] if share else list(range(team.n_agents))


def member_networks(
    team: TeamSpec,
    config: OffPolicyConfig,
    sizes: Sequence[int],
    generators: Sequence[Generator],
    twins: int = 1,
    last_bound: float | None = None,
) -> Network:
    """One network of these sizes a member, or a role where parameters are shared."""
    if config.share_parameters:
        return SharedMLP(roles_of(team, True), sizes, generators, twins, last_bound)
    return StackedMLP(team.n_agents, sizes, generators, twins, last_bound)


def pair_networks(
    team: TeamSpec,
    config: OffPolicyConfig,
    pairs: Sequence[tuple[int, int]],
    sizes: Sequence[int],
    generators: Sequence[Generator],
) -> Network:
    """One network of these sizes an ordered pair of members, or of roles where parameters are shared."""
    if not config.share_parameters:
        return StackedMLP(len(pairs), sizes, generators)
    role = roles_of(team, True)
    kinds = list(dict.fromkeys((role[i], role[j]) for i, j in pairs))
    return SharedMLP([kinds.index((role[i], role[j])) for i, j in pairs], sizes, generators)


def critics(
    team: TeamSpec,
    config: OffPolicyConfig,
    x_size: int,
    generators: Sequence[Generator],
    with_actions: bool = True,
    twins: int = 1,
) -> Network:
    """Q_i(x, a) or, without actions, V_i(x) of all members.

    Raises:
        SettingError: attention over something that is not the joint observations.
    """
    actions = team.action_size if with_actions else 0
    if config.critic == "joint":
        sizes = (x_size + team.n_agents * actions, *config.hidden, 1)
        return member_networks(team, config, sizes, generators, twins)
    if x_size != team.n_agents * team.observation_size:
        raise SettingError("setting 'critic' = 'attention' reads members' observations and nothing else")
    roles, width = roles_of(team, config.share_parameters), config.hidden[-1]
    return AttentionCritic(
        roles, team.observation_size, actions, width, config.attention_heads, generators, twins
    )
