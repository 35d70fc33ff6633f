"""Small discrete teams, sequences of random steps, and life with an agent's own explorer."""

import torch
from coordbench import agents
from coordbench.agents import Transition
from coordbench.agents.memory.episodes import Sequences
from coordbench.envs import TeamSpec

SMALL = {"hidden": 8, "mixing_embedding": 4, "hypernet_hidden": 6}


def spec(n=2, actions=3, obs=3, state=4, horizon=5):
    return TeamSpec(
        "tiny-v1", n, (obs,) * n, state, "discrete", actions, horizon, (), "mean over members", {}
    )


def agent(name, team=None, seeds=(0,), **settings):
    cls = agents.load(name)
    known = {k: v for k, v in SMALL.items() if hasattr(cls.config_class, k)}
    return agents.make(name, team or spec(), seeds, settings=known | settings)


def batch(team, lengths, seeds=1, terminated=(), extra=None, generator=None):
    """Episodes of these lengths, the same for every seed; `terminated` names those with a true end."""
    generator = generator or torch.Generator().manual_seed(0)
    lead = (seeds, -(-(max(lengths) + 1) // 8) * 8, len(lengths))
    n, actions = team.n_agents, team.action_size
    steps = torch.tensor(lengths)
    time = torch.arange(lead[1])[:, None]
    filled = (time < steps).float().expand(lead).contiguous()
    valid = (time <= steps).expand(lead)
    mask = torch.rand(*lead, n, actions, generator=generator) < 0.6
    mask[..., 1] = True
    action = torch.rand(*lead, n, actions, generator=generator).masked_fill(~mask, -1).argmax(-1)
    ends = torch.zeros(lead)
    for b in terminated:
        ends[:, lengths[b] - 1, b] = 1
    return Sequences(
        observation=torch.randn(*lead, n, team.observation_size, generator=generator)
        * valid[..., None, None],
        state=torch.randn(*lead, team.state_size, generator=generator) * valid[..., None],
        mask=mask | ~valid[..., None, None],
        action=action * filled[..., None].long(),
        reward=torch.randn(lead, generator=generator) * filled,
        terminated=ends,
        filled=filled,
        extra=extra or {},
    )


def longer(episodes, steps=8):
    """The same episodes with more padding."""

    def padded(x, value=0):
        return torch.cat([x, torch.full_like(x[:, :steps], value)], 1)

    rows = {name: padded(getattr(episodes, name)) for name in Sequences._fields[:7]}
    return episodes._replace(**rows | {"mask": padded(episodes.mask, True)})


def steps_of(team, seeds, copies, generator, ends):
    """A random step of E copies; `ends` (S, E) each: truncated, terminated."""
    members = (seeds, copies, team.n_agents)
    masks = torch.rand(2, *members, team.action_size, generator=generator) < 0.6
    masks[..., 1] = True
    truncated, terminated = ends
    return Transition(
        observation=torch.randn(*members, team.observation_size, generator=generator),
        action=torch.zeros(members, dtype=torch.int64),
        reward=torch.randn(members, generator=generator),
        terminated=terminated,
        truncated=truncated,
        next_observation=torch.randn(*members, team.observation_size, generator=generator),
        state=torch.randn(seeds, copies, team.state_size, generator=generator),
        next_state=torch.randn(seeds, copies, team.state_size, generator=generator),
        mask=masks[0],
        next_mask=masks[1],
    )


def live(learner, rounds, copies=2, seed=3, observed=None):
    """Let an agent act and observe random steps; each copy's episodes end at the horizon or before."""
    team, seeds = learner.team, len(learner.seeds)
    generator = torch.Generator().manual_seed(seed)
    policy = learner.policy("explore")
    elapsed = torch.zeros(seeds, copies, dtype=torch.int64)
    now, metrics = None, []
    for _ in range(rounds):
        elapsed += 1
        terminated = torch.rand(seeds, copies, generator=generator) < 0.2
        truncated = (elapsed == team.horizon) & ~terminated
        step = steps_of(team, seeds, copies, generator, (truncated, terminated))
        if now is not None:
            step = now(step)
        action = policy.act(step.observation, step.mask, elapsed == 1)
        assert step.mask.gather(-1, action[..., None]).all()
        step = step._replace(action=action)
        learner.observe(step)
        metrics.append(learner.update())
        over = terminated | truncated

        def now(new, step=step, over=over):
            keep = ~over
            rows = {}
            for name in ("observation", "state", "mask"):
                old, fresh = getattr(step, f"next_{name}"), getattr(new, name)
                rows[name] = torch.where(keep.view(*keep.shape, *(1,) * (old.dim() - 2)), old, fresh)
            return new._replace(**rows)

        elapsed[over] = 0
        if observed is not None:
            observed.append(step)
    return metrics
