"""`bench speed`: environments and updates beside plain implementations, and where training spends its time.

One process, one thread, start-up settings of a training process for all. What is compared runs in turns, in
short chunks, so that a machine that slows down slows both sides; medians and quartiles over the rounds are
reported.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import click

from .. import envs
from .speed_chunks import interleaved, stepping, stepping_mpe2, updating
from .speed_training import timed_training
from .startup import prepare_worker, provenance

NAVIGATION = "cooperative_navigation_3-v1"
PARTS = ("environments", "updates", "training")


@dataclass(frozen=True)
class Plan:
    """How much is measured.

    Attributes:
        rounds: measurements of everything that is compared; one more comes first and is dropped.
        seconds: length of a chunk of environment steps, roughly.
        env_tasks: tasks whose environments are stepped.
        batch_sizes: copies stepped together.
        update_tasks: tasks for whose teams the agents are updated.
        agents: any of vm3ac, ma_sac, maddpg.
        hidden: hidden layers of all networks.
        seeds: seeds stacked in an update.
        batch_size: transitions a seed and update.
        updates: stacked updates a chunk; the plain loop does one, all seeds in turn.
        stacks: seeds of the short training runs.
        training_steps: environment steps a seed of these, counted from the first update.
    """

    rounds: int = 9
    seconds: float = 0.12
    env_tasks: tuple[str, ...] = (NAVIGATION, "predator_prey_2-v1", "predator_prey_4-v1")
    batch_sizes: tuple[int, ...] = (1, 64, 1024)
    update_tasks: tuple[str, ...] = (NAVIGATION, "predator_prey_4-v1")
    agents: tuple[str, ...] = ("vm3ac", "ma_sac", "maddpg")
    hidden: tuple[tuple[int, ...], ...] = ((128, 128), (64, 64))
    seeds: int = 7
    batch_size: int = 128
    updates: int = 3
    stacks: tuple[int, ...] = (4, 7)
    training_steps: int = 2_500


QUICK = Plan(rounds=3, seconds=0.05, agents=("vm3ac",), updates=2, stacks=(4,), training_steps=800)


def run(out: Path | None, plan: Plan | None = None, parts: Collection[str] = PARTS) -> dict[str, Any]:
    """Measure, print tables, and write the figures.

    Args:
        out: JSON file, if wanted.
        plan: how much is measured; `Plan()` if None.
        parts: which of `PARTS`.

    Raises:
        OSError: `out` cannot be written; found out before anything is measured.
    """
    plan = plan or Plan()
    if out is not None:
        out.parent.mkdir(parents=True, exist_ok=True)
        out.touch()
    prepare_worker()
    report: dict[str, Any] = {
        "machine": provenance() | {"version_mpe2": _mpe2_version()},
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
            report[part] = {"environments": environments, "updates": updates, "training": training}[part](
                plan
            )
    if out is not None:
        out.write_text(json.dumps(report, indent=2) + "\n")
        click.echo(f"\n{out}")
    return report


def environments(plan: Plan) -> list[dict[str, Any]]:
    """Environment steps a second of all copies, by task and batch size; mpe2 beside navigation."""
    chunks = {(t, b): stepping(t, b, plan.seconds) for t in plan.env_tasks for b in plan.batch_sizes}
    if _mpe2_version():
        chunks["mpe2", 1] = stepping_mpe2(plan.seconds)
    rates = interleaved(chunks, plan.rounds)
    peer = rates.pop(("mpe2", 1), None)
    click.echo("\nEnvironment steps a second of processor time, random actions, resets included")
    rows = []
    for (task, copies), rate in rates.items():
        ratio = rate["median"] / peer["median"] if peer and task == NAVIGATION else None
        rows.append({"task": task, "num_envs": copies, "steps_per_second": rate, "ratio_to_mpe2": ratio})
        beside = f"{ratio:9.0f} x mpe2" if ratio else ""
        click.echo(f"  {task:28}{copies:6} {'copies' if copies > 1 else 'copy  '} {_shown(rate, 0)}{beside}")
    if peer:
        rows.append(
            {"task": "mpe2 simple_spread_v3", "num_envs": 1, "steps_per_second": peer, "ratio_to_mpe2": 1.0}
        )
        click.echo(f"  {'mpe2 simple_spread, parallel':28}{1:6} copy   {_shown(peer, 0)}")
    else:
        click.echo("  mpe2 is not installed, so there is nothing to compare with: pip install mpe2")
    return rows


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
                    f"  {name:7} N={team.n_agents} {'x'.join(map(str, hidden)):8}{_shown(rate['stacked'], 1)}"
                    f"   plain {_shown(rate['plain'], 1)} {ratios[0]:5.2f} x"
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


def _shown(rate: Mapping[str, float], digits: int) -> str:
    quartiles = f"[{rate['low']:,.{digits}f}-{rate['high']:,.{digits}f}]"
    return f"{rate['median']:{11 - 4 * (digits > 0)},.{digits}f} {quartiles:{23 - 8 * (digits > 0)}}"


def _mpe2_version() -> str | None:
    try:
        return version("mpe2")
    except PackageNotFoundError:
        return None
