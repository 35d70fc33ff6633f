"""An agent whose losses come from the global generator, and one that breaks down."""

from __future__ import annotations

import torch
from coordbench.agents import load
from torch import Tensor


class Unsteady(load("random")):
    def observe(self, transition) -> None:
        pass

    def update(self) -> dict[str, Tensor]:
        return {"loss": torch.rand(len(self.seeds))}


class Broken(load("random")):
    def observe(self, transition) -> None:
        raise FloatingPointError("no such number")
