"""VM3-AC on FOP of one seed as PyMARL and FOP's authors write learners, see `plain_recurrent.py`."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy

import torch
from torch import Tensor, nn
from torch.distributions import Categorical
from torch.nn.functional import one_hot

from ...agents.memory.episodes import Sequences
from ...agents.networks.flat import FlatNetwork
from ...agents.recurrent.vm3_fop import VM3FOPConfig
from ...envs import TeamSpec
from .plain_loop import mlp
from .plain_recurrent import PlainRecurrent, mean_over, taken


class FMixer(nn.Module):
    """FOP's mixing network."""

    def __init__(self, team: TeamSpec, config: VM3FOPConfig) -> None:
        super().__init__()
        self.n, self.n_actions, state = team.n_agents, team.action_size, team.state_size
        self.key, self.members = mlp(state, (), config.heads), mlp(state, (), config.heads * self.n)
        self.actions = mlp(state + self.n * self.n_actions, (), config.heads * self.n)
        self.value = mlp(state, (config.mixing_embedding,), 1)

    def forward(self, values: Tensor, soft: Tensor, state: Tensor, action: Tensor) -> Tensor:
        """Team values (K, B) of members' q_i and v_i (K, B, N)."""
        joint = torch.cat([state, one_hot(action, self.n_actions).flatten(-2).float()], -1)
        gates = torch.sigmoid(self.members(state)) * torch.sigmoid(self.actions(joint))
        weight = (self.key(state).abs()[..., None] * gates.unflatten(-1, (-1, self.n))).sum(-2)
        advantage = (values - soft).detach()
        return values.sum(-1) + self.value(state)[..., 0] + ((weight - 1) * advantage).sum(-1)


class PlainVM3FOP(PlainRecurrent):
    """VM3-AC on FOP of one seed, with its defaults' losses; the temperature stays at its start."""

    def __init__(self, team: TeamSpec, config: VM3FOPConfig) -> None:
        super().__init__(team, config, config.latent_size)
        n, rate = self.n, config.critic_learning_rate
        self.temperature, self.weight = config.temperature_start, config.q_coef / n
        who = team.observation_size + n * config.see_member
        hidden = (config.critic_hidden, config.critic_hidden)
        self.critics = nn.ModuleList(mlp(who, hidden, self.actions) for _ in range(2))
        self.mixers = nn.ModuleList(FMixer(team, config) for _ in range(2))
        pair = self.actions + 2 * (team.observation_size + n)
        self.predictor = mlp(pair, (config.q_hidden, config.q_hidden), self.actions)
        self.target_critics, self.target_mixers = deepcopy(self.critics), deepcopy(self.mixers)
        self.i, self.j = torch.tensor([(i, j) for i in range(n) for j in range(n) if i != j]).T
        self.optimizers = [
            self.optimizer_of(self.members, rate=config.learning_rate),
            *(self.optimizer_of(*pair, rate=rate) for pair in zip(self.critics, self.mixers, strict=True)),
            self.optimizer_of(self.predictor, rate=rate),
        ]

    def sample(self, probability: Tensor) -> Tensor:
        """Actions (...) of distributions (..., n)."""
        return Categorical(probability, validate_args=False).sample()

    def log_q(self, observation: Tensor, action: Tensor, mask: Tensor) -> Tensor:
        """Log q(. | a_i, o_i, o_j), (..., pairs, n), of one-hot a_i (..., pairs, n), o (..., N, obs)."""
        own = torch.cat([observation, torch.eye(self.n).expand(*observation.shape[:-1], -1)], -1)
        logits = self.predictor(torch.cat([action, own[..., self.i, :], own[..., self.j, :]], -1))
        return torch.log_softmax(logits.masked_fill(~mask[..., self.j, :], -torch.inf), -1)

    @torch.no_grad()
    def gains(self, batch: Sequences, probability: Tensor) -> tuple[Tensor, Tensor]:
        """What policies count of g_i, and g_i, (K, B, N, n) both."""
        tried = torch.eye(self.actions)[:, None, None, None].expand(-1, *batch.filled.shape, len(self.i), -1)
        table = self.log_q(
            batch.observation.expand(self.actions, *batch.observation.shape), tried, batch.mask
        )
        table = table.masked_fill(table == -torch.inf, 0.0).movedim(0, -2)  # (K, B, pairs, a_i, a_j)
        to_others = (table * probability[..., self.j, None, :]).sum(-1)
        pairs = list(zip(self.i.tolist(), self.j.tolist(), strict=True))
        back = table[:, :, [pairs.index((j, i)) for i, j in pairs]]
        of_own = (back * probability[..., self.j, :, None]).sum(-2)
        first, second = (x.unflatten(2, (self.n, -1)).sum(3) for x in (to_others, of_own))
        scale = self.temperature * self.weight
        return scale * first, scale * (first + second)

    def losses(self, batch: Sequences, latent: Tensor) -> list[Tensor]:
        """Of the policies, of both critics and of q; `latent` (K, B, k)."""
        z = latent[:, :, None].expand(-1, -1, self.n, -1)
        logits = self.members.along(self.sequence_inputs(batch), z).masked_fill(~batch.mask, -torch.inf)
        log_p = torch.log_softmax(logits, -1).masked_fill(~batch.mask, 0.0)
        probability = torch.softmax(logits, -1)
        own, gain = self.gains(batch, probability.detach())
        chosen = one_hot(self.sample(probability.detach()), self.actions).float()
        log_q = self.log_q(batch.observation, chosen[..., self.i, :], batch.mask)
        surprise = -taken(log_q, chosen.argmax(-1)[..., self.j])
        seen = self.seen(batch.observation)
        with torch.no_grad():
            value = torch.minimum(*(critic(seen) for critic in self.critics)) + own
            y = self.target(batch, seen, gain, probability, log_p)
        actor = (probability * (self.temperature * log_p - value)).sum(-1)
        totals = [
            self.mixed(critic(seen), mixer, batch, batch.action, gain)
            for critic, mixer in zip(self.critics, self.mixers, strict=True)
        ]
        errors = [mean_over((total[:-1] - y).square(), batch.filled) for total in totals]
        return [mean_over(actor, batch.filled), *errors, mean_over(surprise, batch.filled)]

    def mixed(self, q: Tensor, mixer: nn.Module, batch: Sequences, action: Tensor, gain: Tensor) -> Tensor:
        """Q_tot (K, B) of actions (K, B, N)."""
        scaled = ((q.detach() + gain) / self.temperature).masked_fill(~batch.mask, -torch.inf)
        return mixer(taken(q, action), self.temperature * scaled.logsumexp(-1), batch.state, action)

    def target(
        self, batch: Sequences, seen: Tensor, gain: Tensor, probability: Tensor, log_p: Tensor
    ) -> Tensor:
        """TD(lambda) (K - 1, B) with the entropy of sampled next actions."""
        action = self.sample(probability)
        totals = [
            self.mixed(critic(seen), mixer, batch, action, gain)
            for critic, mixer in zip(self.target_critics, self.target_mixers, strict=True)
        ]
        bonus = (taken(gain, action) - self.temperature * taken(log_p, action)).sum(-1)
        after = torch.cat([bonus[1:], bonus[-1:]])
        reward = batch.reward + self.discount * (1 - batch.terminated) * after
        return self.returns(reward, torch.minimum(*totals), batch)

    def learn(self, batch: Sequences) -> None:
        """One gradient step of all networks."""
        losses = self.losses(batch, torch.randn(*batch.filled.shape, self.size))
        for loss, optimizer in zip(losses, self.optimizers, strict=True):
            self.step_down(loss, optimizer)

    def choose(self, output: Tensor, mask: Tensor, epsilon: float) -> Tensor:
        """Samples the policy with its floor."""
        allowed = mask.float() / mask.sum(-1, keepdim=True)
        probability = torch.softmax(output.masked_fill(~mask, -torch.inf), -1)
        return self.sample((1 - epsilon) * probability + epsilon * allowed)

    def perceptrons(self) -> dict[str, nn.Module]:
        """See `PlainRecurrent`; without q."""
        found: dict[str, nn.Module] = {"head": self.members.head}
        targets = self.target_critics, self.target_mixers
        for prefix, critics, mixers in (("", self.critics, self.mixers), ("target_", *targets)):
            for k, (critic, mixer) in enumerate(zip(critics, mixers, strict=True), 1):
                found[f"{prefix}critic_{k}_values"] = critic
                parts = mixer.named_children()
                found |= {f"{prefix}critic_{k}_mixer_{name}": part for name, part in parts}
        return found

    def take_weights(self, networks: Mapping[str, FlatNetwork], row: int) -> None:
        """See `PlainRecurrent`; the sum of matrices in q's first layer becomes one on all its inputs."""
        super().take_weights(networks, row)
        first, *rest = (layer for layer in self.predictor if isinstance(layer, nn.Linear))
        with torch.no_grad():
            parts = [networks[f"predictor_{name}"].parameters for name in ("action", "source", "target")]
            first.weight.copy_(torch.cat([part[0][0, row, 0] for part in parts], -1))
            first.bias.copy_(parts[1][1][0, row, 0])
            for k, layer in enumerate(rest):
                weight, bias = networks["predictor_rest"].parameters[2 * k : 2 * k + 2]
                layer.weight.copy_(weight[0, row, 0])
                layer.bias.copy_(bias[0, row, 0])
