"""What networks differentiated by torch itself share: batched layers whose kernels do not depend on S."""

from __future__ import annotations

from torch import Tensor

from .flat import Network
from .stacked import bmm


class AutogradNetwork(Network):
    """A `Network` whose forward pass is written in torch operations over views of `flat`."""

    def __call__(self, x: Tensor, own: Tensor | None = None, columns: Tensor | None = None) -> Tensor:
        """See `Network`."""
        y = self.outputs(self.views(self.flat), x, own, columns)
        return y if self.twins > 1 else y[0]

    def frozen(
        self, x: Tensor, own: Tensor | None = None, columns: Tensor | None = None, twin: int | None = None
    ) -> Tensor:
        """See `Network`."""
        rows = slice(None) if twin is None else slice(twin, twin + 1)
        y = self.outputs([p[rows] for p in self.parameters], x, own, columns)
        return y if self.twins > 1 and twin is None else y[0]

    def outputs(
        self, parameters: list[Tensor], x: Tensor, own: Tensor | None, columns: Tensor | None
    ) -> Tensor:
        """Outputs (twins, S, M, B, out) of these parameters, (twins, S, networks, ...) each."""
        raise NotImplementedError


def linear(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """X W^T + b, (..., B, out), for inputs (..., B, in) and one weight (..., out, in) for each.

    Leading axes of x may be 1 where the weight's are not.
    """
    lead = weight.shape[:-2]
    rows = x.expand(*lead, *x.shape[-2:]).flatten(0, -3)
    y = bmm(rows, weight.flatten(0, -3).transpose(1, 2)).unflatten(0, lead)
    return y if bias is None else y + bias.unsqueeze(-2)


def by_member(parameter: Tensor, roles: Tensor) -> Tensor:
    """Each member's (twins, S, M, ...) of the roles' parameters (twins, S, R, ...)."""
    return parameter.index_select(2, roles)
