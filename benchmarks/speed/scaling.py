"""What an update costs as a team grows: one network a member, shared networks, attention critics."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

import click

from ... import agents, envs
from ...agents.actor_critics.off_policy import OffPolicyAgent
from .chunks import interleaved, random_batch
from .plan import Plan

FORMS: Mapping[str, Mapping[str, Any]] = {
    "plain": {},
    "shared": {"share_parameters": True},
    "attention": {"critic": "attention"},
    "both": {"share_parameters": True, "critic": "attention"},
}
"""Settings of the forms that are compared."""


def scaling(plan: Plan) -> list[dict[str, Any]]:
    """Milliseconds of processor time an update of one seed, and parameters, by team size and form."""
    click.echo(
        f"\nMilliseconds of processor time an update, one seed, batch {plan.batch_size}, preset small, "
        "navigation with N members; thousands of parameters in brackets"
    )
    click.echo(f"  {'':12}{''.join(f'{form:>20}' for form in FORMS)}")
    rows = []
    for name, largest in plan.scaling_agents.items():
        for n in (size for size in plan.team_sizes if size <= largest):
            learners = {form: _learner(name, n, plan.batch_size, form) for form in FORMS}
            rates = interleaved(
                {form: _updating(learner, plan.batch_size) for form, learner in learners.items()},
                plan.scaling_rounds,
            )
            found = {
                form: {
                    "milliseconds": 1e3 / rates[form]["median"],
                    "parameters": sum(net.flat.numel() for net in learners[form].networks().values()),
                }
                for form in FORMS
            }
            rows.append({"agent": name, "n_agents": n, "forms": found})
            cells = (f"{f['milliseconds']:.1f} ({f['parameters'] / 1e3:,.0f})" for f in found.values())
            click.echo(f"  {name:7} N={n:<3}{''.join(f'{cell:>20}' for cell in cells)}")
    return rows


def _learner(name: str, n_agents: int, batch_size: int, form: str) -> OffPolicyAgent:
    team = envs.spec(f"cooperative_navigation_{n_agents}-v1")
    settings = {**FORMS[form], "batch_size": batch_size, "buffer_size": batch_size}
    agent = agents.make(name, team, (0,), preset="small", settings=settings)
    assert isinstance(agent, OffPolicyAgent)
    return agent


def _updating(agent: OffPolicyAgent, batch_size: int) -> Callable[[], float]:
    batch = random_batch(agent.team, 1, batch_size)

    def updates_per_second() -> float:
        began = time.process_time()
        agent.learn(batch)
        return 1 / (time.process_time() - began)

    return updates_per_second
