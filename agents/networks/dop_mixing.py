"""DOP's team value: a weighted sum of members' values, whose weights depend on the state alone.

Source: Wang, Han, Wang, Dong, Zhang, "DOP: Off-Policy Multi-Agent Decomposed Policy Gradients", ICLR 2021;
code github.com/TonghanWang/DOP, modules/mixers/qmix.py.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Generator, Tensor

from .sequences import SequenceMLP


class LinearMixer:
    """Q_tot = sum_i k_i(s) q_i, k = |W1(s)| |w2(s)| divided by its sum, and b(s) if wanted.

    Args:
        members: N.
        state_size: numbers in the state.
        embedding: what the product of W1 and w2 sums over (`mixing_embed_dim`).
        bias: whether there is b(s).
        generators: S generators.
    """

    def __init__(
        self, members: int, state_size: int, embedding: int, bias: bool, generators: Sequence[Generator]
    ) -> None:
        self.members = members
        self.parts = {
            "weight_1": SequenceMLP((state_size, members * embedding), generators),
            "weight_2": SequenceMLP((state_size, embedding), generators),
        }
        if bias:
            self.parts["bias"] = SequenceMLP((state_size, embedding, 1), generators)

    def weights(self, state: Tensor, is_trained: bool = False) -> Tensor:
        """K_i(s), (S, K, B, N), of states (S, K, B, state)."""
        first, second = (
            (self.parts[name] if is_trained else self.parts[name].frozen)(state).abs()
            for name in ("weight_1", "weight_2")
        )
        weight = (first.unflatten(-1, (self.members, -1)) * second[..., None, :]).sum(-1)
        return weight / weight.sum(-1, keepdim=True).clamp(min=torch.finfo(weight.dtype).tiny)

    def mixed(self, values: Tensor, state: Tensor, is_trained: bool = False) -> Tensor:
        """Team values (S, K, B) of members' values (S, K, B, N)."""
        total = (self.weights(state, is_trained) * values).sum(-1)
        if "bias" not in self.parts:
            return total
        return total + (self.parts["bias"] if is_trained else self.parts["bias"].frozen)(state)[..., 0]

    def copy(self) -> LinearMixer:
        """A copy that shares nothing, for targets."""
        other = object.__new__(LinearMixer)
        other.members = self.members
        other.parts = {name: part.copy() for name, part in self.parts.items()}
        return other
