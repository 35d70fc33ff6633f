"""Optimisers over flat parameters, by torch's own arithmetic, and gradient norms clipped seed by seed.

The classes of torch.optim import torch._dynamo, 0.8 s and 800 modules, only for it to leave them alone; their
functional forms, which do the same to the bit, do not.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor
from torch.optim.adam import adam
from torch.optim.rmsprop import rmsprop

from .flat import FlatNetwork

RMS_DECAY, RMS_EPSILON = 0.99, 1e-5
"""`optim_alpha` and `optim_eps` of github.com/oxwhirl/pymarl, config/default.yaml."""


class Optimizer(ABC):
    """Steps several networks together.

    Args:
        networks: the networks.
        learning_rate: the step size.
    """

    n_moments: ClassVar[int]
    """Running averages of gradients that it keeps."""

    def __init__(self, networks: Sequence[FlatNetwork], learning_rate: float) -> None:
        self._networks = list(networks)
        self._learning_rate = learning_rate
        self._flats = [network.flat for network in networks]
        self._steps = [torch.zeros((), dtype=torch.float32, device=flat.device) for flat in self._flats]
        self._moments = [
            [torch.zeros_like(flat, requires_grad=False) for flat in self._flats]
            for _ in range(self.n_moments)
        ]

    @torch.no_grad()
    def step(self) -> None:
        """One step by the networks' gradients, which are cleared afterwards."""
        gradients = []
        for flat in self._flats:
            assert flat.grad is not None
            gradients.append(flat.grad)
        self._step(gradients)
        for network in self._networks:
            network.stepped()

    @abstractmethod
    def _step(self, gradients: list[Tensor]) -> None:
        """Change parameters, moments and counts in place."""

    def state_dict(self) -> dict[str, Any]:
        """A copy of counts and moments."""
        return {
            "steps": [step.clone() for step in self._steps],
            "moments": [[moment.clone() for moment in moments] for moments in self._moments],
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take up a copy of a state made by `state_dict`."""
        for own, other in zip(self._steps, state["steps"], strict=True):
            own.copy_(other)
        for moments, others in zip(self._moments, state["moments"], strict=True):
            for own, other in zip(moments, others, strict=True):
                own.copy_(other)


class Adam(Optimizer):
    """torch's fused Adam with its constants."""

    n_moments = 2

    def _step(self, gradients: list[Tensor]) -> None:
        first, second = self._moments
        adam(
            self._flats,
            gradients,
            first,
            second,
            [],
            self._steps,
            fused=True,
            amsgrad=False,
            beta1=0.9,
            beta2=0.999,
            lr=self._learning_rate,
            weight_decay=0.0,
            eps=1e-8,
            maximize=False,
        )


class RMSprop(Optimizer):
    """torch's RMSprop with PyMARL's constants."""

    n_moments = 1

    def _step(self, gradients: list[Tensor]) -> None:
        (squares,) = self._moments
        rmsprop(
            self._flats,
            gradients,
            squares,
            [],
            [],
            self._steps,
            foreach=False,
            lr=self._learning_rate,
            alpha=RMS_DECAY,
            eps=RMS_EPSILON,
            weight_decay=0.0,
            momentum=0.0,
            centered=False,
        )


def optimizer(
    kind: Literal["rmsprop", "adam"], networks: Sequence[FlatNetwork], learning_rate: float
) -> Optimizer:
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
