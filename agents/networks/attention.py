"""Centralised critics that attend over the other members, for teams too large to join all inputs.

Source: Iqbal and Sha, "Actor-Attention-Critic for Multi-Agent Reinforcement Learning", ICML 2019, section 3,
and github.com/shariqiqbal2810/MAAC.

Deviations, for continuous actions and for this suite's losses:
- A critic puts out one number and its head reads the member's own action too; MAAC's, for discrete actions,
  has one output an action, and the counterfactual baseline made from them.
- Values V_i(x) are the same module without actions.
- No batch normalisation of inputs, no penalty on the attention's logits.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import sqrt

import torch
from torch import Generator, Tensor
from torch.nn.functional import leaky_relu

from .autograd import AutogradNetwork, by_member, linear
from .stacked import bmm


class AttentionCritic(AutogradNetwork):
    """Critics of N members: own encoding, and attention over the others' encodings.

    Encoders and heads are one a role; keys, selectors and values are common to all members. Inputs are the
    joint observations followed by the joint actions.

    Args:
        roles: (N,) the role of each member, counted from 0; all different: nothing of them is shared.
        observation_size: entries a member.
        action_size: entries a member; 0 for values.
        hidden: width of encodings and of the head's hidden layer.
        heads: of the attention; they divide `hidden`.
        generators: S generators.
        twins: copies of everything; with more than one, outputs get a leading axis.
        dtype: of the parameters.

    Raises:
        ValueError: `heads` do not divide `hidden`.
    """

    def __init__(
        self,
        roles: Sequence[int],
        observation_size: int,
        action_size: int,
        hidden: int,
        heads: int,
        generators: Sequence[Generator],
        twins: int = 1,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        if hidden % heads:
            raise ValueError(f"setting 'attention_heads' must divide the hidden width {hidden}, not {heads}")
        self.observation_size, self.action_size, self.heads = observation_size, action_size, heads
        self.members = len(roles)
        self.roles = torch.tensor(roles, device=generators[0].device)
        own, common = observation_size + action_size, hidden
        layers = [(own, hidden), (hidden + common, hidden), (hidden, 1)]
        if action_size:
            layers.append((observation_size, hidden))
        shapes: list[tuple[int, ...]] = []
        for fan_in, fan_out in layers:
            shapes += [(fan_out, fan_in), (fan_out,)]
        self._attention = len(shapes)
        shapes += [(hidden, hidden), (hidden, hidden), (hidden, hidden), (hidden,)]
        super().__init__(shapes, max(roles) + 1, generators, twins, dtype)
        for layer in range(len(layers)):
            self.initialise((2 * layer, 2 * layer + 1), generators)
        for pair in ((self._attention,), (self._attention + 1,), (self._attention + 2, self._attention + 3)):
            self.initialise(pair, generators)

    def outputs(
        self, parameters: list[Tensor], x: Tensor, own: Tensor | None, columns: Tensor | None
    ) -> Tensor:
        """See `AutogradNetwork`; `columns` are implied."""
        del columns
        x = x.detach()
        if x.dim() == 4:  # one joint input a member: everybody's answer to each, of which its own is kept
            size = x.shape[2]
            all_answers = self.outputs(parameters, x.flatten(1, 2), None, None).unflatten(3, (-1, size))
            return all_answers.diagonal(dim1=2, dim2=3).movedim(-1, 2)
        n, size = self.members, self.observation_size
        observation = x[..., : n * size].unflatten(-1, (n, size)).transpose(1, 2)  # (S, N, B, obs)
        member = [by_member(p, self.roles) for p in parameters[: self._attention]]
        if not self.action_size:
            encoding = selector = leaky_relu(linear(observation[None], *member[:2]))
            told = encoding
        else:
            action = x[..., n * size :].unflatten(-1, (n, -1)).transpose(1, 2) if own is None else own
            both = torch.cat([observation, action], -1)[None]
            encoding = leaky_relu(linear(both, *member[:2]))
            selector = leaky_relu(linear(observation[None], *member[6:8]))
            told = encoding if own is None else encoding.detach()  # others' answers do not move one's action
        heard = self.attended(selector, told, [p[:, :, :1] for p in parameters[self._attention :]])
        hidden = torch.relu(linear(torch.cat([encoding, heard], -1), *member[2:4]))
        return linear(hidden, *member[4:6])

    def attended(self, selector: Tensor, told: Tensor, parameters: list[Tensor]) -> Tensor:
        """What each member takes from the others' encodings, all (twins, S, N, B, hidden)."""
        if self.members == 1:
            return torch.zeros_like(told)
        select, key, value, bias = parameters
        lead = told.shape[:3]

        def projected(encoding: Tensor, weight: Tensor) -> Tensor:
            """(twins, S, B, heads, N, width)."""
            y = linear(encoding.flatten(2, 3).unsqueeze(2), weight).squeeze(2).unflatten(2, (lead[2], -1))
            return y.unflatten(-1, (self.heads, -1)).permute(0, 1, 3, 4, 2, 5)

        queries, keys, values = projected(selector, select), projected(told, key), projected(told, value)
        values = leaky_relu(values + bias.squeeze(2).unflatten(-1, (self.heads, 1, -1))[:, :, None])
        scores = batched(queries, keys.transpose(-1, -2)) / sqrt(keys.shape[-1])
        oneself = torch.eye(self.members, dtype=torch.bool, device=scores.device)
        weights = torch.softmax(scores.masked_fill(oneself, -torch.inf), -1)
        heard = batched(weights, values)  # (twins, S, B, heads, N, width)
        return heard.permute(0, 1, 4, 2, 3, 5).flatten(-2)


def batched(a: Tensor, b: Tensor) -> Tensor:
    """Matrix products over all leading axes."""
    return bmm(a.flatten(0, -3), b.flatten(0, -3)).unflatten(0, a.shape[:-2])
