"""SI-MOA-AC: social influence with a model of other agents on MA-AC, a baseline of the VM3-AC paper.

Source: Jaques, Lazaridou, Hughes, Gulcehre, Ortega, Strouse, Leibo, de Freitas, "Social Influence as
Intrinsic Motivation for Multi-Agent Deep Reinforcement Learning", ICML 2019, the form with a model of other
agents; code github.com/eugenevinitsky/sequential_social_dilemma_games ("ssd": models/moa_model.py,
algorithms/common_funcs_moa.py), a reproduction. Each member learns to predict what the others do next from
its observation and all actions, and is paid for actions that change this prediction. There it is A3C or PPO
with discrete actions and recurrent networks. Kim et al., AAMAS 2023, section 6, put it "on top of MA-AC" and
say no more; the influence is that of their section 3 on the actions one step later.

The carrying over is ours:
- The model f_i gives the means of Gaussians with fixed variance s^2 over the others' next squashed actions,
  through a tanh. It has the size of the other networks and an Adam of its own, and is trained on replayed
  pairs of successive steps of one episode (ssd: on the present trajectory, beside the other losses).
- The influence is the mean, over actions a~ drawn from the member's present policy, of the divergence between
  f_i's predictions after a_i and after a~, sum_j |m_j(a_i) - m_j(a~)|^2 / (2 s^2). The sources take the
  divergence from the mixture of the predictions after all own actions, which has no closed form here; ours is
  an upper bound of it, since the Kullback-Leibler divergence is convex.
- It is computed anew for each replayed step, with the present f_i and policies, and without gradient. ssd,
  which is on-policy, computes it once, when acting.
- Actions at a true end influence nobody. At a time limit they count, as the values there do.
- It adds to each member's reward in the critics' targets only; the transitions stored and the returns logged
  never contain it.
- All members see all others, so there is nothing to mask. The weight rises linearly from 0 in the first
  gradient steps, while f_i is still wrong (ssd: a piecewise linear schedule, over millions of steps).
- A team of one has nobody to influence: MA-AC.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ...envs.base import TeamSpec
from ..memory.replay import Batch
from ..networks.building import member_networks
from ..networks.flat import Network
from ..networks.optimizing import Adam, Optimizer
from ..settings import SettingError
from .fresh import Fresh
from .ma_ac import MAAC, MAACConfig


@dataclass(frozen=True)
class SIMOAConfig(MAACConfig):
    """Settings of SI-MOA-AC."""

    influence_coef: float = 1e-3
    """Weight w of the influence in the reward (ssd, `influence_reward_weight`)."""
    influence_clip: float = 10.0
    """Most influence that is counted (ssd, `influence_reward_clip`)."""
    influence_warm_up: int = 5_000
    """Gradient steps over which the weight rises from 0 to w, ours."""
    counterfactuals: int = 8
    """Own actions a~ that the one played is compared with, ours; the sources enumerate all."""
    moa_variance: float = 1.0
    """s^2, variance of the predicted actions, ours."""

    def __post_init__(self) -> None:
        """Refuse values outside their range."""
        super().__post_init__()
        for name, low in (
            ("influence_coef", 0),
            ("influence_clip", 0),
            ("influence_warm_up", 0),
            ("counterfactuals", 1),
        ):
            if not getattr(self, name) >= low:
                raise SettingError(f"setting {name!r} must be at least {low}, not {getattr(self, name)}")
        if not self.moa_variance > 0:
            raise SettingError(f"setting 'moa_variance' must be positive, not {self.moa_variance}")


@dataclass
class Influencing(Fresh):
    """Fresh actions; what members predict of the others, and how much replayed actions influence that."""

    predicted: Tensor | None = None  # (S, N, B, (N - 1) act), with gradient into the models
    influence: Tensor | None = None  # (S, N, B), clipped


class SIMOA(MAAC):
    """Social influence with a model of other agents, with an actor-critic."""

    config_class = SIMOAConfig
    config: SIMOAConfig
    action_kinds = ("continuous",)
    needs_following = True

    def __init__(
        self, team: TeamSpec, config: SIMOAConfig, seeds: tuple[int, ...], device: torch.device | str = "cpu"
    ) -> None:
        super().__init__(team, config, seeds, device)
        n, obs, act = team.n_agents, team.observation_size, team.action_size
        self.has_others = n > 1
        if not self.has_others:
            return
        sizes = (obs + n * act, *config.hidden, (n - 1) * act)
        self.model = member_networks(team, config, sizes, self.streams["init model of others"])
        self.model_optimizer = Adam([self.model], config.learning_rate)
        entries = torch.arange(n * act, device=self.device).view(n, act)
        self.others = torch.stack([torch.cat([entries[:i], entries[i + 1 :]]).flatten() for i in range(n)])
        self.own_first = torch.cat([entries, self.others], 1)

    @property
    def influence_weight(self) -> float:
        """What the influence is multiplied by at present."""
        rise = min(1.0, self.n_updates / max(self.config.influence_warm_up, 1))
        return self.config.influence_coef * (rise if self.config.influence_warm_up else 1.0)

    def learn(self, batch: Batch) -> dict[str, Tensor]:
        """One gradient step of MA-AC with the shaped rewards, and one of the models of others."""
        metrics = super().learn(batch)
        if self.has_others:
            self.model_optimizer.step()
        return metrics

    def draw_actions(self, batch: Batch) -> Fresh:
        """Fresh actions of all members, predictions and influence at the batch's observations and actions."""
        fresh = super().draw_actions(batch)
        if not self.has_others:
            return fresh
        inputs = self.model_inputs(batch)
        predicted = torch.tanh(self.model(inputs))
        influence = self.influence(batch, fresh, inputs, predicted.detach())
        return Influencing(**vars(fresh), predicted=predicted, influence=influence)

    def model_inputs(self, batch: Batch) -> Tensor:
        """What f_i reads, (S, N, B, obs + N act): (o_i, a_i, a_-i)."""
        actions = batch.joint_action[..., self.own_first].transpose(1, 2)
        return torch.cat([batch.observation, actions], -1)

    @torch.no_grad()
    def influence(self, batch: Batch, fresh: Fresh, inputs: Tensor, predicted: Tensor) -> Tensor:
        """1/M sum_m sum_j |m_j(a_i) - m_j(a~_m)|^2 / (2 s^2) of every member, clipped, (S, N, B).

        Args:
            batch: replayed steps.
            fresh: the present policies' distributions there.
            inputs: (S, N, B, obs + N act), what f_i reads of them.
            predicted: (S, N, B, (N - 1) act), what it makes of it: m_j(a_i).
        """
        tried = self.counterfactual_actions(fresh)  # (S, N, M, B, act)
        count, size, act = tried.shape[2:]
        inputs, start = inputs[:, :, None].repeat(1, 1, count, 1, 1), self.team.observation_size
        inputs[..., start : start + act] = tried
        otherwise = torch.tanh(self.model.frozen(inputs.flatten(2, 3))).unflatten(2, (count, size))
        change = (predicted[:, :, None] - otherwise).square().sum(-1).mean(2) / (2 * self.config.moa_variance)
        return change.clamp(max=self.config.influence_clip) * batch.bootstrap

    def counterfactual_actions(self, fresh: Fresh) -> Tensor:
        """M squashed actions a~ of each member's present policy, (S, N, M, B, act)."""
        assert fresh.log_std is not None
        mean, std = fresh.mean[:, :, None], torch.exp(fresh.log_std)[:, :, None]
        _, n, _, size, act = mean.shape
        noise = self.streams.normal("counterfactuals", n, self.config.counterfactuals, size, act)
        return torch.tanh(mean + std * noise)

    def losses(self, batch: Batch, fresh: Fresh) -> dict[str, Tensor]:
        """MA-AC's losses with r_i + w c_i in place of r_i, and the models' loss (S, N)."""
        if not isinstance(fresh, Influencing) or fresh.influence is None or fresh.predicted is None:
            return super().losses(batch, fresh)
        reward = batch.reward + self.influence_weight * fresh.influence
        losses = super().losses(batch._replace(reward=reward), fresh)
        losses["moa_loss"] = self.moa_loss(batch, fresh.predicted)
        return losses

    def moa_loss(self, batch: Batch, predicted: Tensor) -> Tensor:
        """Loss (S, N) of f_i: sum_j |a_j' - m_j|^2 / (2 s^2), the mean over steps that another one follows.

        a_j' is what member j played next in the same episode.
        """
        assert batch.next_joint_action is not None
        assert batch.has_next is not None
        played = batch.next_joint_action[..., self.others].transpose(1, 2)
        error = (played - predicted).square().sum(-1) / (2 * self.config.moa_variance)
        weight = batch.has_next[:, None]
        return (error * weight).sum(-1) / weight.sum(-1).clamp(min=1)

    def spread(self, fresh: Fresh) -> dict[str, Tensor]:
        """MA-AC's measures of policies and the mean influence, before its weight, (S,)."""
        measures = super().spread(fresh)
        if isinstance(fresh, Influencing) and fresh.influence is not None:
            measures["influence"] = fresh.influence.mean((1, 2))
        return measures

    def networks(self) -> dict[str, Network]:
        """All networks by name."""
        return super().networks() | ({"model": self.model} if self.has_others else {})

    def optimizers(self) -> dict[str, Optimizer]:
        """MA-AC's optimiser and that of the models of others."""
        return super().optimizers() | ({"model": self.model_optimizer} if self.has_others else {})
