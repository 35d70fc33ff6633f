"""Optimisers of PyMARL's agents over flat parameters, and gradient norms clipped seed by seed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import torch
from torch import Tensor

from .flat import Adam, FlatNetwork

RMS_DECAY, RMS_EPSILON = 0.99, 1e-5
"""`optim_alpha` and `optim_eps` of github.com/oxwhirl/pymarl, config/default.yaml."""


class RMSprop(torch.optim.RMSprop):
    """torch's RMSprop with PyMARL's constants over the flat parameters of several networks.

    Args:
        networks: the networks to step, together.
        learning_rate: the step size.
    """

    def __init__(self, networks: Sequence[FlatNetwork], learning_rate: float) -> None:
        self._networks = list(networks)
        flats = [network.flat for network in networks]
        super().__init__(flats, lr=learning_rate, alpha=RMS_DECAY, eps=RMS_EPSILON, foreach=False)

    def step(self, closure: Any = None) -> Any:
        """One step; afterwards the gradients are cleared."""
        result = super().step(closure)
        for network in self._networks:
            network.stepped()
        return result


def optimizer(
    kind: Literal["rmsprop", "adam"], networks: Sequence[FlatNetwork], learning_rate: float
) -> RMSprop | Adam:
    """An optimiser by name for the networks' flat parameters."""
    return (RMSprop if kind == "rmsprop" else Adam)(networks, learning_rate)


@torch.no_grad()
def clip_gradients(networks: Sequence[FlatNetwork], limit: float) -> Tensor:
    """Scale each seed's gradient, over all networks together, down to a norm of `limit`.

    As torch.nn.utils.clip_grad_norm_, for every seed by itself. A seed whose norm is not finite gets what
    that function would give it, and no other seed is touched.

    Returns:
        (S,) the norms before.
    """
    norms = []
    for seed in range(networks[0].seeds):
        # Slices of one seed, copy by copy: their sums may not depend on how many seeds lie beside them.
        parts = [
            torch.linalg.vector_norm(copy[seed])
            for network in networks
            for gradient in network.gradients
            for copy in gradient
        ]
        norms.append(torch.linalg.vector_norm(torch.stack(parts)))
    norm = torch.stack(norms)
    scale = (limit / (norm + 1e-6)).clamp(max=1.0)
    for network in networks:
        for gradient in network.gradients:
            gradient.mul_(scale.view(1, -1, *(1,) * (gradient.dim() - 2)))
    return norm
