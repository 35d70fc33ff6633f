"""Small teams, synthetic experience and networks with known outputs."""

import torch
from coordbench import agents
from coordbench.agents import Transition
from coordbench.envs import TeamSpec

SMALL = {"hidden": [8, 8], "batch_size": 16, "buffer_size": 256, "warm_up": 0}


def team(n_agents=2, obs=3, act=1, state=4, horizon=25):
    return TeamSpec(
        "tiny-v1", n_agents, (obs,) * n_agents, state, "continuous", act, horizon, (), "mean over members", {}
    )


def transition(spec, n_seeds, copies, generator, terminated=False):
    n, obs, act = spec.n_agents, spec.observation_size, spec.action_size
    flags = torch.full((n_seeds, copies), terminated)
    return Transition(
        observation=torch.randn(n_seeds, copies, n, obs, generator=generator),
        action=torch.rand(n_seeds, copies, n, act, generator=generator) * 2 - 1,
        reward=torch.randn(n_seeds, copies, n, generator=generator),
        terminated=flags,
        truncated=torch.zeros_like(flags),
        next_observation=torch.randn(n_seeds, copies, n, obs, generator=generator),
        state=torch.randn(n_seeds, copies, spec.state_size, generator=generator),
        next_state=torch.randn(n_seeds, copies, spec.state_size, generator=generator),
    )


def agent(name, spec=None, seeds=(0,), **settings):
    return agents.make(name, spec or team(), seeds, settings=SMALL | settings)


def fill(learner, steps=20, copies=4, seed=5):
    """Let an agent observe synthetic steps; the same numbers for every agent of the same team and seeds."""
    generator = torch.Generator().manual_seed(seed)
    for _ in range(steps):
        learner.observe(transition(learner.team, len(learner.seeds), copies, generator))


def set_outputs(network, *values):
    """Make every copy of a network put out constants: `values` are nested lists, twins x networks."""
    network.flat.detach().zero_()
    last_bias = network.parameters[-1]  # (twins, S, M, out)
    last_bias[:] = torch.as_tensor(values, dtype=last_bias.dtype).view(
        network.twins, 1, -1, last_bias.shape[-1]
    )
