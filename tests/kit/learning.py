"""Training in the smallest loop there is."""

import torch
from coordbench.agents import Transition
from coordbench.benchmarks.training.evaluate import evaluate, flattened, mask_of, stacked


def played(env, learner, rounds):
    """Train for so many steps of every copy; the returns (S, episodes) of a greedy evaluation."""
    seeds, device = len(learner.seeds), learner.device
    policy = learner.policy("explore")
    observation, info = env.reset(seed=0)
    starting = torch.ones(seeds, env.num_envs // seeds, dtype=torch.bool)
    for _ in range(rounds):
        now, state = stacked(observation, seeds, device), stacked(info["state"], seeds, device)
        mask = mask_of(info, seeds, device)
        actions = policy.act(now, mask, starting)
        observation, _, terminated, truncated, info = env.step(flattened(actions))
        learner.observe(
            Transition(
                now,
                actions,
                stacked(info["agent_reward"], seeds, device).float(),
                stacked(terminated, seeds, device),
                stacked(truncated, seeds, device),
                stacked(observation, seeds, device),
                state,
                stacked(info["state"], seeds, device),
                mask,
                mask_of(info, seeds, device),
            )
        )
        learner.update()
        starting = stacked(terminated | truncated, seeds, device)
        if starting.any():
            observation, info = env.reset(options={"reset_mask": terminated | truncated})
    return evaluate(env, learner).returns
