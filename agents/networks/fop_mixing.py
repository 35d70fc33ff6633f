"""FOP's team value: members' values, a value of the state, and advantages weighed by state and joint action.

Source: Zhang, Li, Wang, Xie, Lu, "FOP: Factorizing Optimal Joint Policy of Maximum-Entropy Multi-Agent
Reinforcement Learning", ICML 2021; code github.com/liyheng/FOP, modules/mixers/fop.py. The weights are those
of Wang et al., "QPLEX: Duplex Dueling Multi-Agent Q-Learning", ICLR 2021.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Self

import torch
from torch import Generator, Tensor

from ..distributions.categorical import log_softmax, masked, one_hot
from .flat import FlatNetwork
from .sequences import SequenceMLP


class FOPMixer:
    """Q_tot = sum_i q_i + V(s) + sum_i (lambda_i(s, a) - 1) sg(q_i - v_i), with positive lambda_i.

    lambda_i = sum over heads of |k(s)| sigmoid(g_i(s)) sigmoid(u_i(s, a)), all linear; V has a hidden layer.

    Args:
        members: N.
        actions: n of each.
        state_size: numbers in the state.
        embedding: width of V's hidden layer (`mixing_embed_dim`).
        heads: of the weights (`n_head`).
        generators: S generators.
    """

    def __init__(
        self,
        members: int,
        actions: int,
        state_size: int,
        embedding: int,
        heads: int,
        generators: Sequence[Generator],
    ) -> None:
        self.members, self.actions = members, actions
        self.parts = {
            "key": SequenceMLP((state_size, heads), generators),
            "members": SequenceMLP((state_size, heads * members), generators),
            "actions": SequenceMLP((state_size + members * actions, heads * members), generators),
            "value": SequenceMLP((state_size, embedding, 1), generators),
        }

    def __call__(self, values: Tensor, soft_values: Tensor, state: Tensor, action: Tensor) -> Tensor:
        """Team values (S, K, B).

        Args:
            values: (S, K, B, N), q_i of the actions.
            soft_values: (S, K, B, N), v_i.
            state: (S, K, B, state).
            action: (S, K, B, N) int64.
        """
        return self._mixed(values, soft_values, state, action, _trained)

    def frozen(self, values: Tensor, soft_values: Tensor, state: Tensor, action: Tensor) -> Tensor:
        """As a call, but the parameters get no gradient."""
        return self._mixed(values, soft_values, state, action, _frozen)

    def weights(self, state: Tensor, action: Tensor, apply: Apply | None = None) -> Tensor:
        """lambda_i(s, a), (S, K, B, N)."""
        apply = apply or _trained
        joint = torch.cat([state, one_hot(action, self.actions).flatten(-2)], -1)
        key = apply(self.parts["key"], state).abs()[..., None]
        own = sigmoid(apply(self.parts["members"], state)).unflatten(-1, (-1, self.members))
        done = sigmoid(apply(self.parts["actions"], joint)).unflatten(-1, (-1, self.members))
        return (key * own * done).sum(-2)

    def _mixed(
        self, values: Tensor, soft_values: Tensor, state: Tensor, action: Tensor, apply: Apply
    ) -> Tensor:
        advantage = (values - soft_values).detach()
        weight = self.weights(state, action, apply) - 1
        return (values + weight * advantage).sum(-1) + apply(self.parts["value"], state)[..., 0]

    def copy(self) -> Self:
        """A copy that shares nothing, for targets."""
        other = object.__new__(type(self))
        other.members, other.actions = self.members, self.actions
        other.parts = {name: part.copy() for name, part in self.parts.items()}
        return other


class FOPCritic:
    """A critic of members, q_i, and the mixer that makes Q_tot of it.

    Args:
        values: from what critics read (S, K, B, N, in) to q_i of all actions (S, K, B, N, n).
        mixer: of the values.
    """

    def __init__(self, values: SequenceMLP, mixer: FOPMixer) -> None:
        self.values, self.mixer = values, mixer

    def networks(self) -> Mapping[str, FlatNetwork]:
        """Its networks by name."""
        return {"values": self.values} | {f"mixer_{name}": part for name, part in self.mixer.parts.items()}

    def copy(self) -> FOPCritic:
        """A copy that shares nothing, for targets."""
        return FOPCritic(self.values.copy(), self.mixer.copy())


Apply = Callable[[SequenceMLP, Tensor], Tensor]


def _trained(network: SequenceMLP, x: Tensor) -> Tensor:
    return network(x)


def _frozen(network: SequenceMLP, x: Tensor) -> Tensor:
    return network.frozen(x)


def soft_value(values: Tensor, mask: Tensor | None, temperature: float) -> Tensor:
    """Soft maxima v = temperature * logsumexp(values / temperature), (...), without gradient.

    Args:
        values: (..., n).
        mask: (..., n) bool, the actions that count; None: all.
        temperature: above 0.
    """
    scaled = masked(values.detach() / temperature, mask)
    # log_softmax's bits do not depend on what else is in the tensor; those of exp and log would.
    return temperature * (scaled.amax(-1) - log_softmax(scaled).amax(-1))


def sigmoid(x: Tensor) -> Tensor:
    """Sigmoids whose bits do not depend on where a number stands in its tensor, see `flat.py`."""
    flat = x.flatten()
    padded = torch.nn.functional.pad(flat, (0, -flat.numel() % 64))
    return padded.sigmoid()[: flat.numel()].view(x.shape)
