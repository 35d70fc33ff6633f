"""The variational distribution q(a_j | a_i, o_i, o_j) of VM3-AC: each member's action guessed from another's.

Source: Kim et al., AAMAS 2023, section 5; equation numbers are that paper's.
"""

from __future__ import annotations

from math import log, pi
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from ..networks.building import pair_networks
from .categorical import distribution_of, masked, with_every_own_action

if TYPE_CHECKING:
    from ..actor_critics.fresh import Fresh
    from ..actor_critics.vm3ac import VM3AC


class Predictor:
    """Q of all ordered pairs i, j of members, pair by pair in the order of i, then j.

    Args:
        agent: whose team and settings it serves; VM3-AC's networks are made after MA-SAC's.
    """

    def __init__(self, agent: VM3AC) -> None:
        team, config = agent.team, agent.config
        n, obs, act = team.n_agents, team.observation_size, team.action_size
        pairs = [(i, j) for i in range(n) for j in range(n) if i != j]
        self.agent = agent
        self.config, self.n_agents, self.action_size, self.is_discrete = config, n, act, agent.is_discrete
        self.source, self.target = torch.tensor(pairs, device=agent.device).reshape(-1, 2).T
        self.reversed = torch.tensor([pairs.index((j, i)) for i, j in pairs], device=agent.device)
        self.columns = torch.arange(act, device=agent.device).expand(len(pairs), act)
        sizes = (act + 2 * obs, *config.hidden, act)
        self.network = pair_networks(team, config, pairs, sizes, agent.streams["init predictor"])

    @property
    def weight(self) -> Tensor | float:
        """Beta / N, times the configured weight; (S, 1, 1) where beta is tuned."""
        return self.agent.beta * self.config.q_coef / self.n_agents

    @property
    def slope(self) -> float:
        """How much one of `surprise` takes from log q."""
        return 1.0 if self.is_discrete else 1 / (2 * self.config.q_variance)

    def surprise(self, observation: Tensor, fresh: Fresh, mask: Tensor | None) -> Tensor:
        """(20)'s terms in q, (S, pairs, B): `squared_error`, or `cross_entropy` of discrete actions."""
        if fresh.probability is None:
            return self.squared_error(observation, fresh.action)
        return self.cross_entropy(observation, fresh.action, fresh.probability, mask)

    def squared_error(self, observation: Tensor, action: Tensor) -> Tensor:
        """|a_j - mu_{i->j}(a_i, o_i, o_j)|^2, (S, pairs, B), of actions (S, N, B, act).

        One pass serves both halves of (20): its gradient trains q with weight 1, and reaches pi_i through
        the input a_i, with the weight that term (b) of (21) has in pi_i's loss. Through the target a_j it
        reaches pi_j, as term (a), only if the settings say so.
        """
        weight = self.weight * self.slope
        own = with_gradient_scaled(action[:, self.source], weight)
        inputs = torch.cat([own.detach(), observation[:, self.source], observation[:, self.target]], -1)
        mean = torch.tanh(self.network(inputs, own=own, columns=self.columns))
        aim = action.detach()[:, self.target]
        if self.config.q_gradient == "both":
            aim = with_gradient_scaled(action[:, self.target], weight)
        return (aim - mean).square().sum(-1)

    def cross_entropy(
        self, observation: Tensor, action: Tensor, probability: Tensor, mask: Tensor | None
    ) -> Tensor:
        """The discrete `squared_error`: E over a_i of -log q(a_j | a_i, o_i, o_j), (S, pairs, B).

        Its gradient trains q with weight 1, and reaches pi_i through its probabilities as term (b), and pi_j
        through its own as term (a) if the settings say so.
        """
        n, seeds = self.action_size, action.shape[0]
        inputs = [action[:, self.source], observation[:, self.source], observation[:, self.target]]
        tried = with_every_own_action(torch.cat(inputs, -1).flatten(0, 1), self.columns[:1])
        logits = self.network(tried.view(seeds, -1, *tried.shape[2:])).unflatten(2, (n, -1))
        allowed = None if mask is None else mask[:, self.target, None].expand_as(logits)
        _, log_q = distribution_of(masked(logits, allowed))
        scaled = with_gradient_scaled(probability, self.weight * self.slope)
        aim = action + (scaled - probability.detach()) if self.config.q_gradient == "both" else action
        of_target = (log_q * aim[:, self.target, None]).sum(-1)  # (S, pairs, n, B)
        return -(scaled[:, self.source].transpose(-1, -2) * of_target).sum(2)

    def bonus(self, surprise: Tensor) -> Tensor:
        """(17)'s beta / N times the sum over j of log q(a_j | a_i) + log q(a_i | a_j), (S, N, B)."""
        log_q = -surprise.detach() * self.slope
        if self.config.log_density == "full" and not self.is_discrete:
            log_q = log_q - self.action_size / 2 * log(2 * pi * self.config.q_variance)
        both_ways = (log_q + log_q[:, self.reversed]).unflatten(1, (self.n_agents, -1))
        return self.weight * both_ways.sum(2)


def with_gradient_scaled(x: Tensor, factor: Tensor | float) -> Tensor:
    """`x` (S, ...) itself, whose gradient is multiplied by `factor`, or one a run, on its way back."""
    if isinstance(factor, Tensor):
        factor = factor.reshape(-1, *(1,) * (x.dim() - 1))
    return x.detach() + factor * (x - x.detach())
