"""An agent from outside the package, one of whose seeds breaks down in training."""

from __future__ import annotations

import torch
from coordbench.agents import load
from torch import Tensor


class Sick(load("random")):
    """Random actions; after ten steps the loss of seed 1 is no number."""

    def observe(self, transition) -> None:
        self.n_seen = getattr(self, "n_seen", 0) + 1

    def update(self) -> dict[str, Tensor]:
        loss = torch.zeros(len(self.seeds))
        if self.n_seen >= 10 and 1 in self.seeds:
            loss[self.seeds.index(1)] = torch.nan
        return {"loss": loss}
