"""`bench speed`: environments and updates beside plain implementations, training, start-up.

One process, one thread, start-up settings of a training process for all. What is compared runs in turns, in
short chunks, so that a machine that slows down slows both sides; medians and quartiles over the rounds are
reported. Start-up is that of fresh processes.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from ... import envs
from ..errors import unknown
from ..startup import prepare_worker, provenance
from .battles import battles
from .chunks import interleaved, shown, updating
from .environments import environments, installed
from .overhead import overhead
from .plan import NAVIGATION, QUICK, Plan
from .recurrent import recurrent
from .scaling import scaling
from .start_up import startup
from .training import timed_training

__all__ = ["PARTS", "QUICK", "Plan", "chosen", "run"]

PARTS = ("environments", "battles", "updates", "recurrent", "scaling", "training", "overhead", "startup")
SHORT = {"envs": "environments"}


def run(
    out: Path | None,
    plan: Plan | None = None,
    parts: Collection[str] = PARTS,
    rivals: Collection[str] = (),
) -> dict[str, Any]:
    """Measure, print tables, and write the figures.

    Args:
        out: JSON file, if wanted.
        plan: how much is measured; `Plan()` if None.
        parts: which of `PARTS`.
        rivals: Python interpreters that have VMAS, JaxMARL or SMAClite, to compare environments with.

    Raises:
        OSError: `out` cannot be written; found out before anything is measured.
    """
    plan = plan or Plan()
    if out is not None:
        out.parent.mkdir(parents=True, exist_ok=True)
        out.touch()
    prepare_worker()
    report: dict[str, Any] = {
        "machine": provenance() | {"version_mpe2": installed("mpe2")},
        "plan": asdict(plan),
    }
    machine = report["machine"]
    click.echo(
        f"{machine['cpu']}, torch {machine['version_torch']}, 1 thread, "
        f"matmul precision {machine['matmul_precision']}, malloc {machine['malloc']}; "
        f"medians of {plan.rounds} rounds [quartiles]"
    )
    for part in PARTS:
        if part in parts:
            report[part] = {
                "environments": lambda: environments(plan, rivals),
                "battles": lambda: battles(plan, rivals),
                "updates": lambda: updates(plan),
                "recurrent": lambda: recurrent(plan),
                "scaling": lambda: scaling(plan),
                "training": lambda: training(plan),
                "overhead": lambda: overhead(plan),
                "startup": lambda: startup(plan),
            }[part]()
    if out is not None:
        out.write_text(json.dumps(report, indent=2) + "\n")
        click.echo(f"\n{out}")
    return report


def chosen(parts: Sequence[str]) -> tuple[str, ...]:
    """Parts by the names that a user types; all if there are none.

    Raises:
        ValueError: no such part.
    """
    names = [SHORT.get(part, part) for part in parts]
    for name in names:
        if name not in PARTS:
            raise ValueError(unknown("part of the speed report", name, PARTS))
    return tuple(names) or PARTS


def updates(plan: Plan) -> list[dict[str, Any]]:
    """Seed-updates a second of stacked agents and of the plain loop, on the same batches."""
    click.echo(
        f"\nSeed-updates a second of processor time, {plan.seeds} seeds, batch {plan.batch_size}, no replay\n"
        "  plain: a PyTorch loop over seeds and members, torch's default matmul precision; same: our settings"
    )
    rows = []
    for task in plan.update_tasks:
        team = envs.spec(task)
        for hidden in plan.hidden:
            for name in plan.agents:
                rate = interleaved(
                    updating(name, team, hidden, plan.seeds, plan.batch_size, plan.updates), plan.rounds
                )
                ratios = [
                    rate["stacked"]["median"] / rate[k]["median"] for k in ("plain", "plain_same_settings")
                ]
                rows.append(
                    {"task": task, "n_agents": team.n_agents, "observation_size": team.observation_size}
                    | {"agent": name, "hidden": hidden, "seed_updates_per_second": rate}
                    | {"ratio_to_plain": ratios[0], "ratio_to_plain_same_settings": ratios[1]}
                    | {"ratio_to_faster_plain": min(ratios)}
                )
                click.echo(
                    f"  {name:7} N={team.n_agents} {'x'.join(map(str, hidden)):8}{shown(rate['stacked'], 1)}"
                    f"   plain {shown(rate['plain'], 1)} {ratios[0]:5.2f} x"
                    f"   same {rate['plain_same_settings']['median']:6.1f} {ratios[1]:5.2f} x"
                )
    return rows


def training(plan: Plan) -> list[dict[str, Any]]:
    """Shares of a short training run's time from its first update on, one evaluation included."""
    click.echo(f"\nWhere a training run of {NAVIGATION}, vm3ac, quick budget, spends its time")
    rows = []
    for stack in plan.stacks:
        spent = timed_training(NAVIGATION, stack, plan.training_steps)
        seconds = sum(spent.values())
        rate = stack * plan.training_steps / seconds
        shares = {phase: value / seconds for phase, value in spent.items()}
        rows.append({"seeds": stack, "seconds": seconds, "env_steps_per_second": rate, "shares": shares})
        listed = ", ".join(f"{phase} {share:.1%}" for phase, share in shares.items())
        click.echo(f"  {stack} seeds, {rate:,.0f} steps/s: {listed}")
    return rows
