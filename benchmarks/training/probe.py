"""Do members act together? Measured on the policies of a training run at a few of its evaluations.

Joint actions are drawn many times in the same states, as the team explores: each draw is a copy of the state
whose episode starts there, so every agent can be measured, whatever makes its members act alike. VM3-AC is
asked about its latent variable and its variational bound besides.
"""

from __future__ import annotations

from itertools import combinations
from math import e, log, pi

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import one_hot

from ...agents import Agent
from ...agents.actor_critics.acting import joint_actions, with_latent
from ...agents.actor_critics.ma_ac import Fresh
from ...agents.actor_critics.vm3ac import VM3AC
from ...agents.distributions.categorical import chosen, distribution_of, masked
from ...agents.distributions.gaussian import squashed_sample
from ...agents.distributions.marginal import mixture_log_density, mixture_log_probability
from ...agents.streams import Streams
from ...analysis.coordination.mutual_information import gaussian, ksg, miller_madow, shared_variance

STATES = 8
"""States measured, spread evenly over the evaluation's episodes."""

DRAWS = 256
"""Joint actions drawn in each."""

LATENT_DRAWS = 64
"""Draws of z in each; the marginal entropy they give is at most log 64 above the one given z."""

MAX_PAIRS = 15
"""At most so many pairs of members are measured (all pairs of six), spread evenly over the list."""


def measure(agent: Agent, observation: Tensor, mask: Tensor | None) -> dict[str, np.ndarray]:
    """All measures (S,) that make sense for the agent; NaN for seeds whose actions are not finite.

    Args:
        agent: acts for S seeds; its random streams are left alone.
        observation: (S, episodes, N, obs).
        mask: (S, episodes, N, n), of discrete tasks.
    """
    if agent.team.n_agents < 2:
        return {}
    chosen_states = np.unique(np.linspace(0, observation.shape[1] - 1, STATES).round().astype(int))
    observation = observation[:, chosen_states]
    mask = None if mask is None else mask[:, chosen_states]
    measures = action_measures(joint_draws(agent, observation, mask), agent.team.action_size)
    if isinstance(agent, VM3AC):
        measures |= latent_measures(agent, observation, mask)
    return measures


def joint_draws(agent: Agent, observation: Tensor, mask: Tensor | None, draws: int = DRAWS) -> np.ndarray:
    """Exploring actions (S, states, draws, N, act), or (S, states, draws, N) int64, in the same states."""
    seeds, states = observation.shape[:2]
    tiled = observation.repeat_interleave(draws, 1)
    allowed = None if mask is None else mask.repeat_interleave(draws, 1)
    starting = torch.ones(seeds, states * draws, dtype=torch.bool, device=agent.device)
    actions = agent.policy("explore", seed=0).act(tiled, allowed, starting)
    return actions.unflatten(1, (states, draws)).cpu().numpy()


def action_measures(actions: np.ndarray, action_size: int) -> dict[str, np.ndarray]:
    """Dependence of members' simultaneous actions given the state, mean over states and pairs, (S,).

    ``action_correlation`` is the root of the mean ``shared_variance``; ``mutual_information`` is ``ksg``, or
    ``miller_madow`` where actions are discrete; ``gaussian_information`` is ``gaussian``.

    Args:
        actions: (S, states, draws, N, act), or (S, states, draws, N) integers.
        action_size: coordinates, or number of discrete actions.
    """
    is_discrete = actions.ndim == 4
    vectors = np.eye(action_size)[actions] if is_discrete else actions
    found: dict[str, list[float]] = {"action_correlation": [], "mutual_information": []}
    if not is_discrete:
        found["gaussian_information"] = []
    pairs = some_pairs(actions.shape[3])
    for seed_actions, seed_vectors in zip(actions, vectors, strict=True):
        if not np.isfinite(seed_actions).all():
            for values in found.values():
                values.append(np.nan)
            continue
        found["action_correlation"].append(correlation(np.moveaxis(seed_vectors, 2, 0), pairs))
        # (draws, act) of two members in one state
        couples = [(state[:, i], state[:, j]) for state in seed_actions for i, j in pairs]
        estimator = miller_madow if is_discrete else ksg
        found["mutual_information"].append(float(np.mean([estimator(x, y) for x, y in couples])))
        if not is_discrete:
            found["gaussian_information"].append(float(np.mean([gaussian(x, y) for x, y in couples])))
    return {name: np.array(values) for name, values in found.items()}


def correlation(vectors: np.ndarray, pairs: list[tuple[int, int]]) -> float:
    """Root of the mean shared variance over pairs and states; 0 where chance explains more than there is.

    Args:
        vectors: (N, states, draws, d).
        pairs: of members.
    """
    first, second = (np.array(members) for members in zip(*pairs, strict=True))
    return float(np.sqrt(max(shared_variance(vectors[first], vectors[second]).mean(), 0.0)))


def some_pairs(n_agents: int) -> list[tuple[int, int]]:
    """All pairs of members, or ``MAX_PAIRS`` of them."""
    pairs = list(combinations(range(n_agents), 2))
    places = np.linspace(0, len(pairs) - 1, min(len(pairs), MAX_PAIRS)).round().astype(int)
    return [pairs[place] for place in places]


@torch.no_grad()
def latent_measures(agent: VM3AC, observation: Tensor, mask: Tensor | None) -> dict[str, np.ndarray]:
    """What VM3-AC does with its latent variable, and its bound (6) on the mutual information, (S,).

    ``latent_correlation``: correlation over z of members' mean actions (probabilities, where actions are
    discrete); it says nothing while their spread ``latent_sd`` is next to nothing. ``information_bound``:
    entropy of a_j over all z plus E log q(a_j | a_i, o_i, o_j), mean over ordered pairs, constants included,
    and ``fitted_bound`` the same with the variance of each q that makes it largest.

    Args:
        agent: has learned.
        observation: (S, states, N, obs).
        mask: (S, states, N, n).
    """
    streams = Streams(agent.seeds, agent.device, "probe")
    states, k = observation.shape[1], LATENT_DRAWS
    own = (
        agent.without_padding(observation).transpose(1, 2).repeat_interleave(k, 2)
    )  # (S, N, states * K, obs)
    allowed = None if mask is None else mask.transpose(1, 2).repeat_interleave(k, 2)
    latent = streams.normal("latent", states * k, agent.latent_size)[:, None] if agent.latent_size else None
    output = agent.actor.frozen(with_latent(own, latent))
    fresh, entropy = _draw(agent, output, allowed, streams, (states, k))
    measures: dict[str, np.ndarray] = {}
    if agent.latent_size:
        means = fresh.probability if fresh.probability is not None else torch.tanh(fresh.mean)
        played = means.unflatten(2, (states, k)).cpu().numpy()
        pairs = some_pairs(agent.team.n_agents)
        measures["latent_correlation"] = np.array(
            [correlation(p, pairs) if np.isfinite(p).all() else np.nan for p in played]
        )
    if agent.predicts:
        of_target = entropy[:, agent.predictor.target]  # (S, pairs)
        surprise = agent.predictor.surprise(own, fresh, allowed).mean(-1)
        bounds = _bounds(agent, of_target, surprise)
        measures |= {name: bound.mean(-1).cpu().numpy() for name, bound in bounds.items()}
    return measures


def _draw(
    agent: VM3AC, output: Tensor, allowed: Tensor | None, streams: Streams, shape: tuple[int, int]
) -> tuple[Fresh, Tensor]:
    """An action under each z, and each member's entropy over the z of its state, (S, N).

    The acting z is in the mixture, so that the entropy is, if anything, too small and the bound stays one.
    """
    mixed = _of_every_latent(output, shape)
    if agent.is_discrete:
        probability, log_probability = distribution_of(masked(output, allowed))
        index = chosen(probability, streams.uniform("action", *probability.shape[1:-1], low=0))
        action = one_hot(index, probability.shape[-1]).to(probability.dtype)
        entropy = -mixture_log_probability(probability, mixed, allowed).mean(-1)
        log_prob = (probability * log_probability).sum(-1)
        return Fresh(action, log_prob, output, joint_actions(action), probability=probability), entropy
    mean, log_std = agent.distribution(output)
    action, log_prob, u = squashed_sample(mean, log_std, streams.normal("action", *mean.shape[1:]))
    entropy = -mixture_log_density(u, *agent.distribution(mixed)).mean(-1)
    return Fresh(action, log_prob, mean, joint_actions(action), log_std, u), entropy


def _of_every_latent(output: Tensor, shape: tuple[int, int]) -> Tensor:
    """Outputs (S, N, states * K, head) under every z of the same state, (S, N, K, states * K, head)."""
    by_state = output.unflatten(2, shape).transpose(2, 3)[..., None, :]
    return by_state.expand(*by_state.shape[:4], shape[1], -1).flatten(3, 4)


def _bounds(agent: VM3AC, entropy: Tensor, surprise: Tensor) -> dict[str, Tensor]:
    """Bounds (S, pairs) from the targets' entropies and the mean surprise, both (S, pairs)."""
    if agent.is_discrete:
        return {"information_bound": entropy - surprise}
    size, variance = agent.team.action_size, agent.config.q_variance
    cross = surprise / (2 * variance) + size / 2 * log(2 * pi * variance)
    fitted = size / 2 * torch.log(2 * pi * e * surprise / size)
    return {"information_bound": entropy - cross, "fitted_bound": entropy - fitted}
