"""Our MADDPG and MA-SAC beside BenchMARL's MADDPG and MASAC: one task, as many steps, networks of one size.

    python -m coordbench.benchmarks.rivals.learning_comparison --rival PYTHON --out comparison.json

The task is mpe2's simple_spread itself on both sides: three members, continuous actions (five forces in
[0, 1]), 25 steps, local_ratio 0.5, each member learning from its own reward. Returns are the mean over
members of what they sum up in an episode; what counts is the gain over random play, measured on each side in
its own build.

In the variant "equal" BenchMARL has the layers, learning rate, discount, averaging rate and batch of our
preset "small", a network a member, and one gradient step in four steps, from the first on. Ours is given by
its settings (`Plan.settings`) what BenchMARL's algorithms are: every critic's gradient reaches every actor;
noise falls from 0.8 to 0.01 of the range of actions, as in their MADDPG; MA-SAC bootstraps from action values
and tunes its temperature from 0.2, to -1.8 nats a number of an action. Temperatures from 1, targets of -1 and
-0.3, no noise, clipped gradients and updates in blocks were tried for MA-SAC as well (four seeds, the same
task compiled): none differed by more than the seeds do.
Clipped gradients, ten copies (ours four) and MADDPG's undelayed target actors remain its own. The variant
"defaults" leaves it all but steps, gradient steps, batch and layer sizes.

PYTHON is an interpreter of an environment of its own; `rival_learning.py` says what it needs. One process at
a time, one thread each. Imports are not counted, evaluations are. On a busy machine compare processor time.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click
import numpy as np

from ..choices import parse_names
from ..command import stop
from ..errors import unknown
from ..startup import provenance
from .learning_plan import Outcome, Plan
from .learning_sides import RIVALS, VARIANTS, ours, rival_versions, theirs


def compare(
    rival: str,
    plan: Plan | None = None,
    names: Sequence[str] = tuple(RIVALS),
    variants: Sequence[str] = VARIANTS,
    out: Path | None = None,
) -> dict[str, Any]:
    """Train both sides, print what came of them, and write it after every run.

    Args:
        rival: a Python interpreter that has BenchMARL.
        plan: how much.
        names: which agents of `RIVALS`.
        variants: which of `VARIANTS` BenchMARL trains.
        out: JSON file, if wanted.

    Raises:
        ValueError: an interpreter that cannot be used, an unknown agent or variant, a run that failed.
        OSError: `out` cannot be written; found out before anything is trained.
    """
    plan = plan or Plan()
    for given, known, what in ((names, RIVALS, "agent"), (variants, VARIANTS, "variant")):
        for name in given:
            if name not in known:
                raise ValueError(unknown(what, name, known))
    report = {"versions": rival_versions(rival), "plan": asdict(plan), "machine": provenance()}
    if out is not None:
        out.parent.mkdir(parents=True, exist_ok=True)
        out.touch()
    outcomes: list[Outcome] = []

    def note(outcome: Outcome, beside: Outcome | None = None) -> Outcome:
        outcomes.append(outcome)
        click.echo(line(outcome) + (f"\n    {verdict(beside, outcome)}" if beside else ""))
        if out is not None:
            out.write_text(json.dumps(report | {"outcomes": [asdict(o) for o in outcomes]}, indent=2) + "\n")
        return outcome

    for name in names:
        mine = note(ours(name, plan))
        for variant in variants:
            note(theirs(rival, name, variant, plan), mine)
    return report | {"outcomes": outcomes}


def line(outcome: Outcome) -> str:
    """One side in a line."""
    gains = np.array(outcome.gains)
    return (
        f"{outcome.label:32} return {np.mean(outcome.returns):7.2f}  random {outcome.random_return:7.2f}  "
        f"gain {gains.mean():6.2f} [{gains.min():.2f}, {gains.max():.2f}] of {gains.size} seeds  "
        f"{outcome.seconds:6.0f} s, processor {outcome.processor_seconds:6.0f} s, "
        f"{outcome.updates} updates a seed"
    )


def verdict(mine: Outcome, other: Outcome) -> str:
    """Gain and time of our runs beside theirs."""
    gain, other_gain = np.mean(mine.gains), np.mean(other.gains)
    n, m = len(mine.gains), len(other.gains)
    return (
        f"gain {gain:.2f} against {other_gain:.2f}: {'at least as much' if gain >= other_gain else 'less'}; "
        f"our {n} seeds take {mine.seconds / other.seconds:.2f} of the wall time and "
        f"{mine.processor_seconds / other.processor_seconds:.2f} of the processor time of their {m}"
    )


@click.command()
@click.option("--rival", required=True, metavar="PYTHON", help="Interpreter that has BenchMARL.")
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="JSON file of the figures.")
@click.option("--agents", help=f"Which of {', '.join(RIVALS)}; all if not given.")
@click.option("--variants", help=f"Which of {', '.join(VARIANTS)} BenchMARL trains; all if not given.")
@click.option("--steps", default=Plan.steps, show_default=True, help="Environment steps of a run.")
@click.option("--seeds", default=Plan.seeds, show_default=True, help="Seeds of ours.")
@click.option("--rival-seeds", default=Plan.rival_seeds, show_default=True, help="Seeds of theirs.")
def main(
    rival: str,
    out: Path | None,
    agents: str | None,
    variants: str | None,
    steps: int,
    seeds: int,
    rival_seeds: int,
) -> None:
    """Compare MADDPG and MA-SAC with BenchMARL's on mpe2's simple_spread."""
    try:
        plan = Plan(steps=steps, seeds=seeds, rival_seeds=rival_seeds)
        compare(rival, plan, parse_names(agents) or tuple(RIVALS), parse_names(variants) or VARIANTS, out)
    except OSError as error:
        stop(f"{error.filename or ''}: {error.strerror or error}")
    except ValueError as error:
        stop(str(error))


if __name__ == "__main__":
    main()
