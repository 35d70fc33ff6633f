"""One value of the team from its members' values.

Source: Rashid et al., "QMIX: Monotonic Value Function Factorisation for Deep Multi-Agent Reinforcement
Learning", ICML 2018; Sunehag et al., "Value-Decomposition Networks", AAMAS 2018; code
github.com/oxwhirl/pymarl, modules/mixers/.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

import torch
from torch import Generator, Tensor

from .flat import FlatNetwork
from .sequences import SequenceMLP


class Mixer(Protocol):
    """What learners ask of a mixer."""

    def __call__(self, values: Tensor, state: Tensor) -> Tensor:
        """Team values (S, K, B) of members' values (S, K, B, N) and states (S, K, B, state)."""
        ...

    def frozen(self, values: Tensor, state: Tensor) -> Tensor:
        """As a call, but the parameters get no gradient."""
        ...

    def networks(self) -> Mapping[str, FlatNetwork]:
        """Its networks by name, to be trained, copied and saved."""
        ...

    def copy(self) -> Mixer:
        """A copy that shares nothing, for targets."""
        ...


class SumMixer:
    """The sum of the members' values, blind to the state."""

    def __call__(self, values: Tensor, state: Tensor) -> Tensor:
        """See `Mixer`."""
        del state
        return values.sum(-1)

    frozen = __call__

    def networks(self) -> Mapping[str, FlatNetwork]:
        """None."""
        return {}

    def copy(self) -> SumMixer:
        """Itself: there is nothing to copy."""
        return self


class MonotonicMixer:
    """Q_tot = |W2(s)| elu(|W1(s)| q + b1(s)) + V(s): it never falls when a member's value rises.

    Args:
        members: N.
        state_size: numbers in the state.
        embedding: width of the hidden layer (`mixing_embed_dim`).
        hypernet_hidden: width of the networks' hidden layer that make W1 and W2 (`hypernet_embed`); 0: none,
            as in MAVEN's and DOP's code.
        generators: S generators.
        dtype: of the parameters.
    """

    def __init__(
        self,
        members: int,
        state_size: int,
        embedding: int,
        hypernet_hidden: int,
        generators: Sequence[Generator],
        dtype: torch.dtype = torch.float32,
    ) -> None:
        between = (hypernet_hidden,) if hypernet_hidden else ()

        def network(*sizes: int) -> SequenceMLP:
            return SequenceMLP(sizes, generators, dtype=dtype)

        self.members = members
        self.parts = {
            "weight_1": network(state_size, *between, members * embedding),
            "weight_2": network(state_size, *between, embedding),
            "bias_1": network(state_size, embedding),
            "bias_2": network(state_size, embedding, 1),
        }

    def __call__(self, values: Tensor, state: Tensor) -> Tensor:
        """See `Mixer`."""
        return self._mixed(values, {name: part(state) for name, part in self.parts.items()})

    def frozen(self, values: Tensor, state: Tensor) -> Tensor:
        """See `Mixer`."""
        return self._mixed(values, {name: part.frozen(state) for name, part in self.parts.items()})

    def _mixed(self, values: Tensor, made: Mapping[str, Tensor]) -> Tensor:
        weight_1 = made["weight_1"].abs().unflatten(-1, (self.members, -1))
        hidden = (values[..., None] * weight_1).sum(-2) + made["bias_1"]
        hidden = torch.nn.functional.elu(hidden)
        return (hidden * made["weight_2"].abs()).sum(-1) + made["bias_2"][..., 0]

    def networks(self) -> Mapping[str, FlatNetwork]:
        """See `Mixer`."""
        return self.parts

    def copy(self) -> MonotonicMixer:
        """See `Mixer`."""
        other = object.__new__(MonotonicMixer)
        other.members = self.members
        other.parts = {name: part.copy() for name, part in self.parts.items()}
        return other


def prefixed(name: str, mixer: Mixer) -> dict[str, FlatNetwork]:
    """A mixer's networks under names that begin with `name`."""
    return {f"{name}_{part}": network for part, network in mixer.networks().items()}
