"""The variational distribution q(a_j | a_i, o_i, o_j) over sequences, one network for all pairs of members.

Source: Kim et al., AAMAS 2023, section 5, where it predicts continuous actions; equation numbers are that
paper's. Here q is categorical over the actions that the predicted member may take.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Generator, Tensor

from ...envs.base import TeamSpec
from ..networks.blocks import linear
from ..networks.flat import FlatNetwork
from ..networks.sequences import SequenceMLP
from ..networks.stacked import bmm
from ..recurrent.stochastic import taken
from .categorical import log_probability_of, masked, one_hot

_TABLE_STEPS = 2
"""Steps whose tables of log q are made at once: they are large."""


class SequencePredictor:
    """Q of all ordered pairs i, j of members, pair by pair in the order of i, then j.

    A perceptron with two hidden layers on (one-hot a_i, o_i, i, o_j, j), whose first layer is a sum of three
    matrices: what comes from a member or an action is computed once for all pairs.

    Args:
        team: sizes; two members at least.
        hidden: width of both hidden layers.
        generators: S generators.
    """

    def __init__(self, team: TeamSpec, hidden: int, generators: Sequence[Generator]) -> None:
        n, who = team.n_agents, team.observation_size + team.n_agents
        pairs = [(i, j) for i in range(n) for j in range(n) if i != j]
        device = generators[0].device
        self.n_agents, self.actions = n, team.action_size
        self.source, self.target = torch.tensor(pairs, device=device).T
        self.reversed = torch.tensor([pairs.index((j, i)) for i, j in pairs], device=device)
        self.identities = torch.eye(n, device=device)
        bound = (team.action_size + 2 * who) ** -0.5
        self.parts = {
            "source": SequenceMLP((who, hidden), generators, bound=bound),
            "target": SequenceMLP((who, hidden), generators, bias=False, bound=bound),
            "action": SequenceMLP((team.action_size, hidden), generators, bias=False, bound=bound),
            "rest": SequenceMLP((hidden, hidden, team.action_size), generators),
        }

    def networks(self) -> list[FlatNetwork]:
        """All its networks."""
        return list(self.parts.values())

    def surprise(self, observation: Tensor, action: Tensor, mask: Tensor) -> Tensor:
        """-log q(a_j | a_i, o_i, o_j), (S, K, B, pairs), which trains q.

        Args:
            observation: (S, K, B, N, obs).
            action: (S, K, B, N) int64.
            mask: (S, K, B, N, n) bool.
        """
        own = self._with_identities(observation)
        source = self.parts["source"](own) + self.parts["action"](one_hot(action, self.actions))
        first = source.index_select(3, self.source) + self.parts["target"](own).index_select(3, self.target)
        logits = self.parts["rest"](torch.relu(first))
        log_q = log_probability_of(masked(logits, mask.index_select(3, self.target)))
        return -taken(log_q, action.index_select(3, self.target))

    @torch.no_grad()
    def gains(self, observation: Tensor, probability: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """What each action a of member i is expected to say of the others' actions, and they of it.

        Args:
            observation: (S, K, B, N, obs).
            probability: (S, K, B, N, n), the members' policies.
            mask: (S, K, B, N, n) bool.

        Returns:
            Sums over j != i of E log q(a_j | a, o_i, o_j) and of E log q(a | a_j, o_j, o_i), a_j ~ pi_j;
            (S, K, B, N, n) both.
        """
        given = (self.first_layer(observation), probability, mask)
        blocks = zip(*(x.split(_TABLE_STEPS, 1) for x in given), strict=True)
        to_others, of_own = (
            torch.cat(kind, 1) for kind in zip(*(self._gains(*b) for b in blocks), strict=True)
        )
        return to_others, of_own

    def _gains(self, first: Tensor, probability: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        log_q = self.table(first, mask)
        others = probability.index_select(3, self.target)  # pi_j of the pair (i, j)
        to_others = (log_q * others[..., None, :]).sum(-1)
        own = probability.index_select(3, self.source)
        to_target = (log_q * own[..., None]).sum(-2)
        return self._summed(to_others), self._summed(to_target.index_select(3, self.reversed))

    def first_layer(self, observation: Tensor) -> Tensor:
        """What pairs' observations (S, K, B, N, obs) give to q's first layer, (S, K, B, pairs, hidden)."""
        own = self._with_identities(observation)
        source = self.parts["source"].frozen(own).index_select(3, self.source)
        return source.add_(self.parts["target"].frozen(own).index_select(3, self.target))

    def table(self, first: Tensor, mask: Tensor) -> Tensor:
        """Log q(a_j | a_i, o_i, o_j), (S, K, B, pairs, n, n), of all a_i, a_j; 0 where a_j is forbidden.

        In memory a_j and a_i come before steps, episodes and pairs: softmax, masks and sums then take many
        rows at once.

        Args:
            first: (S, K, B, pairs, hidden), of `first_layer`.
            mask: (S, K, B, N, n) bool.
        """
        n = self.actions
        options = torch.eye(n, device=first.device).expand(len(first), 1, n, n)
        tried = self.parts["action"].frozen(options)  # (S, 1, n, hidden)
        own = (first.flatten(1, 3)[:, None] + tried[:, 0, :, None]).relu_()  # (S, n of a_i, rows, hidden)
        between, between_bias, last, last_bias = self.parts["rest"].fixed()
        hidden = linear(own.flatten(1, 2)[:, None], between, between_bias)[:, 0].relu_()
        logits = bmm(last, hidden.transpose(1, 2)).add_(
            last_bias[..., None]
        )  # (S, n of a_j, n of a_i * rows)
        allowed = mask.index_select(3, self.target).flatten(1, 3).transpose(1, 2).contiguous()[:, :, None]
        log_q = torch.log_softmax(torch.where(allowed, logits.unflatten(2, (n, -1)), -torch.inf), 1)
        log_q = torch.where(allowed, log_q, 0.0).unflatten(3, first.shape[1:4])
        return log_q.permute(0, 3, 4, 5, 2, 1)

    def _summed(self, of_pairs: Tensor) -> Tensor:
        """Sums (S, K, B, N, n) over j of what belongs to pairs (i, j)."""
        return of_pairs.unflatten(3, (self.n_agents, -1)).sum(4)

    def _with_identities(self, observation: Tensor) -> Tensor:
        return torch.cat([observation, self.identities.expand(*observation.shape[:-1], -1)], -1)
