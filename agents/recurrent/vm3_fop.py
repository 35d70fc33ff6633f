"""VM3-AC on FOP: a latent variable for the members, and mutual information in place of FOP's entropy.

Source: Kim, Jung, Cho, Sung, "A Variational Approach to Mutual Information-Based Coordination for Multi-Agent
Reinforcement Learning", AAMAS 2023, whose discrete form is one sentence: it introduces the latent variable
into FOP and replaces FOP's entropy by the mutual information. All else is ours, after the paper's continuous
form (`vm3ac.py`), with b the temperature of FOP:
- z_t ~ N(0, I) is common to the team, drawn every environment step, and again for every replayed step. It
  enters behind the recurrent layer, so that recurrent states do not depend on it. Critics do not see it.
- q(a_j | a_i, o_i, o_j) is one network for all pairs, categorical over the actions j may take, trained by
  cross-entropy on actions that the present policies would choose under the same z.
- g_i(a) = (b / N) sum_{j != i} E_{a_j ~ pi_j} [log q(a_j | a, o_i, o_j) + log q(a | a_j, o_j, o_i)], exactly.
- Policies minimise sum_a pi_i(a | z) [b log pi_i(a | z) - min q_i(a) - g_i(a)], where of g the first term
  alone counts: it is term (b) of (21), the second is term (a). `policy_gain` = "both" takes both.
- v_i = b logsumexp((q_i + g_i) / b), and the critics' target has -b log pi_i + g_i where FOP's has -b log
  pi_i. FOP's v_i = b logsumexp(q_i / b), exact for entropy alone, is `gain_in_soft_value` = False.
- b follows FOP's schedule; the paper gives no value.

Evaluation: `"greedy"` has z = 0, `"shared_seed"` a z that members compute by themselves from a common seed;
both are decentralised. Deviations and budgets otherwise as in `fop.py`. Tables of log q grow with N^2 n^2: at
ten members and fifteen actions they take most of the time.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor

from ...envs.base import TeamSpec
from ..base import Policy
from ..distributions.categorical import chosen
from ..distributions.latent import LATENTS, latent_source
from ..distributions.sequence_prediction import SequencePredictor
from ..memory.episodes import Sequences
from ..networks.flat import FlatNetwork
from ..networks.optimizing import Optimizer, optimizer
from ..streams import Streams
from .acting import GreedyPolicy, RecurrentPolicy, SamplingPolicy
from .fop import FOP
from .fop_settings import FOPConfig
from .returns import masked_mean


@dataclass(frozen=True)
class VM3FOPConfig(FOPConfig):
    """Settings of VM3-AC on FOP; beyond FOP's all are ours."""

    latent_size: int = 8
    """Dimension of z; 0: none."""
    q_coef: float = 1.0
    """Weight on g, beside b / N; 0 leaves it out, and q with it."""
    q_hidden: int = 64
    """Width of q's two hidden layers."""
    policy_gain: Literal["input", "both"] = "input"
    """Which terms of g the policies' losses count: the first, or both."""
    gain_in_soft_value: bool = True
    """Whether v_i counts g_i."""

    PRESETS: ClassVar[Mapping[str, Mapping[str, Any]]] = FOPConfig.PRESETS

    def __post_init__(self) -> None:
        """Refuse values outside their range."""
        super().__post_init__()
        self.require_ranges(("latent_size", 0, None), ("q_coef", 0, None), ("q_hidden", 1, None))


class VM3FOP(FOP):
    """Variational maximum mutual information multi-agent actor-critic on FOP."""

    config_class = VM3FOPConfig
    config: VM3FOPConfig
    modes: ClassVar[tuple[str, ...]] = ("explore", "greedy", *LATENTS)

    def __init__(
        self, team: TeamSpec, config: VM3FOPConfig, seeds: tuple[int, ...], device: torch.device | str = "cpu"
    ) -> None:
        super().__init__(team, config, seeds, device)
        self.predictor: SequencePredictor | None = None
        if config.q_coef > 0 and team.n_agents > 1:
            self.predictor = SequencePredictor(team, config.q_hidden, self.streams["init predictor"])
            self.predictor_optimizer = optimizer(
                config.optimizer, self.predictor.networks(), config.critic_learning_rate
            )

    @property
    def head_extra(self) -> int:
        """Numbers in z."""
        return self.config.latent_size

    def networks(self) -> dict[str, FlatNetwork]:
        """All networks by name."""
        own = {} if self.predictor is None else self.predictor.parts
        return super().networks() | {f"predictor_{name}": part for name, part in own.items()}

    def optimizers(self) -> dict[str, Optimizer]:
        """FOP's, and that of q."""
        return super().optimizers() | ({} if self.predictor is None else {"q": self.predictor_optimizer})

    def logits(self, batch: Sequences) -> Tensor:
        """Members' logits under one fresh z a step, common to the team, (S, K, B, N, n)."""
        hidden = self.states_along(self.trunk, batch)
        size = self.config.latent_size
        if size == 0:
            return self.head(hidden)
        length, (steps, episodes) = self.length_of(batch), batch.filled.shape[1:]
        z = self.streams.normal("latent", length, episodes, size)[:, :steps, :, None]
        return self.head(torch.cat([hidden, z.expand(*hidden.shape[:-1], -1)], -1))

    def gains(self, batch: Sequences, probability: Tensor) -> tuple[Tensor, Tensor]:
        """G_i for the policies, and g_i, (S, K, B, N, n) both, without gradient."""
        assert self.predictor is not None
        weight = self.temperature * self.config.q_coef / self.team.n_agents
        to_others, of_own = self.predictor.gains(batch.observation, probability, batch.mask)
        both = weight * (to_others + of_own)
        return both if self.config.policy_gain == "both" else weight * to_others, both

    def prediction_loss(self, batch: Sequences, probability: Tensor) -> Tensor:
        """Cross-entropy of q on actions of the present policies, mean over pairs and steps, (S,)."""
        assert self.predictor is not None
        action = chosen(probability, self.draws_along(batch, "predicted action", self.team.n_agents))
        return masked_mean(self.predictor.surprise(batch.observation, action, batch.mask), batch.filled)

    def soft_values(self, values: Tensor, batch: Sequences, gain: Tensor | None = None) -> Tensor:
        """FOP's, counting g_i if the settings say so."""
        return super().soft_values(values, batch, gain if self.config.gain_in_soft_value else None)

    def learn(self, batch: Sequences) -> dict[str, Tensor]:
        """One gradient step of the policies, of both critics and of q."""
        if self.predictor is None:
            return super().learn(batch)
        logits = self.logits(batch)
        with torch.no_grad():
            probability, _ = self.policies(logits, batch.mask)
        own, gain = self.gains(batch, probability)
        loss = self.prediction_loss(batch, probability)
        metrics = self.learn_from(batch, logits, own, gain)
        self.step_down(loss, self.predictor.networks(), self.predictor_optimizer)
        return metrics | {"prediction_loss": loss.detach()}

    def policy(self, mode: str = "explore", seed: int | None = None) -> Policy:
        """`"explore"` samples, with one z a step common to the team.

        The others play the likeliest allowed action: `"greedy"` with z = 0; `"shared_seed"` with z from a
        generator that every member runs by itself; `"sampled"` with one z ~ N(0, I) a step common to all
        (needs communication); `"unshared"` with a z of each member's own.
        """
        if self._check_mode(mode) == "explore":
            return LatentSampling(self, seed)
        return LatentLikeliest(self, mode, 0 if seed is None else seed)

    @torch.no_grad()
    def diagnose(self, observation: Tensor) -> dict[str, Tensor]:
        """Standard deviation of policies over 64 z, at the start of an episode, mean over all, (S,)."""
        size = self.config.latent_size
        if size == 0:
            return {}
        own = self.without_padding(observation)
        nothing = torch.full(own.shape[:-1], -1, device=self.device)
        hidden = self.trunk.frozen(self.member_inputs(own, nothing)[:, None])[:, :, None]
        draws = Streams(self.seeds, self.device, "diagnose").normal("latent", 1, 64, 1, 1, size)
        hidden, z = (x.expand(-1, -1, 64, *hidden.shape[3:5], -1) for x in (hidden, draws))
        logits = self.head.frozen(torch.cat([hidden, z], -1).flatten(2, 3)).unflatten(2, (64, -1))
        return {"latent_sd": torch.softmax(logits, -1).std(2).mean((1, 2, 3, 4))}


class _Latent(RecurrentPolicy):
    """A recurrent policy whose head reads a z drawn every step."""

    latents: Callable[[Tensor], Tensor | None]
    """From `starting` (S, E) to z, which broadcasts to (S, N, E, K)."""

    def begin(self, observation: Tensor, starting: Tensor) -> None:
        """Draw the step's z."""
        del observation
        self.latent = self.latents(starting)

    def outputs(self, hidden: Tensor) -> Tensor:
        """Logits (S, E, N, n) under the step's z."""
        if self.latent is None:
            return super().outputs(hidden)
        z = self.latent.transpose(1, 2).expand(*hidden.shape[:-1], -1)
        return super().outputs(torch.cat([hidden, z], -1))


class LatentSampling(_Latent, SamplingPolicy):
    """Samples policies under one z a step common to the team."""

    def __init__(self, agent: VM3FOP, seed: int | None) -> None:
        super().__init__(agent, agent.trunk, seed, agent.masks_first)
        self.size = agent.config.latent_size

    def latents(self, starting: Tensor) -> Tensor | None:
        """Z (S, 1, E, K)."""
        copies = starting.shape[1]
        return self.streams.normal("explore latent", copies, self.size)[:, None] if self.size else None


class LatentLikeliest(_Latent, GreedyPolicy):
    """The likeliest allowed action under z from one of the modes' sources."""

    def __init__(self, agent: VM3FOP, mode: str, seed: int) -> None:
        super().__init__(agent, agent.trunk, seed)
        sizes = (agent.team.n_agents, agent.config.latent_size)
        self.latents = latent_source(mode, agent.seeds, *sizes, seed, agent.device)
