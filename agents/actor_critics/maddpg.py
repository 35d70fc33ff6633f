"""MADDPG: deterministic actors with centralised critics.

Source: Lowe, Wu, Tamar, Harb, Abbeel, Mordatch, "Multi-Agent Actor-Critic for Mixed Cooperative-Competitive
Environments", NeurIPS 2017; equation numbers are that paper's; code github.com/openai/maddpg ("openai") and
github.com/shariqiqbal2810/maddpg-pytorch ("pytorch").

Deviations, ours:
- Actors are deterministic with a tanh, the last layer drawn from U(-3e-3, 3e-3) as in "pytorch"; "openai"
  uses an unsquashed Gaussian on continuous actions.
- Exploration is Gaussian noise with standard deviation 0.1, clipped (github.com/oxwhirl/facmac), not a
  process; settings let it fall.
- Where actions are discrete, actors put out logits: members explore by sampling, an actor's own action in (5)
  is a straight-through Gumbel-softmax sample and targets take the likeliest action, as in "pytorch".
- The other members' actions in the policy gradient come from replay, as in "openai"; with `policy_gradient`
  "joint" they are the present actors' and every critic moves every actor, as in github.com/pytorch/rl.
- All critics step, then all actors, then all targets follow.
- Sizes and rates are this suite's shared ones, not those of the 2017 paper (two layers of 64, learning rate
  1e-2 at one update in 100 steps).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from ...envs.base import TeamSpec
from ..base import Policy
from ..distributions.categorical import best, chosen, distribution_of, masked, one_hot, straight_through
from ..memory.replay import Batch
from ..networks.building import critics, member_networks
from ..networks.flat import Network
from ..networks.optimizing import Adam, Optimizer
from ..settings import SettingError
from .acting import ExploringPolicy, joint_actions
from .fresh import SATURATED, moving_values
from .off_policy import OffPolicyAgent
from .off_policy_config import OffPolicyConfig


@dataclass(frozen=True)
class MADDPGConfig(OffPolicyConfig):
    """Settings of MADDPG."""

    learning_rate: float = 1e-3
    """Ours: the papers' 1e-2 belongs to one update in 100 steps."""
    output_penalty: float = 1e-3
    """Weight of the mean square of actor outputs before the tanh (github.com/openai/maddpg)."""
    last_layer_bound: float = 3e-3
    """Bound of the actors' initial last layer (maddpg-pytorch, after Lillicrap et al. 2015)."""

    PRESETS: ClassVar[Mapping[str, Mapping[str, Any]]] = OffPolicyConfig.PRESETS

    def __post_init__(self) -> None:
        """Refuse values outside their range."""
        super().__post_init__()
        for name in ("output_penalty", "last_layer_bound"):
            if not getattr(self, name) >= 0:
                raise SettingError(f"setting {name!r} must be at least 0, not {getattr(self, name)}")


class MADDPG(OffPolicyAgent):
    """Multi-agent deep deterministic policy gradient."""

    config_class = MADDPGConfig
    config: MADDPGConfig
    action_kinds = ("continuous", "discrete")

    def __init__(
        self, team: TeamSpec, config: MADDPGConfig, seeds: tuple[int, ...], device: torch.device | str = "cpu"
    ) -> None:
        super().__init__(team, config, seeds, device)
        n, obs, act, streams = team.n_agents, team.observation_size, team.action_size, self.streams
        sizes, bound = (obs, *config.hidden, act), config.last_layer_bound
        self.actor = member_networks(team, config, sizes, streams["init actor"], last_bound=bound)
        self.critic = critics(team, config, self.x_size, streams["init critic"])
        self.target_actor, self.target_critic = self.actor.copy(), self.critic.copy()
        self.own_columns = self.x_size + torch.arange(n * act, device=self.device).view(n, act)
        self.actor_optimizer = Adam([self.actor], config.learning_rate)
        self.critic_optimizer = Adam([self.critic], config.learning_rate)

    def learn(self, batch: Batch) -> dict[str, Tensor]:
        """One gradient step of the critics, one of the actors, and the moving averages."""
        critic_loss = self.critic_loss(batch)
        critic_loss.sum().backward()
        self.critic_optimizer.step()
        output = self.actor(batch.observation)
        actor_loss = self.actor_loss(batch, output)
        actor_loss.sum().backward()
        self.actor_optimizer.step()
        self.target_critic.track(self.critic, self.config.target_rate)
        self.target_actor.track(self.actor, self.config.target_rate)
        losses = {"critic_loss": critic_loss.detach().mean(1), "actor_loss": actor_loss.detach().mean(1)}
        if self.is_discrete:
            return losses
        return losses | {"saturated": (output.detach().abs() > SATURATED).float().mean((1, 2, 3))}

    def critic_loss(self, batch: Batch) -> Tensor:
        """Loss (S, N) of the critics, (6): the target takes all members' target actors."""
        assert batch.next_observation is not None
        output = self.target_actor.frozen(batch.next_observation)
        after = self.played(output, self.mask_of(batch, "next_mask")).transpose(1, 2).flatten(-2)
        joint = torch.cat([batch.next_x, after], -1)
        target = (
            batch.reward + self.config.discount * batch.bootstrap * self.target_critic.frozen(joint)[..., 0]
        )
        q = self.critic(torch.cat([batch.x, batch.joint_action], -1))[..., 0]
        return (q - target).square().mean(-1)

    def actor_loss(self, batch: Batch, output: Tensor) -> Tensor:
        """Loss (S, N) of the actors, (5): own action from the actor; for the others', see above."""
        n, act = self.team.n_agents, self.team.action_size
        if self.is_discrete:
            noise = self.streams.gumbel("gumbel", *output.shape[1:])
            action = straight_through(masked(output, self.mask_of(batch)), noise)
        else:
            action = torch.tanh(output)
        everyone = self.config.policy_gradient == "joint"
        joint = torch.cat([batch.x, joint_actions(action) if everyone else batch.joint_action], -1)
        if not everyone:
            joint = joint[:, None].repeat(1, n, 1, 1)
            for i in range(n):
                start = int(self.own_columns[i, 0])
                joint[:, i, :, start : start + act] = action[:, i].detach()
        q = moving_values(self.critic, joint, action, self.own_columns, everyone)
        penalty = self.config.output_penalty * output.square().mean(-1)
        return (penalty - q).mean(-1)

    def played(self, output: Tensor, mask: Tensor | None) -> Tensor:
        """The actions (..., act) that actors' outputs stand for without exploration; one-hot if discrete."""
        if self.is_discrete:
            return one_hot(best(masked(output, mask)), self.team.action_size)
        return torch.tanh(output)

    def networks(self) -> dict[str, Network]:
        """All networks by name."""
        return {
            "actor": self.actor,
            "critic": self.critic,
            "target_actor": self.target_actor,
            "target_critic": self.target_critic,
        }

    def optimizers(self) -> dict[str, Optimizer]:
        """Both optimisers."""
        return {"actor": self.actor_optimizer, "critic": self.critic_optimizer}

    def policy(self, mode: str = "explore", seed: int | None = None) -> Policy:
        """`"explore"`: the actor's action with noise; `"greedy"`: without."""
        return _Noisy(self, seed) if self._check_mode(mode) == "explore" else _Deterministic(self)


class _Noisy(ExploringPolicy):
    agent: MADDPG

    def actions(self, observation: Tensor, mask: Tensor | None) -> Tensor:
        output = self.agent.actor.frozen(observation)
        _, n, copies, act = output.shape
        if self.agent.is_discrete:
            probability, _ = distribution_of(masked(output, mask))
            return chosen(probability, self.streams.uniform("explore", n, copies, low=0))
        noise = self.streams.normal("exploration noise", n, copies, act)
        return (torch.tanh(output) + self.agent.noise * noise).clamp(-1, 1)


class _Deterministic(Policy):
    def __init__(self, agent: MADDPG) -> None:
        self.agent = agent

    @torch.no_grad()
    def act(self, observation: Tensor, mask: Tensor | None, starting: Tensor) -> Tensor:
        del starting
        own = self.agent.without_padding(observation).transpose(1, 2)
        output = self.agent.actor.frozen(own).transpose(1, 2)
        return best(masked(output, mask)) if self.agent.is_discrete else torch.tanh(output)
